//! What each learner contributes to the stack: `level2/importance.csv` and `level2/ablation.csv`.

use earmark_stacking::{
    FeatureKind, STATISTICS, Stack, StackFeatures, StackSettings, Table, TrainingRows, out_of_fold,
};
use rayon::prelude::*;

use crate::base_predictions::BasePredictions;
use crate::begin::into_bytes;
use crate::error::{Context, Result};
use crate::evaluate::Scoring;
use crate::names::ALL_LEARNERS;

/// The importance of each column to the stack that was fitted on all training clips; `None` for a
/// mean without weights. Only trees have splits to count; for others, `weight` and `cover` are
/// empty.
pub(super) fn importance(stack: &Stack, features: &StackFeatures) -> Result<Option<Vec<u8>>> {
    let Some(importance) = stack.importance(&features.layout)? else { return Ok(None) };
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["feature", "learner", "gain", "weight", "cover"])?;
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for ((column, source), of) in features.table.columns().iter().zip(&features.sources).zip(importance) {
        csv.write_record([column, source, &number(Some(of.gain)), &number(of.weight), &number(of.cover)])?;
    }
    into_bytes(csv).map(Some)
}

/// The out-of-fold scores of the stack ([`ALL_LEARNERS`]), of a stack fitted without each learner,
/// and of one without the statistics. With `settings` `None` the stack is a learner alone, so there
/// is only the first row.
pub(super) fn ablation<S: Scoring>(
    base: &BasePredictions,
    rows: &TrainingRows<'_, S::Truth>,
    stacked: &Table,
    settings: Option<&StackSettings>,
) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["without"].into_iter().chain(S::ABLATION))?;
    let mut row = |name: &str, scores: &S::Scores| {
        let numbers = S::ablation(scores).map(|value| value.to_string());
        csv.write_record(std::iter::once(name).chain(numbers.iter().map(String::as_str)))
    };
    row(ALL_LEARNERS, &S::score(rows.classes, rows.truth, stacked, None)?)?;
    let Some(settings) = settings else { return into_bytes(csv) };
    let kinds = settings.columns();
    let statistics = kinds.contains(&FeatureKind::MfccStatistics).then_some(STATISTICS);
    let sources: Vec<&str> = base.learners.iter().map(|(name, _)| name.as_str()).chain(statistics).collect();
    let judged = |source: &&str| -> Result<Option<S::Scores>> {
        let Some(features) = base.features_without(&kinds, source)? else { return Ok(None) };
        let stacked = out_of_fold(&TrainingRows { features: &features.table, ..*rows }, settings);
        let stacked = stacked.with_context(|| format!("the stack without {source}"))?;
        Ok(Some(S::score(rows.classes, rows.truth, &stacked, None)?))
    };
    // Sequential if each fit is multi-threaded itself.
    let scores: Vec<Option<S::Scores>> = match settings.fits_in_parallel() {
        true => sources.par_iter().map(judged).collect::<Result<_>>()?,
        false => sources.iter().map(judged).collect::<Result<_>>()?,
    };
    for (source, scores) in sources.into_iter().zip(scores) {
        scores.map(|scores| row(source, &scores)).transpose()?;
    }
    into_bytes(csv)
}
