//! Level 2: from the learners' out-of-fold predictions to the stack, the scores and the bundle.

mod ablation;

use std::collections::BTreeMap;
use std::path::Path;

use earmark_datasets::Task;
use earmark_files::FileError;
use earmark_stacking::{Choice, FeatureKind, Stack, StackFeatures, StackKind, StackSettings, Table, TrainingRows};
use earmark_training::{Split, activation};

use crate::base_predictions::{BasePredictions, gather};
use crate::bundle::{self, Level2};
use crate::error::{Context, Result};
use crate::evaluate::{MultiLabel, Results, RunResults, ScoreTables, Scoring, SingleLabel, truth};
use crate::recipe::Recipe;
use crate::run::{CHOICE, ClipRow, Run, TrainScores, fold_count};
use crate::schedule::CPU;

/// Files that only some kinds of stack write.
const OF_A_KIND: [&str; 5] = ["booster.json", "logistic.json", "weights.json", CHOICE, "importance.csv"];

/// Stacks the learners of a run whose jobs are done, scores the run, and writes the bundle.
///
/// # Errors
/// A job is not done, a file of the run is damaged or of another run, or the disk fails.
pub fn stack(folder: &Path) -> Result<RunResults> {
    fit_level2(&Run::open(folder)?, CPU)
}

/// [`stack`] for a run that is already open, with trees fitted on a device.
pub(crate) fn fit_level2(run: &Run, device: &str) -> Result<RunResults> {
    let _lock = run.lock_level2()?;
    let _span = tracing::info_span!("level2").entered();
    let (recipe, labels, clips) = (run.recipe()?, run.labels()?, run.clips()?);
    let (base, base_test) = gather(run, &recipe, &labels, &clips)?;
    let splits = recipe.splits(fold_count(&clips));
    let of_learner = |name| splits.iter().map(move |split: &Split| run.job(name, *split));
    run.sweep(recipe.learners.iter().flat_map(|learner| of_learner(&learner.name)));

    let base = (base, base_test);
    Ok(match run.task()? {
        Task::SingleLabel => RunResults::SingleLabel(fit::<SingleLabel>(run, &recipe, &labels, &clips, base, device)?),
        Task::MultiLabel => RunResults::MultiLabel(fit::<MultiLabel>(run, &recipe, &labels, &clips, base, device)?),
    })
}

/// Fits the stack, scores the run and writes the bundle.
fn fit<S: ScoreTables>(
    run: &Run,
    recipe: &Recipe,
    labels: &[String],
    clips: &[ClipRow],
    (base, base_test): (BasePredictions, BasePredictions),
    device: &str,
) -> Result<Results<S>> {
    let train: Vec<&ClipRow> = clips.iter().filter(|clip| clip.is_train()).collect();
    let truth = truth::<S>(&train, labels)?;
    let folds: Vec<usize> = train.iter().filter_map(|clip| clip.fold).collect();
    let settings = &StackSettings { device: device.to_owned(), ..recipe.stack.clone() };
    let weights = settings.weights(&train.iter().map(|clip| clip.verified).collect::<Vec<_>>());
    let kinds: Vec<FeatureKind> = settings.columns();
    let (features, test_features) = (base.features(&kinds)?, base_test.features(&kinds)?);
    let rows =
        TrainingRows { features: &features.table, truth: &truth, folds: &folds, weights: &weights, classes: labels };
    let fitted = Fitted::new::<S>(&rows, settings, &features, &test_features)
        .with_context(|| format!("level 2 cannot be fitted on the clips of {}", run.path("splits.csv").display()))?;
    let (combination, on_training_clips) = (&fitted.choice.candidate.name, fitted.train_scores.merits);
    tracing::info!(combination, ?on_training_clips, "the stack is fitted");

    let mut files = base.files("oof");
    files.extend(base_test.files("test"));
    files.extend(fitted.files::<S>(&base, &rows)?);
    write(run, &files)?;
    let Fitted { choice, stack, features, on_test, .. } = fitted;
    let results = Results::<S>::of_tables(labels, clips, [(base, choice.out_of_fold), (base_test, on_test)])?;
    results.store(run, labels)?;
    let level2 = Level2 {
        stack: stack.to_onnx(&features.layout)?,
        combination: choice.candidate.name,
        statistics: features.layout.statistics > 0,
        activation: activation(S::TASK),
        thresholds: results.models.last().and_then(|model| S::thresholds(&model.out_of_fold.scores)),
        scores: results.to_string(),
    };
    bundle::write(run, recipe, labels, fold_count(clips), level2)?;
    Ok(results)
}

