//! What each learner contributes to the stack: `level2/importance.csv` and `level2/ablation.csv`.

use earmark_stacking::{
    FeatureKind, Importance, STATISTICS, Scores, Stack, StackFeatures, StackSettings, Table, TrainingRows, out_of_fold,
    score,
};
use rayon::prelude::*;

use crate::base_predictions::BasePredictions;
use crate::begin::into_bytes;
use crate::error::{Context, Result};
use crate::names::ALL_LEARNERS;

/// The importance of each column to the stack that was fitted on all training clips; `None` for a
/// mean without weights. Only trees have splits to count; for others, `weight` and `cover` are
/// empty.
pub(super) fn importance(stack: &Stack, features: &StackFeatures) -> Result<Option<Vec<u8>>> {
    let importance = stack.importance(&features.layout)?;
    importance.map(|importance| importance_csv(features, importance)).transpose()
}

/// The importance of each column, with its learner.
pub(super) fn importance_csv(features: &StackFeatures, importance: Vec<Importance>) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["feature", "learner", "gain", "weight", "cover"])?;
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for ((column, source), of) in features.table.columns().iter().zip(&features.sources).zip(importance) {
        csv.write_record([column, source, &number(Some(of.gain)), &number(of.weight), &number(of.cover)])?;
    }
    into_bytes(csv)
}

/// The out-of-fold scores of the stack ([`ALL_LEARNERS`]), of a stack fitted without each learner,
/// and of one without the statistics. With `settings` `None` the stack is a learner alone, so there
/// is only the first row.
pub(super) fn ablation(
    base: &BasePredictions,
    rows: &TrainingRows<'_>,
    stacked: &Table,
    settings: Option<&StackSettings>,
) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["without", "map_at_3", "accuracy", "macro_average_precision"])?;
    let mut row = |name: &str, scores: Scores| {
        let numbers = [scores.map3, scores.accuracy, scores.macro_average_precision].map(|value| value.to_string());
        csv.write_record(std::iter::once(name).chain(numbers.iter().map(String::as_str)))
    };
    row(ALL_LEARNERS, score(rows.classes, rows.truth, stacked)?)?;
    let Some(settings) = settings else { return into_bytes(csv) };
    let kinds = settings.columns();
    let statistics = kinds.contains(&FeatureKind::MfccStatistics).then_some(STATISTICS);
    let sources: Vec<&str> = base.learners.iter().map(|(name, _)| name.as_str()).chain(statistics).collect();
    let judged = |source: &&str| -> Result<Option<Scores>> {
        let Some(features) = base.features_without(&kinds, source)? else { return Ok(None) };
        let stacked = out_of_fold(&TrainingRows { features: &features.table, ..*rows }, settings);
        let stacked = stacked.with_context(|| format!("the stack without {source}"))?;
        Ok(Some(score(rows.classes, rows.truth, &stacked)?))
    };
    // Sequential if each fit is multi-threaded itself.
    let scores: Vec<Option<Scores>> = match settings.fits_in_parallel() {
        true => sources.par_iter().map(judged).collect::<Result<_>>()?,
        false => sources.iter().map(judged).collect::<Result<_>>()?,
    };
    for (source, scores) in sources.into_iter().zip(scores) {
        scores.map(|scores| row(source, scores)).transpose()?;
    }
    into_bytes(csv)
}
