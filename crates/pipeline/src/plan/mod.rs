//! Estimates the cost of a run: lists its jobs, and measures a few batches of each learner on some
//! of the clips, with as many jobs at once as the run will have. Its files are in a temporary
//! folder.

mod measure;

use std::collections::BTreeSet;
use std::fmt;

use earmark_tables::{counted, size, text_table};
use earmark_training::{CheckpointPolicy, LearnerSettings, SAVE_PACE, set_threads};
use serde::Serialize;

use crate::error::{Context, Result};
use crate::events::{Event, Observer, Stage};
use crate::jobs::{Cost, TrainingJob, clips_of, used_clips};
use crate::options::TrainOptions;
use crate::pretrained::{self, Places, PlannedDownload, gather_without_downloads};
use crate::run::Run;
use crate::schedule::makespan;
use crate::text::duration;
use crate::train::{Prepared, selected_jobs};
pub use measure::LearnerPlan;
use measure::{Sample, batch_size};

/// The estimated cost of a run.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The jobs, in the order in which they begin.
    pub jobs: Vec<PlannedJob>,
    /// The learners, those that need the least memory first.
    pub learners: Vec<LearnerPlan>,
    /// The device of each worker.
    pub devices: Vec<String>,
    /// Number of threads of each job.
    pub threads_each: usize,
    /// Seconds to decode all clips, if none of them is in the cache.
    pub feature_seconds: f64,
    /// Size of the features of all clips, on disk and, as far as there is room, mapped into memory.
    pub feature_bytes: u64,
    /// The published weights that are not in the cache.
    pub downloads: Vec<PlannedDownload>,
    /// Seconds to run all jobs that are not done, with this many workers.
    pub seconds: f64,
    /// Peak memory of the process, or of a GPU, with the learners that need the most.
    pub memory_bytes: Option<u64>,
}

/// A job and its estimated cost.
#[derive(Debug, Serialize)]
pub struct PlannedJob {
    /// The name of the learner.
    pub learner: String,
    /// `fold0`, ..., `full`.
    pub split: String,
    /// The job was done before, and takes no time.
    pub done: bool,
    /// Number of clips to train on.
    pub clips: usize,
    /// Passes over the clips.
    pub epochs: usize,
    /// Number of clips to predict.
    pub predicted: usize,
    /// Estimated duration on this machine.
    pub seconds: f64,
}

/// Measures how long [`train`](crate::train) with these options will take. It writes nothing into
/// the run's folder.
///
/// # Errors
/// Those of [`train`](crate::train) before its jobs; none of the measured clips can be used.
pub fn plan(options: &TrainOptions, observer: &dyn Observer) -> Result<Plan> {
    let Prepared { recipe, embeddings, manifest, splits, .. } = Prepared::new(options, observer)?;
    let jobs = selected_jobs(options, &recipe, &manifest, &splits)?;
    let places = Places { recipe: options.recipe_folder(), hub: &options.hub, observer };
    let (weights, downloads) = gather_without_downloads(&recipe, manifest.labels.len(), &places)?;
    pretrained::check(&options.out, &weights)?;
    let run = Run::at(&options.out);
    let is_done =
        |job: &TrainingJob| run.is_whole(&job.learner.name, job.split).with_context(|| format!("job {}", job.name()));
    let done = jobs.iter().map(is_done).collect::<Result<Vec<_>>>()?;
    let mut learners: Vec<&LearnerSettings> = jobs.iter().map(|job| job.learner).collect();
    learners.dedup();
    let (sample, feature_seconds) = Sample::new(&recipe, embeddings.networks(), &manifest, &learners)?;
    let all = (manifest.train.len() + manifest.test.len()) as f64;
    let feature_bytes = (sample.loader.bytes() as f64 * all / sample.entries.len() as f64) as u64;
    let (devices, threads) = options.workers(jobs.len());
    set_threads(threads);
    options.configure(&recipe, &devices)?;
    // The peak memory so far is that of the learner measured last, if each one needs more than
    // those before it.
    learners.sort_by_key(|learner| {
        Cost::new(&recipe, learner, batch_size(learner, &manifest), 0).map_or(0, |cost| cost.train)
    });
    observer.event(&Event::StageStarted(Stage::Measurements, learners.len()));
    let measure = |learner: &&LearnerSettings| {
        let measured = sample.measure(&recipe, &manifest, learner, &devices);
        observer.event(&Event::StageAdvanced(Stage::Measurements));
        measured
    };
    let measured = learners.iter().map(measure).collect::<Result<Vec<_>>>();
    observer.event(&Event::StageFinished(Stage::Measurements));
    let measured = measured?;

    let jobs: Vec<PlannedJob> = jobs
        .iter()
        .zip(done)
        .map(|(job, done)| {
            let clips = used_clips(job.learner, &recipe, &manifest, &splits, job.split);
            let predicted = clips_of(&recipe, &manifest, &splits, job.split, false).len();
            let of_learner = measured.iter().find(|measured| measured.name == job.learner.name);
            planned(job, done, clips, predicted, of_learner)
        })
        .collect();
    Ok(Plan {
        seconds: makespan(jobs.iter().map(|job| job.seconds * waiting(&measured, job, devices.len())), devices.len()),
        jobs,
        memory_bytes: measured.iter().filter_map(|learner| learner.memory_bytes).max(),
        learners: measured,
        devices: devices.iter().map(|&device| device.to_owned()).collect(),
        threads_each: threads,
        feature_seconds,
        feature_bytes,
        downloads,
    })
}

