//! Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks"): all margins
//! are multiplied by one factor, the inverse of the temperature. The ranking of the classes of a
//! clip does not change.

use crate::Label;
use crate::link::Link;

/// The search range of the factor, and the number of steps: enough for a precision of a millionth.
const FACTORS: (f64, f64) = (0.01, 100.0);
const HALVINGS: usize = 24;

/// The factor that minimizes the log loss, of several labels the binary cross-entropy of all
/// classes.
///
/// If all predictions were correct, the loss would decrease without limit. So labels are smoothed
/// by 1/(n + 1) for n clips: one more clip could have any label. Without any clip it is 1.
///
/// # Shape
/// `margins`: `[clips, classes]`, row-major; `labels` and `weights`: one per clip.
pub(crate) fn best_factor<T: Label>(margins: &[f64], labels: &[T], weights: &[f32], classes: usize) -> f64 {
    let clips: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    if clips == 0.0 {
        return 1.0;
    }
    let doubt = 1.0 / (clips + 1.0);
    // One more clip has a class with a probability of one divided by this.
    let any = match T::LINK {
        Link::Softmax => classes as f64,
        Link::Sigmoid => 2.0,
    };
    let rows = || margins.chunks_exact(classes).zip(labels).zip(weights).filter(|(_, weight)| **weight > 0.0);
    // The derivative of the loss with respect to the factor: it increases with the factor, and is 0
    // at the best one.
    let slope = |factor: f64| -> f64 {
        rows()
            .map(|((margins, labels), &weight)| {
                let mut shares: Vec<f64> = margins.iter().map(|margin| factor * margin).collect();
                T::LINK.activate(&mut shares);
                let expected: f64 = shares.iter().zip(margins).map(|(share, margin)| share * margin).sum();
                let own: f64 = labels.classes().iter().map(|&label| margins[label]).sum();
                let doubted = margins.iter().sum::<f64>() / any;
                f64::from(weight) * (expected - (1.0 - doubt) * own - doubt * doubted)
            })
            .sum()
    };
    let (mut low, mut high) = FACTORS;
    for _ in 0..HALVINGS {
        let middle = (low * high).sqrt();
        if slope(middle) < 0.0 { low = middle } else { high = middle }
    }
    (low * high).sqrt()
}

/// Probabilities whose margins are multiplied by the factor.
pub(crate) fn scaled(probabilities: &[f32], classes: usize, factor: f64, link: Link) -> Vec<f32> {
    let mut margins = link.margins(probabilities);
    margins.iter_mut().for_each(|margin| *margin *= factor);
    link.probabilities(margins, classes)
}
