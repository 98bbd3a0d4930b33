//! Small bundles with random weights, for the tests of this crate.
#![allow(dead_code, reason = "not every test uses all of them")]

#[path = "../../../training/tests/common/mod.rs"]
pub mod common;

use std::collections::BTreeMap;
use std::path::Path;

use earmark_audio::Clip;
use earmark_features::{FrontEnd, InputScaling, MfccStatistics};
use earmark_features::{Padding, WindowAggregation, Windowing};
use earmark_nets::{find, to_onnx};
use earmark_stacking::{Booster, Matrix, StackSettings, to_onnx as trees_to_onnx};
use earmark_tagging::{Bundle, Learner, Network, Parallelism, SUMS, Tagger, TaggingError};

pub const LABELS: [&str; 3] = ["bark", "meow", "rain"];
pub const FILES: [&str; 5] = ["README.md", "coarse.onnx", "config.json", "fine.onnx", "level2.onnx"];

/// Writes a bundle of two small networks with different sampling rates; either with statistics and
/// a stack over both, or with neither.
pub fn write(folder: &Path, stack: bool) {
    let labels = LABELS.map(str::to_owned).to_vec();
    let mut files = BTreeMap::new();
    let mut learner = |name: &str, features: FrontEnd, average: WindowAggregation| {
        let graph = find("resnet_nano").unwrap().graph(features.shape().0, LABELS.len());
        let file = format!("{name}.onnx");
        files.insert(file.clone(), to_onnx(&graph, &common::weights(&graph)).unwrap());
        let networks = vec![Network { file, scaling: InputScaling::None }];
        let windows =
            Windowing { frames: 150, hop: 20, padding: Padding::Zero, pad_value: 0.0, average, least_frames: None };
        Learner { name: name.to_owned(), arch: "resnet_nano".to_owned(), features, windows, networks }
    };
    let coarse =
        r#"{"kind": "logmel", "sr": 16000, "n_mels": 40, "n_fft": 1024, "win_length": 1024, "hop_length": 160}"#;
    let learners = vec![
        learner("fine", FrontEnd::logmel(), WindowAggregation::Probabilities),
        learner("coarse", serde_json::from_str(coarse).unwrap(), WindowAggregation::Logits),
    ];
    let statistics = stack.then(MfccStatistics::default);
    if stack {
        let columns = learners.len() * LABELS.len() + 4 * MfccStatistics::default().n_mfcc;
        let (x, rows) = (common::uniform("table", 60 * columns), 60);
        let truth: Vec<usize> = (0..rows).map(|row| row % LABELS.len()).collect();
        let settings = StackSettings { rounds: 3, ..StackSettings::default() };
        let booster =
            Booster::fit(Matrix::new(&x, columns).unwrap(), &truth, &vec![1.0; rows], &labels, &settings).unwrap();
        files.insert("level2.onnx".to_owned(), trees_to_onnx(booster.to_json(), columns, LABELS.len()).unwrap());
    }
    files.insert("README.md".to_owned(), b"# A model card\n".to_vec());
    let bundle = Bundle::new(labels, learners, statistics, stack.then(|| "level2.onnx".to_owned()));
    bundle.write(folder, files).unwrap();
}

/// A tone with rising pitch, with noise.
pub fn clip(seconds: f64, sample_rate: u32) -> Clip {
    let count = (seconds * f64::from(sample_rate)) as usize;
    let noise = common::uniform("sound", count);
    let tone = |n: usize| {
        let t = n as f64 / f64::from(sample_rate);
        (std::f64::consts::TAU * (300.0 + 200.0 * t) * t).sin() as f32
    };
    Clip { samples: (0..count).map(|n| 0.4 * tone(n) + 0.1 * noise[n]).collect(), sample_rate }
}

/// Opens a bundle for one file at a time.
pub fn open(folder: &Path) -> Result<Tagger, TaggingError> {
    Tagger::open(folder, Parallelism::split(1, 1))
}

/// The error of an attempt to open a bundle after `damage` was applied.
#[track_caller]
pub fn refused(damage: impl FnOnce(&Path)) -> TaggingError {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    damage(folder.path());
    open(folder.path()).map(|_| ()).unwrap_err()
}

/// Replaces a file and updates its checksum, as another author of the bundle could.
pub fn replace(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    let [old, new] = [&std::fs::read(&path).unwrap()[..], bytes].map(earmark_files::sha256);
    std::fs::write(path, bytes).unwrap();
    let sums = std::fs::read_to_string(folder.join(SUMS)).unwrap();
    let line = |sum: &str| format!("{sum}  {name}\n");
    std::fs::write(folder.join(SUMS), sums.replace(&line(&old), &line(&new))).unwrap();
}

/// Replaces text in `config.json`.
#[track_caller]
pub fn rewrite(folder: &Path, from: &str, to: &str) {
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    assert!(config.contains(from), "{from} is not in {config}");
    replace(folder, "config.json", config.replacen(from, to, 1).as_bytes());
}

/// Changes `config.json` as a JSON value.
pub fn edit(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut config = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    change(&mut config);
    replace(folder, "config.json", &serde_json::to_vec(&config).unwrap());
}
