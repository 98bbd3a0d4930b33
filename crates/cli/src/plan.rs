//! `earmark train --plan`: the jobs and what each will take, from a few batches of each learner, as many at once as the
//! jobs will be, on some of the clips. Its files are in a temporary folder.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use earmark_datasets::{ClipEntry, ClipFeatures, Example, Manifest, Splits};
use earmark_training::{CheckpointPolicy, Job, LearnerSettings, Progress, set_threads};
use serde::Serialize;

use crate::args::Train;
use crate::output;
use crate::progress::Bars;
use crate::recipe::Recipe;
use crate::run::Run;
use crate::schedule::{CPU, duration, end};
use crate::sounds::{Ears, size, sums};
use crate::train::spread;
use crate::work::{Cost, Task, clips_of, learned_from};

/// Clips that stand for all.
const SAMPLE: usize = 24;
/// Of them, those that are predicted.
const PREDICTED: usize = 4;
/// FLOPs that a measurement may take; some batches are measured in any case.
const FLOPS: u64 = 400_000_000_000;

/// What a run will take.
#[derive(Debug, Serialize)]
struct Plan {
    jobs: Vec<PlannedJob>,
    learners: Vec<Measured>,
    /// The device of each worker.
    devices: Vec<String>,
    threads_each: usize,
    /// To hear all clips, if the cache has none of them.
    feature_seconds: f64,
    /// Of the features of all clips, on disk and, as far as there is room, mapped into memory.
    feature_bytes: u64,
    /// To do all jobs that are not done, so many at once.
    seconds: f64,
    /// Of the process, or of a GPU, with the learners that need most.
    memory_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct PlannedJob {
    learner: String,
    split: String,
    /// It was done before, and takes nothing.
    done: bool,
    /// To learn from.
    clips: usize,
    epochs: usize,
    /// To predict.
    predicted: usize,
    seconds: f64,
}

/// What a learner takes on this machine, its like working beside it.
#[derive(Debug, Clone, Serialize)]
struct Measured {
    name: String,
    arch: String,
    parameters: usize,
    batch_size: usize,
    seconds_per_batch: f64,
    /// Saving the state, after each epoch.
    seconds_per_save: f64,
    seconds_per_window: f64,
    /// Before the first batch.
    seconds_to_begin: f64,
    /// Windows of a clip, on average.
    windows: f64,
    /// On a CPU the most that the process ever had, jobs of this learner on all workers; on a GPU that of those on one GPU,
    /// counted from the network.
    memory_bytes: Option<u64>,
}

/// Some of the clips, heard.
struct Sample<'a> {
    items: Vec<ClipEntry>,
    sounds: Vec<ClipFeatures>,
    ears: Ears<'a>,
    folder: tempfile::TempDir,
}

pub fn run<'a>(
    options: &Train,
    recipe: &'a Recipe,
    manifest: &Manifest,
    splits: &Splits,
    tasks: &[Task<'a>],
    bars: &Bars,
) -> anyhow::Result<()> {
    let mut learners: Vec<&'a LearnerSettings> = tasks.iter().map(|task| task.learner).collect();
    learners.dedup();
    let (sample, feature_seconds) = Sample::hear(recipe, manifest, &learners)?;
    let all = (manifest.train.len() + manifest.test.len()) as f64;
    let feature_bytes = (sample.ears.bytes() as f64 * all / sample.items.len() as f64) as u64;
    let (devices, threads) = spread(options, tasks.len());
    set_threads(threads);
    // The most memory so far is that of the last one measured if each needs more than those before it.
    learners.sort_by_key(|learner| {
        Cost::of(recipe, learner, batch_size(learner, manifest), 0).map_or(0, |cost| cost.learn)
    });
    let bar = bars.counter("measured", learners.len());
    let measure = |learner: &&LearnerSettings| {
        let measured = sample.measure(recipe, manifest, learner, &devices);
        bar.inc(1);
        measured
    };
    let measured = learners.iter().map(measure).collect::<anyhow::Result<Vec<_>>>()?;
    bar.finish_and_clear();

    let run = Run::at(&options.out);
    let jobs: Vec<PlannedJob> = tasks
        .iter()
        .map(|task| {
            let done = run.has_mark(&task.learner.name, &task.split);
            let learned = learned_from(task.learner, recipe, manifest, splits, &task.split);
            let predicted = clips_of(recipe, manifest, splits, &task.split, false).len();
            let of_learner = measured.iter().find(|measured| measured.name == task.learner.name);
            planned(task, done, learned, predicted, of_learner)
        })
        .collect();
    let plan = Plan {
        seconds: end(jobs.iter().map(|job| job.seconds), devices.len()),
        jobs,
        memory_bytes: measured.iter().filter_map(|learner| learner.memory_bytes).max(),
        learners: measured,
        devices: devices.iter().map(|&device| device.to_owned()).collect(),
        threads_each: threads,
        feature_seconds,
        feature_bytes,
    };
    if options.json { output::print_json(&plan) } else { output::print(&text(&plan)) }
}

