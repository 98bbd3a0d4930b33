//! Trains the nano size of every family on audio: four classes of the embedded data set, in
//! seconds.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use earmark_datasets::synth::{self, SynthOptions};
use earmark_datasets::{ClipEntry, OpenOptions, open};
use earmark_features::FrontEnd;
use earmark_files::sha256_file;
use earmark_loader::{CachedFeatures, Example, FeatureCache, FeatureRequest};
use earmark_nets::{Input, Variant, variants};
use earmark_training::{Job, LearnerSettings, Split, set_threads};
use libtest_mimic::{Arguments, Trial};

const CLASSES: [&str; 4] = ["Bark", "Clock_tick", "Flute", "Rain"];
/// The required accuracy. Chance level is a quarter, and a tenth of the training labels is wrong.
const ENOUGH: f64 = 0.6;

/// A clip of one of the four classes.
struct Clip {
    name: String,
    path: PathBuf,
    sha256: String,
    label: usize,
}

fn clips(items: &[ClipEntry], labels: &[String]) -> Vec<Clip> {
    let clip = |item: &ClipEntry| {
        let label = &labels[item.label()?];
        let label = CLASSES.iter().position(|class| class == label)?;
        let sha256 = sha256_file(&item.path).unwrap();
        Some(Clip { name: item.name.clone(), path: item.path.clone(), sha256, label })
    };
    items.iter().filter_map(clip).collect()
}

fn load(cache: &FeatureCache, clips: &[Clip], front_end: &FrontEnd) -> Vec<CachedFeatures> {
    let sounds: Vec<(&Path, &str)> = clips.iter().map(|clip| (clip.path.as_path(), clip.sha256.as_str())).collect();
    let request = FeatureRequest { front_ends: vec![front_end], ..FeatureRequest::default() };
    let loaded = cache.load(&sounds, &request, || {}).unwrap().clips;
    loaded.into_iter().map(|loaded| loaded.unwrap().features.remove(0)).collect()
}

fn examples<'a>(clips: &'a [Clip], features: &'a [CachedFeatures]) -> Vec<Example<'a>> {
    let pairs = clips.iter().zip(features);
    pairs
        .map(|(clip, loaded)| Example {
            name: &clip.name,
            features: loaded.view(),
            labels: std::slice::from_ref(&clip.label),
            verified: true,
        })
        .collect()
}

/// The accuracy on the predicted clips after training.
fn accuracy(variant: &Variant, cache: &FeatureCache, [train, predict]: &[Vec<Clip>; 2]) -> f64 {
    let settings = match variant.input {
        Input::Wave => r#"{"kind": "wave", "sr": 16000}"#,
        _ => r#"{"kind": "logmel", "sr": 16000, "n_fft": 512, "hop_length": 160}"#,
    };
    let front_end: FrontEnd = serde_json::from_str(settings).unwrap();
    let learner: LearnerSettings = serde_json::from_str(&format!(
        r#"{{"name": "l", "arch": "{}", "features": "f", "crop_seconds": 0.64, "padding": "repeat", "epochs": 12,
            "normalization": "channel", "batch_size": 8, "learning_rate": 0.02, "nesterov": true}}"#,
        variant.name
    ))
    .unwrap();
    let [loaded_train, loaded_predict] = [train, predict].map(|clips| load(cache, clips, &front_end));
    let folder = tempfile::tempdir().unwrap();
    let job = Job {
        start: None,
        learner: &learner,
        front_end: &front_end,
        split: Split::Fold(0),
        train: examples(train, &loaded_train),
        predict: examples(predict, &loaded_predict),
        task: earmark_datasets::Task::SingleLabel,
        labels: &CLASSES.map(str::to_owned),
        seed: 1,
        device: "cpu",
        shared: None,
        folder: folder.path(),
    };
    let rows = job.run(&mut |_| ControlFlow::Continue(())).unwrap().probabilities;
    let best = |row: &[f32]| (0..CLASSES.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    let right = rows.chunks(CLASSES.len()).zip(predict).filter(|(row, clip)| best(row) == Some(clip.label)).count();
    right as f64 / predict.len() as f64
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synth::write(&data, &SynthOptions { seed: 1, train_clips: 240, ..SynthOptions::default() }).unwrap();
    let manifest = open(&data, &OpenOptions::default()).unwrap();
    let clips = [&manifest.train, &manifest.test].map(|items| clips(items, &manifest.labels));
    assert!(clips[0].len() >= 70 && clips[1].len() >= 35, "{} and {} clips", clips[0].len(), clips[1].len());
    let cache = FeatureCache::open(&folder.path().join("cache"), false).unwrap();
    let shared = Arc::new((cache, clips));
    let nano = variants().filter(|variant| variant.name.ends_with("_nano"));
    let trials = nano.map(|variant| {
        let shared = Arc::clone(&shared);
        Trial::test(format!("{}_learns_sounds", variant.name), move || {
            set_threads(1);
            let accuracy = accuracy(variant, &shared.0, &shared.1);
            println!("{}: {accuracy:.2}", variant.name);
            assert!(accuracy >= ENOUGH, "of the clips to predict {} knows {accuracy:.2}", variant.name);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials.collect());
    // `exit` runs no destructors, so remove the folder first.
    drop(folder);
    conclusion.exit();
}
