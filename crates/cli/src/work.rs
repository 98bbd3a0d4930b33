//! The jobs of a run at work: several at once, each on a device, none in two processes.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use earmark_datasets::{ClipFeatures, Example, Manifest, Splits};
use earmark_files::FileError;
use earmark_training::{Job, LearnerSettings, Progress, TrainingError};

use crate::output;
use crate::pretrained::{Origin, Origins};
use crate::progress::{Bars, Overall};
use crate::recipe::Recipe;
use crate::run::Run;
use crate::signals::Caught;
use crate::sounds::Ears;

/// A job to do: one learner on one split.
#[derive(Debug, Clone)]
pub struct Task<'a> {
    pub learner: &'a LearnerSettings,
    pub split: String,
}

impl Task<'_> {
    /// As `--job` takes it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.learner.name, self.split)
    }
}

/// What a job costs, in FLOPs: a number that every machine agrees on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// To learn.
    pub learn: u64,
    /// To predict in the end.
    pub predict: u64,
}

impl Cost {
    /// Of a learner that learns from so many clips and then predicts so many windows.
    pub fn of(recipe: &Recipe, learner: &LearnerSettings, clips: usize, windows: usize) -> anyhow::Result<Self> {
        let front_end = recipe.front_end(&learner.name)?;
        let (channels, bins) = front_end.shape();
        let graph = learner.graph(front_end, 2, clips)?;
        let flops = graph.flops([1, channels, bins, learner.windowing(front_end).frames])?;
        if learner.is_kernel() {
            // Each clip against each, and then the inverse of their table.
            let clips = clips as u64;
            let learn = flops.saturating_mul(clips).saturating_add(clips.saturating_pow(3));
            return Ok(Self { learn, predict: flops.saturating_mul(windows as u64) });
        }
        // The way back costs twice the way there.
        let crops = (learner.epochs as u64).saturating_mul(clips as u64);
        let learn = flops.saturating_mul(3).saturating_mul(crops);
        Ok(Self { learn, predict: flops.saturating_mul(windows as u64) })
    }

    /// What is left where a job stands.
    fn left(&self, progress: Progress) -> f64 {
        let share = |done: usize, of: usize| 1.0 - done as f64 / of.max(1) as f64;
        match progress {
            Progress::Learning(now) => self.learn as f64 * share(now.batches, now.all_batches) + self.predict as f64,
            Progress::Predicting { clips, of } => self.predict as f64 * share(clips, of),
        }
    }

    fn all(&self) -> f64 {
        self.learn as f64 + self.predict as f64
    }
}

/// The clips that a split learns from, or those that it predicts, by their places: clips to learn from, then test clips.
pub fn clips_of(recipe: &Recipe, manifest: &Manifest, splits: &Splits, split: &str, learned: bool) -> Vec<usize> {
    let fold: Option<usize> = split.strip_prefix("fold").and_then(|fold| fold.parse().ok());
    let in_train = |clip: &usize| (fold != Some(splits.fold_of[*clip])) == learned && (fold.is_some() || learned);
    let train = manifest.train.len();
    let tests = if recipe.predicts_test(split) && !learned { manifest.test.len() } else { 0 };
    (0..train).filter(in_train).chain(train..train + tests).collect()
}

/// How many clips a learner learns from in a split: without those that count for nothing to it.
pub fn learned_from(
    learner: &LearnerSettings,
    recipe: &Recipe,
    manifest: &Manifest,
    splits: &Splits,
    split: &str,
) -> usize {
    let clips = clips_of(recipe, manifest, splits, split, true);
    clips.into_iter().filter(|&clip| learner.is_used(manifest.train[clip].verified)).count()
}

