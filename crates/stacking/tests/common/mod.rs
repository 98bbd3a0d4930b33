//! The cases of golden/stacking.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::HashMap;

use earmark_stacking::{Booster, Matrix, StackSettings};
use serde::Deserialize;

pub const CASES: [&str; 3] = ["missing", "two_classes", "base_score"];

#[derive(Deserialize)]
pub struct Case {
    pub classes: usize,
    pub features: usize,
    pub settings: StackSettings,
    /// Whether our settings can express all parameters of Python's training.
    pub fit: bool,
    x: Vec<Vec<Option<f32>>>,
    pub labels: Vec<usize>,
    pub weights: Vec<f32>,
    probabilities: Vec<Vec<f32>>,
    /// The scores of each kind, by feature: `f0`, `f1`, ...
    pub scores: HashMap<String, HashMap<String, f64>>,
    #[serde(skip)]
    pub values: Vec<f32>,
}

impl Case {
    pub fn read(name: &str) -> (Case, Vec<u8>) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/stacking");
        let read = |file: &str| std::fs::read(format!("{folder}/{name}/{file}")).unwrap();
        let mut case: Case = serde_json::from_slice(&read("case.json")).unwrap();
        case.values = case.x.iter().flatten().map(|value| value.unwrap_or(f32::NAN)).collect();
        (case, read("booster.json"))
    }

    pub fn x(&self) -> Matrix<'_> {
        Matrix::new(&self.values, self.features).unwrap()
    }

    pub fn fit(&self) -> Booster {
        Booster::fit(self.x(), &self.labels, &self.weights, &labels(self.classes), &self.settings).unwrap()
    }

    /// The largest difference from Python's predictions.
    pub fn distance(&self, probabilities: &[f32]) -> f32 {
        let expected = self.probabilities.concat();
        assert_eq!(probabilities.len(), expected.len());
        probabilities.iter().zip(expected).map(|(got, expected)| (got - expected).abs()).fold(0.0, f32::max)
    }
}

pub fn labels(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class{class}")).collect()
}
