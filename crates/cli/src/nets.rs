//! `earmark nets`: the networks, and their ONNX files.

use std::path::Path;

use anyhow::Context;
use earmark_nets::{Graph, Variant, Weights, find, onnx, variants};
use serde_json::json;

use crate::args::Nets;
use crate::output;

/// The input that FLOPs are stated for: log-mel with deltas, 1.5 s.
const INPUT: [usize; 4] = [1, 3, 64, 150];
/// The number of classes that sizes are stated for, as in the papers: ImageNet's.
const CLASSES: usize = 1000;

pub fn run(command: &Nets) -> anyhow::Result<()> {
    match command {
        Nets::List { json } => list(*json),
        Nets::Export { arch, weights, classes, out } => export(arch, weights.as_deref(), *classes, out),
    }
}

fn list(as_json: bool) -> anyhow::Result<()> {
    let mut rows = vec![["name", "family", "input", "parameters", "GFLOPs at 3x64x150"].map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    for variant in variants() {
        let graph = variant.graph(INPUT[1], CLASSES);
        let (parameters, flops) = (graph.parameter_count(), graph.flops(INPUT)?);
        let Variant { name, family, .. } = variant;
        rows.push(vec![
            name.to_string(),
            family.to_string(),
            "features".to_owned(),
            parameters.to_string(),
            format!("{:.3}", flops as f64 / 1e9),
        ]);
        values.push(json!({"name": name, "family": family, "input": "features", "classes": CLASSES,
            "parameters": parameters, "flops_3x64x150": flops}));
    }
    if as_json {
        return output::print_json(&values);
    }
    output::print(&output::table(&rows))
}

fn export(arch: &str, weights: Option<&Path>, classes: Option<usize>, out: &Path) -> anyhow::Result<()> {
    let variant = find(arch)?;
    anyhow::ensure!(classes != Some(0), "--classes 0: a network needs at least one class");
    let loaded = weights.map(|path| {
        let weights = Weights::from_safetensors(&earmark_files::read(path)?);
        weights.with_context(|| path.display().to_string())
    });
    let loaded = loaded.transpose()?;
    let classes = classes.or_else(|| head_classes(variant, loaded.as_ref()?)).unwrap_or(CLASSES);
    let graph = variant.graph(INPUT[1], classes);
    let weights_of = match loaded {
        Some(weights) => weights,
        None => fresh(&graph)?,
    };
    let bytes = onnx::network(&graph, &weights_of);
    let bytes = bytes.with_context(|| weights.map_or(arch.to_owned(), |path| path.display().to_string()))?;
    earmark_files::write_atomic(out, &bytes)?;
    Ok(())
}

/// The number of classes that the weights' last layer has.
fn head_classes(variant: &Variant, weights: &Weights) -> Option<usize> {
    let bias = variant.graph(INPUT[1], CLASSES).parameters().pop()?;
    weights.0.get(&bias.name)?.shape.first().copied()
}

#[cfg(feature = "train")]
fn fresh(graph: &Graph) -> anyhow::Result<Weights> {
    Ok(earmark_training::initial_weights(graph, 0, &[]))
}

#[cfg(not(feature = "train"))]
fn fresh(_: &Graph) -> anyhow::Result<Weights> {
    anyhow::bail!("--weights is needed: this build of earmark cannot train, and has no fresh weights")
}
