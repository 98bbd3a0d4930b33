//! Level 2: from the learners' out-of-fold predictions to the stack, the scores and the bundle.

mod ablation;
pub(crate) mod multi_label;

use std::collections::BTreeMap;
use std::path::Path;

use earmark_datasets::Task;
use earmark_files::FileError;
use earmark_stacking::{FeatureKind, Stack, StackFeatures, StackSettings, TrainingRows, out_of_fold, score};
use earmark_training::{Split, activation};

use crate::base_predictions::{BasePredictions, gather};
use crate::bundle::{self, Level2};
use crate::error::{Context, Result};
use crate::evaluate::{Results, RunResults, SingleLabel, truth};
use crate::recipe::Recipe;
use crate::run::{ClipRow, Run, TrainScores, fold_count};
use crate::schedule::CPU;

/// Files that only some kinds of stack write.
const OF_A_KIND: [&str; 3] = ["booster.json", "logistic.json", "importance.csv"];

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

    Ok(match run.task()? {
        Task::SingleLabel => RunResults::SingleLabel(fit(run, &recipe, &labels, &clips, (base, base_test), device)?),
        Task::MultiLabel => RunResults::MultiLabel(multi_label::fit(run, &recipe, &labels, &clips, (base, base_test))?),
    })
}

/// Fits the stack of clips with one label each, scores the run and writes the bundle.
fn fit(
    run: &Run,
    recipe: &Recipe,
    labels: &[String],
    clips: &[ClipRow],
    (base, base_test): (BasePredictions, BasePredictions),
    device: &str,
) -> Result<Results> {
    let train: Vec<&ClipRow> = clips.iter().filter(|clip| clip.is_train()).collect();
    let truth = truth::<SingleLabel>(&train, labels)?;
    let folds: Vec<usize> = train.iter().filter_map(|clip| clip.fold).collect();
    let settings = &StackSettings { device: device.to_owned(), ..recipe.stack.clone() };
    let weights = settings.weights(&train.iter().map(|clip| clip.verified).collect::<Vec<_>>());
    let kinds: Vec<FeatureKind> = settings.columns();
    let (features, test_features) = (base.features(&kinds)?, base_test.features(&kinds)?);
    let rows =
        TrainingRows { features: &features.table, truth: &truth, folds: &folds, weights: &weights, classes: labels };
    let fitted = Fitted::new(&rows, settings, &test_features)
        .with_context(|| format!("level 2 cannot be fitted on the clips of {}", run.path("splits.csv").display()))?;
    tracing::info!(training_accuracy = fitted.train_scores.accuracy, "the stack is fitted");

    let mut files = base.files("oof");
    files.extend(base_test.files("test"));
    files.extend(fitted.files(&base, &rows, (&features, &test_features), settings)?);
    write(run, &files)?;
    let sets = [(base, fitted.out_of_fold), (base_test, fitted.on_test)];
    let results = Results::of_tables(labels, clips, sets)?;
    earmark_files::write_atomic(&run.path("results.json"), &serde_json::to_vec_pretty(&results)?)?;
    let level2 = Level2 {
        stack: fitted.stack.to_onnx(&features.layout)?,
        statistics: features.layout.statistics > 0,
        activation: activation(Task::SingleLabel),
        thresholds: None,
        scores: results.to_string(),
    };
    bundle::write(run, recipe, labels, fold_count(clips), level2)?;
    Ok(results)
}

/// The stack and its predictions.
struct Fitted {
    /// Fitted on all training clips.
    stack: Stack,
    train_scores: TrainScores,
    /// For each training clip, by a stack that was fitted on the other folds.
    out_of_fold: earmark_stacking::Table,
    on_test: earmark_stacking::Table,
}

impl Fitted {
    fn new(rows: &TrainingRows<'_>, settings: &StackSettings, test: &StackFeatures) -> Result<Self> {
        let out_of_fold = out_of_fold(rows, settings)?;
        let stack = Stack::fit(rows, settings)?;
        let scores = score(rows.classes, rows.truth, &stack.predict(rows.features, rows.classes)?)?;
        let train_scores = TrainScores {
            clips: rows.weights.iter().filter(|&&weight| weight > 0.0).count(),
            columns: rows.features.columns().len(),
            accuracy: scores.accuracy,
            map_at_3: scores.map3,
        };
        let on_test = stack.predict(&test.table, rows.classes)?;
        Ok(Self { stack, train_scores, out_of_fold, on_test })
    }

    /// The files of `level2/`, by their paths in the run.
    fn files(
        &self,
        base: &BasePredictions,
        rows: &TrainingRows<'_>,
        (features, test): (&StackFeatures, &StackFeatures),
        settings: &StackSettings,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut files = vec![
            ("train_scores.json", serde_json::to_vec_pretty(&self.train_scores)?),
            ("features.csv", features.table.to_csv()),
            ("test_features.csv", test.table.to_csv()),
            ("oof.csv", self.out_of_fold.to_csv()),
            ("test.csv", self.on_test.to_csv()),
            ("ablation.csv", ablation::ablation(base, rows, &self.out_of_fold, settings)?),
        ];
        files.extend(self.stack.file()?);
        files.extend(ablation::importance(&self.stack, features)?.map(|csv| ("importance.csv", csv)));
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
