//! Mixup: each sample of a batch is blended with another (Zhang et al. 2018).

use earmark_datasets::random::epoch_order;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

/// Blends a batch's samples and labels; the weights are drawn from Beta(alpha, alpha).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixup {
    /// Both parameters of the distribution; the paper uses 3. A value that is not positive and
    /// finite turns mixup off.
    pub alpha: f32,
}

impl Mixup {
    /// For each of `n` samples, its partner and the sample's own weight in 0..=1; the partner's
    /// weight is 1 minus that. The partners are a random permutation of the batch, so a sample may
    /// be its own partner.
    pub fn plan(&self, n: usize, rng: &mut ChaCha8Rng) -> Vec<(usize, f32)> {
        let alpha = f64::from(self.alpha);
        let beta = if alpha.is_finite() { Beta::new(alpha, alpha).ok() } else { None };
        let partners = epoch_order(n, rng);
        let mut weight = || match beta {
            Some(beta) => beta.sample(rng) as f32,
            None => 1.0,
        };
        partners.into_iter().map(|partner| (partner, weight())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earmark_datasets::random::stream;

    #[test]
    fn partners_are_a_permutation_and_weights_are_weights() {
        for alpha in [0.001, 0.3, 1.0, 3.0, 100.0] {
            let plan = Mixup { alpha }.plan(64, &mut stream(3, &[]));
            let mut partners: Vec<usize> = plan.iter().map(|(partner, _)| *partner).collect();
            partners.sort_unstable();
            assert_eq!(partners, (0..64).collect::<Vec<_>>());
            assert!(plan.iter().all(|(_, weight)| (0.0..=1.0).contains(weight)), "alpha {alpha}: {plan:?}");
            assert_eq!(plan, Mixup { alpha }.plan(64, &mut stream(3, &[])));
            assert_ne!(plan, Mixup { alpha }.plan(64, &mut stream(4, &[])));
        }
    }

    #[test]
    fn weights_have_the_mean_and_variance_of_beta() {
        for alpha in [0.3_f32, 3.0] {
            let plan = Mixup { alpha }.plan(40_000, &mut stream(5, &[]));
            let n = plan.len() as f64;
            let mean = plan.iter().map(|(_, weight)| f64::from(*weight)).sum::<f64>() / n;
            let variance = plan.iter().map(|(_, weight)| (f64::from(*weight) - mean).powi(2)).sum::<f64>() / n;
            // Beta(a, a) has variance 1 / (4 (2a + 1)).
            let expected = 1.0 / (4.0 * (2.0 * f64::from(alpha) + 1.0));
            assert!((mean - 0.5).abs() < 0.01, "alpha {alpha}: mean {mean}");
            assert!((variance / expected - 1.0).abs() < 0.03, "alpha {alpha}: variance {variance}, not {expected}");
        }
    }

    #[test]
    fn an_alpha_that_is_no_parameter_mixes_nothing() {
        for alpha in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let plan = Mixup { alpha }.plan(8, &mut stream(6, &[]));
            assert!(plan.iter().all(|(_, weight)| *weight == 1.0), "alpha {alpha}");
        }
        assert!(Mixup { alpha: 3.0 }.plan(0, &mut stream(6, &[])).is_empty());
    }
}
