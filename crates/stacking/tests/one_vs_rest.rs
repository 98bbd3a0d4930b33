//! Level 2 of clips with several labels, compared with scikit-learn, SciPy and xgboost
//! (golden/one_vs_rest).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::HashMap;

use common::labels;
use earmark_stacking::{
    Booster, Matrix, Stack, StackError, StackKind, StackSettings, Table, TrainingRows, check_folds, out_of_fold,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../golden/one_vs_rest/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn golden<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&read(name)).unwrap()
}

/// Clips, and what Python predicts.
#[derive(Deserialize)]
struct Case {
    settings: StackSettings,
    x: Vec<Vec<f32>>,
    labels: Vec<Vec<usize>>,
    folds: Vec<usize>,
    weights: Vec<f32>,
    out_of_fold: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Regression {
    c: f64,
    x: Vec<Vec<f32>>,
    truth: Vec<Vec<usize>>,
    folds: Vec<usize>,
    weights: Vec<f32>,
    out_of_fold: Vec<Vec<f64>>,
    all: Vec<Vec<f64>>,
}

impl Regression {
    fn all() -> Vec<Self> {
        golden("cases")
    }

    /// The same as a case, and the predictions of a fit on all rows.
    fn case(self) -> (Case, Vec<Vec<f64>>) {
        let Self { c, x, truth, folds, weights, out_of_fold, all } = self;
        (Case { settings: logistic(c), x, labels: truth, folds, weights, out_of_fold }, all)
    }

    fn first() -> Case {
        Self::all().remove(0).case().0
    }
}

impl Case {
    fn features(&self) -> Table {
        let names = (0..self.x.len()).map(|i| format!("{i}.wav")).collect();
        let columns = (0..self.x[0].len()).map(|column| format!("f{column}")).collect();
        Table::new(names, columns, self.x.concat()).unwrap()
    }

    fn classes(&self) -> Vec<String> {
        labels(self.out_of_fold[0].len())
    }

    fn with<T>(&self, work: impl FnOnce(&TrainingRows<'_, Vec<usize>>) -> T) -> T {
        let (features, classes) = (self.features(), self.classes());
        let Self { labels: truth, folds, weights, .. } = self;
        work(&TrainingRows { features: &features, truth, folds, weights, classes: &classes })
    }

    fn out_of_fold(&self, settings: &StackSettings) -> Table {
        self.with(|rows| out_of_fold(rows, settings)).unwrap()
    }
}

fn logistic(c: f64) -> StackSettings {
    StackSettings { kind: StackKind::Logistic, c, ..StackSettings::default() }
}

fn distance(table: &Table, expected: &[Vec<f64>]) -> f64 {
    let expected = expected.concat();
    assert_eq!(table.data().len(), expected.len());
    table.data().iter().zip(expected).map(|(got, expected)| (f64::from(*got) - expected).abs()).fold(0.0, f64::max)
}

#[test]
fn equals_scikit_learn() {
    let regressions = Regression::all();
    assert_eq!(regressions.len(), 2);
    for (i, (case, all)) in regressions.into_iter().map(Regression::case).enumerate() {
        let fitted = case.with(|rows| Stack::fit(rows, &case.settings).unwrap().predict(rows.features, rows.classes));
        let far = [distance(&case.out_of_fold(&case.settings), &case.out_of_fold), distance(&fitted.unwrap(), &all)];
        assert!(far.iter().all(|far| *far < 1e-5), "case {i}: {far:?}");
    }
}

/// Compares with scikit-learn's models, whose margins are multiplied by the factor that SciPy finds
/// on the inner folds.
#[test]
fn is_calibrated_as_by_scipy() {
    let case: Case = golden("calibrated");
    let calibrated = distance(&case.out_of_fold(&case.settings), &case.out_of_fold);
    let plain = StackSettings { temperature_scaling: false, ..case.settings.clone() };
    let plain = distance(&case.out_of_fold(&plain), &case.out_of_fold);
    assert!(calibrated < 1e-5 && plain > 0.1, "{calibrated} {plain}");
}

/// Compares with Python's xgboost: early stopping on each inner fold by the mean loss over classes,
/// the mean number of rounds, and the resulting trees.
#[test]
fn stops_where_python_stops() {
    let case: Case = golden("early_stopping");
    let stopped = distance(&case.out_of_fold(&case.settings), &case.out_of_fold);
    let whole = StackSettings { early_stopping_rounds: 0, ..case.settings.clone() };
    let whole = distance(&case.out_of_fold(&whole), &case.out_of_fold);
    assert!(stopped < 1e-5, "{stopped}");
    assert!(whole > 1e-2, "without early stopping nothing differs: {whole}");
}

/// Trees that Python has fitted.
#[derive(Deserialize)]
struct Trees {
    classes: usize,
    features: usize,
    settings: StackSettings,
    x: Vec<Vec<Option<f32>>>,
    labels: Vec<Vec<usize>>,
    weights: Vec<f32>,
    probabilities: Vec<Vec<f64>>,
    scores: HashMap<String, HashMap<String, f64>>,
}

impl Trees {
    fn all() -> Vec<(Self, Vec<u8>)> {
        let read = |name| (golden(&format!("{name}/case")), read(&format!("{name}/booster")));
        ["missing", "two_classes", "one_class"].map(read).into()
    }

