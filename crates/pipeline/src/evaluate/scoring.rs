//! What a table of probabilities is judged by: one label per clip, or several.

use std::collections::HashMap;
use std::fmt::Debug;

use earmark_datasets::Task;
use earmark_stacking::averages::{geometric, geometric_odds};
use earmark_stacking::{
    Differences, Intervals, Label, MultiLabelDifferences, MultiLabelIntervals, MultiLabelScores, Resampling, Scores,
    Table, best_thresholds, bootstrap, bootstrap_difference, bootstrap_multi_label, bootstrap_multi_label_difference,
    co_occurrence, confusion, score, score_multi_label,
};
use serde::Serialize;

use crate::error::{PipelineError, Result};
use crate::run::{ClipRow, TrainMerits};

/// How clips are judged.
pub trait Scoring: Debug + Sized + Send + Sync {
    /// The task.
    const TASK: Task;
    /// The scores in `level2/ablation.csv`, in the order of [`Scoring::ablation`].
    const ABLATION: [&'static str; 3];
    /// The true labels of a clip.
    type Truth: Label;
    /// The scores of a table.
    type Scores: Debug + Serialize + Send + Sync;
    /// Their confidence intervals.
    type Intervals: Debug + Serialize + Send + Sync;
    /// The differences of the scores of two tables.
    type Differences: Debug + Serialize + Send + Sync;

    /// The truth of a clip whose labels have these indices; `None` if there are too few or too
    /// many.
    fn truth(labels: Vec<usize>) -> Option<Self::Truth>;

    /// The scores of a table. `before` has the scores out of fold, if the table is of test clips.
    ///
    /// # Errors
    /// The truth does not fit the table.
    fn score(
        labels: &[String],
        truth: &[Self::Truth],
        table: &Table,
        before: Option<&Self::Scores>,
    ) -> Result<Self::Scores>;

    /// The intervals of the scores of a table that [`Scoring::score`] accepts.
    fn intervals(truth: &[Self::Truth], table: &Table, resampling: &Resampling) -> Self::Intervals;

    /// The scores of `a` minus those of `b`.
    fn differences(truth: &[Self::Truth], a: &Table, b: &Table, resampling: &Resampling) -> Self::Differences;

    /// The scores of a stack that lacks a learner.
    fn ablation(scores: &Self::Scores) -> [f64; 3];

    /// The scores of the stack on the clips that it was fitted on.
    fn on_training_clips(scores: &Self::Scores) -> TrainMerits;

    /// The probability of each class from which on its label is given; `None` if the most probable
    /// one is given.
    fn thresholds(scores: &Self::Scores) -> Option<Vec<f32>>;

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
    const TASK: Task = Task::SingleLabel;
    const ABLATION: [&'static str; 3] = ["map_at_3", "accuracy", "macro_average_precision"];
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

    fn score(labels: &[String], truth: &[usize], table: &Table, _: Option<&Scores>) -> Result<Scores> {
        Ok(score(labels, truth, table)?)
    }

    fn intervals(truth: &[usize], table: &Table, resampling: &Resampling) -> Intervals {
        bootstrap(truth, table, resampling)
    }

    fn differences(truth: &[usize], a: &Table, b: &Table, resampling: &Resampling) -> Differences {
        bootstrap_difference(truth, a, b, resampling)
    }

    fn ablation(scores: &Scores) -> [f64; 3] {
        [scores.map3, scores.accuracy, scores.macro_average_precision]
    }

    fn on_training_clips(scores: &Scores) -> TrainMerits {
        TrainMerits::SingleLabel { accuracy: scores.accuracy, map_at_3: scores.map3 }
    }

    fn thresholds(_: &Scores) -> Option<Vec<f32>> {
        None
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
    const TASK: Task = Task::MultiLabel;
    const ABLATION: [&'static str; 3] = ["macro_average_precision", "micro_average_precision", "lwlrap"];
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
    ) -> Result<MultiLabelScores> {
        let thresholds = before.map_or_else(|| best_thresholds(truth, table), MultiLabelScores::thresholds);
        Ok(score_multi_label(labels, truth, table, &thresholds)?)
    }

    fn intervals(truth: &[Vec<usize>], table: &Table, resampling: &Resampling) -> MultiLabelIntervals {
        bootstrap_multi_label(truth, table, resampling)
    }

    fn differences(truth: &[Vec<usize>], a: &Table, b: &Table, resampling: &Resampling) -> MultiLabelDifferences {
        bootstrap_multi_label_difference(truth, a, b, resampling)
    }

    fn ablation(scores: &MultiLabelScores) -> [f64; 3] {
        [scores.macro_average_precision, scores.micro_average_precision, scores.lwlrap]
    }

    fn on_training_clips(scores: &MultiLabelScores) -> TrainMerits {
        let MultiLabelScores { macro_average_precision, lwlrap, .. } = *scores;
        TrainMerits::MultiLabel { macro_average_precision, lwlrap }
    }

    fn thresholds(scores: &MultiLabelScores) -> Option<Vec<f32>> {
        Some(scores.thresholds())
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
