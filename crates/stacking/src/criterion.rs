//! What [`Choice`](crate::Choice) and [`WeightedMean`](crate::WeightedMean) minimize.

use crate::averages::FLOOR;

/// The log loss of one clip: minus the logarithm of the probability of its true class, which counts
/// as at least 1e-12.
///
/// Users look at accuracy and mAP@3, but these only count the few clips whose rank changes, so on
/// some hundred clips chance decides. Log loss compares the probabilities of all clips. It punishes
/// overconfidence, but candidates are compared after temperature scaling, which removes that.
/// `docs/level2.md` has the comparison with other criteria.
pub(crate) fn loss<T: Copy + Into<f64>>(probabilities: &[T], label: usize) -> f64 {
    -probabilities[label].into().max(FLOOR).ln()
}
