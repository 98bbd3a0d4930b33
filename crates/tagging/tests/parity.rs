//! The same numbers from every interpreter: libtorch, which trains, and ONNX Runtime, which tags; and from XGBoost and
//! the boosted trees' ONNX.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../training/tests/common/mod.rs"]
mod common;

use common::{difference, fewest_frames, input, weights};
use earmark_nets::{Input, onnx, variants};
use earmark_tagging::Model;
use earmark_training::evaluate;
use serde_json::Value;

#[test]
fn every_network_has_the_same_logits_in_libtorch_and_onnx_runtime() {
    for variant in variants() {
        let graph = variant.graph(variant.channels(), 10);
        let weights = weights(&graph);
        let mut model = Model::load(variant.name, &onnx::network(&graph, &weights).unwrap(), 0).unwrap();
        let mut worst: f32 = 0.0;
        let fewest = fewest_frames(variant);
        let mut shapes = vec![variant.example(1, 150), variant.example(3, 37), variant.example(1, fewest)];
        if variant.input == Input::Features {
            shapes.push([1, 3, 96, 201]);
        }
        for shape in shapes {
            let x = input(shape);
            let expected = evaluate(&graph, &weights, &x, shape).unwrap();
            let difference = difference(&model.run(&x, shape, "logits").unwrap(), &expected);
            assert!(difference <= 1e-4, "{} on {shape:?}: {difference:.1e}", variant.name);
            worst = worst.max(difference);
        }
        println!("{}: {worst:.1e}", variant.name);
    }
}

/// The rows of a golden file, one after the other; null stands for a missing value.
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
        let mut model = Model::load(case, &onnx, 1).unwrap();
        let together = model.run(&x, [x.len() / features, features], "probabilities").unwrap();
        let alone = x.chunks_exact(features).flat_map(|row| model.run(row, [1, features], "probabilities").unwrap());
        for (how, ours) in [("one by one", alone.collect::<Vec<f32>>()), ("together", together)] {
            assert_eq!(ours.len(), expected.len(), "{case}, rows {how}");
            let largest = ours.iter().zip(&expected).map(|(a, b)| f64::from(a - b).abs()).fold(0.0, f64::max);
            println!("{case}, rows {how}: {largest:.1e}");
            assert!(largest <= 1e-5 && ours.iter().all(|p| p.is_finite()), "{case}, rows {how}: {largest:.1e}");
        }
    }
    assert!(missing > 0, "no golden case has a missing value");
}
