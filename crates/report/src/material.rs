//! What a run's folder holds for a report, as far as the run has come. Nothing else of this crate
//! reads the run.

use earmark_pipeline::Split;
use earmark_pipeline::{
    ClipRow, HistoryRow, Model, ModelKind, Recipe, Results, Run, TrainScores, WeightsSources, fold_count, rows_if_any,
};
use serde::Deserialize;

use crate::error::ReportError;

/// All that a report shows, but the sounds.
pub struct Material<'a> {
    /// The folder's own name.
    pub name: String,
    pub recipe: Recipe,
    /// The recipe as it is in the folder, defaults written out.
    pub recipe_text: String,
    pub labels: Vec<String>,
    pub clips: Vec<ClipRow>,
    pub folds: usize,
    pub weights: WeightsSources,
    /// Of every learner and split, in the order of the recipe.
    pub jobs: Vec<JobState>,
    pub results: &'a Results,
    /// Whether labels were verified by the predictions of another run.
    pub verified_by_a_run: bool,
    /// Why level 2 is not shown, if it was made and is not that of the run as it is now.
    pub level2_fault: Option<String>,
    /// How well the stack fits the clips that it was fitted on.
    pub train_scores: Option<TrainScores>,
    pub importance: Vec<Importance>,
    pub ablation: Vec<AblationRow>,
}

/// How far a job has come.
pub struct JobState {
    pub learner: String,
    pub split: Split,
    pub done: bool,
    /// Why it failed when it was last tried.
    pub failed: Option<String>,
    /// Epochs that it will have.
    pub epochs: usize,
    pub history: Vec<HistoryRow>,
}

/// A row of `level2/importance.csv`.
#[derive(Deserialize)]
pub struct Importance {
    pub feature: String,
    pub learner: String,
    /// Of trees, the mean over their splits by the feature; of logistic regression, the mean
    /// absolute coefficient.
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

/// A row of `level2/ablation.csv`: the stack without one learner; of `-`, with all.
#[derive(Deserialize)]
pub struct AblationRow {
    pub without: String,
    pub map_at_3: f64,
    pub accuracy: f64,
    pub macro_average_precision: f64,
}

impl<'a> Material<'a> {
    /// Reads a run, finished or not.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged. What does not exist yet is no error.
    pub fn of(run: &Run, results: &'a Results) -> Result<Self, ReportError> {
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
            verified_by_a_run: run.is_verified_by_a_run(),
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

    /// The model that the plots of a single model show: the stack; without one, the learner of the
    /// highest mAP@3 among those that are scored on most clips.
    pub fn leader(&self) -> Option<&Model> {
        let merit = |model: &&Model| (model.kind == ModelKind::Stack, model.out_of_fold.truth.len());
        let map3 = |model: &Model| model.out_of_fold.scores.map3;
        let others = |model: &&Model| model.kind != ModelKind::Average;
        let better = |a: &&Model, b: &&Model| merit(a).cmp(&merit(b)).then(map3(a).total_cmp(&map3(b)));
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
