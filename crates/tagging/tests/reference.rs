//! `golden/bundle/reference.py`, which follows `docs/bundle.md` and uses none of Earmark's code,
//! computes the same tags as the library.
//!
//! `EARMARK_PYTHON`, or `python3` by default, must have NumPy and ONNX Runtime; `cargo xtask test`
//! provides them. Without them the test is skipped, except in continuous integration, where it
//! fails.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundles;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use bundles::common::{uniform, weights};
use bundles::{LABELS, clip, open};
use earmark_audio::write_wav;
use earmark_features::{Activation, FrontEnd, InputScaling, Layers, MfccStatistics, Scaling, StatisticSet, Windowing};
use earmark_nets::{Graph, find, kernel, linear, to_onnx, to_onnx_with_embeddings};
use earmark_stacking::{FeatureKind, Stack, StackFeatures, StackKind, StackSettings, Table, TrainingRows};
use earmark_tagging::{Bundle, Embedding, Learner, Network};
use serde_json::json;

/// A Python that can run the script.
fn python() -> Option<OsString> {
    let python = std::env::var_os("EARMARK_PYTHON").filter(|name| !name.is_empty()).unwrap_or("python3".into());
    let output = Command::new(&python).args(["-c", "import numpy, onnxruntime"]).output();
    if output.as_ref().is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let found = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(
        std::env::var_os("CI").is_none(),
        "CI is set, and {} has no NumPy and ONNX Runtime: {found:?}",
        python.display()
    );
    eprintln!("{} has no NumPy and ONNX Runtime (EARMARK_PYTHON can name another): skipped", python.display());
    None
}

/// Writes bundles with every kind of front end, scaling, padding, averaging and delta: one per
/// learner, and one of all learners with a stack. Returns their names.
fn write_bundles(folder: &Path) -> Vec<String> {
    let mut files = BTreeMap::new();
    let mut learner =
        |name: &str, features: serde_json::Value, windows: serde_json::Value, graphs: Vec<(Graph, InputScaling)>| {
            let network = |(number, (graph, scaling)): (usize, (Graph, InputScaling))| {
                let file = format!("{name}-{number}.onnx");
                files.insert(file.clone(), to_onnx(&graph, &weights(&graph)).unwrap());
                Network { file, scaling }
            };
            let networks = graphs.into_iter().enumerate().map(network).collect();
            let features: FrontEnd = serde_json::from_value(features).unwrap();
            let windows: Windowing = serde_json::from_value(windows).unwrap();
            Learner { name: name.to_owned(), arch: "any".to_owned(), features, windows, networks }
        };
    let net = |name: &str, channels: usize| find(name).unwrap().graph(channels, LABELS.len());
    let fixed = |mean: &[f32], deviation: &[f32]| {
        InputScaling::Fixed(Scaling { mean: mean.to_vec(), deviation: deviation.to_vec() })
    };
    let summary = FrontEnd::summary().shape().0;
    let learners = vec![
        learner(
            "logmel",
            json!({"kind": "logmel"}),
            json!({"frames": 150, "hop": 20, "padding": "zero", "pad_value": -1.5, "average": "probabilities"}),
            vec![
                (net("resnet_nano", 3), fixed(&[-40.0, 0.1, 0.0], &[20.0, 2.0, 1.5])),
                (net("resnext_nano", 3), InputScaling::Clip),
            ],
        ),
        learner(
            "mfcc",
            json!({
                "kind": "mfcc", "sr": 16_000, "n_fft": 1_000, "win_length": 601, "hop_length": 200, "window": "hamming",
                "pad_mode": "reflect", "n_mels": 50, "n_mfcc": 24, "fmin": 50.0, "fmax": 7_000.0, "htk": true,
                "norm": "none", "power": 1.5, "top_db": -1.0, "ref": "max", "delta": "fir", "delta_width": 5,
            }),
            json!({"frames": 100, "hop": 33, "padding": "reflect", "pad_value": 0.0, "average": "logits"}),
            vec![(net("resnet_nano", 3), InputScaling::Clip)],
        ),
        learner(
            "plain",
            json!({"kind": "logmel", "n_mels": 40, "deltas": false, "norm": 2.0, "center": false, "window": "nuttall"}),
            json!({"frames": 120, "hop": 500, "padding": "repeat", "pad_value": 0.0, "average": "probabilities"}),
            vec![(net("resnet_nano", 1), fixed(&[-30.0], &[25.0]))],
        ),
        learner(
            "wave",
            json!({"kind": "wave", "sr": 22_050}),
            json!({"frames": 15_000, "hop": 7_000, "padding": "repeat", "pad_value": 0.0, "average": "probabilities"}),
            vec![(net("wave_resnet_nano", 1), InputScaling::None)],
        ),
        learner(
            "efficientat",
            serde_json::to_value(FrontEnd::efficientat()).unwrap(),
            json!({"frames": 200, "hop": 100, "padding": "zero", "pad_value": -1.4, "average": "probabilities",
                "least_frames": 50}),
            vec![(net("mn_nano", 1), InputScaling::Fixed(Scaling::efficientat()))],
        ),
        learner(
            "kernel",
            json!({"kind": "summary"}),
            json!({"frames": 1, "hop": 1, "padding": "zero", "pad_value": 0.0, "average": "probabilities"}),
            vec![(kernel::graph(summary, 6, LABELS.len()), fixed(&vec![-20.0; summary], &vec![1_200.0; summary]))],
        ),
    ];
    // The last ones take the embeddings of the network before them.
    let mut learners = learners;
    let embeddings = embedded(&mut learners, &mut files);
    let labels = LABELS.map(str::to_owned).to_vec();
    let mut names: Vec<String> = learners.iter().map(|learner| learner.name.clone()).collect();
    for learner in &learners {
        let own = files.iter().filter(|(file, _)| learner.networks.iter().any(|network| network.file == **file));
        let mut own: BTreeMap<_, _> = own.map(|(file, bytes)| (file.clone(), bytes.clone())).collect();
        let mut bundle = Bundle::new(labels.clone(), vec![learner.clone()], None, None);
        if matches!(learner.features, FrontEnd::Embedding { .. }) {
            let file = &embeddings[0].network.file;
            own.insert(file.clone(), files[file].clone());
            bundle.embeddings = embeddings.clone();
        }
        if learner.name == "efficientat" {
            bundle.activation = Activation::Sigmoid;
        }
        bundle.write(&folder.join(&learner.name), own).unwrap();
    }
    let statistics = MfccStatistics { n_mfcc: 20, set: StatisticSet::All, ..Default::default() };
    files.insert("stack.onnx".to_owned(), stack(learners.len(), 7 * 20));
    let mut all = Bundle::new(labels, learners, Some(statistics), Some("stack.onnx".to_owned()));
    all.embeddings = embeddings;
    all.write(&folder.join("all"), files).unwrap();
    names.push("all".to_owned());
    names
}

