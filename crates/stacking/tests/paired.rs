//! Compares differences of scores with those of scikit-learn and numpy (golden/metrics/paired.py).
#![allow(clippy::unwrap_used, reason = "tests")]

use earmark_stacking::{
    PairedScore, PairedScores, Resampling, Table, compare, compare_multi_label, score, score_multi_label,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Whether a clip may have several labels.
    several: bool,
    truth: Vec<Vec<usize>>,
    a: Vec<Vec<f32>>,
    b: Vec<Vec<f32>>,
    resampling: Resampling,
    scores: Vec<Expected>,
    per_class: Vec<Vec<Expected>>,
}

/// `None` stands for NaN.
#[derive(Deserialize)]
struct Expected {
    score: String,
    a: Option<f64>,
    b: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/metrics/paired.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn table(rows: &[Vec<f32>]) -> Table {
    let names = (0..rows.len()).map(|i| format!("{i}.wav")).collect();
    let labels = (0..rows[0].len()).map(|class| format!("class{class}")).collect();
    Table::new(names, labels, rows.concat()).unwrap()
}

fn single(truth: &[Vec<usize>]) -> Vec<usize> {
    truth.iter().map(|labels| labels[0]).collect()
}

impl Case {
    fn compared(&self) -> PairedScores {
        let (a, b) = (table(&self.a), table(&self.b));
        match self.several {
            true => compare_multi_label(&self.truth, &a, &b, &self.resampling),
            false => compare(&single(&self.truth), &a, &b, &self.resampling),
        }
    }
}

#[test]
fn differences_equal_those_of_scikit_learn_and_numpy() {
    let (mut faults, mut missing) = (Vec::new(), 0);
    for case in cases() {
        let got = case.compared();
        assert_eq!((got.clips, got.per_class.len()), (case.truth.len(), case.per_class.len()));
        let mut check = |what: &str, got: &[PairedScore], expected: &[Expected]| {
            assert_eq!(got.len(), expected.len(), "{what}");
            for (got, expected) in got.iter().zip(expected) {
                assert_eq!(got.name, expected.score);
                let difference = expected.a.zip(expected.b).map(|(a, b)| b - a);
                for (value, expected) in [
                    (got.a, expected.a),
                    (got.b, expected.b),
                    (got.difference, difference),
                    (got.interval.low, expected.low),
                    (got.interval.high, expected.high),
                ] {
                    missing += usize::from(expected.is_none());
                    if !expected.map_or(value.is_nan(), |expected| (value - expected).abs() < 1e-12) {
                        faults.push(format!("{}, {what}: {} is {value}, not {expected:?}", case.name, got.name));
                    }
                }
            }
        };
        check("all clips", &got.scores, &case.scores);
        for (class, expected) in got.per_class.iter().zip(&case.per_class) {
            check(&class.label, &class.scores, expected);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(missing > 0, "a class without clips has no scores");
}

#[test]
fn scores_are_those_of_the_tables() {
    for case in cases() {
        let (got, b) = (case.compared(), table(&case.b));
        let thresholds = vec![0.5; b.columns().len()];
        let macro_ap = match case.several {
            true => score_multi_label(b.columns(), &case.truth, &b, &thresholds).unwrap().macro_average_precision,
            false => score(b.columns(), &single(&case.truth), &b).unwrap().macro_average_precision,
        };
        let ours = got.scores.iter().find(|score| score.name == "macro_average_precision").unwrap();
        assert!((ours.b - macro_ap).abs() < 1e-12, "{}", case.name);
    }
}

#[test]
fn a_table_does_not_differ_from_itself() {
    for case in cases() {
        let got = Case { b: case.a.clone(), ..case }.compared();
        let all = got.scores.iter().chain(got.per_class.iter().flat_map(|class| &class.scores));
        for score in all.filter(|score| !score.a.is_nan()) {
            assert_eq!([score.difference, score.interval.low, score.interval.high], [0.0; 3], "{score:?}");
        }
    }
}
