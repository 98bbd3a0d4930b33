//! Scores of clips that may have several labels.

mod bootstrap;
mod thresholds;

use serde::{Deserialize, Serialize};

use super::ranking::{Answer, Ranking};
use super::{check, mean, null_is_nan};
use crate::{Result, StackError, Table};

pub(super) use bootstrap::Ranked;
pub(crate) use bootstrap::bootstrap_against;
pub use bootstrap::{
    MultiLabelDifferences, MultiLabelIntervals, bootstrap_multi_label, bootstrap_multi_label_difference,
};
pub use thresholds::best_thresholds;

/// Scores of one table of probabilities against the labels of its clips. NaN means that there is
/// nothing to score; it is `null` in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MultiLabelScores {
    /// Mean of the classes' average precision, over the classes that have clips: AudioSet's and
    /// FSD50K's mAP.
    #[serde(deserialize_with = "null_is_nan")]
    pub macro_average_precision: f64,
    /// Average precision of all pairs of a clip and a class together.
    #[serde(deserialize_with = "null_is_nan")]
    pub micro_average_precision: f64,
    /// Label-weighted label-ranking average precision, FSDKaggle2019's measure: for each label of
    /// each clip, the share of the clip's labels among the classes that rank no lower; mean over
    /// all labels. Equal probabilities share the lower rank.
    #[serde(deserialize_with = "null_is_nan")]
    pub lwlrap: f64,
    /// Mean of the classes' areas under the ROC curve, over the classes that have one.
    #[serde(deserialize_with = "null_is_nan")]
    pub macro_roc_auc: f64,
    /// The distance of two normal distributions of standard deviation 1 that have the area
    /// `macro_roc_auc`: `sqrt(2)` times the inverse of the normal distribution function. Infinite,
    /// and `null` in JSON, for 0 and 1.
    #[serde(deserialize_with = "null_is_nan")]
    pub d_prime: f64,
    /// Mean of the classes' F1 at their thresholds, over the classes that have clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub macro_f1: f64,
    /// F1 at the thresholds of all pairs of a clip and a class together.
    #[serde(deserialize_with = "null_is_nan")]
    pub micro_f1: f64,
    /// How many of the most probable classes must be taken to have all labels of a clip, as
    /// computed by scikit-learn's `coverage_error`; mean over the clips. 0 for a clip without
    /// labels.
    #[serde(deserialize_with = "null_is_nan")]
    pub coverage_error: f64,
    /// One entry per class, in the labels' order.
    pub per_class: Vec<MultiLabelClassScore>,
}

impl MultiLabelScores {
    /// The threshold of each class.
    pub fn thresholds(&self) -> Vec<f32> {
        self.per_class.iter().map(|class| class.threshold).collect()
    }
}

/// The score of one class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MultiLabelClassScore {
    /// The class.
    pub label: String,
    /// Number of clips that have the label.
    pub clips: usize,
    /// Average precision; NaN for a class without clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub average_precision: f64,
    /// Area under the ROC curve; NaN for a class without clips, or with all of them.
    #[serde(deserialize_with = "null_is_nan")]
    pub roc_auc: f64,
    /// The probability from which on the label is given.
    pub threshold: f32,
    /// F1 at the threshold; NaN for a class without clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub f1: f64,
}

/// Scores `probabilities` against the true labels.
///
/// F1 is optimistic if the thresholds were chosen on the same clips.
///
/// # Shape
/// `truth`: for each row of `probabilities`, indices into `labels`, each once, in any order; none
/// for a clip without labels. The columns of `probabilities` are `labels`, in this order.
/// `thresholds`: one per label.
///
/// # Errors
/// The number of rows differs, an index is out of bounds, the columns are not the labels, or the
/// number of thresholds is not that of the labels.
pub fn score_multi_label(
    labels: &[String],
    truth: &[Vec<usize>],
    probabilities: &Table,
    thresholds: &[f32],
) -> Result<MultiLabelScores> {
    check(labels, truth.len(), truth.iter().flatten(), probabilities)?;
    if thresholds.len() != labels.len() {
        return Err(StackError::Shape(format!("{} thresholds for {} labels", thresholds.len(), labels.len())));
    }
    let hits: Vec<Hits> = (0..labels.len()).map(|class| Hits::of(class, truth, probabilities, thresholds)).collect();
    let once = vec![[1]; truth.len()];
    let class_score = |(class, label): (usize, &String)| {
        let ranking = ranking(class, truth, probabilities);
        let [average_precision] = ranking.average_precision(&once);
        let (clips, f1) = (hits[class].clips, hits[class].f1());
        let f1 = if clips > 0 { f1 } else { f64::NAN };
        let (threshold, roc_auc) = (thresholds[class], ranking.roc_auc());
        MultiLabelClassScore { label: label.clone(), clips, average_precision, roc_auc, threshold, f1 }
    };
    let per_class: Vec<MultiLabelClassScore> = labels.iter().enumerate().map(class_score).collect();
    let over_classes =
        |value: fn(&MultiLabelClassScore) -> f64| mean(per_class.iter().map(value).filter(|value| !value.is_nan()));
    let macro_roc_auc = over_classes(|class| class.roc_auc);
    let [micro_average_precision] = all_pairs(truth, probabilities).average_precision(&once);
    let precisions = label_precisions(truth, probabilities);
    Ok(MultiLabelScores {
        macro_average_precision: over_classes(|class| class.average_precision),
        micro_average_precision,
        lwlrap: precisions.iter().sum::<f64>() / truth.iter().map(Vec::len).sum::<usize>() as f64,
        macro_roc_auc,
        d_prime: d_prime(macro_roc_auc),
        macro_f1: over_classes(|class| class.f1),
        micro_f1: hits.iter().fold(Hits::default(), |sum, hits| sum.plus(hits)).f1(),
        coverage_error: mean(truth.iter().zip(probabilities.rows()).map(|(labels, row)| coverage(labels, row))),
        per_class,
    })
}

