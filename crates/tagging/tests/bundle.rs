//! Bundles: written, opened, damaged in every way; and clips of odd lengths and rates tagged by them.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../training/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::uniform;
use earmark_audio::{Clip, write_wav};
use earmark_datasets::{Average, Padding, Windowing};
use earmark_features::{FrontEnd, InputScaling, MfccStatistics};
use earmark_nets::{find, onnx};
use earmark_stacking::{Booster, Matrix, StackSettings, to_onnx};
use earmark_tagging::{Bundle, Learner, Network, SUMS, Tagger, TaggingError};

const LABELS: [&str; 3] = ["bark", "meow", "rain"];

/// A bundle of two small networks, at two rates; with statistics and a stack over both, or with neither.
fn write(folder: &Path, stack: bool) {
    let labels = LABELS.map(str::to_owned).to_vec();
    let mut files = BTreeMap::new();
    let mut learner = |name: &str, features: FrontEnd, average: Average| {
        let graph = find("resnet_nano").unwrap().graph(features.shape().0, LABELS.len());
        let file = format!("{name}.onnx");
        files.insert(file.clone(), onnx::network(&graph, &common::weights(&graph)).unwrap());
        let networks = vec![Network { file, scaling: InputScaling::None }];
        let windows = Windowing { frames: 150, hop: 20, padding: Padding::Zero, pad_value: 0.0, average };
        Learner { name: name.to_owned(), arch: "resnet_nano".to_owned(), features, windows, networks }
    };
    let coarse =
        r#"{"kind": "logmel", "sr": 16000, "n_mels": 40, "n_fft": 1024, "win_length": 1024, "hop_length": 160}"#;
    let learners = vec![
        learner("fine", FrontEnd::logmel(), Average::Probabilities),
        learner("coarse", serde_json::from_str(coarse).unwrap(), Average::Logits),
    ];
    let statistics = stack.then(MfccStatistics::default);
    if stack {
        let columns = learners.len() * LABELS.len() + 4 * MfccStatistics::default().n_mfcc;
        let (x, rows) = (uniform("table", 60 * columns), 60);
        let truth: Vec<usize> = (0..rows).map(|row| row % LABELS.len()).collect();
        let settings = StackSettings { rounds: 3, ..StackSettings::default() };
        let booster =
            Booster::fit(Matrix::new(&x, columns).unwrap(), &truth, &vec![1.0; rows], &labels, &settings).unwrap();
        files.insert("level2.onnx".to_owned(), to_onnx(booster.to_json(), columns, LABELS.len()).unwrap());
    }
    files.insert("README.md".to_owned(), b"# A model card\n".to_vec());
    let bundle = Bundle::new(labels, learners, statistics, stack.then(|| "level2.onnx".to_owned()));
    bundle.write(folder, files).unwrap();
}

/// A tone that slides, with noise.
fn clip(seconds: f64, sample_rate: u32) -> Clip {
    let count = (seconds * f64::from(sample_rate)) as usize;
    let noise = uniform("sound", count);
    let tone = |n: usize| {
        let t = n as f64 / f64::from(sample_rate);
        (std::f64::consts::TAU * (300.0 + 200.0 * t) * t).sin() as f32
    };
    Clip { samples: (0..count).map(|n| 0.4 * tone(n) + 0.1 * noise[n]).collect(), sample_rate }
}

#[test]
fn clips_of_any_length_and_rate_are_tagged() {
    for stack in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), stack);
        let mut tagger = Tagger::open(folder.path(), 1).unwrap();
        assert_eq!(tagger.labels(), LABELS);
        let mut answers: Vec<Vec<f32>> = Vec::new();
        for seconds in [0.05, 1.5, 7.0] {
            for rate in [8_000, 48_000] {
                let what = format!("{seconds} s at {rate} Hz, stack: {stack}");
                let clip = clip(seconds, rate);
                let probabilities = tagger.probabilities(&clip, Path::new("clip")).unwrap();
                assert_eq!(probabilities.len(), LABELS.len(), "{what}");
                assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)), "{what}: {probabilities:?}");
                assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{what}: {probabilities:?}");
                assert_eq!(tagger.probabilities(&clip, Path::new("clip")).unwrap(), probabilities, "{what}, again");
                answers.push(probabilities);
            }
        }
        answers.dedup();
        assert!(answers.len() > 1, "the answer does not depend on the sound, stack: {stack}");
    }
}

#[test]
fn files_give_sorted_tags_and_silence_has_some_too() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let mut tagger = Tagger::open(folder.path(), 1).unwrap();
    let path = folder.path().join("sound.wav");
    let silence = Clip { samples: vec![0.0; 30_000], sample_rate: 44_100 };
    for clip in [clip(2.2, 22_050), silence] {
        write_wav(&path, &clip).unwrap();
        let tags = tagger.tag_file(&path).unwrap();
        let mut labels: Vec<&str> = tags.iter().map(|tag| tag.label.as_str()).collect();
        labels.sort_unstable();
        assert_eq!(labels, LABELS);
        assert!(tags.is_sorted_by(|a, b| a.score >= b.score), "{tags:?}");
        let decoded = earmark_audio::decode(&path, &tagger.limits).unwrap();
        let best = tagger.probabilities(&decoded, &path).unwrap().into_iter().fold(0.0, f32::max);
        assert_eq!(tags[0].score, best);
    }
}

