//! What [`Choice`](crate::Choice) and [`WeightedMean`](crate::WeightedMean) minimize.

use crate::Label;
use crate::averages::FLOOR;
use crate::link::Link;
use crate::temperature::{best_factor, scaled};

/// So many factors of at least 1e-12 have a product above the smallest number, about 1e-308.
const FACTORS: usize = 24;

/// The loss of one clip. If it has one class, the log loss: minus the logarithm of the probability
/// of this class. If it may have several, the mean over classes of the binary cross-entropy.
/// Probabilities, and complements of probabilities, count as at least 1e-12.
///
/// Users look at accuracy, mAP@3 or mean average precision, but these only count the clips whose
/// rank changes, so on some hundred clips chance decides. Log loss compares the probabilities of
/// all clips. It punishes overconfidence, but candidates are compared after temperature scaling,
/// which removes that. `docs/level2.md` has the comparison with other criteria.
pub(crate) fn loss<P: Copy + Into<f64>, T: Label>(probabilities: &[P], labels: &T) -> f64 {
    let probability = |class: usize| probabilities[class].into();
    match T::LINK {
        Link::Softmax => labels.classes().iter().map(|&class| -probability(class).max(FLOOR).ln()).sum(),
        Link::Sigmoid => {
            let absent = |&probability: &P| (1.0 - probability.into()).max(FLOOR);
            // A logarithm for several classes at once: most of the time of a fit is spent here.
            let of_none: f64 =
                probabilities.chunks(FACTORS).map(|some| some.iter().map(absent).product::<f64>().ln()).sum();
            let present = |&class: &usize| probability(class).max(FLOOR).ln() - absent(&probabilities[class]).ln();
            let of_labels: f64 = labels.classes().iter().map(present).sum();
            -(of_none + of_labels) / probabilities.len() as f64
        }
    }
}

/// The losses of probabilities after temperature scaling.
pub(crate) struct ScaledLosses {
    /// The factor for the margins of the probabilities. It is fitted to these same rows: that is
    /// one number for all that are compared, so it favors none.
    pub factor: f64,
    /// The loss of each row, scaled by the factor; of no meaning for rows of weight 0.
    pub losses: Vec<f64>,
}

impl ScaledLosses {
    /// # Shape
    /// `probabilities`: `[rows, classes]`, row-major; `truth` and `weights`: one per row.
    pub fn new<T: Label>(probabilities: &[f32], truth: &[T], weights: &[f32], classes: usize) -> Self {
        let factor = best_factor(&T::LINK.margins(probabilities), truth, weights, classes);
        let scaled = scaled(probabilities, classes, factor, T::LINK);
        let losses = scaled.chunks_exact(classes).zip(truth).map(|(row, labels)| loss(row, labels)).collect();
        Self { factor, losses }
    }
}
