//! A job's fingerprint is part of every run's folder: a later version must compute the same one, or
//! it refuses to resume existing runs.
//!
//! It hashes the JSON of the learner and of the front end, so the keys of that JSON are pinned
//! here. A NEW KEY MUST BE SKIPPED AT ITS DEFAULT, `#[serde(default, skip_serializing_if =
//! "...")]`, and A RENAMED KEY IS HASHED UNDER ITS FORMER NAME (`src/fingerprint.rs`): these
//! fingerprints must not change.
#![allow(clippy::unwrap_used, reason = "tests")]

use earmark_features::{Features, FrontEnd};
use earmark_training::{Example, Job, LearnerSettings, Split};
use serde_json::Value;

const MINIMAL: &str = r#"{"name": "l", "arch": "resnet_nano", "features": "f", "epochs": 2, "batch_size": 8,
    "learning_rate": 0.05}"#;

const LEARNER: &str = "arch augmentation augmentation.crop_length_jitter augmentation.freq_masks \
    augmentation.freq_masks.count augmentation.freq_masks.width augmentation.freq_warp \
    augmentation.shift augmentation.time_masks augmentation.time_masks.count \
    augmentation.time_masks.width augmentation.time_stretch batch_size checkpoint crop_seconds \
    ema_decay epochs features label_smoothing learning_rate mixup momentum name nesterov \
    normalization optimizer pad_value padding precision prediction prediction.average \
    prediction.hop_seconds sampling unverified_weight warmup_epochs weight_decay";
const LOGMEL: &str = "amin center delta delta_mode delta_width deltas fmin hop_length htk kind n_fft n_mels norm \
    pad_mode \
    power ref sr top_db window";
const MFCC: &str = "amin center delta delta_mode delta_width deltas fmin hop_length htk kind n_fft n_mels n_mfcc norm \
    pad_mode power ref sr top_db window";
const SUMMARY: &str =
    "amin center fmin hop_length htk kind n_fft n_mels n_mfcc norm pad_mode power ref sr top_db window";

/// All keys of a JSON value, nested ones as `outer.inner`, sorted.
fn keys(value: &Value) -> Vec<String> {
    let Value::Object(fields) = value else { return Vec::new() };
    let mut all = Vec::new();
    for (key, value) in fields {
        all.push(key.clone());
        all.extend(keys(value).into_iter().map(|inner| format!("{key}.{inner}")));
    }
    all.sort();
    all
}

fn keys_of(value: &impl serde::Serialize) -> String {
    keys(&serde_json::to_value(value).unwrap()).join(" ")
}

#[test]
fn a_minimal_learner_has_the_keys_that_it_always_had() {
    let learner: LearnerSettings = serde_json::from_str(MINIMAL).unwrap();
    assert_eq!(keys_of(&learner), LEARNER);
}

#[test]
fn a_minimal_front_end_has_the_keys_that_it_always_had() {
    let written =
        |kind: &str| keys_of(&serde_json::from_value::<FrontEnd>(serde_json::json!({ "kind": kind })).unwrap());
    assert_eq!(["logmel", "mfcc", "summary", "wave"].map(written), [LOGMEL, MFCC, SUMMARY, "channels kind sr"]);
}

/// The fingerprint of a fixed small job.
fn fingerprint(learner: &str, front_end: &str) -> String {
    let learner: LearnerSettings = serde_json::from_str(learner).unwrap();
    let front_end: FrontEnd = serde_json::from_str(front_end).unwrap();
    let features = Features { data: vec![0.0; 64], channels: 1, bins: 64, frames: 1 };
    let example = |name, label: usize, verified| Example {
        name,
        features: features.view(),
        labels: &[[0], [1], [2]][label],
        verified,
    };
    let job = Job {
        learner: &learner,
        front_end: &front_end,
        start: None,
        split: Split::Fold(0),
        train: vec![example("a.wav", 0, true), example("b.wav", 1, false)],
        predict: vec![example("c.wav", 0, true)],
        task: earmark_datasets::Task::SingleLabel,
        labels: &["x".to_owned(), "y".to_owned()],
        seed: 1,
        device: "cpu",
        shared: None,
        folder: std::path::Path::new("unused"),
    };
    job.fingerprint()
}

#[test]
fn fingerprints_of_runs_that_exist_stay() {
    let kernel = r#"{"name": "k", "arch": "kernel", "features": "s", "kernel": {"alpha": 0.1, "gamma": 0.5}}"#;
    let full = r#"{"name": "n", "arch": "wave_resnet_nano", "features": "w", "epochs": 3, "batch_size": 16,
        "learning_rate": 0.1, "pretrained": "imagenet", "normalization": {"mean": [0.5], "deviation": [2.0]},
        "augmentation": {"crop_length_jitter": 0.5, "time_masks": {"count": 1, "width": 0.3}}, "optimizer": "adamw",
        "unverified_weight": 0.5, "checkpoint": "best", "precision": "bf16", "prediction": {"hop_seconds": 0.5}}"#;
    let ours = [
        fingerprint(MINIMAL, r#"{"kind": "logmel"}"#),
        fingerprint(kernel, r#"{"kind": "summary"}"#),
        fingerprint(full, r#"{"kind": "wave", "sr": 16000}"#),
    ];
    let pinned = [
        "20b01062d1c1cdef7b752284334ca3626bfc5487846903cee997430eac48cb8f",
        "d7ac4d830b871b1b25d532367e35f2e578270f1f57ee40a4e33de7f6477046a9",
        "03aaa9c3cb45f6a16f511e941a025cc31bcd462671561a0083a760a06b2d11e9",
    ];
    assert_eq!(ours, pinned);
}
