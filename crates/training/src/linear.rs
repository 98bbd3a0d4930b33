//! Logistic regression on features of whole clips, with scikit-learn's objective: multinomial, or
//! each class against all others if clips may have several labels.

use earmark_datasets::Task;
use earmark_features::Scaling;
use earmark_lbfgs::minimise;
use earmark_loader::Example;
use earmark_nets::{Array, Weights, linear};
use tch::{Device, Kind, Tensor};

use crate::error::TrainingError;
use crate::rows::{Fitted, Rows};
use crate::settings::Linear;
use crate::tensors::array;

/// The largest gradient entry of the mean loss at convergence.
const TOLERANCE: f64 = 1e-7;
const STEPS: usize = 10_000;

/// Mean and deviation of each feature over the clips.
pub(crate) fn scaling(clips: &[Example]) -> Scaling {
    Scaling::fit(clips.iter().map(|example| example.features))
}

/// Bytes that a fit on this number of clips and features needs.
pub(crate) fn bytes(clips: usize, features: usize, classes: usize) -> u64 {
    8 * (clips as u64 * (2 * features + 4 * classes) as u64)
}

/// Fits the coefficients that minimize `c * sum of weight * loss + sum of squared coefficients / 2`
/// by L-BFGS; intercepts are not penalized. The loss of a clip is its cross-entropy or, if clips
/// may have several labels, the sum of the classes' binary cross-entropies, so that this is the
/// same regression for each class. Weights are those of [`Rows::weights`]. `go_on` is called before
/// each step.
pub(crate) fn fit(
    rows: &Rows<'_>,
    settings: &Linear,
    device: Device,
    go_on: &mut dyn FnMut() -> Result<(), TrainingError>,
) -> Result<Fitted, TrainingError> {
    let _guard = tch::no_grad_guard();
    let (clips, features, classes) = (rows.clips() as i64, rows.features() as i64, rows.classes);
    let x = Tensor::f_from_slice(rows.values)?.f_reshape([clips, features])?;
    let x = x.f_to_device(device)?.f_to_kind(Kind::Double)?;
    let (truth, counts) = (rows.truth(device)?, rows.counts(device)?);
    let weights = rows.weights(&truth)?;
    let total = weights.f_sum(Kind::Double)?.f_double_value(&[])? / weights.size()[1] as f64;
    let problem = Problem {
        task: rows.task,
        truth,
        counts: counts.f_div_scalar(counts.f_sum(Kind::Double)?.f_double_value(&[])?)?,
        weights: weights.f_div_scalar(total)?,
        x,
        coefficients: features * classes as i64,
        shape: [classes as i64, features],
        penalty: 1.0 / (settings.c * total),
    };
    let start = vec![0.0; (features as usize + 1) * classes];
    let mut failed = None;
    let found = minimise(start, TOLERANCE, STEPS, |at, gradient| {
        // After an error, a flat function ends the search.
        gradient.fill(0.0);
        if failed.is_some() {
            return 0.0;
        }
        match go_on().and_then(|()| problem.loss(at, gradient)) {
            Ok(loss) => loss,
            Err(error) => {
                failed = Some(error);
                gradient.fill(0.0);
                0.0
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let found = found.ok_or(TrainingError::NoConvergence { c: settings.c, steps: STEPS })?;
    problem.fitted(&found)
}

/// Everything that the loss depends on.
struct Problem {
    task: Task,
    /// `[clips, features]`.
    x: Tensor,
    /// `[clips, classes]`, ones and zeros.
    truth: Tensor,
    /// `[clips, 1]`, sum 1.
    counts: Tensor,
    /// In the loss: `[clips, 1]` or `[clips, classes]`; the mean of the columns' sums is 1.
    weights: Tensor,
    /// The number of coefficients; the intercepts follow them.
    coefficients: i64,
    /// Of the coefficients: classes, features.
    shape: [i64; 2],
    /// The factor of half the sum of the squared coefficients.
    penalty: f64,
}

impl Problem {
    /// Coefficients `[classes, features]` and intercepts `[classes]`.
    fn split(&self, at: &[f64]) -> Result<(Tensor, Tensor), TrainingError> {
        let all = Tensor::f_from_slice(at)?.f_to_device(self.x.device())?;
        let intercepts = all.f_narrow(0, self.coefficients, self.shape[0])?;
        Ok((all.f_narrow(0, 0, self.coefficients)?.f_reshape(self.shape)?, intercepts))
    }

    fn logits(&self, coefficients: &Tensor, intercepts: &Tensor) -> Result<Tensor, TrainingError> {
        Ok(self.x.f_matmul(&coefficients.f_tr()?)?.f_add(intercepts)?)
    }

    /// Weighted mean loss of a clip.
    fn mean_loss(&self, logits: &Tensor) -> Result<f64, TrainingError> {
        let likelihood = match self.task {
            Task::SingleLabel => logits.f_log_softmax(1, Kind::Double)?.f_mul(&self.truth)?,
            // ln sigmoid(x) if the clip has the class, else ln sigmoid(-x).
            Task::MultiLabel => logits.f_mul(&self.truth.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?)?.f_log_sigmoid()?,
        };
        let mean = likelihood.f_mul(&self.weights)?.f_sum(Kind::Double)?.f_double_value(&[])?;
        // If all predictions are certain and correct, return 0 and not -0.
        Ok((-mean).max(0.0))
    }

    /// The loss with its penalty; writes the gradient.
    fn loss(&self, at: &[f64], gradient: &mut [f64]) -> Result<f64, TrainingError> {
        let (coefficients, intercepts) = self.split(at)?;
        let logits = self.logits(&coefficients, &intercepts)?;
        let probabilities = match self.task {
            Task::SingleLabel => logits.f_softmax(1, Kind::Double)?,
            Task::MultiLabel => logits.f_sigmoid()?,
        };
        let off = probabilities.f_sub(&self.truth)?.f_mul(&self.weights)?;
        let of_coefficients = off.f_tr()?.f_matmul(&self.x)?.f_add(&coefficients.f_mul_scalar(self.penalty)?)?;
        let of_intercepts = off.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?;
        let all = Tensor::f_cat(&[of_coefficients.f_reshape([-1])?, of_intercepts], 0)?.f_to_device(Device::Cpu)?;
        all.f_copy_data(gradient, all.numel())?;
        let squares = coefficients.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
        Ok(self.mean_loss(&logits)? + 0.5 * self.penalty * squares)
    }

    fn fitted(&self, at: &[f64]) -> Result<Fitted, TrainingError> {
        let (coefficients, intercepts) = self.split(at)?;
        let logits = self.logits(&coefficients, &intercepts)?;
        // The most probable class is the label, or one of the labels.
        let best = logits.f_argmax(1, true)?;
        let accuracy = self.truth.f_gather(1, &best, false)?.f_mul(&self.counts)?.f_sum(Kind::Double)?;
        let decisions = if self.task == Task::MultiLabel { self.shape[0] as f64 } else { 1.0 };
        let loss = self.mean_loss(&logits)? / decisions;
        let [classes, features] = self.shape.map(|side| side as usize);
        let named = |name: &str, array: Array| (name.to_owned(), array);
        let weights = Weights(
            [
                named(linear::WEIGHT, array(&coefficients, &[classes, features])?),
                named(linear::BIAS, array(&intercepts, &[classes])?),
            ]
            .into(),
        );
        Ok(Fitted { weights, loss, accuracy: accuracy.f_double_value(&[])? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    /// `golden/linear/make.py`: scikit-learn's `LogisticRegression`, and one for each class.
    #[test]
    fn equals_scikit_learns() {
        let cases = golden::cases("linear");
        assert!(cases.len() >= 9);
        for case in cases {
            let single = |key: &str| golden::singles(&case[key]);
            let labels: Vec<Vec<usize>> = serde_json::from_value(case["labels"].clone()).unwrap();
            let labels: Vec<&[usize]> = labels.iter().map(Vec::as_slice).collect();
            let (values, counts) = (single("rows"), single("counts"));
            let task: Task = serde_json::from_value(case["task"].clone()).unwrap();
            let (c, classes) = (case["c"].as_f64().unwrap(), case["classes"].as_u64().unwrap() as usize);
            let class_weights = golden::class_weights(&case, &labels, &counts, task);
            let class_weights = class_weights.as_deref();
            let rows = Rows { values: &values, labels: &labels, counts: &counts, class_weights, classes, task };
            let fitted = fit(&rows, &Linear { c }, Device::Cpu, &mut || Ok(())).unwrap();
            for key in ["loss", "accuracy"] {
                let (ours, expected) = (if key == "loss" { fitted.loss } else { fitted.accuracy }, case[key].as_f64());
                assert!((ours - expected.unwrap()).abs() < 1e-6, "{task:?}, c = {c}: {key} {ours}, not {expected:?}");
            }
            for (name, key) in [(linear::WEIGHT, "coefficients"), (linear::BIAS, "intercepts")] {
                for (ours, expected) in fitted.weights.0[name].data.iter().zip(golden::numbers(&case[key])) {
                    let apart = (f64::from(*ours) - expected).abs();
                    assert!(apart < 1e-4, "{task:?}, c = {c}, {key}: {ours}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn a_fit_can_be_stopped() {
        let (values, labels): ([f32; 4], [&[usize]; 4]) = ([0.0, 1.0, 2.0, 3.0], [&[0], &[1], &[0], &[1]]);
        let task = Task::SingleLabel;
        let rows = Rows { values: &values, labels: &labels, counts: &[1.0; 4], class_weights: None, classes: 2, task };
        let stopped = fit(&rows, &Linear::default(), Device::Cpu, &mut || Err(TrainingError::Stopped));
        assert!(matches!(stopped, Err(TrainingError::Stopped)));
    }
}
