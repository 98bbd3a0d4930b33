//! How many crops a second each network learns from: the fastest step of a job, cutting and mixing included, two threads.
//!
//! `cargo bench -p earmark-training --bench families [-- NAME...]`; without names all nano sizes.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::ops::ControlFlow;
use std::time::Instant;

use earmark_datasets::Example;
use earmark_features::{Features, FrontEnd};
use earmark_nets::{Input, Variant, variants};
use earmark_training::{Job, LearnerSettings, Progress, set_threads};

const CLIPS: usize = 64;
const EPOCHS: usize = 4;
const THREADS: usize = 2;

/// Crops a second.
fn speed(variant: &Variant) -> f64 {
    let kind = if variant.input == Input::Wave { "wave" } else { "logmel" };
    let front_end: FrontEnd = serde_json::from_value(serde_json::json!({ "kind": kind })).unwrap();
    let [_, channels, bins, _] = variant.example(1, 1);
    let learner: LearnerSettings = serde_json::from_value(serde_json::json!({
        "name": "l", "arch": variant.name, "features": "f", "epochs": EPOCHS, "batch_size": 32,
        "learning_rate": 0.001, "mixup": 3.0
    }))
    .unwrap();
    let frames = learner.windowing(&front_end).frames;
    let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 7 & 0xFFFF) as f32 / 65_536.0 - 0.5;
    let features = Features { data: (0..channels * bins * frames).map(noise).collect(), channels, bins, frames };
    let names: Vec<String> = (0..CLIPS + 1).map(|clip| format!("{clip}.wav")).collect();
    let example =
        |clip: usize| Example { name: &names[clip], features: features.view(), label: Some(clip % 2), verified: true };
    let folder = tempfile::tempdir().unwrap();
    let job = Job {
        learner: &learner,
        front_end: &front_end,
        start: None,
        split: "fold0",
        train: (0..CLIPS).map(example).collect(),
        predict: vec![example(CLIPS)],
        labels: &["a".to_owned(), "b".to_owned()],
        seed: 1,
        device: "cpu",
        folder: folder.path(),
    };
    // Told after each step; the fastest has no checkpoint before it.
    let (mut last, mut fastest) = (Instant::now(), f64::INFINITY);
    job.run(&mut |progress| {
        if matches!(progress, Progress::Learning(_)) {
            fastest = fastest.min(last.elapsed().as_secs_f64());
        }
        last = Instant::now();
        ControlFlow::Continue(())
    })
    .unwrap();
    32.0 / fastest
}

fn main() {
    set_threads(THREADS);
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let chosen = |variant: &&Variant| match names.is_empty() {
        true => variant.name.ends_with("_nano"),
        false => names.iter().any(|name| name == variant.name),
    };
    println!("{:24} {:>10} {:>8}", "network", "parameters", "crops/s");
    for variant in variants().filter(chosen) {
        let parameters = variant.graph(variant.channels(), 10).parameter_count();
        println!("{:24} {parameters:10} {:8.0}", variant.name, speed(variant));
    }
}
