//! Level 2 of clips that may have several labels.

use std::collections::BTreeMap;

use earmark_stacking::{MultiLabelRows, MultiLabelStack, StackSettings, multi_label_out_of_fold};
use earmark_training::activation;

use super::ablation;
use crate::base_predictions::BasePredictions;
use crate::bundle::{self, Level2};
use crate::error::{Context, Result, ensure};
use crate::evaluate::{MultiLabel, Results, truth};
use crate::recipe::Recipe;
use crate::run::{ClipRow, Run, fold_count};

/// Checks that level 2 is of a kind that can judge each class by itself.
///
/// # Errors
/// [`PipelineError::Options`](crate::PipelineError::Options) otherwise.
pub(crate) fn check_kind(settings: &StackSettings) -> Result<()> {
    ensure!(
        MultiLabelStack::is_of(settings),
        Options,
        "the clips of this data set may have several labels, for which level 2 can be a mean or a logistic regression \
         of each class without temperature scaling: set `[stack] kind` to \"mean\", \"geometric_mean\" or \"logistic\""
    );
    Ok(())
}

/// Fits the stack, scores the run and writes the bundle, with the threshold of each class.
pub(super) fn fit(
    run: &Run,
    recipe: &Recipe,
    labels: &[String],
    clips: &[ClipRow],
    (base, base_test): (BasePredictions, BasePredictions),
) -> Result<Results<MultiLabel>> {
    let settings = &recipe.stack;
    check_kind(settings)?;
    let kinds = settings.columns();
    let (features, test_features) = (base.features(&kinds)?, base_test.features(&kinds)?);
    let train: Vec<&ClipRow> = clips.iter().filter(|clip| clip.is_train()).collect();
    let truth = truth::<MultiLabel>(&train, labels)?;
    let folds: Vec<usize> = train.iter().filter_map(|clip| clip.fold).collect();
    let weights = settings.weights(&train.iter().map(|clip| clip.verified).collect::<Vec<_>>());
    let rows =
        MultiLabelRows { features: &features.table, truth: &truth, folds: &folds, weights: &weights, classes: labels };
    let fitted =
        || -> Result<_> { Ok((multi_label_out_of_fold(&rows, settings)?, MultiLabelStack::fit(&rows, settings)?)) };
    let (out_of_fold, stack) = fitted()
        .with_context(|| format!("level 2 cannot be fitted on the clips of {}", run.path("splits.csv").display()))?;
    let on_test = stack.predict(&test_features.table, labels)?;

    let mut files: BTreeMap<String, Vec<u8>> = base.files("oof");
    files.extend(base_test.files("test"));
    let mut of_level2 = vec![
        ("features.csv", features.table.to_csv()),
        ("test_features.csv", test_features.table.to_csv()),
        ("oof.csv", out_of_fold.to_csv()),
        ("test.csv", on_test.to_csv()),
    ];
    of_level2.extend(stack.file()?);
    let importance = stack.importance().map(|importance| ablation::importance_csv(&features, importance));
    of_level2.extend(importance.transpose()?.map(|csv| ("importance.csv", csv)));
    files.extend(of_level2.into_iter().map(|(name, bytes)| (format!("level2/{name}"), bytes)));
    super::write(run, &files)?;
    let results = Results::<MultiLabel>::of_tables(labels, clips, [(base, out_of_fold), (base_test, on_test)])?;
    results.store(run, labels)?;
    let level2 = Level2 {
        stack: stack.to_onnx(&features.layout)?,
        combination: stack.name().to_owned(),
        statistics: features.layout.statistics > 0,
        activation: activation(run.task()?),
        thresholds: results.models.last().map(|model| model.out_of_fold.scores.thresholds()),
        scores: results.to_string(),
    };
    bundle::write(run, recipe, labels, fold_count(clips), level2)?;
    Ok(results)
}
