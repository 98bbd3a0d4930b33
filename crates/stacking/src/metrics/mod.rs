//! Scores of a table of probabilities, and their confidence intervals; scores of detected events.

mod bootstrap;
mod calibration;
mod events;
mod multi_label;
mod paired;
mod ranking;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Result, StackError, Table};
use ranking::Ranking;

pub use bootstrap::{
    Difference, Differences, Interval, Intervals, Resampling, bootstrap, bootstrap_difference, bootstrap_mean,
};
pub use calibration::{CALIBRATION_BINS, ReliabilityBin, calibration_error, reliability, reliability_multi_label};
pub use events::{
    ClassDetectionScore, Counts, DetectionScore, DetectionScores, Event, EventScores, EventSettings, LATEST_EVENT,
    MacroScore, RecordingEvents, score_events,
};
pub(crate) use multi_label::bootstrap_against;
pub use multi_label::{
    MultiLabelClassScore, MultiLabelDifferences, MultiLabelIntervals, MultiLabelScores, best_thresholds,
    bootstrap_multi_label, bootstrap_multi_label_difference, co_occurrence, score_multi_label,
};
pub use paired::{PairedClass, PairedScore, PairedScores, compare, compare_multi_label};

/// Scores of one table of probabilities. NaN means that there are no clips to score; it is `null`
/// in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scores {
    /// Mean average precision at 3, the challenge's measure: 1/rank of the true label if it is
    /// among the first three, else 0; mean over the clips.
    #[serde(rename = "map_at_3", deserialize_with = "null_is_nan")]
    pub map3: f64,
    /// Share of the clips whose most probable label is the true one.
    #[serde(deserialize_with = "null_is_nan")]
    pub accuracy: f64,
    /// One entry per class, in the labels' order.
    pub per_class: Vec<ClassScore>,
    /// Mean of the classes' average precision, over the classes that have clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub macro_average_precision: f64,
    /// Mean of the classes' areas under the ROC curve, over the classes that have one.
    #[serde(deserialize_with = "null_is_nan")]
    pub macro_roc_auc: f64,
    /// Expected calibration error of the most probable label, in [`CALIBRATION_BINS`] bins (Guo et
    /// al. 2017, "On Calibration of Modern Neural Networks"): the mean over bins of the distance
    /// between mean probability and accuracy, weighted by the number of clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub expected_calibration_error: f64,
}

/// The score of one class against all others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class.
    pub label: String,
    /// Number of clips whose true label is the class.
    pub clips: usize,
    /// Area under the steps of precision over recall, as computed by scikit-learn's
    /// `average_precision_score`. NaN for a class without clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub average_precision: f64,
    /// Area under the ROC curve, as computed by scikit-learn's `roc_auc_score`: how often a clip of
    /// the class has a higher probability than a clip of another class; ties count half. NaN for a
    /// class without clips, or with all of them.
    #[serde(deserialize_with = "null_is_nan")]
    pub roc_auc: f64,
}

/// Scores `probabilities` against the true labels.
///
/// If probabilities are equal, the label with the lower index ranks first.
///
/// # Shape
/// `truth`: for each row of `probabilities`, an index into `labels`; the columns of `probabilities`
/// are `labels`, in this order.
///
/// # Errors
/// The number of true labels differs from the number of rows, an index is out of bounds, or the
/// columns are not the labels.
pub fn score(labels: &[String], truth: &[usize], probabilities: &Table) -> Result<Scores> {
    check(labels, truth.len(), truth.iter(), probabilities)?;
    let class_score = |(class, label): (usize, &String)| {
        let ranking = Ranking::of_class(class, probabilities, |clip| truth[clip] == class);
        let [average_precision] = ranking.average_precision(&vec![[1]; truth.len()]);
        let clips = truth.iter().filter(|&&truth| truth == class).count();
        ClassScore { label: label.clone(), clips, average_precision, roc_auc: ranking.roc_auc() }
    };
    let per_class: Vec<ClassScore> = labels.iter().enumerate().map(class_score).collect();
    let over_classes =
        |value: fn(&ClassScore) -> f64| mean(per_class.iter().map(value).filter(|value| !value.is_nan()));
    let [map3, accuracy] = per_clip(truth, probabilities).map(|values| mean(values.into_iter()));
    Ok(Scores {
        map3,
        accuracy,
        macro_average_precision: over_classes(|class| class.average_precision),
        macro_roc_auc: over_classes(|class| class.roc_auc),
        expected_calibration_error: calibration_error(&reliability(truth, probabilities, CALIBRATION_BINS)),
        per_class,
    })
}

/// Fails if the true labels of `clips` clips do not fit the table.
fn check<'a>(
    labels: &[String],
    clips: usize,
    mut truth: impl Iterator<Item = &'a usize>,
    probabilities: &Table,
) -> Result<()> {
    if probabilities.columns() != labels {
        let reason = format!("the columns {:?} are not the labels {labels:?}", probabilities.columns());
        return Err(StackError::Mismatch(reason));
    }
    if clips != probabilities.names().len() {
        let reason = format!("{clips} true labels for {} clips", probabilities.names().len());
        return Err(StackError::Shape(reason));
    }
    match truth.find(|class| **class >= labels.len()) {
        Some(class) => Err(StackError::Clip(format!("true label {class} where there are {} labels", labels.len()))),
        None => Ok(()),
    }
}

/// The confusion matrix: the number of clips by `[true class][most probable class]`.
///
/// # Shape
/// `truth`: for each row of `probabilities`, which has `classes` columns, an index below `classes`.
/// The result is `[classes, classes]`.
///
/// # Panics
/// Like a slice, when `truth` or a row does not fit. [`score`] reports such a fault as an error.
pub fn confusion(classes: usize, truth: &[usize], probabilities: &Table) -> Vec<Vec<usize>> {
    let mut matrix = vec![vec![0; classes]; classes];
    for (&class, row) in truth.iter().zip(probabilities.rows()) {
        matrix[class][most_probable(row)] += 1;
    }
    matrix
}

/// The contribution of each clip to mAP@3 and to accuracy.
pub(crate) fn per_clip(truth: &[usize], probabilities: &Table) -> [Vec<f64>; 2] {
    let ranks = || truth.iter().zip(probabilities.rows()).map(|(&class, row)| rank(class, row));
    let precision_at_3 = ranks().map(|rank| if rank <= 3 { 1.0 / rank as f64 } else { 0.0 });
    let hits = ranks().map(|rank| if rank == 1 { 1.0 } else { 0.0 });
    [precision_at_3.collect(), hits.collect()]
}

/// The rank of `class` among a row's probabilities, from 1.
fn rank(class: usize, row: &[f32]) -> usize {
    let before = |&(other, value): &(usize, &f32)| *value > row[class] || (*value == row[class] && other < class);
    1 + row.iter().enumerate().filter(before).count()
}

/// The class that ranks first in a row of probabilities; of equal ones, the class with the lowest
/// index.
pub fn most_probable(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// NaN for no values.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
