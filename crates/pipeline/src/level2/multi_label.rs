//! Level 2 of clips that may have several labels.

use std::collections::BTreeMap;

use earmark_stacking::{Stack, StackKind, StackSettings, Table};
use earmark_training::activation;

use crate::base_predictions::BasePredictions;
use crate::bundle::{self, Level2};
use crate::error::{Result, ensure};
use crate::evaluate::{MultiLabel, Results};
use crate::recipe::Recipe;
use crate::run::{ClipRow, Run, fold_count};

/// Checks that level 2 is of a kind that can judge each class by itself.
///
/// # Errors
/// [`PipelineError::Options`](crate::PipelineError::Options) otherwise.
pub(crate) fn check_kind(settings: &StackSettings) -> Result<()> {
    ensure!(
        settings.kind == StackKind::Mean,
        Options,
        "the clips of this data set may have several labels, for which level 2 can only be the mean: set \
         `[stack] kind` = \"mean\""
    );
    Ok(())
}

/// Averages the learners, scores the run and writes the bundle, with the threshold of each class.
pub(super) fn fit(
    run: &Run,
    recipe: &Recipe,
    labels: &[String],
    clips: &[ClipRow],
    (base, base_test): (BasePredictions, BasePredictions),
) -> Result<Results<MultiLabel>> {
    check_kind(&recipe.stack)?;
    let kinds = recipe.stack.columns();
    let (features, test_features) = (base.features(&kinds)?, base_test.features(&kinds)?);
    let stack = Stack::Mean;
    let predicted = |table: &Table| stack.predict(table, labels);
    let (out_of_fold, on_test) = (predicted(&features.table)?, predicted(&test_features.table)?);

    let mut files: BTreeMap<String, Vec<u8>> = base.files("oof");
    files.extend(base_test.files("test"));
    let of_level2 = [
        ("features.csv", features.table.to_csv()),
        ("test_features.csv", test_features.table.to_csv()),
        ("oof.csv", out_of_fold.to_csv()),
        ("test.csv", on_test.to_csv()),
    ];
    files.extend(of_level2.map(|(name, bytes)| (format!("level2/{name}"), bytes)));
    super::write(run, &files)?;
    let results = Results::<MultiLabel>::of_tables(labels, clips, [(base, out_of_fold), (base_test, on_test)])?;
    earmark_files::write_atomic(&run.path("results.json"), &serde_json::to_vec_pretty(&results)?)?;
    let thresholds = results.models.last().map(|model| model.out_of_fold.scores.thresholds());
    let level2 = Level2 {
        stack: &stack,
        layout: &features.layout,
        activation: activation(run.task()?),
        thresholds,
        scores: results.to_string(),
    };
    bundle::write(run, recipe, labels, fold_count(clips), level2)?;
    Ok(results)
}
