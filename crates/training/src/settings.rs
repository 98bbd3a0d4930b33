//! The settings of a learner, as they stand in a recipe.

use earmark_datasets::{Average, Padding, Windowing};
use earmark_features::{FrontEnd, Scaling};
use earmark_nets::{Graph, Variant};
use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// One learner of level 1: a network, its features, and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnerSettings {
    /// Its name; names files and columns.
    pub name: String,
    /// The network, one of `earmark nets list`.
    pub arch: String,
    /// The front end, one of the recipe's `[features.*]`.
    pub features: String,
    /// The weights that the network starts with: `"imagenet"`, `"audioset"` for those that somebody has published, else
    /// a file of them; none: random ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<String>,
    /// Length of a random crop and of a window, in seconds.
    #[serde(default = "defaults::crop_seconds")]
    pub crop_seconds: f64,
    /// What fills a clip that is shorter than a crop.
    #[serde(default)]
    pub padding: Padding,
    /// What `padding = "zero"` puts into the network's input: without normalization 0 is 0 dB, as the authors have it,
    /// with it the mean.
    #[serde(default)]
    pub pad_value: f32,
    /// Scaling of the features before the network.
    #[serde(default)]
    pub normalization: Normalization,
    /// Mixup's weights come from Beta(mixup, mixup); 0 is no mixup.
    #[serde(default)]
    pub mixup: f32,
    /// Passes over the training clips.
    pub epochs: usize,
    /// Crops of one step.
    pub batch_size: usize,
    /// Learning rate of the first epoch after the warm-up; a cosine takes it to zero.
    pub learning_rate: f64,
    /// Epochs over which the learning rate rises from near zero.
    #[serde(default)]
    pub warmup_epochs: usize,
    /// Momentum of stochastic gradient descent.
    #[serde(default = "defaults::momentum")]
    pub momentum: f64,
    /// Nesterov's form of the momentum.
    #[serde(default)]
    pub nesterov: bool,
    /// L2 penalty on all learned values.
    #[serde(default = "defaults::weight_decay")]
    pub weight_decay: f64,
    /// Which epoch's weights are kept.
    #[serde(default)]
    pub checkpoint: Keep,
    /// Precision of the convolutions.
    #[serde(default)]
    pub precision: Precision,
    /// How clips are predicted.
    #[serde(default)]
    pub prediction: Prediction,
}

mod defaults {
    pub fn crop_seconds() -> f64 {
        1.5
    }
    pub fn momentum() -> f64 {
        0.9
    }
    pub fn weight_decay() -> f64 {
        5e-4
    }
}

/// Scaling of features before the network. In a recipe: `"none"`, `"clip"`, `"channel"`, or
/// `{ mean = [...], deviation = [...] }` with one value per channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "Written", from = "Written")]
pub enum Normalization {
    /// As they come: the paper's authors do so.
    #[default]
    None,
    /// Each channel minus its mean, by its deviation, both over the clip.
    Clip,
    /// Each channel minus its mean, by its deviation, both over the split's training clips.
    Channel,
    /// Each channel minus a given mean, by a given deviation.
    Fixed(Scaling),
}

/// The form in a recipe.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"none\", \"clip\", \"channel\" or { mean = [...], deviation = [...] }")]
enum Written {
    Named(Named),
    Fixed(Scaling),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Named {
    None,
    Clip,
    Channel,
}

impl From<Normalization> for Written {
    fn from(normalization: Normalization) -> Self {
        match normalization {
            Normalization::None => Written::Named(Named::None),
            Normalization::Clip => Written::Named(Named::Clip),
            Normalization::Channel => Written::Named(Named::Channel),
            Normalization::Fixed(scaling) => Written::Fixed(scaling),
        }
    }
}

impl From<Written> for Normalization {
    fn from(written: Written) -> Self {
        match written {
            Written::Named(Named::None) => Normalization::None,
            Written::Named(Named::Clip) => Normalization::Clip,
            Written::Named(Named::Channel) => Normalization::Channel,
            Written::Fixed(scaling) => Normalization::Fixed(scaling),
        }
    }
}

/// Which epoch's weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the last epoch.
    #[default]
    Last,
    /// Those of the epoch with the best accuracy on one crop of each held-out clip: the authors' rule. It flatters the
    /// out-of-fold probabilities a little. A split without held-out labels keeps the last.
    Best,
}

/// Precision of the convolutions; statistics, loss and weights are `f32` always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 where it is faster: on a processor with bf16 arithmetic (AVX512-BF16), and on any GPU.
    #[default]
    Auto,
    /// 32-bit floating point; on a GPU, cuDNN may compute it as TF32.
    F32,
    /// 16-bit brain floating point.
    Bf16,
}