/// Adds linear models on the embeddings of the last learner's network. Returns the embeddings.
fn embedded(learners: &mut Vec<Learner>, files: &mut BTreeMap<String, Vec<u8>>) -> Vec<Embedding> {
    let graph = find("mn_nano").unwrap().graph(1, LABELS.len());
    let shapes = graph.shapes([1, 1, 128, 200]).unwrap();
    let last = shapes[graph.embedding().unwrap()][1];
    let stages = graph.stages().into_iter().map(|id| shapes[id][1]).sum::<usize>() + last;
    let onnx = to_onnx_with_embeddings(&graph, &weights(&graph)).unwrap();
    let Some(of) = learners.iter().find(|learner| learner.name == "efficientat").cloned() else { return Vec::new() };
    let network = Network { file: "embedding.onnx".to_owned(), ..of.networks[0].clone() };
    let (model, sha256) = ("mn".to_owned(), earmark_files::sha256(&onnx));
    files.insert(network.file.clone(), onnx);
    let mut embeddings = Vec::new();
    for (name, layers, size) in [("linear", Layers::Last, last), ("stages", Layers::Stages, stages)] {
        let (linear, file) = (linear::graph(size, LABELS.len()), format!("{name}.onnx"));
        files.insert(file.clone(), to_onnx(&linear, &weights(&linear)).unwrap());
        let windows = json!({"frames": 1, "hop": 1, "padding": "zero", "pad_value": 0.0, "average": "logits"});
        let (model, sha256) = (model.clone(), sha256.clone());
        learners.push(Learner {
            name: name.to_owned(),
            arch: "linear".to_owned(),
            features: FrontEnd::Embedding { model: model.clone(), layers, sha256, size, sr: 32_000 },
            windows: serde_json::from_value(windows).unwrap(),
            networks: vec![Network { file, scaling: InputScaling::None }],
        });
        let (features, windows, network) = (of.features.clone(), of.windows.clone(), network.clone());
        embeddings.push(Embedding { name: model, layers, size, features, windows, network });
    }
    embeddings
}

