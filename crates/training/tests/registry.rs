//! What every network of the registry must do, whatever its family: each test walks them all.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{difference, fewest_frames, input, weights};
use earmark_nets::{Role, ShapeError, Weights, variants};
use earmark_training::{Arithmetic, evaluate, gradients};

const CLASSES: usize = 7;

#[test]
fn a_row_of_a_batch_is_that_row_alone() {
    for variant in variants() {
        let graph = variant.graph(variant.channels(), CLASSES);
        let weights = weights(&graph);
        let [whole, one] = [2, 1].map(|rows| variant.example(rows, 100));
        let batch = input(whole);
        let together = evaluate(&graph, &weights, &batch, whole, Arithmetic::F32, "cpu").unwrap();
        for (row, x) in batch.chunks_exact(one.iter().product()).enumerate() {
            let alone = evaluate(&graph, &weights, x, one, Arithmetic::F32, "cpu").unwrap();
            let difference = difference(&together[row * CLASSES..][..CLASSES], &alone);
            println!("{} row {row}: {difference:.1e}", variant.name);
            assert!(difference <= 1e-4, "{} row {row}: {difference:.1e}", variant.name);
        }
        let (first, second) = (&together[..CLASSES], &together[CLASSES..2 * CLASSES]);
        assert!(difference(first, second) > 1e-3, "{} does not look at its input", variant.name);
    }
}

#[test]
fn the_number_of_frames_is_free() {
    for variant in variants() {
        let graph = variant.graph(variant.channels(), CLASSES);
        let weights = weights(&graph);
        let fewest = fewest_frames(variant);
        let too_few = variant.fit(variant.example(2, fewest - 1), CLASSES);
        assert!(matches!(too_few, Err(ShapeError::TooSmall { .. })), "{} on {} frames", variant.name, fewest - 1);
        for frames in [fewest, 37, 301] {
            let shape = variant.example(1, frames);
            let logits = evaluate(&graph, &weights, &input(shape), shape, Arithmetic::F32, "cpu").unwrap();
            assert_eq!(logits.len(), CLASSES, "{} on {frames} frames", variant.name);
            assert!(logits.iter().all(|logit| logit.is_finite()), "{} on {frames} frames: {logits:?}", variant.name);
        }
    }
}

#[test]
fn every_learned_parameter_has_a_gradient_and_every_statistic_follows() {
    for variant in variants() {
        let graph = variant.graph(variant.channels(), CLASSES);
        let weights = weights(&graph);
        let shape = variant.example(2, 64);
        let targets: Vec<f32> = (0..2 * CLASSES).map(|at| f32::from(at == 0 || at == CLASSES + 3)).collect();
        let step = gradients(&graph, &weights, &input(shape), shape, &targets, Arithmetic::F32, "cpu").unwrap();
        assert!(step.loss > 0.0 && step.loss.is_finite(), "{}: loss {}", variant.name, step.loss);
        let mut faults = Vec::new();
        for parameter in graph.parameters() {
            let (before, after) = (&weights.0[&parameter.name], &step.weights.0[&parameter.name]);
            let gradient = step.gradients.get(&parameter.name);
            let right = match (parameter.role, gradient) {
                (Role::Learned, Some(gradient)) => {
                    let values = &gradient.data;
                    before == after
                        && gradient.shape == parameter.shape
                        && values.iter().all(|value| value.is_finite())
                        && values.iter().any(|value| *value != 0.0)
                }
                (Role::Statistic, None) => before != after && after.data.iter().all(|value| value.is_finite()),
                _ => false,
            };
            if !right {
                faults.push(parameter.name);
            }
        }
        assert!(faults.is_empty(), "{}: {faults:?}", variant.name);
    }
}

#[test]
fn safetensors_keep_every_bit() {
    for variant in variants() {
        let weights = weights(&variant.graph(variant.channels(), CLASSES));
        let again = Weights::from_safetensors(&weights.to_safetensors().unwrap()).unwrap();
        assert!(again == weights, "{}", variant.name);
    }
}