#[test]
fn a_clip_that_cannot_be_heard_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false);
    let mut tagger = Tagger::open(folder.path(), 1).unwrap();
    for (samples, rate) in
        [(vec![], 22_050), (vec![], 8_000), (vec![0.0, f32::NAN, 0.0], 22_050), (vec![f32::INFINITY; 90], 8_000)]
    {
        let error = tagger.probabilities(&Clip { samples, sample_rate: rate }, Path::new("some/clip.wav")).unwrap_err();
        assert!(error.to_string().contains("clip.wav"), "{rate} Hz: {error}");
    }
    for rate in [8_000, 16_000, 22_050] {
        // Far above full scale, up to where 32 bits end: an answer or an error, and never NaN.
        for size in [1e3, 1e10, 1e19, 1e21, f32::MAX] {
            let samples = uniform("loud", 4_000).into_iter().map(|value| value * size).collect();
            match tagger.probabilities(&Clip { samples, sample_rate: rate }, Path::new("loud.wav")) {
                Ok(probabilities) => assert!(
                    probabilities.iter().all(|p| (0.0..=1.0).contains(p)),
                    "{size:e} at {rate} Hz: {probabilities:?}"
                ),
                Err(error) => println!("{size:e} at {rate} Hz: {error}"),
            }
        }
    }
    let error = tagger.tag_file(&folder.path().join("README.md")).unwrap_err();
    assert!(matches!(error, TaggingError::Audio(_)) && error.to_string().contains("README.md"), "{error}");
}

/// The message of an attempt to open a bundle after `damage` was done to it.
fn message(damage: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    Tagger::open(folder.path(), 1).map(|_| ()).unwrap();
    damage(folder.path());
    match Tagger::open(folder.path(), 1) {
        Ok(_) => panic!("a damaged bundle was opened"),
        Err(error) => error.to_string(),
    }
}

const FILES: [&str; 5] = ["README.md", "coarse.onnx", "config.json", "fine.onnx", "level2.onnx"];

#[test]
fn a_flipped_bit_is_found_in_every_file() {
    for name in FILES {
        for place in [0.0, 0.5, 1.0] {
            let message = message(|folder| {
                let mut bytes = std::fs::read(folder.join(name)).unwrap();
                let at = ((bytes.len() - 1) as f64 * place) as usize;
                bytes[at] ^= 1;
                std::fs::write(folder.join(name), bytes).unwrap();
            });
            assert!(message.contains(name) && message.contains("damaged or changed"), "{name}: {message}");
        }
    }
}

#[test]
fn a_flipped_bit_is_found_in_the_sums() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let sums = folder.path().join(SUMS);
    let whole = std::fs::read(&sums).unwrap();
    assert_eq!(String::from_utf8(whole.clone()).unwrap().lines().count(), FILES.len(), "every file has a sum");
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            std::fs::write(&sums, bytes).unwrap();
            let error = Bundle::read(folder.path()).map(|_| ());
            assert!(error.is_err(), "byte {at}, {:?}, bit {bit}", char::from(whole[at]));
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    for name in FILES {
        let message = message(|folder| std::fs::remove_file(folder.join(name)).unwrap());
        assert!(message.contains(name), "{name}: {message}");
    }
    let message = message(|folder| std::fs::remove_file(folder.join(SUMS)).unwrap());
    assert!(message.contains(SUMS), "{message}");
}

/// Replaces text in `config.json`, with its sum made anew: what a program of another version could have written.
fn rewrite(folder: &Path, from: &str, to: &str) {
    let path = folder.join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(from), "{config}");
    let changed = config.replacen(from, to, 1);
    let [old, new] = [&config, &changed].map(|text| earmark_files::sha256(text.as_bytes()));
    std::fs::write(path, changed).unwrap();
    let sums = std::fs::read_to_string(folder.join(SUMS)).unwrap();
    std::fs::write(folder.join(SUMS), sums.replace(&old, &new)).unwrap();
}

#[test]
fn a_description_that_does_not_fit_is_refused_with_the_reason() {
    let cases = [
        (r#""format": 2"#, r#""format": 1, "new_key": 3"#, "version 1"),
        (r#""activation""#, r#""activations""#, "activations"),
        (r#""fine.onnx""#, r#""other.onnx""#, "other.onnx"),
        (r#""level2.onnx""#, r#""level3.onnx""#, "level3.onnx"),
        (r#""hop_length": 220"#, r#""hop_length": 0"#, "hop_length"),
        (r#""scaling": null"#, r#""scaling": {"mean": [0.0], "deviation": [1.0]}"#, "scaling of fine"),
        (r#""file": "fine.onnx""#, r#""file": "none.onnx""#, "none.onnx"),
        (r#""activation": "softmax""#, r#""activation": "sigmoid""#, "sigmoid"),
    ];
    for (from, to, expected) in cases {
        let message = message(|folder| rewrite(folder, from, to));
        assert!(message.contains(expected), "{from} to {to}: {message}");
    }
}

#[test]
fn a_folder_that_is_being_written_anew_is_no_bundle() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false);
    let first = Bundle::read(folder.path()).unwrap();
    write(folder.path(), true);
    let second = Bundle::read(folder.path()).unwrap();
    assert!(first.0.stack.is_none() && second.0.stack.is_some());
    // A folder where a file should be: the writing fails half way, and what was a bundle is none any more.
    std::fs::remove_file(folder.path().join("fine.onnx")).unwrap();
    std::fs::create_dir(folder.path().join("fine.onnx")).unwrap();
    assert!(second.0.write(folder.path(), second.1).is_err());
    assert!(Bundle::read(folder.path()).unwrap_err().to_string().contains(SUMS));
}
