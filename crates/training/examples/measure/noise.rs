//! Jobs on clips of noise, for measurements: what the sounds are does not change the speed.

use std::path::Path;

use earmark_features::{Features, FrontEnd};
use earmark_loader::Example;
use earmark_nets::{Input, Variant};
use earmark_training::{Job, LearnerSettings, Split};
use serde_json::json;

use crate::{CLASSES, Result};

/// The windows of a clip to predict are this far apart, in seconds, as in `recipes/dcase2018.toml`.
const HOP_SECONDS: f64 = 0.2;

/// A network and noise. All clips to train on share one array, and so do those to predict.
pub struct Noise {
    learner: LearnerSettings,
    front_end: FrontEnd,
    crop: Features,
    long: Features,
    names: Vec<String>,
    labels: Vec<String>,
    /// Their indices.
    classes: Vec<usize>,
}

impl Noise {
    /// Batches of `batch` clips, of which `epochs` epochs of `clips` clips are trained. A clip to
    /// predict has exactly `batch` windows.
    pub fn new(variant: &Variant, batch: usize, clips: usize, epochs: usize, predicted: bool) -> Result<Self> {
        let kind = if variant.input == Input::Wave { "wave" } else { "logmel" };
        let front_end: FrontEnd = serde_json::from_value(json!({ "kind": kind }))?;
        let learner: LearnerSettings = serde_json::from_value(json!({
            "name": "l", "arch": variant.name, "features": "f", "epochs": epochs, "batch_size": batch,
            "learning_rate": 0.001, "mixup": 3.0, "prediction": {"hop_seconds": HOP_SECONDS}
        }))?;
        let windowing = learner.windowing(&front_end);
        let [_, channels, bins, _] = variant.example(1, 1);
        let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 7 & 0xFFFF) as f32 / 65_536.0 - 0.5;
        let features = |frames: usize| Features {
            data: (0..channels * bins * frames).map(noise).collect(),
            channels,
            bins,
            frames,
        };
        let hops = if predicted { batch - 1 } else { 0 };
        Ok(Self {
            crop: features(windowing.frames),
            long: features(windowing.frames + hops * windowing.hop),
            learner,
            front_end,
            names: (0..clips).map(|clip| format!("{clip}.wav")).collect(),
            labels: (0..CLASSES).map(|class| class.to_string()).collect(),
            classes: (0..CLASSES).collect(),
        })
    }

    /// A job that trains on all clips, and predicts `predict` others.
    pub fn job<'a>(&'a self, predict: usize, device: &'a str, folder: &'a Path) -> Job<'a> {
        let example = |clip: usize, features: &'a Features| Example {
            name: &self.names[clip],
            features: features.view(),
            labels: std::slice::from_ref(&self.classes[clip % CLASSES]),
            verified: true,
        };
        Job {
            learner: &self.learner,
            front_end: &self.front_end,
            start: None,
            split: Split::Fold(0),
            train: (0..self.names.len()).map(|clip| example(clip, &self.crop)).collect(),
            predict: (0..predict).map(|clip| example(clip % self.names.len(), &self.long)).collect(),
            task: earmark_datasets::Task::SingleLabel,
            labels: &self.labels,
            seed: 1,
            device,
            shared: None,
            folder,
        }
    }
}
