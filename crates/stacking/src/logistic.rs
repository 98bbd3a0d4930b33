//! Multinomial logistic regression with an L2 penalty: the objective of scikit-learn's
//! `LogisticRegression`.

use earmark_lbfgs::minimise;
use serde::Serialize;

use crate::link::{Link, softmax};
use crate::rows::check_labels;
use crate::{Matrix, Result, StackError, StackSettings};

/// The largest gradient entry of the mean loss at convergence.
const TOLERANCE: f64 = 1e-7;
const STEPS: usize = 10_000;

/// A linear model: the link function of `intercept + coefficients * (x - mean) / deviation`.
#[derive(Clone, Debug, Serialize)]
pub struct Logistic {
    /// Weighted mean of each feature over the rows that it was fitted on.
    pub mean: Vec<f64>,
    /// Standard deviation of each feature over the same rows; 1 for a constant feature.
    pub deviation: Vec<f64>,
    /// One row per class, one number per feature, in units of the feature's deviation.
    pub coefficients: Vec<Vec<f64>>,
    /// One number per class.
    pub intercept: Vec<f64>,
}

/// The standardized rows, and everything else that the loss depends on.
struct Problem<'a> {
    /// `[rows, features]`.
    x: Vec<f64>,
    features: usize,
    labels: &'a [usize],
    /// They sum to 1.
    weights: Vec<f64>,
    classes: usize,
    /// The factor of half the sum of the squared coefficients.
    penalty: f64,
}

impl Logistic {
    /// Fits the coefficients that minimize
    /// `c * sum of weight * loss + sum of squared coefficients / 2`, by L-BFGS; intercepts are not
    /// penalized. Features are first standardized by the mean and deviation of these rows.
    ///
    /// # Shape
    /// `labels` (the index of each row's class in `classes`) and `weights`: one per row.
    ///
    /// # Errors
    /// A setting out of range, lengths that differ, fewer than two classes, a weight that is
    /// negative or not finite, a class without a row of positive weight, a missing feature, or no
    /// convergence, as with a huge `c`.
    pub fn fit(
        x: Matrix<'_>,
        labels: &[usize],
        weights: &[f32],
        classes: &[String],
        settings: &StackSettings,
    ) -> Result<Logistic> {
        settings.validate()?;
        Self::fit_within(x, labels, weights, classes, settings)
    }

    /// [`Self::fit`] with a `c` that may be smaller than the smallest setting.
    pub(crate) fn fit_within(
        x: Matrix<'_>,
        labels: &[usize],
        weights: &[f32],
        classes: &[String],
        settings: &StackSettings,
    ) -> Result<Logistic> {
        check_labels(x.rows(), labels, weights, classes)?;
        if x.data().iter().any(|value| value.is_nan()) {
            return Err(StackError::NotFinite(
                "a feature is NaN, and logistic regression needs every feature".to_owned(),
            ));
        }
        let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let weights: Vec<f64> = weights.iter().map(|&weight| f64::from(weight) / total).collect();
        let (mean, deviation) = moments(x, &weights);
        let problem = Problem {
            x: standardised(x, &mean, &deviation),
            features: x.columns(),
            labels,
            weights,
            classes: classes.len(),
            penalty: 1.0 / (settings.c * total),
        };
        let start = vec![0.0; (x.columns() + 1) * classes.len()];
        let learned = minimise(start, TOLERANCE, STEPS, |at, gradient| problem.loss(at, gradient));
        let learned = learned.ok_or(StackError::NoEnd { steps: STEPS, c: settings.c })?;
        let (coefficients, intercept) = learned.split_at(x.columns() * classes.len());
        let of_class = |class| coefficients.iter().skip(class).step_by(classes.len()).copied().collect();
        let coefficients = (0..classes.len()).map(of_class).collect();
        Ok(Logistic { mean, deviation, coefficients, intercept: intercept.to_vec() })
    }

    /// The probability of each class.
    ///
    /// # Shape
    /// `x`: `[rows, features]`; the result: `[rows, classes]`, row-major.
    ///
    /// # Errors
    /// The number of columns or classes differs from those that it was fitted on.
    pub fn probabilities(&self, x: Matrix<'_>, classes: usize, link: Link) -> Result<Vec<f32>> {
        Ok(link.probabilities(self.margins(x, classes)?, classes))
    }

