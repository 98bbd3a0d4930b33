//! Measures how long a learner's batches, saves and predictions take.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Instant;

use earmark_datasets::{ClipEntry, Manifest};
use earmark_features::EmbeddingNetworks;
use earmark_files::FileError;
use earmark_loader::{ClipFeatures, Example};
use earmark_training::{CheckpointPolicy, Job, LearnerSettings, Progress, Split, gpu_memory};
use serde::Serialize;

use crate::admission::Admission;
use crate::error::{Context, PipelineError, Result, ensure};
use crate::events::Silent;
use crate::features::{FeatureLoader, checksums};
use crate::jobs::Cost;
use crate::recipe::Recipe;

/// Clips that are measured, instead of all clips.
const SAMPLE: usize = 24;
/// The number of these clips that are predicted.
const PREDICTED: usize = 4;
/// The FLOPs that a measurement may take; a minimum of batches is measured in any case.
const FLOPS: u64 = 400_000_000_000;

/// The measured cost of a learner on this machine while every worker runs a job of it.
#[derive(Debug, Clone, Serialize)]
pub struct LearnerPlan {
    /// The name in the recipe.
    pub name: String,
    /// The network.
    pub arch: String,
    /// Number of trained parameters.
    pub parameters: usize,
    /// Clips in a batch.
    pub batch_size: usize,
    /// Seconds for one batch.
    pub seconds_per_batch: f64,
    /// Seconds to save the state, after epochs.
    pub seconds_per_save: f64,
    /// Seconds to predict one window.
    pub seconds_per_window: f64,
    /// Seconds before the first batch.
    pub seconds_to_begin: f64,
    /// Windows per clip, on average.
    pub windows: f64,
    /// On a CPU the peak memory of the process so far, with jobs of this learner on all workers; on
    /// a GPU the memory of the jobs on one GPU, without the features.
    pub memory_bytes: Option<u64>,
    /// Jobs of this learner at once: all workers, or as many as fit on their GPUs.
    pub at_once: usize,
}

/// Some of the clips, decoded.
pub(super) struct Sample<'a> {
    pub entries: Vec<ClipEntry>,
    features: Vec<ClipFeatures>,
    pub loader: FeatureLoader<'a>,
    folder: tempfile::TempDir,
}

