//! Runs the jobs of a run: several at once, each on one device, and none in two processes.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use earmark_datasets::{Manifest, Splits};
use earmark_loader::{ClipFeatures, Example};
use earmark_training::{
    DeviceFeatures, Job, LearnerSettings, Learning, PretrainedWeights, Progress, Split, TrainingError, gpu_memory,
};

use crate::admission::Admission;
use crate::error::{PipelineError, Result};
use crate::events::{CancelToken, Event, JobId, JobOutcome, Observer, Stage, Warning, warn};
use crate::features::FeatureLoader;
use crate::jobs::{Cost, TrainingJob, clips_of, used_clips};
use crate::pretrained::{WeightsSource, WeightsSources};
use crate::recipe::Recipe;
use crate::run::Run;
use crate::schedule::shared_gpus;
use crate::throughput::JobCost;

/// The data that all jobs of the run share.
pub(crate) struct JobRunner<'a> {
    pub recipe: &'a Recipe,
    pub manifest: &'a Manifest,
    pub splits: &'a Splits,
    pub loader: &'a FeatureLoader<'a>,
    /// The features of the training clips, then of the test clips.
    pub features: &'a [ClipFeatures],
    /// The features of each front end in the memory of GPUs.
    pub shared: &'a [DeviceFeatures<'a>],
    pub weights: &'a WeightsSources,
    pub run: &'a Run,
    pub observer: &'a dyn Observer,
    pub cancel: &'a CancelToken,
}

/// What a job takes.
struct Demand {
    cost: Cost,
    /// Bytes on a GPU that it shares.
    memory: u64,
}

/// A job and its index.
type Numbered<'a> = (usize, TrainingJob<'a>);

/// The outcomes of some jobs.
#[derive(Default)]
struct Outcomes<'a> {
    done: usize,
    failures: Vec<String>,
    elsewhere: VecDeque<Numbered<'a>>,
}

impl<'a> JobRunner<'a> {
    /// Runs the jobs, as many at once as there are devices. A job that fails does not stop the
    /// others, unless they would fail for the same reason; all failures are reported at the end. A
    /// job that another process is training is tried again last, and is a failure if it is still
    /// not done.
    ///
    /// # Errors
    /// [`PipelineError::Jobs`], [`PipelineError::Cancelled`].
    pub fn run_all(&self, jobs: Vec<TrainingJob<'a>>, devices: &[&str]) -> Result<()> {
        let costs = jobs.iter().map(|job| self.cost(job)).collect::<Result<Vec<_>>>()?;
        let all: Vec<JobCost> = jobs.iter().zip(&costs).map(|(job, cost)| cost.of_job(job)).collect();
        self.observer.event(&Event::JobsStarted { costs: &all, workers: devices.len() });
        let of = jobs.len();
        let needs = self.memory_needs(&jobs, devices);
        let demands: Vec<Demand> = costs.into_iter().zip(needs).map(|(cost, memory)| Demand { cost, memory }).collect();
        let admission = self.admission(devices)?;
        let mut first = self.round(jobs.into_iter().enumerate().collect(), devices, &demands, &admission);
        let last = self.round(std::mem::take(&mut first.elsewhere), devices, &demands, &admission);
        self.observer.event(&Event::JobsFinished);
        let mut failures = first.failures;
        failures.extend(last.failures);
        if self.cancel.is_cancelled() && failures.is_empty() {
            return Err(PipelineError::Cancelled { done: first.done + last.done, of });
        }
        if !last.elsewhere.is_empty() && !self.cancel.is_cancelled() {
            let names: Vec<String> = last.elsewhere.iter().map(|(_, job)| job.name()).collect();
            failures.push(format!(
                "another process trains {}; when it is done, `earmark stack {}` finishes the run",
                names.join(", "),
                self.run.folder.display()
            ));
        }
        if failures.is_empty() { Ok(()) } else { Err(PipelineError::Jobs(failures)) }
    }

