//! The jobs of a run that are done, each by itself: `earmark evaluate RUN --jobs`.

use earmark_stacking::score;
use serde::Serialize;

use crate::gather::fold_count;
use crate::output;
use crate::results::cell;
use crate::run::{ClipRow, FULL, Run};
use crate::systems::truth;

/// A finished job.
#[derive(Debug, Serialize)]
struct JobRow {
    learner: String,
    split: String,
    arch: String,
    /// Learned values of the network.
    parameters: usize,
    /// Clips that it predicted and whose labels are known.
    clips: usize,
    /// NaN where no label is known; null in JSON.
    map_at_3: f64,
    accuracy: f64,
    epochs: usize,
    /// Training alone, seconds.
    seconds: f64,
    /// Crops that it learned from in a second.
    crops_per_second: f64,
}

/// Prints the jobs that are done; the run may still be under way, or never become whole.
pub fn print(run: &Run, as_json: bool) -> anyhow::Result<()> {
    let jobs = done(run)?;
    anyhow::ensure!(!jobs.is_empty(), "no job of the run {} is done", run.folder.display());
    if as_json {
        return output::print_json(&jobs);
    }
    let header = ["job", "network", "parameters", "clips", "mAP@3", "accuracy", "epochs", "seconds", "crops/s"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(jobs.iter().map(|job| {
        let numbers = [job.epochs.to_string(), format!("{:.0}", job.seconds), format!("{:.0}", job.crops_per_second)];
        let scores = [job.parameters.to_string(), job.clips.to_string(), cell(job.map_at_3), cell(job.accuracy)];
        let names = [format!("{}/{}", job.learner, job.split), job.arch.clone()];
        names.into_iter().chain(scores).chain(numbers).collect()
    }));
    output::print(&output::table(&rows))
}

fn done(run: &Run) -> anyhow::Result<Vec<JobRow>> {
    let (recipe, labels, clips) = (run.recipe()?, run.labels()?, run.clips()?);
    let folds = fold_count(&clips);
    let mut jobs = Vec::new();
    for learner in &recipe.learners {
        let front_end = recipe.front_end(&learner.name)?;
        for fold in (0..folds).map(Some).chain([None]) {
            let split = fold.map_or(FULL.to_owned(), |fold| format!("fold{fold}"));
            if !run.has_mark(&learner.name, &split) {
                continue;
            }
            let held_out = |clip: &&ClipRow| if fold.is_some() { clip.fold == fold } else { clip.set == "test" };
            let to_learn = clips.iter().filter(|clip| clip.set == "train" && !held_out(clip));
            let learned_from = to_learn.filter(|clip| learner.is_used(clip.verified)).count();
            let parameters = learner.graph(front_end, labels.len(), learned_from)?.parameter_count();
            let known: Vec<&ClipRow> = clips.iter().filter(held_out).filter(|clip| !clip.label.is_empty()).collect();
            let names: Vec<String> = known.iter().map(|clip| clip.fname.clone()).collect();
            let table = run.predictions(&learner.name, &split)?;
            let (map_at_3, accuracy) = if known.is_empty() {
                (f64::NAN, f64::NAN)
            } else {
                let scores = score(&labels, &truth(&known, &labels)?, &table.reordered(&names)?)?;
                (scores.map3, scores.accuracy)
            };
            let history = run.history(&learner.name, &split)?;
            let seconds = history.iter().map(|epoch| epoch.seconds).sum();
            jobs.push(JobRow {
                learner: learner.name.clone(),
                split,
                arch: learner.arch.clone(),
                parameters,
                clips: known.len(),
                map_at_3,
                accuracy,
                epochs: history.len(),
                seconds,
                crops_per_second: (learned_from * history.len()) as f64 / seconds,
            });
        }
    }
    Ok(jobs)
}