/// All that the jobs of a run share.
pub struct Work<'a> {
    pub recipe: &'a Recipe,
    pub manifest: &'a Manifest,
    pub splits: &'a Splits,
    pub ears: &'a Ears<'a>,
    /// Of the clips to learn from, then of those to test with.
    pub sounds: &'a [ClipFeatures],
    pub origins: &'a Origins,
    pub run: &'a Run,
    pub bars: &'a Bars,
}

/// What became of a job, if it did not fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    /// Another process has it.
    Elsewhere,
    /// By a signal; it is saved.
    Stopped,
}

/// What became of some jobs.
#[derive(Default)]
struct Ended<'a> {
    done: usize,
    faults: Vec<String>,
    elsewhere: VecDeque<(usize, Task<'a>)>,
}

impl<'a> Work<'a> {
    /// Runs the jobs, as many at once as there are devices. One that fails does not stop the others, unless its fault will
    /// be theirs too; in the end all faults are told. A job that another process has comes last, and is a fault if it is
    /// still not done.
    pub fn run_all(&self, tasks: Vec<Task<'a>>, devices: &[&str]) -> anyhow::Result<()> {
        let costs = tasks.iter().map(|task| self.cost(task)).collect::<anyhow::Result<Vec<_>>>()?;
        let overall = self.bars.overall(costs.iter().map(Cost::all), devices.len());
        let caught = Caught::begin()?;
        let all = tasks.len();
        let tasks = tasks.into_iter().enumerate().collect();
        let round = |tasks| self.round(tasks, devices, &costs, &overall, &caught);
        let mut first = round(tasks);
        let last = round(std::mem::take(&mut first.elsewhere));
        overall.clear();
        let mut faults = first.faults;
        faults.extend(last.faults);
        if let Some(stopped) = caught.stopped(&format!(
            "{} of {all} jobs are done, and what the others have learned is saved; the same command goes on from there",
            first.done + last.done
        )) {
            faults.iter().for_each(|fault| self.bars.line(&format!("error: {fault}")));
            return Err(stopped.into());
        }
        if !last.elsewhere.is_empty() {
            let names: Vec<String> = last.elsewhere.iter().map(|(_, task)| task.name()).collect();
            faults.push(format!(
                "another process trains {}; when it is done, `earmark stack {}` finishes the run",
                names.join(", "),
                self.run.folder.display()
            ));
        }
        anyhow::ensure!(faults.is_empty(), "{}", faults.join("\nerror: "));
        Ok(())
    }

    /// Runs each of the jobs, or finds out that another process does.
    fn round(
        &self,
        tasks: VecDeque<(usize, Task<'a>)>,
        devices: &[&str],
        costs: &[Cost],
        overall: &Overall,
        caught: &Caught,
    ) -> Ended<'a> {
        let queue = Mutex::new(tasks);
        let ended = Mutex::new(Ended::default());
        let next = || queue.lock().ok().filter(|_| !caught.came()).and_then(|mut queue| queue.pop_front());
        let work = |device: &str| {
            while let Some((index, task)) = next() {
                let end = self.run_job(&task, device, caught, &mut |progress| {
                    overall.update(index, costs[index].left(progress));
                });
                let Ok(mut ended) = ended.lock() else { return };
                match &end {
                    Ok(End::Done) => ended.done += 1,
                    Ok(End::Stopped) => {}
                    Ok(End::Elsewhere) => ended.elsewhere.push_back((index, task)),
                    Err(error) => {
                        let reason = output::message(error);
                        self.run.note_failure(&task.learner.name, &task.split, Some(&reason));
                        ended.faults.push(format!("job {}: {reason}", task.name()));
                        if is_of_the_machine(error) {
                            queue.lock().map(|mut queue| queue.clear()).unwrap_or_default();
                        }
                    }
                }
                match end {
                    Ok(End::Elsewhere) => {}
                    Ok(End::Stopped) => overall.end(index, None),
                    Ok(End::Done) => overall.end(index, Some(true)),
                    Err(_) => overall.end(index, Some(false)),
                }
            }
        };
        thread::scope(|scope| {
            for device in devices {
                scope.spawn(|| work(device));
            }
        });
        ended.into_inner().unwrap_or_default()
    }

