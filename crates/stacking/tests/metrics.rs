//! Scores against scikit-learn's (golden/metrics), and by hand where ties decide.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use earmark_stacking::{Scores, Table, score};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    truth: Vec<usize>,
    probabilities: Vec<Vec<f32>>,
    average_precision: Vec<Option<f64>>,
    accuracy: f64,
    map_at_3: Option<f64>,
}

fn labels(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class{class}")).collect()
}

fn scores(truth: &[usize], rows: &[Vec<f32>]) -> Scores {
    let names = (0..rows.len()).map(|i| format!("{i}.wav")).collect();
    let labels = labels(rows[0].len());
    let table = Table::new(names, labels.clone(), rows.concat()).unwrap();
    score(&labels, truth, &table).unwrap()
}

#[test]
fn equals_scikit_learn() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/metrics/cases.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 4);
    let mut wrong = Vec::new();
    for case in cases {
        let got = scores(&case.truth, &case.probabilities);
        let mut check = |what: &str, got: f64, expected: f64| {
            if (got - expected).abs() > 1e-12 {
                wrong.push(format!("{}: {what} is {got}, scikit-learn says {expected}", case.name));
            }
        };
        check("accuracy", got.accuracy, case.accuracy);
        if let Some(expected) = case.map_at_3 {
            check("mAP@3", got.map3, expected);
        }
        for (class, expected) in got.per_class.iter().zip(&case.average_precision) {
            match expected {
                Some(expected) => check(&class.label, class.average_precision, *expected),
                None => assert!(class.average_precision.is_nan() && class.clips == 0, "{}", class.label),
            }
        }
        let with_clips: Vec<f64> = case.average_precision.into_iter().flatten().collect();
        check("macro", got.macro_average_precision, with_clips.iter().sum::<f64>() / with_clips.len() as f64);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ties_go_to_the_lower_index_and_only_three_ranks_count() {
    let cases: [(usize, &[f32], f64); 6] = [
        (0, &[0.25, 0.25, 0.25, 0.25], 1.0),
        (1, &[0.25, 0.25, 0.25, 0.25], 0.5),
        (2, &[0.25, 0.25, 0.25, 0.25], 1.0 / 3.0),
        (3, &[0.25, 0.25, 0.25, 0.25], 0.0),
        (0, &[0.1, 0.9], 0.5),
        (0, &[1.0], 1.0),
    ];
    for (truth, row, expected) in cases {
        assert_eq!(scores(&[truth], &[row.to_vec()]).map3, expected, "class {truth} of {row:?}");
    }
}

#[test]
fn json_has_null_where_there_is_nothing_to_judge() {
    let json = serde_json::to_value(scores(&[0], &[vec![0.7, 0.3]])).unwrap();
    assert_eq!(json["map_at_3"], 1.0);
    assert_eq!(json["per_class"][1]["average_precision"], serde_json::Value::Null);
    let back: Scores = serde_json::from_value(json).unwrap();
    assert!(back.per_class[1].average_precision.is_nan());
}

#[test]
fn refuses_what_does_not_fit() {
    let table = Table::new(vec!["a".into()], labels(2), vec![0.5, 0.5]).unwrap();
    let cases: [(usize, &[usize], &str); 3] =
        [(3, &[0], "not the labels"), (2, &[0, 1], "2 true labels for 1 clips"), (2, &[2], "true label 2")];
    for (classes, truth, reason) in cases {
        let error = score(&labels(classes), truth, &table).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