impl<'a> Sample<'a> {
    /// Extracts the features of a few clips, sampled evenly from those that every learner is
    /// trained on and those that are predicted. Also returns the estimated seconds for all clips.
    pub fn new(
        recipe: &'a Recipe,
        networks: &EmbeddingNetworks,
        manifest: &Manifest,
        learners: &[&'a LearnerSettings],
    ) -> Result<(Self, f64)> {
        let start = Instant::now();
        let all = manifest.train.len() + manifest.test.len();
        let of_use = |clip: &&ClipEntry| learners.iter().all(|learner| learner.is_used(clip.verified));
        let clips: Vec<&ClipEntry> = manifest.train.iter().filter(of_use).chain(&manifest.test).collect();
        let step = clips.len().div_ceil(SAMPLE).max(1);
        let mut entries: Vec<ClipEntry> = clips.into_iter().step_by(step).cloned().collect();
        let folder = tempfile::tempdir().map_err(FileError::of("make a folder in", &std::env::temp_dir()))?;
        let names = learners.iter().map(|learner| learner.name.as_str());
        let loader = FeatureLoader::open(recipe, names, networks, &folder.path().join("cache"))?;
        let checksums = checksums(&entries, &Silent)?;
        let loaded = loader.load(&entries, &checksums, &Silent)?;
        let mut decoded = loaded.iter().map(Option::is_some);
        entries.retain(|_| decoded.next().unwrap_or(false));
        let features: Vec<ClipFeatures> = loaded.into_iter().flatten().collect();
        ensure!(
            entries.iter().any(|clip| !clip.labels.is_empty()),
            Options,
            "none of {SAMPLE} clips can be used; `earmark data check` lists what is wrong with them"
        );
        let seconds = start.elapsed().as_secs_f64() * all as f64 / entries.len() as f64;
        Ok((Self { entries, features, loader, folder }, seconds))
    }

    /// Measures a learner on all devices at once, and averages over them.
    pub fn measure(
        &self,
        recipe: &Recipe,
        manifest: &Manifest,
        learner: &LearnerSettings,
        devices: &[&str],
    ) -> Result<LearnerPlan> {
        // On a GPU, memory is measured before anything else runs there.
        let job = |folder| self.job(recipe, manifest, learner, 2, devices[0], folder);
        let memory = job(self.folder.path())?.measure_memory().map_err(PipelineError::from);
        let memory = memory.with_context(|| format!("learner {}", learner.name))?;
        let devices = match memory.zip(gpu_memory(devices[0])?) {
            Some((bytes, gpu)) => &those_that_fit(devices, Admission::fits(gpu.free, bytes)),
            None => devices,
        };
        let rounds = thread::scope(|scope| {
            let begin = |(worker, &device)| {
                let folder = self.folder.path().join(format!("{}-{worker}", learner.name));
                scope.spawn(move || self.round(recipe, manifest, learner, device, &folder))
            };
            let threads: Vec<_> = devices.iter().enumerate().map(begin).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
        });
        let rounds = rounds.into_iter().collect::<Result<Vec<_>>>();
        let rounds = rounds.with_context(|| format!("learner {}", learner.name))?;
        let mean = |of: fn(&Round) -> f64| rounds.iter().map(of).sum::<f64>() / rounds.len() as f64;
        let on_one = devices.iter().filter(|device| *device == &devices[0]).count() as u64;
        let front_end = recipe.front_end(&learner.name)?;
        let windows = self.windows(recipe, learner)?;
        Ok(LearnerPlan {
            name: learner.name.clone(),
            arch: learner.arch.clone(),
            parameters: learner.graph(front_end, manifest.labels.len(), counting(learner, manifest))?.parameter_count(),
            batch_size: batch_size(learner, manifest),
            seconds_per_batch: mean(|round| round.batch),
            seconds_per_save: mean(|round| round.save),
            seconds_per_window: mean(|round| round.window),
            seconds_to_begin: mean(|round| round.begin),
            windows: windows.iter().sum::<usize>() as f64 / windows.len().max(1) as f64,
            memory_bytes: memory.map_or_else(peak_memory, |bytes| Some(bytes * on_one)),
            at_once: devices.len(),
        })
    }

    /// The number of windows of each clip.
    fn windows(&self, recipe: &Recipe, learner: &LearnerSettings) -> Result<Vec<usize>> {
        let windowing = learner.windowing(recipe.front_end(&learner.name)?);
        let examples = self.examples(recipe, learner)?;
        Ok(examples.iter().map(|example| windowing.starts(example.features).len()).collect())
    }

    fn examples(&self, recipe: &Recipe, learner: &LearnerSettings) -> Result<Vec<Example<'_>>> {
        let index = self.loader.index_of(recipe.front_end(&learner.name)?)?;
        let clips = self.entries.iter().zip(&self.features);
        let example = clips.map(|(clip, loaded)| Example {
            name: &clip.name,
            features: loaded.features[index].view(),
            labels: &clip.labels,
            verified: clip.verified,
        });
        Ok(example.collect())
    }

    /// A job of a learner that trains on some batches of the sample.
    fn job<'b>(
        &'b self,
        recipe: &'b Recipe,
        manifest: &'b Manifest,
        learner: &'b LearnerSettings,
        batches: usize,
        device: &'b str,
        folder: &'b Path,
    ) -> Result<Job<'b>> {
        let examples = self.examples(recipe, learner)?;
        let labelled =
            examples.iter().filter(|example| !example.labels.is_empty() && learner.is_used(example.verified));
        Ok(Job {
            learner,
            start: None,
            front_end: recipe.front_end(&learner.name)?,
            split: Split::Fold(0),
            train: labelled.cycle().take(batches * batch_size(learner, manifest)).copied().collect(),
            predict: examples[..examples.len().min(PREDICTED)].to_vec(),
            task: manifest.task,
            labels: &manifest.labels,
            seed: recipe.seed,
            device,
            shared: None,
            folder,
        })
    }

    /// Runs a job of two short epochs: the first one warms up, the second one is measured. A tiny
    /// learning rate keeps the loss finite with any settings.
    fn round(
        &self,
        recipe: &Recipe,
        manifest: &Manifest,
        learner: &LearnerSettings,
        device: &str,
        folder: &Path,
    ) -> Result<Round> {
        let quick = LearnerSettings {
            epochs: 2,
            warmup_epochs: 0,
            learning_rate: 1e-9,
            checkpoint: CheckpointPolicy::Last,
            ..learner.clone()
        };
        let (quick, batches) = if learner.is_of_whole_clips() {
            (learner.clone(), 1)
        } else {
            let batches = FLOPS / Cost::new(recipe, &quick, quick.batch_size, 0)?.train.max(1);
            (quick, batches.clamp(2, 20) as usize)
        };
        let job = self.job(recipe, manifest, &quick, batches, device, folder)?;
        let (begin, mut learned, mut predicted) = (Instant::now(), Vec::new(), Vec::new());
        job.run(&mut |progress| {
            let times = if matches!(progress, Progress::Learning(_)) { &mut learned } else { &mut predicted };
            times.push(begin.elapsed().as_secs_f64());
            ControlFlow::Continue(())
        })?;
        let windows = self.windows(recipe, learner)?;
        if let (true, &[begin, end]) = (learner.is_of_whole_clips(), &learned[..]) {
            // There is only one batch, and the few clips are predicted at once.
            let window = predicted.last().map_or(0.0, |&last| (last - end) / job.predict.len() as f64);
            return Ok(Round { begin, batch: end - begin, save: 0.0, window });
        }
        Ok(Round::of(&learned, &predicted, windows.iter().take(job.predict.len()).sum()))
    }
}