/// A logistic regression on all features that a stack can use, fitted to noise.
fn stack(learners: usize, statistics: usize) -> Vec<u8> {
    let rows = 90;
    let names: Vec<String> = (0..rows).map(|row| row.to_string()).collect();
    let table = |name: &str, columns: usize, of: &dyn Fn(f32) -> f32| {
        let data = uniform(name, rows * columns).into_iter().map(of).collect();
        Table::new(names.clone(), (0..columns).map(|column| format!("{column}")).collect(), data).unwrap()
    };
    let tables: Vec<Table> = (0..learners)
        .map(|learner| table(&format!("learner{learner}"), LABELS.len(), &|value| 0.5 + 0.5 * value))
        .collect();
    let names: Vec<String> = (0..learners).map(|learner| format!("l{learner}")).collect();
    let tables: Vec<(&str, &Table)> = names.iter().map(String::as_str).zip(&tables).collect();
    let statistics = table("statistics", statistics, &|value| 300.0 * value);
    let kinds = [FeatureKind::LogProbabilities, FeatureKind::Probabilities, FeatureKind::MfccStatistics];
    let features = StackFeatures::new(&kinds, &tables, Some(&statistics)).unwrap();
    let (truth, folds): (Vec<usize>, Vec<usize>) = (0..rows).map(|row| (row % LABELS.len(), row % 2)).unzip();
    let rows = TrainingRows {
        features: &features.table,
        truth: &truth,
        folds: &folds,
        weights: &vec![1.0; rows],
        classes: &LABELS.map(str::to_owned),
    };
    let settings = StackSettings { kind: StackKind::Logistic, c: 1.0, ..StackSettings::default() };
    Stack::fit(&rows, &settings).unwrap().to_onnx(&features.layout).unwrap()
}

#[test]
fn the_reference_script_tags_as_the_library_does() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/bundle/reference.py");
    // Sample rates: the rate of most bundles, twice that rate, one with few common factors, and a
    // lower one. Lengths: longer and shorter than any window, and
    // more than a minute.
    let sounds =
        [(3.1, 22_050), (2.0, 44_100), (1.7, 48_000), (4.0, 8_000), (0.21, 22_050), (0.3, 44_100), (61.5, 8_000)];
    let file = |(seconds, rate): (f64, u32)| {
        let path = folder.path().join(format!("{seconds}.wav"));
        write_wav(&path, &clip(seconds, rate)).unwrap();
        path
    };
    let paths = sounds.map(file);
    for name in write_bundles(folder.path()) {
        let bundle = folder.path().join(&name);
        let output = Command::new(&python).arg(script).arg(&bundle).args(&paths).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let theirs: Vec<(&str, &str)> = lines.lines().map(|line| line.split_once(' ').unwrap()).collect();
        let tagger = open(&bundle).unwrap();
        let (mut worst, mut first): (f32, Vec<f32>) = (0.0, Vec::new());
        for ((sound, path), theirs) in sounds.iter().zip(&paths).zip(theirs.chunks(LABELS.len())) {
            let decoded = earmark_audio::decode(path, &tagger.limits).unwrap();
            let ours = tagger.probabilities(&decoded, path).unwrap();
            assert_eq!(theirs.iter().map(|(_, label)| *label).collect::<Vec<_>>(), LABELS);
            let theirs: Vec<f32> = theirs.iter().map(|(probability, _)| probability.parse().unwrap()).collect();
            let apart = ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
            assert!(apart <= 1e-5, "{name}, {sound:?}: {ours:?}, not {theirs:?}");
            worst = worst.max(apart);
            first.push(ours[0]);
        }
        let bounds = first.iter().fold((1.0, 0.0), |(low, high): (f32, f32), p| (low.min(*p), high.max(*p)));
        println!("{name}: {worst:.1e} apart, {first:?}");
        assert!(first.len() == sounds.len() && bounds.1 - bounds.0 > 1e-3, "{name} answers all alike: {first:?}");
    }
}