    fn run_job(
        &self,
        task: &Task<'a>,
        device: &str,
        caught: &Caught,
        report: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<End> {
        let Task { learner, split } = task;
        let Some(held) = self.run.hold(&learner.name, split)? else {
            self.bars.line(&format!("{} is being trained by another process", task.name()));
            return Ok(End::Elsewhere);
        };
        if !held.locked {
            let name = task.name();
            self.bars.line(&format!("warning: this folder has no locks: let no other process train {name}"));
        }
        let folder = self.run.job(&learner.name, split);
        let predict = self.examples(learner, split, false)?;
        let names = predict.iter().map(|example| example.name.to_owned()).collect();
        let start = self.origins.get(&learner.name).map(Origin::start);
        let job = Job {
            learner,
            start: start.as_ref(),
            front_end: &self.recipe.features[&learner.features],
            split,
            train: self.examples(learner, split, true)?,
            predict,
            labels: &self.manifest.labels,
            seed: self.recipe.seed,
            device,
            folder: &folder,
        };
        self.run.note_failure(&learner.name, split, None);
        let fingerprint = job.fingerprint();
        if self.run.is_done(&learner.name, split, &fingerprint)? {
            // A kill may have come between the mark and this.
            job.clean();
            held.done();
            return Ok(End::Done);
        }
        let start = Instant::now();
        let mut bar = self.bars.job(&task.name());
        let mark = self.run.mark(&learner.name, fingerprint)?;
        let outcome = job.run(&mut |progress| {
            bar.update(progress);
            report(progress);
            if caught.came() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let outcome = match outcome {
            Err(TrainingError::Stopped) => {
                bar.finish("stopped");
                return Ok(End::Stopped);
            }
            outcome => outcome.inspect_err(|_| self.bars.line(&format!("{} failed", task.name())))?,
        };
        self.run.store(&learner.name, split, mark, &outcome, names, &self.manifest.labels)?;
        job.clean();
        held.done();
        bar.finish(&format!("done in {:.0} s", start.elapsed().as_secs_f64()));
        Ok(End::Done)
    }

    /// The clips that a split learns from, or those that it predicts.
    fn examples(&self, learner: &LearnerSettings, split: &str, learned: bool) -> anyhow::Result<Vec<Example<'a>>> {
        let place = self.ears.place(self.recipe.front_end(&learner.name)?).context("features that nobody asked for")?;
        let items: Vec<_> = self.manifest.train.iter().chain(&self.manifest.test).collect();
        let train = self.manifest.train.len();
        let example = |clip: usize| Example {
            name: &items[clip].name,
            features: self.sounds[clip].features[place].view(),
            // No job learns anything of the test clips' labels.
            label: items[clip].label.filter(|_| clip < train),
            verified: items[clip].verified,
        };
        let clips = clips_of(self.recipe, self.manifest, self.splits, split, learned);
        Ok(clips.into_iter().map(example).collect())
    }

    fn cost(&self, task: &Task<'a>) -> anyhow::Result<Cost> {
        let windowing = task.learner.windowing(self.recipe.front_end(&task.learner.name)?);
        let clips = learned_from(task.learner, self.recipe, self.manifest, self.splits, &task.split);
        let predict = self.examples(task.learner, &task.split, false)?;
        let windows = predict.iter().map(|example| windowing.starts(example.features).len()).sum();
        Cost::of(self.recipe, task.learner, clips, windows)
    }
}

/// Whether a job's fault is one of the disk or the device, which the next job would meet as well.
fn is_of_the_machine(error: &anyhow::Error) -> bool {
    let training = error.downcast_ref::<TrainingError>();
    error.is::<FileError>() || matches!(training, Some(TrainingError::File(_) | TrainingError::Device { .. }))
}
