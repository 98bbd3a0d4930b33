//! What each learner adds to the stack: `level2/importance.csv` and `level2/without.csv`.

use anyhow::Context;
use earmark_stacking::{
    FeatureKind, Features, STATISTICS, Scores, Stack, StackSettings, Table, TrainingRows, out_of_fold, score,
};
use rayon::prelude::*;

use crate::gather::Level1;

/// The row of `level2/without.csv` that leaves out nobody.
pub const ALL_LEARNERS: &str = "-";

/// The importance of each column to the stack that learned from all training clips; none for a mean. Logistic
/// regression has no splits to count, so that `weight` and `cover` are empty.
pub fn importance(stack: &Stack, features: &Features) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(importance) = stack.importance()? else { return Ok(None) };
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["feature", "learner", "gain", "weight", "cover"])?;
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for ((column, source), of) in features.table.columns().iter().zip(&features.sources).zip(importance) {
        csv.write_record([column, source, &number(Some(of.gain)), &number(of.weight), &number(of.cover)])?;
    }
    Ok(Some(csv.into_inner().context("cannot write CSV")?))
}

/// The scores, out of fold, of the stack ([`ALL_LEARNERS`]), and of one made anew without each learner and without the statistics.
pub fn without(
    level1: &Level1,
    rows: &TrainingRows<'_>,
    stacked: &Table,
    settings: &StackSettings,
) -> anyhow::Result<Vec<u8>> {
    let kinds = settings.columns();
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["without", "map_at_3", "accuracy", "macro_average_precision"])?;
    let mut row = |name: &str, scores: Scores| {
        let numbers = [scores.map3, scores.accuracy, scores.macro_average_precision].map(|value| value.to_string());
        csv.write_record(std::iter::once(name).chain(numbers.iter().map(String::as_str)))
    };
    row(ALL_LEARNERS, score(rows.classes, rows.truth, stacked)?)?;
    let statistics = kinds.contains(&FeatureKind::MfccStatistics).then_some(STATISTICS);
    let sources: Vec<&str> = level1.learners.iter().map(|(name, _)| name.as_str()).chain(statistics).collect();
    let judged = |source: &&str| -> anyhow::Result<Option<Scores>> {
        let Some(features) = level1.features_without(&kinds, source)? else { return Ok(None) };
        let stacked = out_of_fold(&TrainingRows { features: &features.table, ..*rows }, settings);
        let stacked = stacked.with_context(|| format!("the stack without {source}"))?;
        Ok(Some(score(rows.classes, rows.truth, &stacked)?))
    };
    // One after the other where a fit has all threads for itself.
    let scores: Vec<Option<Scores>> = match settings.threads {
        1 => sources.par_iter().map(judged).collect::<anyhow::Result<_>>()?,
        _ => sources.iter().map(judged).collect::<anyhow::Result<_>>()?,
    };
    for (source, scores) in sources.into_iter().zip(scores) {
        scores.map(|scores| row(source, scores)).transpose()?;
    }
    csv.into_inner().context("cannot write CSV")
}
