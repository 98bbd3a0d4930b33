//! Training speed of each network in crops per second, including cropping and mixup.
//!
//! `cargo bench -p earmark-training --bench families -- [--device cuda:0] [--batch 128] [NAME...]`;
//! without names, it runs all nano sizes. On a CPU the figure is that of the fastest step, with two
//! threads. On a GPU it is that of the second epoch, because steps are asynchronous. `families.py`
//! in this folder measures the same networks in PyTorch.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::ops::ControlFlow;
use std::time::Instant;

use earmark_features::{Features, FrontEnd};
use earmark_loader::Example;
use earmark_nets::{Input, Variant, variants};
use earmark_training::{Job, LearnerSettings, Progress, Split, set_threads};

const THREADS: usize = 2;

/// The device and the amount of data that a network trains with.
struct Setting {
    device: String,
    batch: usize,
    /// Steps per epoch.
    steps: usize,
    epochs: usize,
}

/// Crops per second.
fn speed(variant: &Variant, setting: &Setting) -> f64 {
    let Setting { device, batch, steps, epochs } = setting;
    let clips = batch * steps;
    let kind = if variant.input == Input::Wave { "wave" } else { "logmel" };
    let front_end: FrontEnd = serde_json::from_value(serde_json::json!({ "kind": kind })).unwrap();
    let [_, channels, bins, _] = variant.example(1, 1);
    let learner: LearnerSettings = serde_json::from_value(serde_json::json!({
        "name": "l", "arch": variant.name, "features": "f", "epochs": epochs, "batch_size": batch,
        "learning_rate": 0.001, "mixup": 3.0
    }))
    .unwrap();
    let frames = learner.windowing(&front_end).frames;
    let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 7 & 0xFFFF) as f32 / 65_536.0 - 0.5;
    let features = Features { data: (0..channels * bins * frames).map(noise).collect(), channels, bins, frames };
    let names: Vec<String> = (0..=clips).map(|clip| format!("{clip}.wav")).collect();
    let example =
        |clip: usize| Example { name: &names[clip], features: features.view(), label: Some(clip % 2), verified: true };
    let folder = tempfile::tempdir().unwrap();
    let job = Job {
        learner: &learner,
        front_end: &front_end,
        start: None,
        split: Split::Fold(0),
        train: (0..clips).map(example).collect(),
        predict: vec![example(clips)],
        labels: &["a".to_owned(), "b".to_owned()],
        seed: 1,
        device,
        shared: None,
        folder: folder.path(),
    };
    let (mut last, mut fastest) = (Instant::now(), f64::INFINITY);
    let (mut first, mut whole) = (Instant::now(), 0.0);
    job.run(&mut |progress| {
        if let Progress::Learning(now) = progress {
            fastest = fastest.min(last.elapsed().as_secs_f64());
            match now.batches % steps {
                1 => first = Instant::now(),
                0 => whole = first.elapsed().as_secs_f64(),
                _ => {}
            }
        }
        last = Instant::now();
        ControlFlow::Continue(())
    })
    .unwrap();
    match device == "cpu" {
        true => *batch as f64 / fastest,
        false => (batch * (steps - 1)) as f64 / whole,
    }
}

fn main() {
    set_threads(THREADS);
    let mut setting = Setting { device: "cpu".to_owned(), batch: 32, steps: 2, epochs: 4 };
    let mut names = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--device" => setting = Setting { device: words.next().unwrap(), steps: 49, epochs: 2, ..setting },
            "--batch" => setting.batch = words.next().unwrap().parse().unwrap(),
            // Passed by cargo.
            "--bench" => {}
            _ => names.push(word),
        }
    }
    let chosen = |variant: &&Variant| match names.is_empty() {
        true => variant.name.ends_with("_nano"),
        false => names.iter().any(|name| name == variant.name),
    };
    println!("{:24} {:>10} {:>8}", "network", "parameters", "crops/s");
    for variant in variants().filter(chosen) {
        let parameters = variant.graph(variant.channels(), 10).parameter_count();
        println!("{:24} {parameters:10} {:8.0}", variant.name, speed(variant, &setting));
    }
}
