//! Speed of training on libtorch and of inference in ONNX Runtime on this machine: crops of
//! 3x64x150 per second.
//!
//! `cargo bench -p earmark-tagging --bench engines -- [THREADS] [NETWORK...]`; `benches/engines.py`
//! measures the same in PyTorch.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::ops::ControlFlow;
use std::time::Instant;

use earmark_features::{Features, FrontEnd};
use earmark_nets::{find, to_onnx};
use earmark_tagging::{Model, Signature};
use earmark_training::{Example, Job, LearnerSettings, Progress, Split, initial_weights, set_threads};

const NETWORKS: [&str; 4] = ["resnet_nano", "resnext_nano", "resnet50", "resnext50_32x4d"];
const BATCH: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let threads: usize = arguments.first().and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let chosen: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let networks = if chosen.is_empty() { NETWORKS.to_vec() } else { chosen };
    set_threads(threads);
    println!("crops of 3x64x150 per second, {threads} threads");
    println!("{:<18} {:>10} {:>10} {:>10} {:>10}", "", "train f32", "train bf16", "ONNX, 1", "ONNX, 16");
    for name in networks {
        let speeds = [train(name, "f32"), train(name, "bf16"), infer(name, 1, threads), infer(name, BATCH, threads)];
        println!("{name:<18} {:>10.1} {:>10.1} {:>10.1} {:>10.1}", speeds[0], speeds[1], speeds[2], speeds[3]);
    }
}

/// Crops per second of the fastest of three epochs of eight steps each.
fn train(arch: &str, precision: &str) -> f64 {
    let learner: LearnerSettings = serde_json::from_value(serde_json::json!({
        "name": "bench", "arch": arch, "features": "logmel", "mixup": 3.0, "epochs": 3, "batch_size": BATCH,
        "learning_rate": 0.01, "precision": precision
    }))
    .unwrap();
    let frames = 501;
    let data = (0..3 * 64 * frames).map(|at| ((at * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
    let features = Features { data, channels: 3, bins: 64, frames };
    let names: Vec<String> = (0..8 * BATCH).map(|clip| clip.to_string()).collect();
    let example =
        |(clip, name)| Example { name, features: features.view(), labels: vec![clip % 41].leak(), verified: true };
    let folder = tempfile::tempdir().unwrap();
    let job = Job {
        start: None,
        learner: &learner,
        front_end: &FrontEnd::logmel(),
        split: Split::Fold(0),
        train: names.iter().map(String::as_str).enumerate().map(example).collect(),
        predict: Vec::new(),
        task: earmark_training::Task::SingleLabel,
        labels: &(0..41).map(|label| label.to_string()).collect::<Vec<_>>(),
        seed: 0,
        device: "cpu",
        shared: None,
        folder: folder.path(),
    };
    let mut best: f64 = 0.0;
    job.run(&mut |progress| {
        if let Progress::Learning(now) = progress
            && now.batches % 8 == 0
        {
            best = best.max(now.crops_per_second);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    best
}

/// Crops per second of the fastest of five rounds.
fn infer(arch: &str, batch: usize, threads: usize) -> f64 {
    let graph = find(arch).unwrap().graph(3, 41);
    let bytes = to_onnx(&graph, &initial_weights(&graph, 0, &[])).unwrap();
    let mut model = Model::load(arch, &bytes, threads, Signature::network(3, 64, None, 41)).unwrap();
    let x = vec![0.5; batch * 3 * 64 * 150];
    let mut best: f64 = 0.0;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..32 / batch {
            model.run(&x, [batch, 3, 64, 150]).unwrap();
        }
        best = best.max((32 / batch * batch) as f64 / start.elapsed().as_secs_f64());
    }
    best
}