/// The clips by `[label that they have][label that they are given]`: a clip is given the labels
/// whose thresholds it reaches, and counts in the row of each label that it has.
///
/// # Shape
/// `truth`: for each row of `probabilities`, the indices of the columns that are its labels;
/// `thresholds`: one per column. The result is `[columns, columns]`.
///
/// # Panics
/// Like a slice, when `truth` or `thresholds` do not fit. [`score_multi_label`] reports that as an
/// error.
pub fn co_occurrence(truth: &[Vec<usize>], probabilities: &Table, thresholds: &[f32]) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; thresholds.len()]; thresholds.len()];
    for (labels, row) in truth.iter().zip(probabilities.rows()) {
        for given in (0..thresholds.len()).filter(|class| row[*class] >= thresholds[*class]) {
            labels.iter().for_each(|label| counts[*label][given] += 1);
        }
    }
    counts
}

/// The clips by the probability of one class.
fn ranking(class: usize, truth: &[Vec<usize>], probabilities: &Table) -> Ranking {
    Ranking::of_class(class, probabilities, |clip| truth[clip].contains(&class))
}

/// All pairs of a clip and a class by their probability.
pub(super) fn all_pairs(truth: &[Vec<usize>], probabilities: &Table) -> Ranking {
    let of_clip = |(clip, (labels, row)): (usize, (&Vec<usize>, &[f32]))| -> Vec<Answer> {
        let answer = |(class, &probability): (usize, &f32)| Answer {
            probability,
            clip: clip as u32,
            right: labels.contains(&class),
        };
        row.iter().enumerate().map(answer).collect()
    };
    Ranking::new(truth.iter().zip(probabilities.rows()).enumerate().flat_map(of_clip).collect())
}

/// For each clip, the sum over its labels of the share of its labels among the classes that are at
/// least as probable.
fn label_precisions(truth: &[Vec<usize>], probabilities: &Table) -> Vec<f64> {
    let of_clip = |(labels, row): (&Vec<usize>, &[f32])| -> f64 {
        let precision = |label: &usize| {
            let hits = labels.iter().filter(|other| row[**other] >= row[*label]).count();
            hits as f64 / row.iter().filter(|value| **value >= row[*label]).count() as f64
        };
        labels.iter().map(precision).sum()
    };
    truth.iter().zip(probabilities.rows()).map(of_clip).collect()
}

/// The number of classes that are at least as probable as the least probable label.
fn coverage(labels: &[usize], row: &[f32]) -> f64 {
    let Some(least) = labels.iter().map(|label| row[*label]).min_by(f32::total_cmp) else { return 0.0 };
    row.iter().filter(|value| **value >= least).count() as f64
}

/// How the labels that are given fit the true ones.
#[derive(Clone, Copy, Default)]
struct Hits {
    /// Clips that have the label.
    clips: usize,
    /// Clips that were given the label.
    given: usize,
    /// Clips that have it and were given it.
    both: usize,
}

impl Hits {
    fn of(class: usize, truth: &[Vec<usize>], probabilities: &Table, thresholds: &[f32]) -> Self {
        let mut hits = Self::default();
        for (labels, row) in truth.iter().zip(probabilities.rows()) {
            let (has, given) = (labels.contains(&class), row[class] >= thresholds[class]);
            hits.clips += usize::from(has);
            hits.given += usize::from(given);
            hits.both += usize::from(has && given);
        }
        hits
    }

    fn plus(self, other: &Self) -> Self {
        Self { clips: self.clips + other.clips, given: self.given + other.given, both: self.both + other.both }
    }

    /// The harmonic mean of precision and recall.
    fn f1(&self) -> f64 {
        2.0 * self.both as f64 / (self.clips + self.given) as f64
    }
}

/// The solution `d` of `erfc(-d / 2) / 2 = roc_auc`, by Newton's method.
fn d_prime(roc_auc: f64) -> f64 {
    if roc_auc < 0.5 {
        return -d_prime(1.0 - roc_auc);
    }
    if roc_auc >= 1.0 {
        return f64::INFINITY;
    }
    // The function is concave from 0 on, so each step ends below the solution until rounding stops
    // the growth.
    let mut d = 0.0;
    loop {
        let slope = libm::exp(-d * d / 4.0) / (2.0 * std::f64::consts::PI.sqrt());
        let next = d + (roc_auc - libm::erfc(-d / 2.0) / 2.0) / slope;
        match next > d {
            true => d = next,
            // Also for NaN.
            false => return if roc_auc.is_nan() { roc_auc } else { d },
        }
    }
}