/// The stack and its predictions.
struct Fitted {
    choice: Choice,
    /// Fitted on all training clips.
    stack: Stack,
    /// The features that it uses.
    features: StackFeatures,
    test_features: StackFeatures,
    train_scores: TrainScores,
    on_test: Table,
}

impl Fitted {
    /// The columns of `features`, which `rows` has, and of `test` are those of the settings.
    fn new<S: Scoring>(
        rows: &TrainingRows<'_, S::Truth>,
        settings: &StackSettings,
        features: &StackFeatures,
        test: &StackFeatures,
    ) -> Result<Self> {
        let choice = match settings.kind {
            StackKind::Auto => Choice::new(features, rows, settings)?,
            _ => Choice::only(rows, settings)?,
        };
        let columns = choice.candidate.columns();
        let (features, test_features) = (features.selected(&columns)?, test.selected(&columns)?);
        let rows = &TrainingRows { features: &features.table, ..*rows };
        let stack = choice.fit(rows)?;
        let scores = S::score(rows.classes, rows.truth, &stack.predict(rows.features, rows.classes)?, None)?;
        let train_scores = TrainScores {
            clips: rows.weights.iter().filter(|&&weight| weight > 0.0).count(),
            columns: rows.features.columns().len(),
            merits: S::on_training_clips(&scores),
        };
        let on_test = stack.predict(&test_features.table, rows.classes)?;
        Ok(Self { choice, stack, features, test_features, train_scores, on_test })
    }

    /// The files of `level2/`, by their paths in the run.
    fn files<S: Scoring>(
        &self,
        base: &BasePredictions,
        rows: &TrainingRows<'_, S::Truth>,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let Choice { candidate, out_of_fold, of_candidate, record, .. } = &self.choice;
        let mut files = vec![
            ("train_scores.json", serde_json::to_vec_pretty(&self.train_scores)?),
            ("features.csv", self.features.table.to_csv()),
            ("test_features.csv", self.test_features.table.to_csv()),
            ("oof.csv", out_of_fold.to_csv()),
            ("test.csv", self.on_test.to_csv()),
            ("ablation.csv", ablation::ablation::<S>(base, rows, of_candidate, candidate.settings())?),
        ];
        if let Some(record) = record {
            files.push((CHOICE, serde_json::to_vec_pretty(record)?));
        }
        files.extend(self.stack.file()?);
        files.extend(ablation::importance(&self.stack, &self.features)?.map(|csv| ("importance.csv", csv)));
        Ok(files.into_iter().map(|(name, bytes)| (format!("level2/{name}"), bytes)).collect())
    }
}

/// Writes the files of level 2, and its manifest last.
fn write(run: &Run, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    for name in OF_A_KIND.map(|name| format!("level2/{name}")) {
        let path = run.path(&name);
        if path.exists() && !files.contains_key(&name) {
            std::fs::remove_file(&path).map_err(FileError::of("remove", &path))?;
        }
    }
    for (name, bytes) in files {
        earmark_files::write_atomic(&run.path(name), bytes)?;
    }
    let checksums = files.iter().map(|(name, bytes)| (name.clone(), earmark_files::sha256(bytes)));
    run.store_level2_manifest(checksums.collect())
}
