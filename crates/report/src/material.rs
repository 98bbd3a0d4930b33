//! The contents of a run's folder for a report; the run need not be finished. Nothing else in this
//! crate reads the run.

use std::collections::BTreeMap;

use earmark_pipeline::Split;
use earmark_pipeline::{
    ClipRow, HistoryRow, Model, ModelKind, Recipe, Results, Run, Scoring, SingleLabel, TrainScores, WeightsSources,
    fold_count, rows_if_any,
};
use earmark_stacking::{ChoiceRecord, StackKind};
use serde::Deserialize;

use crate::error::ReportError;

/// Everything that a report shows, except the sounds.
pub struct Material<'a, S: Scoring = SingleLabel> {
    /// The name of the run's folder.
    pub name: String,
    pub recipe: Recipe,
    /// The recipe as stored in the folder, with defaults written out.
    pub recipe_text: String,
    pub labels: Vec<String>,
    pub clips: Vec<ClipRow>,
    pub folds: usize,
    pub weights: WeightsSources,
    /// The jobs of every learner and split, in the order of the recipe.
    pub jobs: Vec<JobState>,
    pub results: &'a Results<S>,
    /// Whether labels were verified by the predictions of another run.
    pub verified_by_a_run: bool,
    /// Why level 2 is not shown, if it exists but does not belong to the run as it is now.
    pub level2_fault: Option<String>,
    /// How well the stack fits the clips that it was fitted on.
    pub train_scores: Option<TrainScores>,
    /// How the combination of the learners was chosen, with `kind = "auto"`.
    pub choice: Option<ChoiceRecord>,
    pub importance: Vec<Importance>,
    pub ablation: Vec<AblationRow>,
}

/// The progress of a job.
pub struct JobState {
    pub learner: String,
    pub split: Split,
    pub done: bool,
    /// Why its last attempt failed.
    pub failed: Option<String>,
    /// The total number of epochs.
    pub epochs: usize,
    pub history: Vec<HistoryRow>,
}

/// A row of `level2/importance.csv`.
#[derive(Deserialize)]
pub struct Importance {
    pub feature: String,
    pub learner: String,
    /// For trees, the mean gain of the splits by the feature; for logistic regression, the mean
    /// absolute coefficient; for a weighted mean, the learner's weight.
    gain: f64,
    /// The number of these splits; `None` except for trees.
    weight: Option<f64>,
}

impl Importance {
    /// The total gain, which can be summed over features.
    pub fn total(&self) -> f64 {
        self.gain * self.weight.unwrap_or(1.0)
    }
}

/// A row of `level2/ablation.csv`: the scores of the stack without one learner, or with all for
/// `-`.
#[derive(Deserialize)]
pub struct AblationRow {
    pub without: String,
    /// By the names of the columns.
    #[serde(flatten)]
    pub scores: BTreeMap<String, f64>,
}

impl<'a, S: Scoring> Material<'a, S> {
    /// Reads a run, finished or not.
    ///
    /// # Errors
    /// A file cannot be read or is damaged. Files that do not exist yet are not errors.
    pub fn of(run: &Run, results: &'a Results<S>) -> Result<Self, ReportError> {
        let (recipe, labels, clips) = (run.recipe()?, run.labels()?, run.clips()?);
        let folds = fold_count(&clips);
        let level2_fault = run.level2_fault()?;
        let has_level2 = level2_fault.is_none();
        let folder = run.folder.canonicalize().unwrap_or_else(|_| run.folder.clone());
        let (importance, ablation) = (run.path("level2/importance.csv"), run.ablation_file());
        Ok(Self {
            name: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
            recipe_text: earmark_files::read_to_string(&run.path("recipe.toml"))?,
            weights: run.weights_sources()?,
            jobs: jobs(run, &recipe, folds)?,
            importance: if has_level2 { rows_if_any(&importance)? } else { Vec::new() },
            ablation: if has_level2 { rows_if_any(&ablation)? } else { Vec::new() },
            train_scores: if has_level2 { run.train_scores()? } else { None },
            choice: if has_level2 { run.choice()? } else { None },
            verified_by_a_run: run.is_verified_by_a_run(),
            results,
            level2_fault,
            recipe,
            labels,
            clips,
            folds,
        })
    }

    /// The number of clips of a set, `train` or `test`.
    pub fn count(&self, set: &str) -> usize {
        self.clips.iter().filter(|clip| clip.set == set).count()
    }

    /// The kind of level 2: that of the recipe, or the chosen one.
    pub fn stack_kind(&self) -> StackKind {
        self.choice.as_ref().map_or(self.recipe.stack.kind, |choice| choice.kind)
    }

    /// The model for the plots of a single model: the stack or, without one, the learner with the
    /// highest score (mAP@3, or mean average precision) among those that have scores for the most
    /// clips.
    pub fn leader(&self) -> Option<&Model<S>> {
        let merit = |model: &&Model<S>| (model.kind == ModelKind::Stack, model.out_of_fold.truth.len());
        let score = |model: &Model<S>| S::merit(&model.out_of_fold.scores);
        let others = |model: &&Model<S>| model.kind != ModelKind::Average;
        let better = |a: &&Model<S>, b: &&Model<S>| merit(a).cmp(&merit(b)).then(score(a).total_cmp(&score(b)));
        self.results.models.iter().filter(others).max_by(better)
    }
}

fn jobs(run: &Run, recipe: &Recipe, folds: usize) -> Result<Vec<JobState>, ReportError> {
    let mut jobs = Vec::new();
    for learner in &recipe.learners {
        for split in recipe.splits(folds) {
            let (name, epochs) = (learner.name.clone(), learner.passes());
            let (done, history) = (run.has_record(&name, split), run.history(&name, split)?);
            let failed = run.failure(&name, split);
            jobs.push(JobState { learner: name, split, done, failed, epochs, history });
        }
    }
    Ok(jobs)
}
