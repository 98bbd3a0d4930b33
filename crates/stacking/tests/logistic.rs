//! Compares logistic regression with scikit-learn's (golden/stacking/logistic.json).
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::labels;
use earmark_stacking::{Link, Logistic, Matrix, StackError, StackSettings};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    c: f64,
    x: Vec<Vec<f32>>,
    labels: Vec<usize>,
    weights: Vec<f32>,
    coefficients: Vec<Vec<f64>>,
    probabilities: Vec<Vec<f64>>,
}

impl Case {
    fn all() -> Vec<Case> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/stacking/logistic.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn fit(&self, c: f64) -> Result<Logistic, StackError> {
        let settings = StackSettings { c, ..StackSettings::default() };
        let x = self.x.concat();
        let classes = labels(self.coefficients.len());
        Logistic::fit(Matrix::new(&x, self.x[0].len()).unwrap(), &self.labels, &self.weights, &classes, &settings)
    }

    fn predict(&self, model: &Logistic) -> Vec<f32> {
        let x = self.x.concat();
        model.probabilities(Matrix::new(&x, self.x[0].len()).unwrap(), self.coefficients.len(), Link::Softmax).unwrap()
    }
}

#[test]
fn equals_scikit_learn() {
    let cases = Case::all();
    assert_eq!(cases.len(), 3);
    for (i, case) in cases.iter().enumerate() {
        let model = case.fit(case.c).unwrap();
        let expected = case.coefficients.concat();
        let largest =
            |pairs: &mut dyn Iterator<Item = (f64, f64)>| pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let of_coefficients = largest(&mut model.coefficients.concat().into_iter().zip(expected));
        let predicted = case.predict(&model).into_iter().map(f64::from);
        let of_probabilities = largest(&mut predicted.zip(case.probabilities.concat()));
        println!("case {i}: coefficients {of_coefficients:.1e}, probabilities {of_probabilities:.1e}");
        assert!(of_coefficients <= 1e-4 && of_probabilities <= 1e-6, "case {i}");
    }
}

#[test]
fn a_row_of_weight_0_does_not_count() {
    let mut case = Case::all().remove(1);
    let before = case.fit(1.0).unwrap();
    let row = case.weights.iter().position(|&weight| weight == 0.0).unwrap();
    case.x[row][0] = 1e6;
    assert_eq!(case.fit(1.0).unwrap().coefficients, before.coefficients);
    case.weights[row] = 0.5;
    assert_ne!(case.fit(1.0).unwrap().coefficients, before.coefficients);
}

#[test]
fn what_it_cannot_fit_is_an_error() {
    let mut case = Case::all().remove(0);
    let model = case.fit(1.0).unwrap();
    let error = model.probabilities(Matrix::new(&[0.0; 4], 4).unwrap(), 4, Link::Softmax).unwrap_err();
    assert!(matches!(error, StackError::Shape(_)), "{error}");
    assert!(matches!(case.fit(-1.0), Err(StackError::Setting { key: "c", .. })));
    case.labels.iter_mut().for_each(|label| *label %= 3);
    assert!(matches!(case.fit(1.0), Err(StackError::ClassWithoutRows { class, .. }) if class == "class3"));
    case.x[3][2] = f32::NAN;
    case.labels[0] = 3;
    assert!(matches!(case.fit(1.0), Err(StackError::NotFinite(_))));
}

/// Linearly separable classes: with hardly any penalty, the coefficients grow until the penalty
/// limits them; with a huge penalty, they are close to zero.
#[test]
fn every_c_that_is_allowed_converges() {
    let mut case = Case::all().remove(0);
    for (row, label) in case.x.iter_mut().zip(&case.labels) {
        row[0] = *label as f32 * 10.0;
        row[1] = (*label as f32).powi(2);
    }
    for c in [1e-6, 1e-3, 10.0, 1e3, 1e4] {
        assert!(case.predict(&case.fit(c).unwrap()).iter().all(|p| p.is_finite()), "{c}");
    }
    assert!(matches!(case.fit(1e30), Err(StackError::Setting { key: "c", .. })));
}
