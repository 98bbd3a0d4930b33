//! Calibration of probabilities.

use serde::{Deserialize, Serialize};

use super::{mean, most_probable, null_is_nan};
use crate::Table;

/// Bins of the expected calibration error, as in Guo et al. 2017.
pub const CALIBRATION_BINS: usize = 15;

/// The answers whose probability is in one range. An answer is the most probable label of a clip
/// or, if clips may have several, any label of any clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Number of answers: clips, or pairs of a clip and a class.
    pub clips: usize,
    /// The mean of their probabilities; NaN without answers.
    #[serde(deserialize_with = "null_is_nan")]
    pub confidence: f64,
    /// The share of them that are true; NaN without answers.
    #[serde(deserialize_with = "null_is_nan")]
    pub accuracy: f64,
}

/// The data of a reliability diagram: the clips by their highest probability, in bins of equal
/// width over 0..=1.
///
/// As in Guo et al. 2017, a bin includes its upper edge but not its lower one; the first bin also
/// includes 0. Values that rounding has pushed beyond 1 are in the last bin.
///
/// # Shape
/// `truth`: one class per row of `probabilities`. The result has `bins` entries (one for `bins` 0),
/// from low to high.
///
/// # Panics
/// When the length of `truth` differs from the table's. [`score`](crate::score) reports that as an
/// error.
pub fn reliability(truth: &[usize], probabilities: &Table, bins: usize) -> Vec<ReliabilityBin> {
    assert_eq!(truth.len(), probabilities.names().len(), "one true label a clip");
    let answer = |(&class, row): (&usize, &[f32])| {
        let best = most_probable(row);
        (row[best], best == class)
    };
    binned(truth.iter().zip(probabilities.rows()).map(answer), bins)
}

/// The same for clips that may have several labels: all pairs of a clip and a class by their
/// probability, and how many of them are true.
///
/// # Shape
/// `truth`: for each row of `probabilities`, the indices of the columns that are its labels.
///
/// # Panics
/// When the length of `truth` differs from the table's.
pub fn reliability_multi_label(truth: &[Vec<usize>], probabilities: &Table, bins: usize) -> Vec<ReliabilityBin> {
    assert_eq!(truth.len(), probabilities.names().len(), "labels for each clip");
    let answers = truth.iter().zip(probabilities.rows()).flat_map(|(labels, row)| {
        row.iter().enumerate().map(|(class, &probability)| (probability, labels.contains(&class)))
    });
    binned(answers, bins)
}

/// Answers, given by their probability and whether they are true, in bins.
fn binned(answers: impl Iterator<Item = (f32, bool)>, bins: usize) -> Vec<ReliabilityBin> {
    let bins = bins.max(1);
    // In the precision of the probabilities; otherwise 0.2 would be above the edge 3/15.
    let edges: Vec<f32> = (1..bins).map(|edge| (edge as f64 / bins as f64) as f32).collect();
    let mut of_bins = vec![Vec::new(); bins];
    for (probability, right) in answers {
        of_bins[edges.partition_point(|&edge| edge < probability)].push((f64::from(probability), right));
    }
    let bin = |answers: Vec<(f64, bool)>| ReliabilityBin {
        clips: answers.len(),
        confidence: mean(answers.iter().map(|(confidence, _)| *confidence)),
        accuracy: mean(answers.iter().map(|(_, right)| if *right { 1.0 } else { 0.0 })),
    };
    of_bins.into_iter().map(bin).collect()
}

/// The expected calibration error of these bins: the mean over answers of the distance between the
/// mean probability and the accuracy of the bin. NaN without answers.
pub fn calibration_error(bins: &[ReliabilityBin]) -> f64 {
    let filled = || bins.iter().filter(|bin| bin.clips > 0);
    let sum: f64 = filled().map(|bin| bin.clips as f64 * (bin.confidence - bin.accuracy).abs()).sum();
    sum / filled().map(|bin| bin.clips).sum::<usize>() as f64
}
