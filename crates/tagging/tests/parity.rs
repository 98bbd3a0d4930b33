//! All interpreters compute the same numbers: libtorch, which trains, and ONNX Runtime, which tags;
//! and every kind of level 2 and its ONNX.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../training/tests/common/mod.rs"]
mod common;

use common::{difference, fewest_frames, input, uniform, weights};
use earmark_nets::{Input, to_onnx, variants};
use earmark_stacking::{FeatureKind, Link, Stack, StackFeatures, StackKind, StackSettings, Table, TrainingRows};
use earmark_tagging::{Model, Signature};
use earmark_training::{Arithmetic, evaluate};
use serde_json::Value;

#[test]
fn every_network_has_the_same_logits_in_libtorch_and_onnx_runtime() {
    for variant in variants() {
        let graph = variant.graph(variant.channels(), 10);
        let weights = weights(&graph);
        let [_, channels, bins, _] = variant.example(1, 150);
        let bytes = to_onnx(&graph, &weights).unwrap();
        let signature = Signature::network(channels, bins, None, 10);
        let mut model = Model::load(variant.name, &bytes, 0, signature).unwrap();
        let mut worst: f32 = 0.0;
        let fewest = fewest_frames(variant);
        let mut shapes = vec![variant.example(1, 150), variant.example(3, 37), variant.example(1, fewest)];
        if variant.input == Input::Features {
            shapes.push([1, 3, 96, 201]);
        }
        for shape in shapes {
            let x = input(shape);
            let expected = evaluate(&graph, &weights, &x, shape, Arithmetic::F32, "cpu").unwrap();
            let difference = difference(&model.run(&x, shape).unwrap(), &expected);
            assert!(difference <= 1e-4, "{} on {shape:?}: {difference:.1e}", variant.name);
            worst = worst.max(difference);
        }
        println!("{}: {worst:.1e}", variant.name);
    }
}

/// The concatenated rows of a golden file; null stands for a missing value.
fn rows(value: &Value) -> Vec<f32> {
    let rows = value.as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap()).map(|value| value.as_f64().map_or(f32::NAN, |v| v as f32)).collect()
}

#[test]
fn boosted_trees_predict_as_xgboost_does() {
    let mut missing = 0;
    for case in ["base_score", "missing", "two_classes"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/stacking");
        let read = |name: &str| std::fs::read(format!("{folder}/{case}/{name}")).unwrap();
        let golden: Value = serde_json::from_slice(&read("case.json")).unwrap();
        let [features, classes] = ["features", "classes"].map(|key| golden[key].as_u64().unwrap() as usize);
        let (x, expected) = (rows(&golden["x"]), rows(&golden["probabilities"]));
        missing += x.iter().filter(|value| value.is_nan()).count();
        let onnx = earmark_stacking::to_onnx(&read("booster.json"), features, classes).unwrap();
        let mut model = Model::load(case, &onnx, 1, Signature::stack(features, classes)).unwrap();
        let together = model.run(&x, [x.len() / features, features]).unwrap();
        let alone = x.chunks_exact(features).flat_map(|row| model.run(row, [1, features]).unwrap());
        for (how, ours) in [("one by one", alone.collect::<Vec<f32>>()), ("together", together)] {
            assert_eq!(ours.len(), expected.len(), "{case}, rows {how}");
            let largest = ours.iter().zip(&expected).map(|(a, b)| f64::from(a - b).abs()).fold(0.0, f64::max);
            println!("{case}, rows {how}: {largest:.1e}");
            assert!(largest <= 1e-5 && ours.iter().all(|p| p.is_finite()), "{case}, rows {how}: {largest:.1e}");
        }
    }
    assert!(missing > 0, "no golden case has a missing value");
}

