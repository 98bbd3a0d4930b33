//! Dropout of the last layer's inputs (Srivastava et al. 2014). Its random numbers come from the
//! job's named streams, so that a resumed job drops the same values.

use earmark_nets::{Graph, Parameter};
use rand::{Rng, RngExt};
use tch::Tensor;

use crate::error::TrainingError;
use crate::settings::LearnerSettings;

/// How many inputs the last layer has, and which share of them is dropped in each step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    rate: f32,
    features: usize,
}

impl Dropout {
    /// `None` if the learner has none.
    pub fn new(learner: &LearnerSettings, graph: &Graph) -> Option<Self> {
        let weight = graph.head().and_then(|head| head.parameters().into_iter().next());
        let features = weight.map_or(0, |Parameter { shape, .. }| shape[1]);
        (learner.dropout > 0.0).then_some(Self { rate: learner.dropout, features })
    }

    /// The factors of the inputs, `[crops, features]`: 0 with the probability of the rate, or else
    /// `1 / (1 - rate)`, so that their mean is 1.
    pub fn factors(&self, crops: usize, rng: &mut impl Rng) -> Result<Tensor, TrainingError> {
        let kept = 1.0 / (1.0 - self.rate);
        let draw = |_| if rng.random::<f32>() < self.rate { 0.0 } else { kept };
        let factors: Vec<f32> = (0..crops * self.features).map(draw).collect();
        Ok(Tensor::f_from_slice(&factors)?.f_reshape([crops as i64, self.features as i64])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::values;
    use earmark_datasets::random::stream;

    #[test]
    fn the_rate_is_that_of_the_setting_and_the_mean_is_one() {
        let dropout = Dropout { rate: 0.2, features: 512 };
        let draw = |seed| values(&dropout.factors(64, &mut stream(seed, &[])).unwrap()).unwrap();
        let factors = draw(1);
        assert!(factors.iter().all(|&factor| factor == 0.0 || factor == 1.25));
        let mean = factors.iter().sum::<f32>() / factors.len() as f32;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert_eq!(factors, draw(1));
        assert_ne!(factors, draw(2));
    }
}