fn planned(task: &Task, done: bool, clips: usize, predicted: usize, of_learner: Option<&Measured>) -> PlannedJob {
    let LearnerSettings { name, checkpoint, .. } = task.learner;
    let epochs = task.learner.passes();
    let seconds = of_learner.filter(|_| !done).map_or(0.0, |measured| {
        let share = clips as f64 / measured.batch_size as f64;
        // A kernel's one batch are all clips, and most of its time goes into the inverse of their table.
        let batches = if task.learner.is_kernel() { share.powi(3) } else { share };
        // One window of each clip, where the best epoch is looked for.
        let judged = if *checkpoint == CheckpointPolicy::Best { predicted as f64 } else { 0.0 };
        let epoch =
            batches * measured.seconds_per_batch + measured.seconds_per_save + judged * measured.seconds_per_window;
        let predict = predicted as f64 * measured.windows * measured.seconds_per_window;
        measured.seconds_to_begin + epochs as f64 * epoch + predict
    });
    PlannedJob { learner: name.clone(), split: task.split.clone(), done, clips, epochs, predicted, seconds }
}

impl<'a> Sample<'a> {
    /// Extracts the features of some clips, evenly taken from those that every learner learns from
    /// and those that are predicted; gives the seconds that all clips would take, too.
    fn hear(recipe: &'a Recipe, manifest: &Manifest, learners: &[&'a LearnerSettings]) -> anyhow::Result<(Self, f64)> {
        let start = Instant::now();
        let all = manifest.train.len() + manifest.test.len();
        let of_use = |item: &&ClipEntry| learners.iter().all(|learner| learner.is_used(item.verified));
        let clips: Vec<&ClipEntry> = manifest.train.iter().filter(of_use).chain(&manifest.test).collect();
        let step = clips.len().div_ceil(SAMPLE).max(1);
        let mut items: Vec<ClipEntry> = clips.into_iter().step_by(step).cloned().collect();
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let names = learners.iter().map(|learner| learner.name.as_str());
        let mut ears = Ears::open(recipe, names, &folder.path().join("cache"))?;
        ears.tells = false;
        let bars = Bars::new(false, false);
        let sums = sums(&items, &bars)?;
        let heard = ears.hear(&items, &sums, &bars)?;
        let mut fine = heard.iter().map(Option::is_some);
        items.retain(|_| fine.next().unwrap_or(false));
        let sounds: Vec<ClipFeatures> = heard.into_iter().flatten().collect();
        anyhow::ensure!(items.iter().any(|item| item.label.is_some()), "none of {SAMPLE} clips can be used");
        let seconds = start.elapsed().as_secs_f64() * all as f64 / items.len() as f64;
        Ok((Self { items, sounds, ears, folder }, seconds))
    }

    /// Measures a learner on all devices at once; the mean of them.
    fn measure(
        &self,
        recipe: &Recipe,
        manifest: &Manifest,
        learner: &LearnerSettings,
        devices: &[&str],
    ) -> anyhow::Result<Measured> {
        let rounds = thread::scope(|scope| {
            let begin = |(worker, &device)| {
                let folder = self.folder.path().join(format!("{}-{worker}", learner.name));
                scope.spawn(move || self.round(recipe, manifest, learner, device, &folder))
            };
            let threads: Vec<_> = devices.iter().enumerate().map(begin).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
        });
        let rounds = rounds.into_iter().collect::<Result<Vec<_>, _>>();
        let rounds = rounds.with_context(|| format!("learner {}", learner.name))?;
        let mean = |of: fn(&Round) -> f64| rounds.iter().map(of).sum::<f64>() / rounds.len() as f64;
        let on_one = devices.iter().filter(|device| *device == &devices[0]).count() as u64;
        let front_end = recipe.front_end(&learner.name)?;
        let windows = self.windows(recipe, learner)?;
        Ok(Measured {
            name: learner.name.clone(),
            arch: learner.arch.clone(),
            parameters: learner.graph(front_end, manifest.labels.len(), counting(learner, manifest))?.parameter_count(),
            batch_size: batch_size(learner, manifest),
            seconds_per_batch: mean(|round| round.batch),
            seconds_per_save: mean(|round| round.save),
            seconds_per_window: mean(|round| round.window),
            seconds_to_begin: mean(|round| round.begin),
            windows: windows.iter().sum::<usize>() as f64 / windows.len().max(1) as f64,
            memory_bytes: match devices[0] {
                CPU => most_memory(),
                _ => rounds.iter().filter_map(|round| round.step_bytes).max().map(|bytes| bytes * on_one),
            },
        })
    }

    /// The windows of each clip.
    fn windows(&self, recipe: &Recipe, learner: &LearnerSettings) -> anyhow::Result<Vec<usize>> {
        let windowing = learner.windowing(recipe.front_end(&learner.name)?);
        let examples = self.examples(recipe, learner)?;
        Ok(examples.iter().map(|example| windowing.starts(example.features).len()).collect())
    }

    fn examples(&self, recipe: &Recipe, learner: &LearnerSettings) -> anyhow::Result<Vec<Example<'_>>> {
        let place = self.ears.place(recipe.front_end(&learner.name)?).context("features that nobody asked for")?;
        let clips = self.items.iter().zip(&self.sounds);
        let example = clips.map(|(item, heard)| Example {
            name: &item.name,
            features: heard.features[place].view(),
            label: item.label,
            verified: item.verified,
        });
        Ok(example.collect())
    }

    /// Runs a job of two short epochs: the first one warms up, the second one is measured. That it learns nothing keeps
    /// its loss finite, whatever the settings.
    fn round(
        &self,
        recipe: &Recipe,
        manifest: &Manifest,
        learner: &LearnerSettings,
        device: &str,
        folder: &Path,
    ) -> anyhow::Result<Round> {
        let quick = LearnerSettings {
            epochs: 2,
            warmup_epochs: 0,
            learning_rate: 1e-9,
            checkpoint: CheckpointPolicy::Last,
            ..learner.clone()
        };
        let (quick, batches) = if learner.is_kernel() {
            (learner.clone(), 1)
        } else {
            let batches = FLOPS / Cost::of(recipe, &quick, quick.batch_size, 0)?.learn.max(1);
            (quick, batches.clamp(2, 20) as usize)
        };
        let examples = self.examples(recipe, learner)?;
        let labelled = examples.iter().filter(|example| example.label.is_some() && learner.is_used(example.verified));
        let job = Job {
            learner: &quick,
            start: None,
            front_end: recipe.front_end(&learner.name)?,
            split: "fold0",
            train: labelled.cycle().take(batches * batch_size(learner, manifest)).copied().collect(),
            predict: examples[..examples.len().min(PREDICTED)].to_vec(),
            labels: &manifest.labels,
            seed: recipe.seed,
            device,
            folder,
        };
        let (begin, mut learned, mut predicted) = (Instant::now(), Vec::new(), Vec::new());
        job.run(&mut |progress| {
            let times = if matches!(progress, Progress::Learning(_)) { &mut learned } else { &mut predicted };
            times.push(begin.elapsed().as_secs_f64());
            ControlFlow::Continue(())
        })?;
        let windows = self.windows(recipe, learner)?;
        if let (true, &[begin, end]) = (learner.is_kernel(), &learned[..]) {
            // There is one batch; the few clips that are predicted go through at once.
            let window = predicted.last().map_or(0.0, |&last| (last - end) / job.predict.len() as f64);
            return Ok(Round { begin, batch: end - begin, save: 0.0, window, step_bytes: job.step_bytes() });
        }
        Ok(Round { step_bytes: job.step_bytes(), ..Round::of(&learned, &predicted, &windows) })
    }
}

