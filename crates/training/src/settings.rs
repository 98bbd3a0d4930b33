//! The settings of a learner, as they stand in a recipe.

use earmark_datasets::{Augmentation, Average, Masks, Padding, Sampling, Windowing};
use earmark_features::{FrontEnd, Scaling};
use earmark_nets::kernel::{self, KERNEL};
use earmark_nets::{Graph, Variant};
use serde::{Deserialize, Serialize};

use crate::TrainingError;
use crate::kernel::Kernels;
use crate::optimizer::Method;

/// One learner of level 1: a network, its features, and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnerSettings {
    /// Its name; names files and columns.
    pub name: String,
    /// The network, one of `earmark nets list`; or `kernel`, which learns from features of whole clips (`summary`), at once,
    /// and takes of the settings below only `unverified_weight` and `kernel`.
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
    /// What is changed at random in the crops to learn from.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// The share of a label that is dealt out to all classes alike.
    #[serde(default)]
    pub label_smoothing: f32,
    /// What the loss of a clip counts for if nobody verified its label: from 0 (it is left out) to 1.
    #[serde(default = "defaults::unverified_weight")]
    pub unverified_weight: f32,
    /// Whether an epoch meets every clip once, or every class equally often.
    #[serde(default)]
    pub sampling: Sampling,
    /// Passes over the training clips.
    #[serde(default)]
    pub epochs: usize,
    /// Crops of one step.
    #[serde(default)]
    pub batch_size: usize,
    /// Learning rate of the first epoch after the warm-up; a cosine takes it to zero.
    #[serde(default)]
    pub learning_rate: f64,
    /// Epochs over which the learning rate rises from near zero.
    #[serde(default)]
    pub warmup_epochs: usize,
    /// How gradients become steps.
    #[serde(default)]
    pub optimizer: Method,
    /// Momentum of stochastic gradient descent; of AdamW, the decay of the first moment.
    #[serde(default = "defaults::momentum")]
    pub momentum: f64,
    /// Nesterov's form of the momentum.
    #[serde(default)]
    pub nesterov: bool,
    /// L2 penalty on all learned values; of AdamW, decay of all learned values apart from their gradients.
    #[serde(default = "defaults::weight_decay")]
    pub weight_decay: f64,
    /// Decay of a moving average of the weights, a step at a time, which is then kept instead of the last weights; 0: none.
    #[serde(default)]
    pub weight_average: f64,
    /// Which epoch's weights are kept.
    #[serde(default)]
    pub checkpoint: Keep,
    /// Precision of the convolutions.
    #[serde(default)]
    pub precision: Precision,
    /// How clips are predicted.
    #[serde(default)]
    pub prediction: Prediction,
    /// How a learner learns whose `arch` is `kernel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Kernels>,
}

mod defaults {
    pub fn crop_seconds() -> f64 {
        1.5
    }
    pub fn unverified_weight() -> f32 {
        1.0
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
    /// Each channel minus its mean, by its deviation, both over the split's training clips, without those of weight 0.
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
        if self.is_kernel() {
            return self.validate_kernel();
        }
        self.variant()?;
        let is_length = |seconds: f64| seconds > 0.0 && seconds <= 60.0;
        let is_part = |value: f64| (0.0..1.0).contains(&value);
        let (crop, hop) = (self.crop_seconds, self.prediction.hop_seconds);
        let rate = self.learning_rate;
        let checks = [
            self.name_check(),
            check(is_length(crop), "crop_seconds", crop, "above 0, at most 60"),
            check(self.pad_value.is_finite(), "pad_value", self.pad_value, "a finite number"),
            check((0.0..=1000.0).contains(&self.mixup), "mixup", self.mixup, "0 (no mixup) to 1000"),
            check(is_part(self.label_smoothing.into()), "label_smoothing", self.label_smoothing, "0 to below 1"),
            check(is_share(self.unverified_weight), "unverified_weight", self.unverified_weight, "0 to 1"),
            check((1..=100_000).contains(&self.epochs), "epochs", self.epochs, "1 to 100000"),
            check((2..=65_536).contains(&self.batch_size), "batch_size", self.batch_size, "2 to 65536"),
            check(rate > 0.0 && rate <= 100.0, "learning_rate", rate, "above 0, at most 100"),
            check(self.warmup_epochs < self.epochs, "warmup_epochs", self.warmup_epochs, "below `epochs`"),
            check(is_part(self.momentum), "momentum", self.momentum, "0 to below 1"),
            check(is_part(self.weight_decay), "weight_decay", self.weight_decay, "0 to below 1"),
            check(is_part(self.weight_average), "weight_average", self.weight_average, "0 (none) to below 1"),
            check(is_length(hop), "prediction.hop_seconds", hop, "above 0, at most 60"),
        ];
        self.first_fault(checks.into_iter().chain(of_augmentation(&self.augmentation)))?;
        self.applies(self.kernel.is_none(), "kernel", "it applies only to arch = \"kernel\"")
    }

