//! The rule of one standard error (Breiman et al. 1984, "Classification and Regression Trees",
//! section 3.4.3): the simplest of the candidates that may be as good as the best one. On few
//! clips, a difference that one more clip could make is tolerated, too.

use serde::{Deserialize, Serialize};

/// A mean difference over clips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// The weighted mean over clips.
    pub mean: f64,
    /// Its standard error; 0 for fewer than two clips.
    pub standard_error: f64,
}

impl PairedDifference {
    /// Of `a - b`, one entry per clip. With equal weights the standard error is that of
    /// `scipy.stats.sem`.
    pub(crate) fn new(a: &[f64], b: &[f64], weights: &[f32]) -> Self {
        let weights: Vec<f64> = weights.iter().map(|&weight| f64::from(weight)).collect();
        let total: f64 = weights.iter().sum();
        let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
        if total <= 0.0 {
            return Self::default();
        }
        let differences = || a.iter().zip(b).map(|(a, b)| a - b).zip(&weights);
        let mean = differences().map(|(difference, weight)| weight * difference).sum::<f64>() / total;
        // Kish's effective number of clips.
        let clips = total * total / squares;
        let spread: f64 = differences().map(|(difference, weight)| (weight * (difference - mean)).powi(2)).sum();
        let variance = if clips > 1.0 { spread / (total * total) * clips / (clips - 1.0) } else { 0.0 };
        Self { mean, standard_error: variance.sqrt() }
    }
}

/// What the rule decides; candidates are given by their indices.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The candidate with the smallest mean loss.
    pub best: usize,
    /// The simplest one that is worse than the best by at most [`Self::tolerances`]; of equally
    /// simple ones, the one with the smallest loss.
    pub chosen: usize,
    /// The standard error of each difference, or what one more clip, predicted by chance, would add
    /// to the mean loss, if that is more. On few clips that are all predicted well, differences are
    /// small, and their standard errors are even smaller; but that says little about the next clip.
    pub tolerances: Vec<f64>,
    /// The loss of each candidate minus that of the best.
    pub differences: Vec<PairedDifference>,
}

impl Verdict {
    /// # Shape
    /// `losses` and `complexities`: one entry per candidate, of which there is at least one; each
    /// entry of `losses`, and `weights`: one number per clip; `chance`: the loss of a clip that is
    /// predicted by chance.
    pub(crate) fn new(losses: &[&[f64]], complexities: &[usize], weights: &[f32], chance: f64) -> Self {
        let sum = |of: &[f64]| -> f64 { of.iter().zip(weights).map(|(loss, &weight)| loss * f64::from(weight)).sum() };
        let sums: Vec<f64> = losses.iter().map(|of| sum(of)).collect();
        let candidates = || 0..losses.len();
        let best = candidates().min_by(|&a, &b| sums[a].total_cmp(&sums[b])).unwrap_or(0);
        let differences: Vec<PairedDifference> =
            losses.iter().map(|of| PairedDifference::new(of, losses[best], weights)).collect();
        let clips: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let tolerance = |of: &PairedDifference| of.standard_error.max(chance / (clips + 1.0));
        let tolerances: Vec<f64> = differences.iter().map(tolerance).collect();
        let is_near = |&one: &usize| differences[one].mean <= tolerances[one];
        let simpler =
            |a: &usize, b: &usize| complexities[*a].cmp(&complexities[*b]).then(sums[*a].total_cmp(&sums[*b]));
        let chosen = candidates().filter(is_near).min_by(simpler).unwrap_or(best);
        Self { best, chosen, tolerances, differences }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        losses: Vec<Vec<f64>>,
        complexities: Vec<usize>,
        weights: Vec<f32>,
        chance: f64,
        best: usize,
        chosen: usize,
        differences: Vec<[f64; 2]>,
    }

    #[test]
    fn the_rule_is_that_of_the_reference() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/choice/verdicts.json");
        let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for case in &cases {
            let losses: Vec<&[f64]> = case.losses.iter().map(Vec::as_slice).collect();
            let verdict = Verdict::new(&losses, &case.complexities, &case.weights, case.chance);
            assert_eq!((verdict.best, verdict.chosen), (case.best, case.chosen));
            for (ours, [mean, standard_error]) in verdict.differences.iter().zip(&case.differences) {
                assert!((ours.mean - mean).abs() < 1e-12 && (ours.standard_error - standard_error).abs() < 1e-12);
            }
        }
        assert!(cases.iter().any(|case| case.best != case.chosen));
    }

    #[test]
    fn without_clips_the_simplest_is_chosen() {
        let verdict = Verdict::new(&[&[0.5, 0.5], &[0.1, 0.1]], &[0, 1], &[0.0, 0.0], LN_2);
        assert_eq!(verdict.chosen, 0);
        // One clip has no standard error.
        let verdict = Verdict::new(&[&[0.5, 0.5], &[0.1, 0.1]], &[0, 1], &[1.0, 0.0], LN_2);
        assert_eq!(verdict.chosen, 1);
    }

    #[test]
    fn on_few_clips_that_are_all_predicted_well_the_simplest_is_chosen() {
        let (simple, complex) = (vec![0.03; 20], vec![0.001; 20]);
        let of = |clips: usize| {
            let losses = [&simple.repeat(clips / 20)[..], &complex.repeat(clips / 20)[..]];
            Verdict::new(&losses, &[0, 1], &vec![1.0; clips], 4f64.ln()).chosen
        };
        assert_eq!((of(20), of(2_000)), (0, 1));
    }
}
