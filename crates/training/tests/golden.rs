//! Compares networks with timm and torchvision: names, sizes, logits, gradients, running
//! statistics. `golden/nets/make.py` computed the values, in 64 bits, from pseudorandom weights and
//! inputs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::{difference, input, uniform};
use earmark_nets::families::resnet::{Block, Config, Se, Stem, network};
use earmark_nets::{Array, Graph, Init, Role, Weights, find, variants};
use earmark_training::{Arithmetic, evaluate, gradients};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/nets")).join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

fn arrays(name: &str) -> Weights {
    Weights::from_safetensors(&std::fs::read(path(name)).unwrap()).unwrap()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn sizes<const N: usize>(value: &Value) -> [usize; N] {
    std::array::from_fn(|index| size(&value[index]))
}

/// Parses an input's shape as written in the golden files: `1x3x64x150`.
fn shape(times: &str) -> [usize; 4] {
    let sides: Vec<usize> = times.split('x').map(|side| side.parse().unwrap()).collect();
    sides.try_into().unwrap()
}

#[test]
fn names_sizes_and_flops_are_those_of_the_references() {
    let counts = json("counts.json");
    let mut wrong = Vec::new();
    for variant in variants() {
        let graph = variant.graph(variant.channels(), 1000);
        let mut lines: Vec<String> = graph.parameters().iter().map(|p| format!("{} {:?}\n", p.name, p.shape)).collect();
        lines.sort();
        let Some(expected) = counts[variant.name].as_object() else {
            wrong.push(format!("golden/nets/counts.json lacks {}", variant.name));
            continue;
        };
        for (library, expected) in expected.iter().filter(|(library, _)| *library != "flops") {
            let ours = (graph.parameter_count(), lines.len(), earmark_files::sha256(lines.concat().as_bytes()));
            let theirs = (
                size(&expected["parameters"]),
                size(&expected["arrays"]),
                expected["sha256 of sorted lines 'name shape'"].as_str().unwrap().to_owned(),
            );
            if ours != theirs {
                wrong.push(format!("{}: {ours:?} instead of {library}'s {theirs:?}", variant.name));
            }
        }
        for (input, counters) in expected["flops"].as_object().unwrap() {
            let input = shape(input);
            let flops = variant.graph(input[1], 1000).flops(input).unwrap() as f64;
            for (counter, counted) in counters.as_object().unwrap() {
                let counted = counted.as_f64().unwrap();
                if (flops / counted - 1.0).abs() > 0.01 {
                    wrong.push(format!("{} on {input:?}: {flops} FLOPs, {counter} {counted}", variant.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn training_starts_where_the_references_start() {
    let mut wrong = Vec::new();
    for (name, expected) in json("starts.json").as_object().unwrap() {
        let graph = find(name).unwrap().graph(3, 1000);
        for parameter in graph.parameters().into_iter().filter(|p| p.role == Role::Learned) {
            let (kind, values) = match parameter.init {
                Init::Normal(deviation) => ("normal", vec![0.0, deviation]),
                Init::Uniform(bound) => ("uniform", vec![-bound, bound]),
                Init::Constant(value) => ("constant", vec![f64::from(value)]),
            };
            let theirs = &expected[&parameter.name];
            let near = |(index, value): (usize, &f64)| {
                theirs[index + 1].as_f64().is_some_and(|theirs| (value - theirs).abs() <= 1e-6 * theirs.abs())
            };
            if theirs[0] != kind || !values.iter().enumerate().all(near) {
                wrong.push(format!("{name}: {}: {kind} {values:?} instead of {theirs}", parameter.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A network with pseudorandom weights, and the results of the reference libraries.
struct Case {
    name: String,
    graph: Graph,
    weights: Weights,
    /// The shape of the batch of a training step.
    step: Option<[usize; 4]>,
    /// Whether its gradients in 32 and 64 bits agree.
    stable: bool,
    expected: BTreeMap<String, Array>,
}

/// Calls `work` with one case at a time: the weights of all cases would take gigabytes.
fn for_each_case(mut work: impl FnMut(&Case)) {
    let cases = json("cases.json");
    for case in cases["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let channels = size(&case["channels"]);
        let graph = match case["network"].as_str() {
            Some(name) => find(name).unwrap().graph(channels, 10),
            None => network(&config(&case["config"]), channels, 10),
        };
        let weights = case["weights"].as_str().map_or_else(|| common::weights(&graph), arrays);
        let step = case["step"].is_array().then(|| sizes(&case["step"]));
        let stable = case["difference of 32 bits"].is_number();
        let expected = arrays(&format!("values/{name}.safetensors")).0;
        work(&Case { name: name.to_owned(), graph, weights, step, stable, expected });
    }
}

/// The configuration in a case.
fn config(values: &Value) -> Config {
    let stem = &values["stem"];
    Config {
        block: if values["block"] == "Basic" { Block::Basic } else { Block::Bottleneck },
        layers: sizes(&values["layers"]),
        channels: sizes(&values["channels"]),
        groups: size(&values["groups"]),
        base_width: size(&values["base_width"]),
        stem: Stem {
            channels: size(&stem["channels"]),
            kernel: size(&stem["kernel"]),
            stride: size(&stem["stride"]),
            max_pool: stem["max_pool"].as_bool().unwrap(),
        },
        se: Se::None,
        stride_first: false,
    }
}

#[test]
fn every_network_has_its_case() {
    let cases = json("cases.json");
    let names: Vec<&str> =
        cases["cases"].as_array().unwrap().iter().filter_map(|case| case["network"].as_str()).collect();
    let missing: Vec<&str> = variants().map(|variant| variant.name).filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "golden/nets/cases.json lacks {missing:?}");
}

#[test]
fn logits_are_those_of_the_references() {
    let mut wrong = Vec::new();
    for_each_case(|case| {
        let mut worst: f32 = 0.0;
        for (key, expected) in &case.expected {
            let Some(whole) = key.strip_prefix("logits ").map(shape) else { continue };
            // The first row of the batch equals the batch of one row.
            let one = [1, whole[1], whole[2], whole[3]];
            for shape in if whole == one { vec![one] } else { vec![whole, one] } {
                let ours = evaluate(&case.graph, &case.weights, &input(shape), shape, Arithmetic::F32, "cpu").unwrap();
                let difference = difference(&ours, &expected.data[..shape[0] * 10]);
                worst = worst.max(difference);
                if difference > 1e-5 {
                    wrong.push(format!("{} on {shape:?}: {difference:.1e}", case.name));
                }
            }
        }
        println!("{}: {worst:.1e}", case.name);
        assert!(case.expected.keys().any(|key| key.starts_with("logits ")), "{}: no logits", case.name);
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `summary` of `formula.py`: an array's norm and its products with two pseudorandom arrays.
fn summary(name: &str, values: &[f32]) -> [f64; 3] {
    let product = |other: &[f32]| values.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let products = [0, 1].map(|index| product(&uniform(&format!("{name} {index}"), values.len())));
    [product(values).sqrt(), products[0], products[1]]
}

/// Compares arrays with the expected summaries, which are in the order of their names: returns the
/// largest difference, relative to the norm of its array, with the name of the array. For arrays
/// that should be 0, the difference is relative to `least` times the largest norm.
fn summary_difference(ours: &BTreeMap<&str, &Array>, expected: &Array, least: f64) -> (f64, String) {
    assert_eq!(expected.shape, [ours.len(), 3], "one summary a parameter");
    let rows = || expected.data.chunks_exact(3).map(|row| [row[0], row[1], row[2]].map(f64::from));
    let longest = rows().map(|[length, ..]| length).fold(0.0, f64::max);
    let mut worst = (0.0, String::new());
    for ((name, array), expected) in ours.iter().zip(rows()) {
        let ours = summary(name, &array.data);
        let largest = ours.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let relative = largest / expected[0].max(least * longest);
        if relative.is_nan() || relative > worst.0 {
            worst = (if relative.is_nan() { f64::INFINITY } else { relative }, (*name).to_owned());
        }
    }
    worst
}

/// The results of a training step that differ too much from the expected ones.
fn step_faults(case: &Case, shape: [usize; 4], targets: &[f32], arithmetic: Arithmetic) -> Vec<String> {
    let step = gradients(&case.graph, &case.weights, &input(shape), shape, targets, arithmetic, "cpu").unwrap();
    let loss = f64::from(difference(&[step.loss], &case.expected["loss"].data));
    let gradients = step.gradients.iter().map(|(name, array)| (name.as_str(), array)).collect();
    // A bias before a batch norm has a gradient of 0, but for the rounding of large sums.
    let least = if arithmetic == Arithmetic::F64 { 1e-6 } else { 1e-3 };
    let (gradient, of_gradient) = summary_difference(&gradients, &case.expected["gradients"], least);
    let statistics = step.weights.0.iter().filter(|(name, _)| !step.gradients.contains_key(*name));
    let statistics = statistics.map(|(name, array)| (name.as_str(), array)).collect();
    let (statistic, of_statistic) = summary_difference(&statistics, &case.expected["running"], least);
    let name = &case.name;
    println!("{name}, {arithmetic:?}: loss {loss:.1e}, gradients {gradient:.1e}, statistics {statistic:.1e}");
    let allowed = if arithmetic == Arithmetic::F64 { [1e-6; 3] } else { [1e-5, 1e-3, 1e-5] };
    [(loss, "loss"), (gradient, &of_gradient), (statistic, &of_statistic)]
        .into_iter()
        .zip(allowed)
        .filter(|((difference, _), allowed)| difference > allowed)
        .map(|((difference, what), _)| format!("{name}, {arithmetic:?}: {what}: {difference:.1e}"))
        .collect()
}

#[test]
fn a_step_of_training_computes_what_the_references_compute() {
    let all = json("cases.json");
    let rows = all["targets"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    let targets: Vec<f32> = rows.map(|value| value.as_f64().unwrap() as f32).collect();
    let mut wrong = Vec::new();
    for_each_case(|case| {
        let Some(shape) = case.step else { return };
        wrong.extend(step_faults(case, shape, &targets, Arithmetic::F64));
        if case.stable {
            wrong.extend(step_faults(case, shape, &targets, Arithmetic::F32));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