    fn values(&self) -> Vec<f32> {
        self.x.iter().flatten().map(|value| value.unwrap_or(f32::NAN)).collect()
    }

    fn fit(&self, settings: &StackSettings) -> Booster {
        let values = self.values();
        let x = Matrix::new(&values, self.features).unwrap();
        Booster::fit(x, &self.labels, &self.weights, &labels(self.classes), settings).unwrap()
    }

    fn distance(&self, booster: &Booster) -> f64 {
        let values = self.values();
        let got = booster.probabilities(Matrix::new(&values, self.features).unwrap()).unwrap();
        let expected = self.probabilities.concat();
        assert_eq!(got.len(), expected.len());
        got.iter().zip(expected).map(|(got, expected)| (f64::from(*got) - expected).abs()).fold(0.0, f64::max)
    }
}

#[test]
fn reads_and_learns_the_trees_of_python() {
    for (case, json) in Trees::all() {
        let read = Booster::from_json(&json).unwrap();
        assert_eq!((read.features(), read.classes()), (case.features, case.classes));
        let learned = case.fit(&case.settings);
        let again = Booster::from_json(learned.to_json()).unwrap();
        let far = [&read, &learned, &again].map(|booster| case.distance(booster));
        assert!(far.iter().all(|far| *far < 1e-6), "{} classes: {far:?}", case.classes);
        let weighted = Trees { weights: vec![1.0; case.labels.len()], ..case };
        assert!(weighted.distance(&weighted.fit(&weighted.settings)) > 1e-3);
    }
}

#[test]
fn the_importance_of_trees_is_that_of_python() {
    for (case, json) in Trees::all() {
        let importance = Booster::from_json(&json).unwrap().importance().unwrap();
        for (feature, of) in importance.iter().enumerate() {
            for (kind, ours) in [("gain", Some(of.gain)), ("weight", of.weight), ("cover", of.cover)] {
                let expected = case.scores[kind].get(&format!("f{feature}")).copied().unwrap_or(0.0);
                assert!((ours.unwrap() - expected).abs() <= 1e-5 * expected, "f{feature} {kind}: {ours:?} {expected}");
            }
        }
    }
}

#[test]
fn damaged_trees_are_refused() {
    let (_, json) = Trees::all().remove(0);
    let whole: Value = serde_json::from_slice(&json).unwrap();
    for (place, value, reason) in [
        ("objective/name", json!("reg:squarederror"), "has the objective `reg:squarederror`"),
        ("learner_model_param/num_target", json!("5"), "base_score"),
        ("learner_model_param/num_target", json!("3"), "tree 3 is of class 3"),
        ("learner_model_param/base_score", json!("[0E0,5E-1,5E-1,5E-1]"), "base_score is `[0E0,5E-1,5E-1,5E-1]`"),
        ("learner_model_param/base_score", json!("1E0"), "base_score is `1E0`"),
    ] {
        let mut damaged = whole.clone();
        *damaged.pointer_mut(&format!("/learner/{place}")).unwrap() = value;
        let error = Booster::from_json(&serde_json::to_vec(&damaged).unwrap()).err().unwrap().to_string();
        assert!(error.contains(reason), "{place}: {error}");
    }
}

#[test]
fn the_mean_is_that_of_the_learners() {
    let case = Regression::first();
    let mean = |kind| StackSettings { kind, ..StackSettings::default() };
    let got = case.out_of_fold(&mean(StackKind::Mean));
    let of = |row: &Vec<f32>| (0..4).map(|class| f64::from(row[class]).midpoint(f64::from(row[class + 4]))).collect();
    let expected: Vec<Vec<f64>> = case.x.iter().map(of).collect();
    assert!(distance(&got, &expected) < 1e-6);
    // 9 : 1 and 1 : 1 are 3 : 1 in the geometric mean, for each class by itself.
    let names = vec!["a".to_owned()];
    let columns = ["x/0", "x/1", "y/0", "y/1"].map(str::to_owned).to_vec();
    let features = Table::new(names, columns, vec![0.9, 0.1, 0.5, 0.5]).unwrap();
    let classes = labels(2);
    let rows = TrainingRows { features: &features, truth: &[vec![0]], folds: &[0], weights: &[1.0], classes: &classes };
    let mean = Stack::fit(&rows, &mean(StackKind::GeometricMean)).unwrap().predict(&features, &classes).unwrap();
    assert!(distance(&mean, &[vec![0.75, 0.25]]) < 1e-6, "{mean:?}");
}

/// Every kind that is fitted; with the settings that hold folds out once more.
fn kinds() -> Vec<(&'static str, StackSettings)> {
    let default = || StackSettings { rounds: 20, ..StackSettings::default() };
    vec![
        ("weighted mean", StackSettings { kind: StackKind::WeightedMean, ..default() }),
        ("logistic", logistic(1.0)),
        ("calibrated", StackSettings { temperature_scaling: true, ..logistic(0.01) }),
        ("xgboost", default()),
        ("early stopping", StackSettings { early_stopping_rounds: 2, rounds: 60, ..default() }),
    ]
}

/// Held-out rows do not influence the model that predicts them: neither weights, trees nor their
/// number, neither coefficients nor scaling.
#[test]
fn a_folds_own_labels_do_not_reach_its_predictions() {
    for (name, settings) in kinds() {
        let mut case = Regression::first();
        let before = case.out_of_fold(&settings);
        let judged: Vec<usize> = (0..case.labels.len()).filter(|&row| case.folds[row] == 3).collect();
        for &row in &judged {
            case.labels[row] = (0..4).filter(|class| !case.labels[row].contains(class)).collect();
            case.weights[row] = 0.5;
        }
        let after = case.out_of_fold(&settings);
        for &row in &judged {
            assert_eq!(before.row(row), after.row(row), "{name}: row {row} has seen its own labels");
        }
        assert_ne!(before, after, "{name}: the other folds are fitted on the changed labels");
    }
}

#[test]
fn what_does_not_fit() {
    let case = Regression::first();
    let classes = case.classes();
    let error = |rows: &TrainingRows<'_, Vec<usize>>| Stack::fit(rows, &logistic(1.0)).err();
    case.with(|rows| {
        let auto = StackSettings { kind: StackKind::Auto, ..logistic(1.0) };
        assert!(matches!(Stack::fit(rows, &auto), Err(StackError::Setting { key: "kind", .. })));
        assert!(matches!(error(&TrainingRows { truth: &case.labels[1..], ..*rows }), Some(StackError::Shape(_))));
        assert!(matches!(error(&TrainingRows { classes: &classes[..3], ..*rows }), Some(StackError::Clip(_))));
    });
    // A class without clips, and one that all clips have.
    let none = |of: &Vec<usize>| of.iter().copied().filter(|label| *label != 2).collect();
    let all = |of: &Vec<usize>| of.iter().copied().filter(|label| *label != 2).chain([2]).collect();
    let none: Vec<Vec<usize>> = case.labels.iter().map(none).collect();
    let all: Vec<Vec<usize>> = case.labels.iter().map(all).collect();
    for (truth, missing) in [(&none, "class2"), (&all, "any but class2")] {
        let early = |settings: &StackSettings| check_folds(truth, &case.folds, &case.weights, &classes, settings).err();
        assert!(early(&StackSettings { kind: StackKind::Mean, ..logistic(1.0) }).is_none());
        for (name, settings) in kinds().into_iter().filter(|(_, settings)| !settings.kind.is_mean()) {
            let late = case.with(|rows| Stack::fit(&TrainingRows { truth, ..*rows }, &settings).err());
            for error in [early(&settings), late] {
                let names = matches!(&error, Some(StackError::ClassWithoutRows { class, .. }) if class == missing);
                assert!(names, "{name}: {error:?}");
            }
        }
    }
    assert!(check_folds(&case.labels, &case.folds, &case.weights, &classes, &logistic(1.0)).is_ok());
}
