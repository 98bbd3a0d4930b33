//! How probabilities are made of margins: classes that exclude each other, or that do not.

use crate::averages::FLOOR;

/// The function from the margins of a clip to its probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A clip has one class: the probabilities sum to 1, and margins are their logarithms.
    Softmax,
    /// A clip has any number of classes: each has a probability by itself, and margins are log
    /// odds.
    Sigmoid,
}

impl Link {
    /// Probabilities as margins; probabilities and, for log odds, their complements are clamped to
    /// at least 1e-12.
    pub(crate) fn margins(self, probabilities: &[f32]) -> Vec<f64> {
        let logarithm = |value: f64| value.max(FLOOR).ln();
        let margin = |&probability: &f32| match (self, f64::from(probability)) {
            (Self::Softmax, probability) => logarithm(probability),
            (Self::Sigmoid, probability) => logarithm(probability) - logarithm(1.0 - probability),
        };
        probabilities.iter().map(margin).collect()
    }

    /// Converts the margins of one clip to probabilities.
    pub(crate) fn activate(self, margins: &mut [f64]) {
        match self {
            Self::Softmax => _ = softmax(margins),
            Self::Sigmoid => margins.iter_mut().for_each(|margin| *margin = 1.0 / (1.0 + (-*margin).exp())),
        }
    }

    /// The probabilities of clips, one row of margins per clip.
    pub(crate) fn probabilities(self, mut margins: Vec<f64>, classes: usize) -> Vec<f32> {
        margins.chunks_exact_mut(classes).for_each(|row| self.activate(row));
        margins.into_iter().map(|probability| probability as f32).collect()
    }

    /// The loss of a clip whose classes are predicted with equal probabilities.
    pub(crate) fn chance(self, classes: usize) -> f64 {
        match self {
            Self::Softmax => (classes as f64).ln(),
            Self::Sigmoid => std::f64::consts::LN_2,
        }
    }

    /// The operator of ONNX.
    pub(crate) fn operator(self) -> &'static str {
        match self {
            Self::Softmax => "Softmax",
            Self::Sigmoid => "Sigmoid",
        }
    }
}

/// Converts margins to probabilities, and returns the logarithm of the sum of their exponentials.
pub(crate) fn softmax(margins: &mut [f64]) -> f64 {
    let largest = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    margins.iter_mut().for_each(|margin| *margin = (*margin - largest).exp());
    let sum: f64 = margins.iter().sum();
    margins.iter_mut().for_each(|margin| *margin /= sum);
    largest + sum.ln()
}
