//! Level 2 of clips with several labels: ONNX Runtime predicts what level 2 predicts.
#![allow(clippy::unwrap_used, reason = "tests")]

use earmark_stacking::{
    FeatureKind, Link, Stack, StackFeatures, StackKind, StackSettings, Table, TrainingRows, to_onnx,
};
use earmark_tagging::{Model, Signature};

/// Probabilities of a learner, some of them exactly 0 or 1; clips with a class have larger ones.
fn learner(seed: usize, truth: &[Vec<usize>], classes: usize) -> Table {
    let noise = |at: usize| (at.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 7 & 0xFFFF) as f32 / 65_536.0;
    let value = |(row, class): (usize, usize)| {
        let logit = 8.0 * noise(row * classes + class + seed * 7919) - 5.0;
        let logit = if truth[row].contains(&class) { logit + 3.0 } else { logit };
        let value = 1.0 / (1.0 + (-logit).exp());
        if value < 0.01 {
            0.0
        } else if value > 0.99 {
            1.0
        } else {
            value
        }
    };
    let cells = (0..truth.len()).flat_map(|row| (0..classes).map(move |class| (row, class)));
    let names = (0..truth.len()).map(|row| format!("{row}.wav")).collect();
    let labels = (0..classes).map(|class| format!("class{class}")).collect();
    Table::new(names, labels, cells.map(value).collect()).unwrap()
}

#[test]
fn stacks_of_every_kind_predict_as_level_2_does() {
    use FeatureKind::{LogProbabilities, MfccStatistics, Probabilities};
    let (rows, classes) = (150, 4);
    let truth: Vec<Vec<usize>> = (0..rows)
        .map(|row| (0..classes).filter(|class| (row >> class) % 3 == 0 || row % 4 == *class).collect())
        .collect();
    let (a, b) = (learner(1, &truth, classes), learner(2, &truth, classes));
    let learners = [("a", &a), ("b", &b)];
    let statistics: Vec<f32> = (0..rows * 2).map(|at| 400.0 + (at * 37 % 101) as f32).collect();
    let statistics = Table::new(a.names().to_vec(), vec!["m0".into(), "m1".into()], statistics).unwrap();
    let kinds: [(StackKind, &[FeatureKind]); 9] = [
        (StackKind::Xgboost, &[Probabilities]),
        (StackKind::Xgboost, &[MfccStatistics, LogProbabilities]),
        (StackKind::Xgboost, &[Probabilities, MfccStatistics]),
        (StackKind::WeightedMean, &[Probabilities]),
        (StackKind::Mean, &[Probabilities]),
        (StackKind::GeometricMean, &[Probabilities]),
        (StackKind::Logistic, &[Probabilities]),
        (StackKind::Logistic, &[LogProbabilities, MfccStatistics]),
        (StackKind::Logistic, &[MfccStatistics]),
    ];
    for (kind, columns) in kinds {
        let features = StackFeatures::new(columns, &learners, Some(&statistics)).unwrap();
        let (folds, weights) = (vec![0; rows], vec![1.0; rows]);
        let training = TrainingRows {
            features: &features.table,
            truth: &truth,
            folds: &folds,
            weights: &weights,
            classes: a.columns(),
        };
        let settings = StackSettings { kind, rounds: 10, ..StackSettings::default() };
        let stack = Stack::fit(&training, &settings).unwrap();
        let mut given: Vec<Table> = learners.iter().map(|(name, table)| table.prefixed(name)).collect();
        given.extend((features.layout.statistics > 0).then(|| statistics.clone()));
        let given = Table::hstack(&given.iter().collect::<Vec<_>>()).unwrap();
        let signature = Signature::stack(given.columns().len(), classes);
        let plain = stack.predict(&features.table, a.columns()).unwrap();
        // Several classes of a clip may be probable at once.
        assert!(plain.rows().any(|row| row.iter().sum::<f32>() > 1.5), "{kind:?}");
        // As it is, then with a temperature of its probabilities.
        let of_plain = stack.to_onnx(&features.layout).unwrap();
        let scaled = Stack::Scaled(Box::new(stack), 1.7, Link::Sigmoid);
        let of_scaled = scaled.predict(&features.table, a.columns()).unwrap();
        assert!(difference(of_scaled.data(), plain.data()) > 0.01, "{kind:?} is scaled");
        for (onnx, expected) in [(of_plain, plain), (scaled.to_onnx(&features.layout).unwrap(), of_scaled)] {
            let mut model = Model::load("stack", &onnx, 1, signature.clone()).unwrap();
            let tagged = model.run(given.data(), [rows, given.columns().len()]).unwrap();
            let largest = difference(&tagged, expected.data());
            println!("{kind:?} of {columns:?}: {largest:.1e}");
            assert!(tagged.len() == rows * classes && largest <= 1e-5, "{kind:?} of {columns:?}: {largest:.1e}");
        }
    }
}

fn difference(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).abs()).fold(0.0, f64::max)
}

/// Classes of Python's boosters, also one and two, which ONNX Runtime could take for a binary
/// classifier.
#[test]
fn trees_of_python_predict_as_in_python() {
    for name in ["missing", "two_classes", "one_class"] {
        let read = |file| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/one_vs_rest");
            std::fs::read(format!("{folder}/{name}/{file}.json")).unwrap()
        };
        let case: serde_json::Value = serde_json::from_slice(&read("case")).unwrap();
        let numbers = |key: &str| -> Vec<f32> {
            let rows = case[key].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
            rows.map(|value| value.as_f64().map_or(f32::NAN, |value| value as f32)).collect()
        };
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let (features, classes, x) = (count("features"), count("classes"), numbers("x"));
        let onnx = to_onnx(&read("booster"), features, classes).unwrap();
        let mut model = Model::load("stack", &onnx, 1, Signature::stack(features, classes)).unwrap();
        let tagged = model.run(&x, [x.len() / features, features]).unwrap();
        let largest = difference(&tagged, &numbers("probabilities"));
        assert!(largest <= 1e-6, "{name}: {largest:.1e}");
    }
}