/// How much longer a job takes because others have to end before it fits on its GPU: workers per
/// job that runs.
fn waiting(measured: &[LearnerPlan], job: &PlannedJob, workers: usize) -> f64 {
    let of_learner = measured.iter().find(|measured| measured.name == job.learner);
    of_learner.map_or(1.0, |measured| workers as f64 / measured.at_once as f64)
}

fn planned(
    job: &TrainingJob,
    done: bool,
    clips: usize,
    predicted: usize,
    of_learner: Option<&LearnerPlan>,
) -> PlannedJob {
    let LearnerSettings { name, checkpoint, .. } = job.learner;
    let epochs = job.learner.passes();
    let seconds = of_learner.filter(|_| !done).map_or(0.0, |measured| {
        let share = clips as f64 / measured.batch_size as f64;
        // The only batch of a kernel is all clips, and inverting the kernel matrix takes most of
        // the time.
        let batches = if job.learner.is_kernel() { share.powi(3) } else { share };
        // One window of each clip, if the best epoch is selected.
        let judged = if *checkpoint == CheckpointPolicy::Best { predicted as f64 } else { 0.0 };
        let passes = batches * measured.seconds_per_batch + judged * measured.seconds_per_window;
        // The state is saved less often if that takes long.
        let epoch = passes + measured.seconds_per_save.min(passes / f64::from(SAVE_PACE));
        let predict = predicted as f64 * measured.windows * measured.seconds_per_window;
        measured.seconds_to_begin + epochs as f64 * epoch + predict
    });
    PlannedJob { learner: name.clone(), split: job.split.to_string(), done, clips, epochs, predicted, seconds }
}

/// As a table for people: the jobs and the total.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["job", "network", "clips", "epochs", "predicts", "time", "memory"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for job in &self.jobs {
            let learner = self.learners.iter().find(|learner| learner.name == job.learner);
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
        let left = self.jobs.iter().filter(|job| !job.done).count();
        let memory = self.memory_bytes.map_or(String::new(), |bytes| format!(", at most {}", size(bytes)));
        let devices: BTreeSet<&str> = self.devices.iter().map(String::as_str).collect();
        let devices = devices.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(f, "{}", text_table(&rows))?;
        let (time, room) = (duration(self.feature_seconds), size(self.feature_bytes));
        writeln!(f, "features: {time}, {room}, less what the cache has")?;
        for PlannedDownload { learner, source, licence } in &self.downloads {
            writeln!(f, "download: the weights of {source} for {learner}, licence: {licence}")?;
        }
        let count = self.devices.len();
        let threads = counted(self.threads_each, "thread");
        let time = duration(self.seconds);
        writeln!(f, "jobs: {left} to do, {count} at once on {devices} with {threads} each: {time}{memory}")
    }
}
