//! Differences between a device's logits and gradients and the CPU's, per network, in 32 bits and
//! in bfloat16.
//!
//! `cargo bench -p earmark-training --bench devices -- DEVICE [NAME...]`; without names, it runs
//! all nano sizes. Differences are relative to the largest value of the array; all gradients count
//! as one array. PyTorch lets cuDNN round the inputs of convolutions to TF32, about 3 decimal
//! digits; `NVIDIA_TF32_OVERRIDE=0` disables that.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{difference, input, uniform, weights};
use earmark_nets::{Variant, variants};
use earmark_training::{Arithmetic, Gradients, evaluate, gradients};

const CLASSES: usize = 41;

/// All gradients, in the order of their names.
fn all(step: &Gradients) -> Vec<f32> {
    step.gradients.values().flat_map(|array| array.data.iter().copied()).collect()
}

/// Logits and gradients of one small batch.
fn outputs(variant: &Variant, arithmetic: Arithmetic, device: &str) -> [Vec<f32>; 2] {
    let graph = variant.graph(variant.channels(), CLASSES);
    let shape = variant.example(8, 150);
    let weights = weights(&graph);
    let mut targets = uniform("targets", 8 * CLASSES);
    for row in targets.chunks_mut(CLASSES) {
        let total: f32 = row.iter().map(|value| value.abs()).sum();
        row.iter_mut().for_each(|value| *value = value.abs() / total);
    }
    let logits = evaluate(&graph, &weights, &input(shape), shape, arithmetic, device).unwrap();
    let step = gradients(&graph, &weights, &input(shape), shape, &targets, arithmetic, device).unwrap();
    [logits, all(&step)]
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let device = if words.is_empty() { "cpu".to_owned() } else { words.remove(0) };
    let chosen = |variant: &&Variant| match words.is_empty() {
        true => variant.name.ends_with("_nano"),
        false => words.iter().any(|name| name == variant.name),
    };
    println!("{:28} {:>10} {:>10} {:>10} {:>10}", "network", "logits f32", "gradients", "logits bf16", "gradients");
    for variant in variants().filter(chosen) {
        let reference = outputs(variant, Arithmetic::F32, "cpu");
        let mut line = format!("{:28}", variant.name);
        for arithmetic in [Arithmetic::F32, Arithmetic::Bf16] {
            let ours = outputs(variant, arithmetic, &device);
            for (ours, reference) in ours.iter().zip(&reference) {
                line += &format!(" {:>10.1e}", difference(ours, reference));
            }
        }
        println!("{line}");
    }
}