    /// The bytes that each job needs on a GPU, measured for each learner that has anything to do;
    /// zeros if no two jobs share a GPU. A learner that cannot be measured gets a GPU for itself,
    /// and its job reports why.
    fn memory_needs(&self, jobs: &[TrainingJob<'a>], devices: &[&str]) -> Vec<u64> {
        let Some(&shared) = shared_gpus(devices).first() else { return vec![0; jobs.len()] };
        let is_open = |job: &&TrainingJob| !self.run.has_record(&job.learner.name, job.split);
        let mut first_jobs: BTreeMap<&str, &TrainingJob> = BTreeMap::new();
        for job in jobs.iter().filter(is_open) {
            first_jobs.entry(&job.learner.name).or_insert(job);
        }
        self.observer.event(&Event::StageStarted(Stage::Measurements, first_jobs.len()));
        let mut needs: BTreeMap<&str, u64> = BTreeMap::new();
        for (learner, job) in first_jobs {
            let measured = self.job(job, shared, None, Path::new("")).and_then(|job| Ok(job.measure_memory()?));
            let (memory, error) = match measured {
                Ok(bytes) => (bytes.unwrap_or(0), None),
                Err(error) => (u64::MAX, Some(error.line())),
            };
            tracing::info!(learner, memory, error, "the learner's memory is measured");
            needs.insert(learner, memory);
            self.observer.event(&Event::StageAdvanced(Stage::Measurements));
        }
        self.observer.event(&Event::StageFinished(Stage::Measurements));
        jobs.iter().map(|job| needs.get(job.learner.name.as_str()).copied().unwrap_or(0)).collect()
    }

    /// Admits jobs to the GPUs that they share, each with the features on it.
    fn admission(&self, devices: &[&str]) -> Result<Admission> {
        let room = |&gpu: &&str| {
            self.shared.iter().try_for_each(|features| features.load(gpu))?;
            Ok(gpu_memory(gpu)?.map(|memory| (gpu.to_owned(), memory.free)))
        };
        let rooms = shared_gpus(devices).iter().map(room).collect::<Result<Vec<_>>>()?;
        Ok(Admission::new(rooms.into_iter().flatten()))
    }

    /// Runs each job that no other process is training.
    fn round(
        &self,
        jobs: VecDeque<Numbered<'a>>,
        devices: &[&str],
        demands: &[Demand],
        admission: &Admission,
    ) -> Outcomes<'a> {
        let queue = Mutex::new(jobs);
        let outcomes = Mutex::new(Outcomes::default());
        let next = || queue.lock().ok().filter(|_| !self.cancel.is_cancelled()).and_then(|mut queue| queue.pop_front());
        let work = |device: &str| {
            while let Some((index, job)) = next() {
                let outcome = self.run_and_report(index, &job, device, &demands[index], admission);
                let Ok(mut outcomes) = outcomes.lock() else { return };
                match outcome {
                    Ok(JobOutcome::Done | JobOutcome::DoneBefore) => outcomes.done += 1,
                    Ok(JobOutcome::Elsewhere) => outcomes.elsewhere.push_back((index, job)),
                    Ok(JobOutcome::Cancelled | JobOutcome::Failed) => {}
                    Err(error) => {
                        outcomes.failures.push(format!("job {}: {}", job.name(), error.line()));
                        if is_of_the_machine(&error) {
                            queue.lock().map(|mut queue| queue.clear()).unwrap_or_default();
                        }
                    }
                }
            }
        };
        thread::scope(|scope| {
            for device in devices {
                scope.spawn(|| work(device));
            }
        });
        outcomes.into_inner().unwrap_or_default()
    }

    /// Runs a job and reports its start and end to the observer and the log.
    fn run_and_report(
        &self,
        index: usize,
        job: &TrainingJob<'a>,
        device: &str,
        demand: &Demand,
        admission: &Admission,
    ) -> Result<JobOutcome> {
        let name = job.name();
        let _span = tracing::info_span!("job", learner = job.learner.name, split = %job.split, device).entered();
        let id = JobId { index, name: &name };
        let start = Instant::now();
        let outcome = self.run_job(id, job, device, demand, admission);
        let seconds = start.elapsed().as_secs_f64();
        match &outcome {
            Ok(outcome) => tracing::info!(outcome = outcome.name(), seconds, "the job has ended"),
            Err(error) => {
                tracing::error!("the job has failed: {}", error.line());
                self.run.store_failure(&job.learner.name, job.split, Some(&error.line()));
            }
        }
        let outcome_of = outcome.as_ref().map_or(JobOutcome::Failed, |outcome| *outcome);
        self.observer.event(&Event::JobFinished { job: id, outcome: outcome_of, seconds });
        outcome
    }