    /// Whether it is a kernel machine, which has no epochs.
    pub fn is_kernel(&self) -> bool {
        self.arch == KERNEL
    }

    /// Passes over the clips: a kernel machine makes one.
    pub fn passes(&self) -> usize {
        if self.is_kernel() { 1 } else { self.epochs }
    }

    /// Whether it learns from a clip whose label is verified, or is not.
    pub fn counts(&self, verified: bool) -> bool {
        verified || self.unverified_weight > 0.0
    }

    /// How a kernel machine learns.
    pub fn kernels(&self) -> Kernels {
        self.kernel.unwrap_or_default()
    }

    fn validate_kernel(&self) -> Result<(), TrainingError> {
        let Kernels { ridge, gamma } = self.kernels();
        let is_weight = |value: f64| (1e-6..=1e6).contains(&value);
        let weight = self.unverified_weight;
        let checks = [
            self.name_check(),
            check(is_share(weight), "unverified_weight", weight, "0 to 1"),
            check(is_weight(ridge), "kernel.ridge", ridge, "1e-6 to 1e6"),
            check(is_weight(gamma), "kernel.gamma", gamma, "1e-6 to 1e6"),
        ];
        self.first_fault(checks.into_iter())?;
        let key = self.beyond_a_kernel();
        const REASON: &str = "it does not apply to arch = \"kernel\", which is fitted in closed form on whole clips";
        self.applies(key.is_none(), key.as_deref().unwrap_or_default(), REASON)
    }

    /// The first setting that is not at its default and does not apply to a kernel.
    fn beyond_a_kernel(&self) -> Option<String> {
        const USED: [&str; 5] = ["name", "arch", "features", "unverified_weight", "kernel"];
        let plain = serde_json::json!({ "name": self.name, "arch": self.arch, "features": self.features });
        let plain: Self = serde_json::from_value(plain).ok()?;
        let written = |settings: &Self| serde_json::to_value(settings).ok()?.as_object().cloned();
        let plain = written(&plain)?;
        let other = |(key, value): &(String, serde_json::Value)| {
            !USED.contains(&key.as_str()) && plain.get(key).unwrap_or(&serde_json::Value::Null) != value
        };
        written(self)?.into_iter().find(other).map(|(key, _)| key)
    }

    fn name_check(&self) -> Check {
        let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let name = !self.name.is_empty() && self.name.chars().all(fine) && !self.name.starts_with('.');
        check(
            name,
            "name",
            format!("{:?}", self.name),
            "letters, digits, `_`, `-` and `.`, not first a `.`: it is used in file names",
        )
    }

    fn applies(&self, applies: bool, key: &str, reason: &'static str) -> Result<(), TrainingError> {
        if applies {
            return Ok(());
        }
        Err(TrainingError::NotApplicable { learner: self.name.clone(), key: key.to_owned(), reason })
    }