/// Probabilities of `rows` clips; some are 0, and the true class mostly has the largest.
fn learner(name: &str, rows: usize, classes: usize) -> Table {
    let noise = uniform(name, rows * classes);
    let row = |row: usize| {
        let of =
            |class: usize| (6.0 * noise[row * classes + class] + if class == row % classes { 3.0 } else { 0.0 }).exp();
        let sum: f32 = (0..classes).map(of).sum();
        (0..classes).map(move |class| of(class) / sum).map(|p| if p < 1e-4 { 0.0 } else { p }).collect::<Vec<_>>()
    };
    let names = (0..rows).map(|row| format!("{row}.wav")).collect();
    let labels = (0..classes).map(|class| format!("class{class}")).collect();
    Table::new(names, labels, (0..rows).flat_map(row).collect()).unwrap()
}

#[test]
fn stacks_of_every_kind_predict_as_level_2_does() {
    use FeatureKind::{LogProbabilities, MfccStatistics, Probabilities};
    let (rows, classes) = (200, 5);
    let (a, b, c) = (learner("a", rows, classes), learner("b", rows, classes), learner("c", rows, classes));
    let learners = [("a", &a), ("b", &b), ("c", &c)];
    // Statistics far from zero, like MFCC, and one that hardly varies.
    let statistics: Vec<f32> = uniform("statistics", rows * 7).iter().map(|value| 400.0 + 90.0 * value).collect();
    let statistics: Vec<f32> = statistics.chunks(7).flat_map(|row| [row, &[5e4 + row[0] / 100.0]].concat()).collect();
    let names = (0..8).map(|i| format!("mfcc_{i}")).collect();
    let statistics = Table::new(a.names().to_vec(), names, statistics).unwrap();
    let kinds: [(StackKind, &[FeatureKind]); 9] = [
        (StackKind::Xgboost, &[Probabilities, MfccStatistics]),
        (StackKind::Xgboost, &[MfccStatistics, LogProbabilities]),
        (StackKind::Logistic, &[Probabilities]),
        (StackKind::Logistic, &[LogProbabilities, MfccStatistics, Probabilities]),
        (StackKind::Logistic, &[MfccStatistics]),
        (StackKind::Logistic, &[LogProbabilities]),
        (StackKind::Mean, &[Probabilities]),
        (StackKind::GeometricMean, &[Probabilities]),
        (StackKind::WeightedMean, &[Probabilities]),
    ];
    for (kind, columns) in kinds {
        let features = StackFeatures::new(columns, &learners, Some(&statistics)).unwrap();
        let (truth, folds): (Vec<usize>, Vec<usize>) = (0..rows).map(|row| (row % classes, row % 3)).unzip();
        let weights = vec![1.0; rows];
        let training = TrainingRows {
            features: &features.table,
            truth: &truth,
            folds: &folds,
            weights: &weights,
            classes: a.columns(),
        };
        let settings = StackSettings { kind, c: 10.0, rounds: 10, ..StackSettings::default() };
        let stack = Stack::fit(&training, &settings).unwrap();
        let mut given: Vec<Table> = learners.iter().map(|(name, table)| table.prefixed(name)).collect();
        given.extend((features.layout.statistics > 0).then(|| statistics.clone()));
        let given = Table::hstack(&given.iter().collect::<Vec<_>>()).unwrap();
        let signature = Signature::stack(given.columns().len(), classes);
        let plain = stack.predict(&features.table, a.columns()).unwrap();
        assert!(plain.data().iter().any(|p| *p > 0.5), "{kind:?} has learned");
        // As it is, then with a temperature of its probabilities.
        for stack in [stack.to_onnx(&features.layout).map(|onnx| (onnx, plain.clone())), {
            let scaled = Stack::Scaled(Box::new(stack), 1.7, Link::Softmax);
            let expected = scaled.predict(&features.table, a.columns()).unwrap();
            assert!(difference(expected.data(), plain.data()) > 0.01, "{kind:?} is scaled");
            scaled.to_onnx(&features.layout).map(|onnx| (onnx, expected))
        }] {
            let (onnx, expected) = stack.unwrap();
            let mut model = Model::load("stack", &onnx, 1, signature.clone()).unwrap();
            let tagged = model.run(given.data(), [rows, given.columns().len()]).unwrap();
            let largest = difference(&tagged, expected.data());
            println!("{kind:?} of {columns:?}: {largest:.1e}");
            assert!(largest <= 1e-5, "{kind:?} of {columns:?}: {largest:.1e}");
        }
    }
}