    /// The margins, of which [`Self::probabilities`] computes the link; same shape and errors.
    pub(crate) fn margins(&self, x: Matrix<'_>, classes: usize) -> Result<Vec<f64>> {
        let (features, own) = (self.mean.len(), self.intercept.len());
        if (x.columns(), classes) != (features, own) {
            let reason = format!("{} features and {classes} classes for a model of {features} and {own}", x.columns());
            return Err(StackError::Shape(reason));
        }
        let rows = standardised(x, &self.mean, &self.deviation);
        let of_row = |row: &[f64]| {
            let margin = |(coefficients, intercept): (&Vec<f64>, &f64)| {
                intercept + coefficients.iter().zip(row).map(|(a, b)| a * b).sum::<f64>()
            };
            self.coefficients.iter().zip(&self.intercept).map(margin).collect::<Vec<f64>>()
        };
        Ok(rows.chunks_exact(features).flat_map(of_row).collect())
    }

    /// The model whose margins are `factor` times these.
    pub(crate) fn times(mut self, factor: f64) -> Self {
        let all = self.coefficients.iter_mut().flatten().chain(&mut self.intercept);
        all.for_each(|value| *value *= factor);
        self
    }

    /// The model as JSON: the arrays under their field names.
    ///
    /// # Errors
    /// Never fails with finite numbers.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| StackError::NotFinite(error.to_string()))
    }
}

impl Problem<'_> {
    /// Returns the mean loss with its penalty, and writes the gradient. `at` holds the
    /// coefficients, `[features, classes]`, then the intercepts.
    fn loss(&self, at: &[f64], gradient: &mut [f64]) -> f64 {
        let mut margins = vec![0.0; self.classes];
        let (coefficients, intercept) = at.split_at(self.features * self.classes);
        let squares: f64 = coefficients.iter().map(|value| value * value).sum();
        gradient.iter_mut().zip(coefficients).for_each(|(gradient, value)| *gradient = self.penalty * value);
        gradient[coefficients.len()..].fill(0.0);
        let mut loss = 0.0;
        for ((row, &label), &weight) in self.x.chunks_exact(self.features).zip(self.labels).zip(&self.weights) {
            margins.copy_from_slice(intercept);
            accumulate_margins(row, coefficients, &mut margins);
            let own = margins[label];
            loss += weight * (softmax(&mut margins) - own);
            margins[label] -= 1.0;
            margins.iter_mut().for_each(|value| *value *= weight);
            accumulate_gradient(row, &margins, gradient);
        }
        loss + 0.5 * self.penalty * squares
    }
}

/// `margins += row * coefficients`.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn accumulate_margins(row: &[f64], coefficients: &[f64], margins: &mut [f64]) {
    for (value, coefficients) in row.iter().zip(coefficients.chunks_exact(margins.len())) {
        for (margin, coefficient) in margins.iter_mut().zip(coefficients) {
            *margin += value * coefficient;
        }
    }
}

/// `gradient += outer product of (row, 1) and off`.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn accumulate_gradient(row: &[f64], off: &[f64], gradient: &mut [f64]) {
    for (value, gradient) in row.iter().chain(&[1.0]).zip(gradient.chunks_exact_mut(off.len())) {
        for (gradient, off) in gradient.iter_mut().zip(off) {
            *gradient += value * off;
        }
    }
}

/// Weighted mean and standard deviation of each column; the weights sum to 1.
fn moments(x: Matrix<'_>, weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let weighted = |of: &dyn Fn(usize, f64) -> f64| {
        let mut sums = vec![0.0; x.columns()];
        for (row, weight) in x.data().chunks_exact(x.columns()).zip(weights) {
            for (column, (sum, &value)) in sums.iter_mut().zip(row).enumerate() {
                *sum += weight * of(column, f64::from(value));
            }
        }
        sums
    };
    let mean = weighted(&|_, value| value);
    let variance = weighted(&|column, value| (value - mean[column]).powi(2));
    // A column that varies only in the last digits of 32 bits counts as constant.
    let deviation = |(variance, mean): (f64, &f64)| {
        let deviation = variance.sqrt();
        if deviation > 1e-6 * mean.abs() { deviation } else { 1.0 }
    };
    // Round to 32 bits: tagging computes in 32 bits, and a mean far from zero must be the same
    // there.
    let rounded = |value: f64| f64::from(value as f32);
    let deviations = variance.into_iter().zip(&mean).map(deviation).map(rounded).collect();
    (mean.iter().copied().map(rounded).collect(), deviations)
}

fn standardised(x: Matrix<'_>, mean: &[f64], deviation: &[f64]) -> Vec<f64> {
    let row = |row: &[f32]| {
        let scaled = row.iter().zip(mean.iter().zip(deviation));
        scaled.map(|(&value, (mean, deviation))| (f64::from(value) - mean) / deviation).collect::<Vec<f64>>()
    };
    x.data().chunks_exact(x.columns()).flat_map(row).collect()
}
