//! Networks against timm and torchvision: names, sizes, logits, gradients, running statistics. `golden/nets/make.py`
//! made the values, in 64 bits, of weights and inputs by formula.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::PathBuf;

use common::{difference, input, uniform};
use earmark_nets::families::resnet::{Block, Config, Se, Stem, network};
use earmark_nets::{Array, Graph, Init, Role, Weights, find, variants};
use earmark_training::{evaluate, gradients};
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

/// The name of an input's shape in the golden files: `1x3x64x150`.
fn times(shape: [usize; 4]) -> String {
    shape.map(|side| side.to_string()).join("x")
}

#[test]
fn names_sizes_and_flops_are_those_of_timm_and_torchvision() {
    let counts = json("counts.json");
    let mut wrong = Vec::new();
    for variant in variants().filter(|variant| !variant.name.ends_with("_nano")) {
        let graph = variant.graph(3, 1000);
        let parameters = graph.parameters();
        let mut lines: Vec<String> = parameters.iter().map(|p| format!("{} {:?}\n", p.name, p.shape)).collect();
        lines.sort();
        let expected = &counts[variant.name];
        assert!(expected["timm"].is_object(), "golden/nets/counts.json lacks {}", variant.name);
        for library in ["timm", "torchvision"].into_iter().filter(|library| expected[library].is_object()) {
            let expected = &expected[library];
            let ours = (graph.parameter_count(), lines.len(), earmark_files::sha256(lines.concat().as_bytes()));
            let theirs = (
                size(&expected["parameters"]),
                size(&expected["arrays"]),
                expected["sha256 of sorted lines 'name shape'"].as_str().unwrap().to_owned(),
            );
            if ours != theirs {
                wrong.push(format!("{}: {ours:?} instead of {library}'s {theirs:?}", variant.name));
            }
            for shape in [[1, 3, 224, 224], [1, 3, 64, 150]] {
                let flops = graph.flops(shape).unwrap() as f64;
                let counted = expected["flops"][times(shape)].as_f64().unwrap();
                if (flops / counted - 1.0).abs() > 0.01 {
                    wrong.push(format!("{} on {shape:?}: {flops} FLOPs, {library} {counted}", variant.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A parameter's mean and deviation; torchvision's are those of random values, so they are a little off.
#[test]
fn training_starts_where_torchvision_starts() {
    let mut wrong = Vec::new();
    let counts = json("counts.json");
    for (name, expected) in counts.as_object().unwrap().iter().filter(|(_, counts)| counts["starts"].is_object()) {
        let learned = find(name).unwrap().graph(3, 1000).parameters().into_iter().filter(|p| p.role == Role::Learned);
        for parameter in learned {
            let [mean, deviation] = [0, 1].map(|index| expected["starts"][&parameter.name][index].as_f64().unwrap());
            let (our_mean, our_deviation) = match parameter.init {
                Init::Normal(deviation) => (0.0, deviation),
                Init::Uniform(bound) => (0.0, bound / 3f64.sqrt()),
                Init::Constant(value) => (f64::from(value), 0.0),
            };
            if (our_mean - mean).abs() > 0.2 * deviation || (our_deviation - deviation).abs() > 0.06 * deviation {
                let theirs = format!("torchvision's {mean} and {deviation}");
                wrong.push(format!("{name}: {}: {our_mean} and {our_deviation} instead of {theirs}", parameter.name));
            }
        }
    }
    assert!(wrong.is_empty(), "mean and deviation:\n{}", wrong.join("\n"));
}

/// The graph of a case: of our registry, or of the configuration that stands in it.
fn graph(case: &Value) -> Graph {
    if let Ok(variant) = find(case["name"].as_str().unwrap()) {
        return variant.graph(3, 10);
    }
    let (config, stem) = (&case["config"], &case["config"]["stem"]);
    let config = Config {
        block: if config["block"] == "Basic" { Block::Basic } else { Block::Bottleneck },
        layers: sizes(&config["layers"]),
        channels: sizes(&config["channels"]),
        groups: size(&config["groups"]),
        base_width: size(&config["base_width"]),
        stem: Stem {
            channels: size(&stem["channels"]),
            kernel: size(&stem["kernel"]),
            stride: size(&stem["stride"]),
            max_pool: stem["max_pool"].as_bool().unwrap(),
        },
        se: Se::None,
        stride_first: false,
    };
    network(&config, 3, 10)
}

fn weights(case: &Value, graph: &Graph) -> Weights {
    case["weights"].as_str().map_or_else(|| common::weights(graph), arrays)
}

#[test]
fn logits_are_those_of_timm() {
    let mut wrong = Vec::new();
    for case in json("cases.json").as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let graph = graph(case);
        let (weights, expected) = (weights(case, &graph), arrays(&format!("{name}.safetensors")));
        for shape in case["inputs"].as_array().unwrap().iter().map(sizes) {
            let ours = evaluate(&graph, &weights, &input(shape), shape).unwrap();
            let difference = difference(&ours, &expected.0[&format!("logits {}", times(shape))].data);
            println!("{name} on {shape:?}: {difference:.1e}");
            if difference > 1e-4 {
                wrong.push(format!("{name} on {shape:?}: {difference:.1e}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `summary` of `formula.py` of a whole array, and how far it is from the expected one, relative to the array's size:
/// its length and its products to the length, its entries to the largest of them.
fn summary_difference(name: &str, array: &Array, expected: &[f32]) -> f32 {
    let values = &array.data;
    let product = |other: &[f32]| values.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let products = [0, 1].map(|index| product(&uniform(&format!("{name} {index}"), values.len())));
    let whole = [product(values).sqrt(), products[0], products[1]].map(|value| value as f32);
    let entries: Vec<f32> = (0..8).map(|index| values[index * (values.len() - 1) / 7]).collect();
    let whole = whole.iter().zip(expected).map(|(a, b)| (a - b).abs() / expected[0]).fold(0.0, f32::max);
    // In a gradient, an entry can be almost 0 beside others: what counts is the typical size of all.
    let typical = expected[0] / (values.len() as f32).sqrt();
    let entries =
        entries.iter().zip(&expected[3..]).map(|(a, b)| (a - b).abs() / typical.max(b.abs())).fold(0.0, f32::max);
    whole.max(entries)
}

#[test]
fn a_step_of_training_computes_what_timm_computes() {
    let mut wrong = Vec::new();
    for case in json("cases.json").as_array().unwrap().iter().filter(|case| case["targets"].is_array()) {
        let name = case["name"].as_str().unwrap();
        let graph = graph(case);
        let (weights, expected) = (weights(case, &graph), arrays(&format!("{name}.safetensors")));
        let shape: [usize; 4] = sizes(&case["step"]);
        let rows = case["targets"].as_array().unwrap().iter();
        let targets: Vec<f32> =
            rows.flat_map(|row| row.as_array().unwrap()).map(|value| value.as_f64().unwrap() as f32).collect();
        let step = gradients(&graph, &weights, &input(shape), shape, &targets).unwrap();
        let mut worst = [difference(&[step.loss], &expected.0["loss"].data), 0.0, 0.0];
        let mut compared = 0;
        for (key, array) in &expected.0 {
            let (kind, arrays, tolerance) = match key.split_once(' ') {
                Some(("gradient", _)) => (1, &step.gradients, 1e-3),
                Some(("running", _)) => (2, &step.weights.0, 1e-4),
                _ => continue,
            };
            let parameter = key.split_once(' ').unwrap().1;
            let difference = summary_difference(parameter, &arrays[parameter], &array.data);
            worst[kind] = difference.max(worst[kind]);
            compared += 1;
            if difference.is_nan() || difference > tolerance {
                wrong.push(format!("{name}: {key}: {difference:.1e}"));
            }
        }
        let [loss, gradient, running] = worst;
        println!("{name}: loss {loss:.1e}, gradients {gradient:.1e}, running statistics {running:.1e}");
        if loss > 1e-4 {
            wrong.push(format!("{name}: the loss is {} instead of {:?}", step.loss, expected.0["loss"].data));
        }
        assert_eq!(compared, graph.parameters().len(), "{name}: every parameter is in the golden file");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
