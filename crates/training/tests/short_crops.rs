//! The shortest crops that a network takes, in bf16: equal jobs end with equal weights, whatever
//! their memory contains.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use earmark_features::{Features, FrontEnd};
use earmark_files::sha256;
use earmark_nets::{Input, Variant, variants};
use earmark_training::{Example, Job, LearnerSettings, Split, set_threads};
use libtest_mimic::{Arguments, Trial};
use tch::{Device, Kind, Tensor};

const CLIPS: usize = 7;
const RUNS: usize = 5;
/// Frames of crops that are short, but not the shortest.
const SHORT: [usize; 2] = [9, 16];

/// The front end for a variant, with frames of 50 ms unless it is a wave.
fn front_end(variant: &Variant) -> FrontEnd {
    let settings = match variant.input {
        Input::Wave => r#"{"kind": "wave"}"#,
        _ => r#"{"kind": "logmel", "hop_length": 2205}"#,
    };
    serde_json::from_str(settings).unwrap()
}

fn learner(variant: &Variant, frames: usize, front_end: &FrontEnd) -> LearnerSettings {
    let seconds = frames as f64 / front_end.frames_per_second();
    serde_json::from_value(serde_json::json!({
        "name": "l", "arch": variant.name, "features": "f", "epochs": 2, "batch_size": 3, "learning_rate": 0.01,
        "crop_seconds": seconds, "precision": "bf16", "normalization": "channel"
    }))
    .unwrap()
}

/// The smallest number of frames that the learner's own check accepts.
fn fewest(variant: &Variant, front_end: &FrontEnd) -> usize {
    (1..1000).find(|&frames| learner(variant, frames, front_end).check_input(front_end).is_ok()).unwrap()
}

/// The checksum of a job's final weights, or its error.
fn checksum(variant: &Variant, frames: usize, front_end: &FrontEnd) -> Result<String, String> {
    let learner = learner(variant, frames, front_end);
    let (channels, bins) = front_end.shape();
    let clip = |clip: usize| {
        let noise = |at: usize| ((at + 7919 * clip).wrapping_mul(2_654_435_761) >> 7 & 0xFFFF) as f32 / 65_536.0 - 0.5;
        Features { data: (0..channels * bins * (frames + 3)).map(noise).collect(), channels, bins, frames: frames + 3 }
    };
    let clips: Vec<(String, Features)> = (0..CLIPS).map(|index| (format!("{index}.wav"), clip(index))).collect();
    let examples = clips.iter().enumerate().map(|(index, (name, features))| Example {
        name,
        features: features.view(),
        labels: &[[0], [1]][index % 2],
        verified: true,
    });
    let examples: Vec<Example> = examples.collect();
    let folder = tempfile::tempdir().unwrap();
    let job = Job {
        learner: &learner,
        front_end,
        start: None,
        split: Split::Fold(0),
        train: examples[1..].to_vec(),
        predict: examples[..1].to_vec(),
        task: earmark_datasets::Task::SingleLabel,
        labels: &["a".to_owned(), "b".to_owned()],
        seed: 1,
        device: "cpu",
        shared: None,
        folder: folder.path(),
    };
    let outcome = job.run(&mut |_| ControlFlow::Continue(())).map_err(|error| error.to_string())?;
    Ok(sha256(&outcome.weights.to_safetensors().unwrap()))
}

/// Returns freed blocks of many sizes to the allocator, filled with values that cannot be mistaken
/// for 0.
fn poison() {
    let sizes = [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144];
    let full = |value: f64| sizes.map(|n| [0; 4].map(|_| Tensor::full([n], value, (Kind::Float, Device::Cpu))));
    drop([f64::NAN, 1e30].map(full));
}

/// Trains the same job several times on the shortest crops.
fn check(variant: &Variant) {
    let front_end = front_end(variant);
    let fewest = fewest(variant, &front_end);
    let more = SHORT.into_iter().filter(|&frames| frames > fewest && variant.input != Input::Wave);
    for frames in std::iter::once(fewest).chain(more) {
        let run = |_| {
            poison();
            checksum(variant, frames, &front_end)
        };
        let ends: BTreeSet<Result<String, String>> = (0..RUNS).map(run).collect();
        assert!(ends.len() == 1 && ends.iter().all(Result::is_ok), "{} on {frames} frames: {ends:?}", variant.name);
    }
}

fn main() {
    let nano = variants().filter(|variant| variant.name.ends_with("_nano"));
    let trials = nano.map(|variant| {
        Trial::test(format!("equal_jobs_of_{}_end_with_equal_weights", variant.name), move || {
            set_threads(1);
            check(variant);
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