    fn first_fault(&self, mut checks: impl Iterator<Item = Check>) -> Result<(), TrainingError> {
        match checks.find(|(fine, ..)| !fine) {
            None => Ok(()),
            Some((_, key, value, range)) => {
                Err(TrainingError::Setting { learner: self.name.clone(), key, value, range })
            }
        }
    }

    /// The network for the front end's features and so many classes; that of a kernel machine has a centre for each of the
    /// `clips` that it learns from.
    ///
    /// # Errors
    /// A name that no network has; features that it does not take, crops that are too short for it, fewer than two
    /// classes.
    pub fn graph(&self, front_end: &FrontEnd, classes: usize, clips: usize) -> Result<Graph, TrainingError> {
        let (channels, bins) = front_end.shape();
        if self.is_kernel() {
            return Ok(kernel::graph(channels, clips, classes));
        }
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
    /// Those of [`LearnerSettings::graph`], for the shortest crops too; a given mean or deviation that is not one usable
    /// number per channel; augmentation that means nothing in these features.
    pub fn check_input(&self, front_end: &FrontEnd) -> Result<(), TrainingError> {
        let is_summary = matches!(front_end, FrontEnd::Summary { .. });
        if self.is_kernel() != is_summary {
            return Err(TrainingError::Summary { learner: self.name.clone(), arch: self.arch.clone(), is_summary });
        }
        if is_summary {
            return Ok(());
        }
        self.graph(front_end, 2, 0)?;
        let (channels, bins) = front_end.shape();
        let Augmentation { length, warp, frequency_masks, .. } = self.augmentation;
        let crop_seconds = self.crop_seconds / (1.0 + f64::from(length));
        Self { crop_seconds, ..self.clone() }.graph(front_end, 2, 0)?;
        let is_logmel = matches!(front_end, FrontEnd::LogMel { .. });
        let fixed = match &self.normalization {
            Normalization::Fixed(scaling) => Some(scaling),
            _ => None,
        };
        let written =
            |Scaling { mean, deviation }: &Scaling| format!("{{ mean = {mean:?}, deviation = {deviation:?} }}");
        let normalization = check(
            fixed.is_none_or(|scaling| scaling.fits(channels)),
            "normalization",
            fixed.map_or(String::new(), written),
            "a mean and a deviation above 0 for each channel of the features",
        );
        self.first_fault(std::iter::once(normalization))?;
        self.applies(warp == 0.0 || is_logmel, "augmentation.warp", "it applies only to log-mel features")?;
        let has_bands = frequency_masks.count == 0 || bins > 1;
        self.applies(has_bands, "augmentation.frequency_masks", "a wave has no frequency bands")
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

/// Whether a value is fine; its key, itself, and what is allowed.
type Check = (bool, &'static str, String, &'static str);

fn check(fine: bool, key: &'static str, value: impl ToString, range: &'static str) -> Check {
    (fine, key, value.to_string(), range)
}

fn is_share(value: f32) -> bool {
    (0.0..=1.0).contains(&value)
}

fn masks(Masks { count, width }: Masks) -> String {
    format!("count {count}, width {width}")
}

fn of_augmentation(augmentation: &Augmentation) -> [Check; 5] {
    let Augmentation { length, stretch, warp, frequency_masks, time_masks, .. } = *augmentation;
    let is_spread = |value: f32| (0.0..=4.0).contains(&value);
    let of_masks = |key, given: Masks| {
        let fine = given.count <= 100 && is_share(given.width);
        check(fine, key, masks(given), "a count up to 100 and a width from 0 to 1")
    };
    [
        check(is_spread(length), "augmentation.length", length, "0 to 4"),
        check(is_spread(stretch), "augmentation.stretch", stretch, "0 to 4"),
        check(is_share(warp), "augmentation.warp", warp, "0 to 1"),
        of_masks("augmentation.frequency_masks", frequency_masks),
        of_masks("augmentation.time_masks", time_masks),
    ]
}
