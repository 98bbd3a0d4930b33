//! Properties of every network of the registry, whatever its family: one test per property and
//! network.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{difference, fewest_frames, input, weights};
use earmark_nets::{Role, ShapeError, Variant, Weights, variants};
use earmark_training::{Arithmetic, evaluate, gradients};
use libtest_mimic::{Arguments, Trial};

const CLASSES: usize = 7;
/// A property that must hold for a network.
type Check = fn(&Variant);

const RULES: [(&str, Check); 4] = [
    ("a_row_of_a_batch_is_that_row_alone", a_row_of_a_batch_is_that_row_alone),
    ("the_number_of_frames_is_free", the_number_of_frames_is_free),
    (
        "every_learned_parameter_has_a_gradient_and_every_statistic_follows",
        every_learned_parameter_has_a_gradient_and_every_statistic_follows,
    ),
    ("safetensors_keep_every_bit", safetensors_keep_every_bit),
];

fn main() {
    let trial = |(rule, check): (&str, Check), variant: &'static Variant| {
        Trial::test(format!("{rule}::{}", variant.name), move || {
            check(variant);
            Ok(())
        })
    };
    let trials = RULES.into_iter().flat_map(|rule| variants().map(move |variant| trial(rule, variant)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn a_row_of_a_batch_is_that_row_alone(variant: &Variant) {
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

fn the_number_of_frames_is_free(variant: &Variant) {
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

fn every_learned_parameter_has_a_gradient_and_every_statistic_follows(variant: &Variant) {
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

fn safetensors_keep_every_bit(variant: &Variant) {
    let weights = weights(&variant.graph(variant.channels(), CLASSES));
    let again = Weights::from_safetensors(&weights.to_safetensors().unwrap()).unwrap();
    assert!(again == weights, "{}", variant.name);
}
