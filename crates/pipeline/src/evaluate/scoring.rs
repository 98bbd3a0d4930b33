//! What a table of probabilities is judged by: one label per clip, or several.

use std::collections::HashMap;
use std::fmt::Debug;

use earmark_stacking::averages::{geometric, geometric_odds};
use earmark_stacking::{
    Differences, Intervals, MultiLabelDifferences, MultiLabelIntervals, MultiLabelScores, Resampling, Scores, Table,
    best_thresholds, bootstrap, bootstrap_difference, bootstrap_multi_label, bootstrap_multi_label_difference,
    co_occurrence, confusion, score, score_multi_label,
};
use serde::Serialize;

use crate::error::{PipelineError, Result};
use crate::run::ClipRow;

/// How clips are judged.
pub trait Scoring: Debug + Sized + Send + Sync {
    /// The true labels of a clip.
    type Truth: Debug + Clone + Send + Sync;
    /// The scores of a table.
    type Scores: Debug + Serialize + Send + Sync;
    /// Their confidence intervals.
    type Intervals: Debug + Serialize + Send + Sync;
    /// The differences of the scores of two tables.
    type Differences: Debug + Serialize + Send + Sync;

    /// The truth of a clip whose labels have these indices; `None` if there are too few or too
    /// many.
    fn truth(labels: Vec<usize>) -> Option<Self::Truth>;

    /// The scores of a table and their intervals. `before` has the scores out of fold, if the table
    /// is of test clips.
    ///
    /// # Errors
    /// The truth does not fit the table.
    fn score(
        labels: &[String],
        truth: &[Self::Truth],
        table: &Table,
        before: Option<&Self::Scores>,
        resampling: &Resampling,
    ) -> Result<(Self::Scores, Self::Intervals)>;

    /// The scores of `a` minus those of `b`.
    fn differences(truth: &[Self::Truth], a: &Table, b: &Table, resampling: &Resampling) -> Self::Differences;

    /// The score by which models are compared.
    fn merit(scores: &Self::Scores) -> f64;

    /// The name, without `.csv`, of the file that has the stack's [`Scoring::matrix`].
    const MATRIX: &'static str;

    /// The number of clips by true label (row) and predicted label (column), `[classes, classes]`.
    fn matrix(truth: &[Self::Truth], table: &Table, scores: &Self::Scores) -> Vec<Vec<usize>>;

    /// The geometric mean of the learners' probabilities.
    ///
    /// # Errors
    /// The tables have different clips or columns.
    fn geometric(tables: &[&Table]) -> Result<Table>;
}

/// One label per clip.
#[derive(Debug, Clone, Copy)]
pub struct SingleLabel;

/// Any number of labels per clip.
#[derive(Debug, Clone, Copy)]
pub struct MultiLabel;

impl Scoring for SingleLabel {
    type Truth = usize;
    type Scores = Scores;
    type Intervals = Intervals;
    type Differences = Differences;

    fn truth(labels: Vec<usize>) -> Option<usize> {
        match labels[..] {
            [label] => Some(label),
            _ => None,
        }
    }

    fn score(
        labels: &[String],
        truth: &[usize],
        table: &Table,
        _: Option<&Scores>,
        resampling: &Resampling,
    ) -> Result<(Scores, Intervals)> {
        Ok((score(labels, truth, table)?, bootstrap(truth, table, resampling)))
    }

    fn differences(truth: &[usize], a: &Table, b: &Table, resampling: &Resampling) -> Differences {
        bootstrap_difference(truth, a, b, resampling)
    }

    fn merit(scores: &Scores) -> f64 {
        scores.map3
    }

    const MATRIX: &'static str = "confusion";

    /// The predicted label is the most probable one.
    fn matrix(truth: &[usize], table: &Table, _: &Scores) -> Vec<Vec<usize>> {
        confusion(table.columns().len(), truth, table)
    }

    fn geometric(tables: &[&Table]) -> Result<Table> {
        Ok(geometric(tables)?)
    }
}

impl Scoring for MultiLabel {
    type Truth = Vec<usize>;
    type Scores = MultiLabelScores;
    type Intervals = MultiLabelIntervals;
    type Differences = MultiLabelDifferences;

    fn truth(labels: Vec<usize>) -> Option<Vec<usize>> {
        (!labels.is_empty()).then_some(labels)
    }

    /// The thresholds are those with the best F1 out of fold, also for test clips.
    fn score(
        labels: &[String],
        truth: &[Vec<usize>],
        table: &Table,
        before: Option<&MultiLabelScores>,
        resampling: &Resampling,
    ) -> Result<(MultiLabelScores, MultiLabelIntervals)> {
        let thresholds = before.map_or_else(|| best_thresholds(truth, table), MultiLabelScores::thresholds);
        let scores = score_multi_label(labels, truth, table, &thresholds)?;
        Ok((scores, bootstrap_multi_label(truth, table, resampling)))
    }

    fn differences(truth: &[Vec<usize>], a: &Table, b: &Table, resampling: &Resampling) -> MultiLabelDifferences {
        bootstrap_multi_label_difference(truth, a, b, resampling)
    }

    fn merit(scores: &MultiLabelScores) -> f64 {
        scores.macro_average_precision
    }

    const MATRIX: &'static str = "co_occurrence";

    /// A clip counts for each pair of a label that it has and a label whose threshold it reaches.
    fn matrix(truth: &[Vec<usize>], table: &Table, scores: &MultiLabelScores) -> Vec<Vec<usize>> {
        co_occurrence(truth, table, &scores.thresholds())
    }

    fn geometric(tables: &[&Table]) -> Result<Table> {
        Ok(geometric_odds(tables)?)
    }
}

/// The true labels of clips, as indices into the labels.
pub(crate) fn truth<S: Scoring>(clips: &[&ClipRow], labels: &[String]) -> Result<Vec<S::Truth>> {
    let places: HashMap<&str, usize> = labels.iter().map(String::as_str).zip(0..).collect();
    let of_clip = |clip: &&ClipRow| {
        let indices: Option<Vec<usize>> = clip.labels().map(|label| places.get(label).copied()).collect();
        indices.and_then(S::truth).ok_or_else(|| {
            let ClipRow { fname, label, .. } = clip;
            PipelineError::Damaged(format!("clip {fname} has the label {label:?}, which is not in labels.txt"))
        })
    };
    clips.iter().map(of_clip).collect()
}
