//! Calibration of probabilities.

use serde::{Deserialize, Serialize};

use super::{mean, most_probable, null_is_nan};
use crate::Table;

/// Bins of the expected calibration error, as in Guo et al. 2017.
pub const CALIBRATION_BINS: usize = 15;

/// The clips whose highest probability is in one range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Number of clips.
    pub clips: usize,
    /// The mean of their highest probabilities; NaN without clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub confidence: f64,
    /// The share of them whose most probable label is the true one; NaN without clips.
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
    let bins = bins.max(1);
    // In the precision of the probabilities; otherwise 0.2 would be above the edge 3/15.
    let edges: Vec<f32> = (1..bins).map(|edge| (edge as f64 / bins as f64) as f32).collect();
    let mut clips = vec![Vec::new(); bins];
    for (&class, row) in truth.iter().zip(probabilities.rows()) {
        let best = most_probable(row);
        clips[edges.partition_point(|&edge| edge < row[best])].push((f64::from(row[best]), best == class));
    }
    let bin = |clips: Vec<(f64, bool)>| ReliabilityBin {
        clips: clips.len(),
        confidence: mean(clips.iter().map(|(confidence, _)| *confidence)),
        accuracy: mean(clips.iter().map(|(_, right)| if *right { 1.0 } else { 0.0 })),
    };
    clips.into_iter().map(bin).collect()
}

/// The expected calibration error of these bins.
pub(super) fn error(bins: &[ReliabilityBin]) -> f64 {
    let filled = || bins.iter().filter(|bin| bin.clips > 0);
    let sum: f64 = filled().map(|bin| bin.clips as f64 * (bin.confidence - bin.accuracy).abs()).sum();
    sum / filled().map(|bin| bin.clips).sum::<usize>() as f64
}