/// What a worker took, in seconds.
#[derive(Debug, Default, PartialEq)]
struct Round {
    /// Before the first batch.
    begin: f64,
    batch: f64,
    save: f64,
    window: f64,
    step_bytes: Option<u64>,
}

impl Round {
    /// From the times at which each batch of two epochs was done, and each clip of so many windows predicted.
    fn of(learned: &[f64], predicted: &[f64], windows: &[usize]) -> Self {
        let between = |from: f64, to: f64, count: usize| (to - from).max(0.0) / count.max(1) as f64;
        let [first, .., last] = learned else { return Self::default() };
        let half = learned.len() / 2;
        // The first batch of the second epoch comes after the state was saved.
        let batch = between(learned[half], *last, learned.len() - half - 1);
        let save = (learned[half] - learned[half - 1] - batch).max(0.0);
        // The network that predicts is built before the first clip, unless that is the only one.
        let window = match predicted {
            [first, .., last] => between(*first, *last, windows[1..predicted.len()].iter().sum()),
            [only] => between(*last, *only, windows[0]),
            [] => 0.0,
        };
        Self { begin: (first - batch).max(0.0), batch, save, window, step_bytes: None }
    }
}

/// Clips of one step of a learner: a kernel's are all of them, of which as many are measured as take some seconds.
fn batch_size(learner: &LearnerSettings, manifest: &Manifest) -> usize {
    if learner.is_kernel() { counting(learner, manifest).clamp(2, 2_000) } else { learner.batch_size }
}

