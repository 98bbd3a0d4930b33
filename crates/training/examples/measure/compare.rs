//! Differences between a device's logits and gradients and the CPU's in 64 bits.

use earmark_nets::Variant;
use earmark_training::{Arithmetic, GpuSettings, Gradients, configure, evaluate, gradients};
use serde_json::{Value, json};

use crate::common::{difference, input, uniform, weights};
use crate::{CLASSES, Options, Result};

/// Differences relative to the largest value; all gradients count as one array. Weights come from a
/// formula. In 32 bits the gradients of a deep network differ by more than rounding, because some
/// values are so close to the kink of a ReLU that rounding puts them on either side of it; in 64
/// bits they do not.
pub fn compare(variant: &Variant, options: &Options) -> Result<Value> {
    // TF32 would hide errors below three decimal digits.
    configure(GpuSettings { tf32: false, cudnn_benchmark: false, ..GpuSettings::default() })?;
    let batch = options.batch.unwrap_or(8);
    let on = |arithmetic, device: &str| outputs(variant, batch, arithmetic, device);
    let reference = on(Arithmetic::F64, "cpu")?;
    let mut result = json!({"network": variant.name, "batch": batch});
    for (name, arithmetic) in [("f64", Arithmetic::F64), ("f32", Arithmetic::F32), ("bf16", Arithmetic::Bf16)] {
        let [logits, gradients] = on(arithmetic, &options.device)?;
        result[format!("logits_{name}")] = difference(&logits, &reference[0]).into();
        result[format!("gradients_{name}")] = difference(&gradients, &reference[1]).into();
    }
    Ok(result)
}

/// Logits and gradients of one small batch.
fn outputs(variant: &Variant, batch: usize, arithmetic: Arithmetic, device: &str) -> Result<[Vec<f32>; 2]> {
    let graph = variant.graph(variant.channels(), CLASSES);
    let shape = variant.example(batch, 150);
    let weights = weights(&graph);
    let mut targets = uniform("targets", batch * CLASSES);
    for row in targets.chunks_mut(CLASSES) {
        let total: f32 = row.iter().map(|value| value.abs()).sum();
        row.iter_mut().for_each(|value| *value = value.abs() / total);
    }
    let logits = evaluate(&graph, &weights, &input(shape), shape, arithmetic, device)?;
    let step = gradients(&graph, &weights, &input(shape), shape, &targets, arithmetic, device)?;
    Ok([logits, all(&step)])
}

/// All gradients, in the order of their names.
fn all(step: &Gradients) -> Vec<f32> {
    step.gradients.values().flat_map(|array| array.data.iter().copied()).collect()
}