/// The measured times of a worker, in seconds.
#[derive(Debug, Default, PartialEq)]
struct Round {
    /// Time before the first batch.
    begin: f64,
    batch: f64,
    save: f64,
    window: f64,
}

impl Round {
    /// Computes the times from the moments at which each batch of the two epochs ended, and from
    /// those of the prediction of some windows, from its begin to its end.
    fn of(learned: &[f64], predicted: &[f64], windows: usize) -> Self {
        let between = |from: f64, to: f64, count: usize| (to - from).max(0.0) / count.max(1) as f64;
        let [first, .., last] = learned else { return Self::default() };
        let half = learned.len() / 2;
        // The state is saved before the first batch of the second epoch.
        let batch = between(learned[half], *last, learned.len() - half - 1);
        let save = (learned[half] - learned[half - 1] - batch).max(0.0);
        let window = match predicted {
            [first, .., last] => between(*first, *last, windows),
            _ => 0.0,
        };
        Self { begin: (first - batch).max(0.0), batch, save, window }
    }
}

/// The workers without those whose GPU already has this many before them.
fn those_that_fit<'a>(devices: &[&'a str], each: usize) -> Vec<&'a str> {
    let fits =
        |(index, device): &(usize, &&str)| devices[..*index].iter().filter(|other| other == device).count() < each;
    devices.iter().enumerate().filter(fits).map(|(_, &device)| device).collect()
}

/// Clips in a batch of a learner. A kernel has one batch of all clips; it is measured on as many as
/// take a few seconds.
pub(super) fn batch_size(learner: &LearnerSettings, manifest: &Manifest) -> usize {
    if learner.is_of_whole_clips() { counting(learner, manifest).clamp(2, 2_000) } else { learner.batch_size }
}

/// Number of training clips that a learner uses.
fn counting(learner: &LearnerSettings, manifest: &Manifest) -> usize {
    manifest.train.iter().filter(|item| learner.is_used(item.verified)).count()
}

/// The peak memory of this process in bytes; `None` if the system does not report it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_times_are_distinguished() {
        // 3 s to begin, batches of 2 s, 1 s to save, 5 s to rebuild the network, windows of 0.5 s.
        let round = Round::of(&[5.0, 7.0, 9.0, 12.0, 14.0, 16.0], &[21.0, 24.0, 26.0], 10);
        assert_eq!(round, Round { begin: 3.0, batch: 2.0, save: 1.0, window: 0.5 });
        assert_eq!(Round::of(&[5.0, 7.0, 9.0, 12.0], &[12.0], 3).window, 0.0);
        assert_eq!(Round::of(&[], &[], 0), Round::default());
    }

    #[test]
    fn each_gpu_gets_the_jobs_that_fit() {
        let devices = ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"];
        assert_eq!(those_that_fit(&devices, 5), devices);
        assert_eq!(those_that_fit(&devices, 2), ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]);
        assert_eq!(those_that_fit(&devices, 1), ["cuda:0", "cuda:1"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_memory_only_grows() {
        let before = peak_memory().unwrap();
        // More than the peak so far. It is written to, so that the system has to provide it.
        let room = vec![1u8; before as usize + (64 << 20)];
        let after = peak_memory().unwrap();
        assert!(before > 1 << 20 && after >= room.len() as u64, "{before} {after}");
    }
}