/// Training clips that count for something to a learner.
fn counting(learner: &LearnerSettings, manifest: &Manifest) -> usize {
    manifest.train.iter().filter(|item| learner.is_used(item.verified)).count()
}

/// The most memory that this process ever had, in bytes; none where the system does not tell.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn text(plan: &Plan) -> String {
    let header = ["job", "network", "clips", "epochs", "predicts", "time", "memory"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for job in &plan.jobs {
        let learner = plan.learners.iter().find(|learner| learner.name == job.learner);
        let memory = learner.and_then(|learner| learner.memory_bytes);
        rows.push(vec![
            format!("{}/{}", job.learner, job.split),
            learner.map_or(String::new(), |learner| learner.arch.clone()),
            job.clips.to_string(),
            job.epochs.to_string(),
            job.predicted.to_string(),
            if job.done { "done".to_owned() } else { duration(job.seconds) },
            memory.map_or("-".to_owned(), size),
        ]);
    }
    let left = plan.jobs.iter().filter(|job| !job.done).count();
    let memory = plan.memory_bytes.map_or(String::new(), |bytes| format!(", at most {}", size(bytes)));
    let count = plan.devices.len();
    let devices = plan.devices.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let devices = devices.join(", ");
    let threads = plan.threads_each;
    format!(
        "{}\nfeatures: {}, {}, but for those that the cache has\njobs: {left} to do, {count} at once on {devices} with {threads} threads each: {}{memory}\n",
        output::table(&rows),
        duration(plan.feature_seconds),
        size(plan.feature_bytes),
        duration(plan.seconds),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_apart() {
        // 3 s to begin, batches of 2 s, 1 s to save, 5 s to build anew, windows of half a second.
        let round = Round::of(&[5.0, 7.0, 9.0, 12.0, 14.0, 16.0], &[23.0, 24.0, 26.0], &[2, 2, 4, 9]);
        assert_eq!(round, Round { begin: 3.0, batch: 2.0, save: 1.0, window: 0.5, step_bytes: None });
        assert_eq!(Round::of(&[5.0, 7.0, 9.0, 12.0], &[12.0], &[3]).window, 0.0);
        assert_eq!(Round::of(&[], &[], &[]), Round::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_most_memory_only_grows() {
        let before = most_memory().unwrap();
        // More than it ever had: written to, so that the system must provide it.
        let room = vec![1u8; before as usize + (64 << 20)];
        let after = most_memory().unwrap();
        assert!(before > 1 << 20 && after >= room.len() as u64, "{before} {after}");
    }
}
