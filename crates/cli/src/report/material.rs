//! What a run's folder holds for a report, as far as the run has come.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::gather::fold_count;
use crate::pretrained::{self, Origins};
use crate::recipe::Recipe;
use crate::run::{ClipRow, Epoch, Run, rows_if_there};
use crate::stack::Fit;
use crate::systems::{Kind, Results, System};
use crate::verified;

/// All that a report tells of, but the sounds.
pub struct Material<'a> {
    /// The folder's own name.
    pub name: String,
    pub recipe: Recipe,
    /// The recipe as it stands in the folder, defaults written out.
    pub recipe_text: String,
    pub labels: Vec<String>,
    pub clips: Vec<ClipRow>,
    pub folds: usize,
    pub origins: Origins,
    /// Of every learner and split, in the order of the recipe.
    pub jobs: Vec<JobState>,
    pub results: &'a Results,
    /// Whether labels were verified by what another run predicts.
    pub verified_by_a_run: bool,
    /// Why level 2 is left out, if it is there and is not that of the run as it is now.
    pub level2_fault: Option<String>,
    /// How well the stack fits what it learned from.
    pub fit: Option<Fit>,
    pub importance: Vec<Importance>,
    pub without: Vec<Without>,
}

/// Where a job stands.
pub struct JobState {
    pub learner: String,
    pub split: String,
    pub done: bool,
    /// Why it failed when it was last tried.
    pub failed: Option<String>,
    /// Epochs that it will have.
    pub epochs: usize,
    pub history: Vec<Epoch>,
}

/// A row of `level2/importance.csv`.
#[derive(Deserialize)]
pub struct Importance {
    pub feature: String,
    pub learner: String,
    /// Of trees, the mean over their splits by the feature; of logistic regression, the mean absolute coefficient.
    gain: f64,
    /// The number of those splits; none for logistic regression.
    weight: Option<f64>,
}

impl Importance {
    /// What adds up over features.
    pub fn total(&self) -> f64 {
        self.gain * self.weight.unwrap_or(1.0)
    }
}

/// A row of `level2/without.csv`: the stack without one learner; of `-`, with all.
#[derive(Deserialize)]
pub struct Without {
    pub without: String,
    pub map_at_3: f64,
    pub accuracy: f64,
    pub macro_average_precision: f64,
}

impl<'a> Material<'a> {
    /// Reads a run, whole or not.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged. What is not there yet is no error.
    pub fn of(run: &Run, results: &'a Results) -> anyhow::Result<Self> {
        let (recipe, labels, clips) = (run.recipe()?, run.labels()?, run.clips()?);
        let folds = fold_count(&clips);
        let level2_fault = run.level2_fault()?;
        let level2 = |file: &str| level2_fault.is_none().then(|| run.path("level2").join(file));
        let folder = run.folder.canonicalize().unwrap_or_else(|_| run.folder.clone());
        Ok(Self {
            name: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
            recipe_text: earmark_files::read_to_string(&run.path("recipe.toml"))?,
            origins: pretrained::read(&run.folder)?,
            jobs: jobs(run, &recipe, folds)?,
            importance: level2("importance.csv").map_or(Ok(Vec::new()), |path| rows_if_there(&path))?,
            without: level2("without.csv").map_or(Ok(Vec::new()), |path| rows_if_there(&path))?,
            fit: level2("fit.json").filter(|path| path.exists()).map(|path| fit(&path)).transpose()?,
            verified_by_a_run: verified::is_noted(run),
            results,
            level2_fault,
            recipe,
            labels,
            clips,
            folds,
        })
    }

    /// The clips of a set, `train` or `test`.
    pub fn count(&self, set: &str) -> usize {
        self.clips.iter().filter(|clip| clip.set == set).count()
    }

    /// Whom the plots of a single system are of: the stack; without one, the learner of the highest mAP@3 among those
    /// that are judged by most clips.
    pub fn leader(&self) -> Option<&System> {
        let merit = |system: &&System| (system.kind == Kind::Stack, system.out_of_fold.truth.len());
        let map3 = |system: &System| system.out_of_fold.scores.map3;
        let others = |system: &&System| system.kind != Kind::Average;
        let better = |a: &&System, b: &&System| merit(a).cmp(&merit(b)).then(map3(a).total_cmp(&map3(b)));
        self.results.systems.iter().filter(others).max_by(better)
    }
}

fn fit(path: &Path) -> anyhow::Result<Fit> {
    serde_json::from_slice(&earmark_files::read(path)?).with_context(|| path.display().to_string())
}

fn jobs(run: &Run, recipe: &Recipe, folds: usize) -> anyhow::Result<Vec<JobState>> {
    let mut jobs = Vec::new();
    for learner in &recipe.learners {
        for split in recipe.splits(folds) {
            let (name, epochs) = (learner.name.clone(), learner.passes());
            let (done, history) = (run.has_mark(&name, &split), run.history(&name, &split)?);
            let failed = run.failure(&name, &split);
            jobs.push(JobState { learner: name, split, done, failed, epochs, history });
        }
    }
    Ok(jobs)
}