    fn run_job(
        &self,
        id: JobId<'_>,
        job: &TrainingJob<'a>,
        device: &str,
        demand: &Demand,
        admission: &Admission,
    ) -> Result<JobOutcome> {
        let &TrainingJob { learner, split } = job;
        let Some(lock) = self.run.lock_job(&learner.name, split)? else { return Ok(JobOutcome::Elsewhere) };
        if !lock.locked {
            warn(self.observer, Warning::NoLocks { job: id.name.to_owned() });
        }
        let folder = self.run.job(&learner.name, split);
        let start = self.weights.get(&learner.name).map(WeightsSource::weights);
        let job = self.job(job, device, start.as_ref(), &folder)?;
        let names = job.predict.iter().map(|example| example.name.to_owned()).collect();
        self.run.store_failure(&learner.name, split, None);
        let fingerprint = job.fingerprint();
        if self.run.is_done(&learner.name, split, &fingerprint)? {
            // A process may have been killed after writing the record and before cleaning up.
            job.clean();
            lock.done();
            return Ok(JobOutcome::DoneBefore);
        }
        let is_cancelled = || self.cancel.is_cancelled();
        let Some(_admitted) = admission.enter(device, demand.memory, is_cancelled) else {
            return Ok(JobOutcome::Cancelled);
        };
        self.observer.event(&Event::JobStarted(id));
        tracing::info!("the job begins");
        let identity = self.run.identify_job(&learner.name, fingerprint)?;
        let outcome = job.run(&mut |progress| {
            self.observer.event(&Event::JobAdvanced { job: id, progress, left: demand.cost.left(progress) });
            log_epoch(progress);
            if self.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let outcome = match outcome {
            Err(TrainingError::Stopped) => return Ok(JobOutcome::Cancelled),
            outcome => outcome?,
        };
        self.run.store_job(&learner.name, split, identity, &outcome, names, &self.manifest.labels)?;
        job.clean();
        lock.done();
        Ok(JobOutcome::Done)
    }

    fn job<'b>(
        &'b self,
        job: &TrainingJob<'a>,
        device: &'b str,
        start: Option<&'b PretrainedWeights>,
        folder: &'b Path,
    ) -> Result<Job<'b>> {
        let &TrainingJob { learner, split } = job;
        let front_end = self.recipe.front_end(&learner.name)?;
        Ok(Job {
            learner,
            start,
            front_end,
            split,
            train: self.examples(learner, split, true)?,
            predict: self.examples(learner, split, false)?,
            task: self.manifest.task,
            labels: &self.manifest.labels,
            seed: self.recipe.seed,
            device,
            shared: self.shared.get(self.loader.index_of(front_end)?),
            folder,
        })
    }

    /// The clips that a split trains on, or those that it predicts.
    fn examples(&self, learner: &LearnerSettings, split: Split, learned: bool) -> Result<Vec<Example<'a>>> {
        let index = self.loader.index_of(self.recipe.front_end(&learner.name)?)?;
        let entries: Vec<_> = self.manifest.train.iter().chain(&self.manifest.test).collect();
        let train = self.manifest.train.len();
        let example = |clip: usize| Example {
            name: &entries[clip].name,
            features: self.features[clip].features[index].view(),
            // No job has access to the labels of test clips.
            labels: if clip < train { &entries[clip].labels } else { &[] },
            verified: entries[clip].verified,
        };
        let clips = clips_of(self.recipe, self.manifest, self.splits, split, learned);
        Ok(clips.into_iter().map(example).collect())
    }

    fn cost(&self, job: &TrainingJob<'a>) -> Result<Cost> {
        let windowing = job.learner.windowing(self.recipe.front_end(&job.learner.name)?);
        let clips = used_clips(job.learner, self.recipe, self.manifest, self.splits, job.split);
        let predict = self.examples(job.learner, job.split, false)?;
        let windows = predict.iter().map(|example| windowing.starts(example.features).len()).sum();
        Cost::new(self.recipe, job.learner, clips, windows)
    }
}

/// Logs the end of an epoch.
fn log_epoch(progress: Progress) {
    if let Progress::Learning(now) = progress
        && now.batches * now.epochs == now.epoch * now.all_batches
    {
        let (epoch, epochs, loss, accuracy) = (now.epoch, now.epochs, now.loss, now.accuracy);
        let Learning { crops_per_second, waiting_seconds, .. } = now;
        tracing::info!(epoch, epochs, loss, accuracy, crops_per_second, waiting_seconds, "epoch");
    }
}

/// Whether a job failed because of the disk or the device, so that the next job would fail, too.
fn is_of_the_machine(error: &PipelineError) -> bool {
    matches!(
        error.root(),
        PipelineError::File(_) | PipelineError::Training(TrainingError::File(_) | TrainingError::Device { .. })
    )
}
