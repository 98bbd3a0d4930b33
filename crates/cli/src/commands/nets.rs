//! `earmark nets`: lists the networks and exports them as ONNX.

use std::path::Path;

use anyhow::Context;
use earmark_nets::{
    Graph, Input, Pretrained, USUAL_CLASSES, USUAL_FRAMES, Variant, Weights, check_size, find, to_onnx, variants,
};
use earmark_tables::text_table;
use serde_json::json;

use crate::args::Nets;
use crate::output;

/// Generates the weights of a network that is exported without any; only `earmark-train` can.
pub type RandomWeights = Option<fn(&Graph) -> Weights>;

/// Runs the command.
pub fn run(command: &Nets, random: RandomWeights) -> anyhow::Result<()> {
    match command {
        Nets::List { json } => list(*json),
        Nets::Export { arch, weights, classes, out } => export(arch, (weights.as_deref(), random), *classes, out),
    }
}

fn list(as_json: bool) -> anyhow::Result<()> {
    let header = ["name", "family", "input", "parameters", "GFLOPs at 1.5 s", "pretrained", "licence"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    for variant in variants() {
        let input = variant.example(1, USUAL_FRAMES);
        let graph = variant.graph(variant.channels(), USUAL_CLASSES);
        let (parameters, flops) = (graph.parameter_count(), graph.flops(input)?);
        let Variant { name, family, .. } = variant;
        let kind = if variant.input == Input::Wave { "wave" } else { "features" };
        let starts: Vec<_> = variant.starts().collect();
        let first = starts.first();
        let source = first.map(|start| start.source.to_string());
        let licence = first.map(|start| start.licence);
        rows.push(vec![
            name.to_string(),
            family.to_string(),
            kind.to_owned(),
            parameters.to_string(),
            format!("{:.3}", flops as f64 / 1e9),
            shown(&starts),
            licence.unwrap_or("-").to_owned(),
        ]);
        let [_, channels, bins, frames] = input;
        values.push(json!({"name": name, "family": family, "input": kind, "classes": USUAL_CLASSES,
            "parameters": parameters, "flops": flops, "flops_input": [channels, bins, frames],
            "pretrained": source, "pretrained_on": first.map(|start| start.data), "licence": licence,
            "published": starts.iter().map(published).collect::<Vec<_>>()}));
    }
    if as_json {
        return output::print_json(&values);
    }
    output::print(&text_table(&rows))
}

/// The sources of weights, and what they were trained on.
fn shown(starts: &[Pretrained]) -> String {
    let of = |start: &Pretrained| format!("{} ({})", in_short(&start.source.to_string()), start.data);
    if starts.is_empty() { "-".to_owned() } else { starts.iter().map(of).collect::<Vec<_>>().join(", ") }
}

fn published(start: &Pretrained) -> serde_json::Value {
    json!({"source": start.source.to_string(), "data": start.data, "licence": start.licence})
}

/// The name of a repository, or the server and file name of an address.
fn in_short(source: &str) -> String {
    match source.strip_prefix("https://").and_then(|rest| rest.split_once('/')) {
        Some((server, path)) => format!("{server}: {}", path.rsplit('/').next().unwrap_or(path)),
        None => source.to_owned(),
    }
}

fn export(
    arch: &str,
    (weights, random): (Option<&Path>, RandomWeights),
    classes: Option<usize>,
    out: &Path,
) -> anyhow::Result<()> {
    output::check_place("--out", out)?;
    let variant = find(arch)?;
    let loaded = weights.map(|path| Weights::read(path).with_context(|| path.display().to_string())).transpose()?;
    let named = || weights.map_or(arch.to_owned(), |path| path.display().to_string());
    let fitted = match &loaded {
        Some(weights) => variant.graph_of(weights, classes),
        None => variant.fit(variant.example(1, USUAL_FRAMES), classes.unwrap_or(USUAL_CLASSES)),
    };
    let graph = fitted.with_context(named)?;
    check_size(&graph).with_context(named)?;
    let weights_of = match (loaded, random) {
        (Some(weights), _) => weights,
        (None, Some(random)) => random(&graph),
        (None, None) => anyhow::bail!("--weights is needed: only earmark-train draws random weights"),
    };
    let bytes = to_onnx(&graph, &weights_of).with_context(named)?;
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    earmark_files::sweep(folder, earmark_files::ABANDONED);
    earmark_files::write_atomic(out, &bytes)?;
    Ok(())
}
