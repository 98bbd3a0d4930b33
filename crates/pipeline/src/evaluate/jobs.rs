//! The scores of each finished job of a run.

use std::fmt;
use std::path::Path;

use earmark_datasets::Task;
use earmark_stacking::{Table, best_thresholds, score, score_multi_label};
use earmark_tables::text_table;
use earmark_training::Split;
use serde::Serialize;

use super::{MultiLabel, SingleLabel, truth};
use crate::error::{Result, ensure};
use crate::run::{ClipRow, Run, fold_count};
use crate::text;

/// A finished job.
#[derive(Debug, Serialize)]
pub struct JobScores {
    /// The name of the learner.
    pub learner: String,
    /// `fold0`, ..., `full`.
    pub split: String,
    /// The network.
    pub arch: String,
    /// Number of trained parameters of the network.
    pub parameters: usize,
    /// Clips that the job predicted and whose labels are known.
    pub clips: usize,
    /// NaN if no label is known; null in JSON.
    pub map_at_3: f64,
    /// Like `map_at_3`.
    pub accuracy: f64,
    /// The macro average precision, if clips may have several labels; `map_at_3` and `accuracy` are
    /// then null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macro_average_precision: Option<f64>,
    /// Label-weighted label-ranking average precision, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lwlrap: Option<f64>,
    /// Passes over the training clips.
    pub epochs: usize,
    /// Training time only, in seconds.
    pub seconds: f64,
    /// Training throughput, in crops per second.
    pub crops_per_second: f64,
}

/// The finished jobs of a run, in the order of the recipe.
#[derive(Debug, Serialize)]
pub struct JobsTable(pub Vec<JobScores>);

/// As a table for people: one line per job.
impl fmt::Display for JobsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = self.0.iter().any(|job| job.lwlrap.is_some());
        let [first, second] = if several { ["mAP", "lwlrap"] } else { ["mAP@3", "accuracy"] };
        let header = ["job", "network", "parameters", "clips", first, second, "epochs", "seconds", "crops/s"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(self.0.iter().map(|job| {
            let speed = [format!("{:.0}", job.seconds), format!("{:.0}", job.crops_per_second)];
            let of_several = job.macro_average_precision.zip(job.lwlrap);
            let scores = of_several.map_or([job.map_at_3, job.accuracy], |(map, lwlrap)| [map, lwlrap]);
            let scores = scores.map(text::score);
            let counts = [job.parameters.to_string(), job.clips.to_string()];
            let names = [format!("{}/{}", job.learner, job.split), job.arch.clone()];
            names.into_iter().chain(counts).chain(scores).chain([job.epochs.to_string()]).chain(speed).collect()
        }));
        f.write_str(&text_table(&rows))
    }
}

/// Scores each finished job of a run; the run itself need not be finished.
///
/// # Errors
/// The folder is not a run; none of its jobs is done; a file of a job is damaged or of another run.
pub fn evaluate_jobs(folder: &Path) -> Result<JobsTable> {
    let run = Run::open(folder)?;
    let jobs = done(&run)?;
    ensure!(!jobs.is_empty(), NotStacked, "no job of {} is done", folder.display());
    Ok(JobsTable(jobs))
}

fn done(run: &Run) -> Result<Vec<JobScores>> {
    let (task, recipe, labels, clips) = (run.task()?, run.recipe()?, run.labels()?, run.clips()?);
    let folds = fold_count(&clips);
    let mut jobs = Vec::new();
    for learner in &recipe.learners {
        let front_end = recipe.front_end(&learner.name)?;
        for split in (0..folds).map(Split::Fold).chain([Split::Full]) {
            if !run.has_record(&learner.name, split) {
                continue;
            }
            let held_out = |clip: &&ClipRow| match split {
                Split::Fold(fold) => clip.fold == Some(fold),
                Split::Full => !clip.is_train(),
            };
            let others = clips.iter().filter(|clip| clip.set == "train" && !held_out(clip));
            let trained_on = others.filter(|clip| learner.is_used(clip.verified)).count();
            let parameters = learner.graph(front_end, labels.len(), trained_on)?.parameter_count();
            let known: Vec<&ClipRow> = clips.iter().filter(held_out).filter(|clip| !clip.label.is_empty()).collect();
            let names: Vec<String> = known.iter().map(|clip| clip.fname.clone()).collect();
            let table = run.predictions(&learner.name, split)?;
            let table = table.reordered(&names)?;
            let (single, several) = match task {
                _ if known.is_empty() => ([f64::NAN; 2], None),
                Task::SingleLabel => {
                    let scores = score(&labels, &truth::<SingleLabel>(&known, &labels)?, &table)?;
                    ([scores.map3, scores.accuracy], None)
                }
                Task::MultiLabel => ([f64::NAN; 2], Some(of_several(&labels, &known, &table)?)),
            };
            let history = run.history(&learner.name, split)?;
            let seconds = history.iter().map(|epoch| epoch.seconds).sum();
            jobs.push(JobScores {
                learner: learner.name.clone(),
                split: split.to_string(),
                arch: learner.arch.clone(),
                parameters,
                clips: known.len(),
                map_at_3: single[0],
                accuracy: single[1],
                macro_average_precision: several.map(|[average_precision, _]| average_precision),
                lwlrap: several.map(|[_, lwlrap]| lwlrap),
                epochs: history.len(),
                seconds,
                crops_per_second: (trained_on * history.len()) as f64 / seconds,
            });
        }
    }
    Ok(jobs)
}

/// Macro average precision and lwlrap.
fn of_several(labels: &[String], clips: &[&ClipRow], table: &Table) -> Result<[f64; 2]> {
    let truth = truth::<MultiLabel>(clips, labels)?;
    let scores = score_multi_label(labels, &truth, table, &best_thresholds(&truth, table))?;
    Ok([scores.macro_average_precision, scores.lwlrap])
}