/// How clips are predicted: windows as long as a crop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prediction {
    /// Seconds from one window's start to the next one's.
    pub hop_seconds: f64,
    /// How windows become one prediction.
    pub average: Average,
}

impl Default for Prediction {
    fn default() -> Self {
        Self { hop_seconds: 0.2, average: Average::Probabilities }
    }
}

impl LearnerSettings {
    /// Checks every value's range.
    ///
    /// # Errors
    /// The first value out of range, with its key and what is allowed.
    pub fn validate(&self) -> Result<(), TrainingError> {
        let name_ok = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let name = !self.name.is_empty() && self.name.chars().all(name_ok) && !self.name.starts_with('.');
        let checks: [(bool, &'static str, String, &'static str); 11] = [
            (name, "name", format!("{:?}", self.name), "letters, digits, `_`, `-` and `.`, as it names files"),
            (
                self.crop_seconds > 0.0 && self.crop_seconds <= 60.0,
                "crop_seconds",
                self.crop_seconds.to_string(),
                "above 0, at most 60",
            ),
            (self.pad_value.is_finite(), "pad_value", self.pad_value.to_string(), "a finite number"),
            (self.mixup >= 0.0 && self.mixup <= 1000.0, "mixup", self.mixup.to_string(), "0 (no mixup) to 1000"),
            ((1..=100_000).contains(&self.epochs), "epochs", self.epochs.to_string(), "1 to 100000"),
            ((2..=65_536).contains(&self.batch_size), "batch_size", self.batch_size.to_string(), "2 to 65536"),
            (
                self.learning_rate > 0.0 && self.learning_rate <= 100.0,
                "learning_rate",
                self.learning_rate.to_string(),
                "above 0, at most 100",
            ),
            (self.warmup_epochs < self.epochs, "warmup_epochs", self.warmup_epochs.to_string(), "fewer than epochs"),
            ((0.0..1.0).contains(&self.momentum), "momentum", self.momentum.to_string(), "0 to below 1"),
            ((0.0..1.0).contains(&self.weight_decay), "weight_decay", self.weight_decay.to_string(), "0 to below 1"),
            (
                self.prediction.hop_seconds > 0.0 && self.prediction.hop_seconds <= 60.0,
                "prediction.hop_seconds",
                self.prediction.hop_seconds.to_string(),
                "above 0, at most 60",
            ),
        ];
        match checks.into_iter().find(|(fine, ..)| !fine) {
            None => Ok(()),
            Some((_, key, value, range)) => {
                Err(TrainingError::Setting { learner: self.name.clone(), key, value, range })
            }
        }
    }

    /// The network for the front end's features and so many classes.
    ///
    /// # Errors
    /// A name that no network has; features that it does not take, crops that are too short for it, fewer than two
    /// classes.
    pub fn graph(&self, front_end: &FrontEnd, classes: usize) -> Result<Graph, TrainingError> {
        let (channels, bins) = front_end.shape();
        let input = [2, channels, bins, self.windowing(front_end).frames];
        let graph = self.variant()?.fit(input, classes);
        graph.map_err(|source| TrainingError::Shape { learner: self.name.clone(), source })
    }

    /// The network.
    ///
    /// # Errors
    /// A name that no network has.
    pub fn variant(&self) -> Result<&'static Variant, TrainingError> {
        let variant = earmark_nets::find(&self.arch);
        variant.map_err(|source| TrainingError::Architecture { learner: self.name.clone(), source })
    }

    /// Checks what must fit the front end.
    ///
    /// # Errors
    /// Those of [`LearnerSettings::graph`], and a given mean or deviation that is not one usable number per channel.
    pub fn check_input(&self, front_end: &FrontEnd) -> Result<(), TrainingError> {
        self.graph(front_end, 2)?;
        let Normalization::Fixed(scaling) = &self.normalization else { return Ok(()) };
        let (channels, _) = front_end.shape();
        if scaling.fits(channels) {
            return Ok(());
        }
        let Scaling { mean, deviation } = scaling;
        Err(TrainingError::Setting {
            learner: self.name.clone(),
            key: "normalization",
            value: format!("{{ mean = {mean:?}, deviation = {deviation:?} }}"),
            range: "a mean and a deviation above 0 for each channel of the features",
        })
    }

    /// Crops and windows in frames of the front end.
    pub fn windowing(&self, front_end: &FrontEnd) -> Windowing {
        let frames = |seconds: f64| ((seconds * front_end.frames_per_second()).round() as usize).max(1);
        Windowing {
            frames: frames(self.crop_seconds),
            hop: frames(self.prediction.hop_seconds),
            padding: self.padding,
            pad_value: self.pad_value,
            average: self.prediction.average,
        }
    }
}
