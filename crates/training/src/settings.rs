//! The settings of a learner, as written in a recipe.

mod checks;
mod class_weight;
mod complete;
mod freeze;
mod kernels;
mod linear;
mod loss;
mod method;

use earmark_features::{FrontEnd, Scaling};
use earmark_features::{Padding, WindowAggregation, Windowing};
use earmark_loader::{Augmentation, Sampling};
use earmark_nets::kernel::{self, KERNEL};
use earmark_nets::linear::{self as linear_graph, LINEAR};
use earmark_nets::{Graph, Variant};
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

pub use class_weight::{Balanced, ClassWeight};
pub use freeze::Freeze;
pub use kernels::Kernels;
pub use linear::Linear;
pub use loss::Loss;
pub use method::Method;

/// One learner of level 1: a network, its features, and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnerSettings {
    /// Its name, which is used for files and columns.
    pub name: String,
    /// The network, one of `earmark nets list`; or `kernel` or `linear`, which are fitted at once
    /// on features of whole clips (`summary`, `embedding`) and, of the settings below, use only
    /// `unverified_weight`, `class_weight` and the one of their name.
    pub arch: String,
    /// The front end, one of the recipe's `[features.*]`.
    pub features: String,
    /// The weights that the network starts from: `"imagenet"` or `"audioset"` for published
    /// weights, or a weight file; random weights if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<String>,
    /// The commit of the hub repository from which published weights are taken, 40 hexadecimal
    /// digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained_revision: Option<String>,
    /// The SHA-256 that the file of `pretrained` must have, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained_sha256: Option<String>,
    /// What training leaves as it is; it needs `pretrained`. The network's head is the layers after
    /// its embedding, the body is the others.
    #[serde(default, skip_serializing_if = "Freeze::is_default")]
    pub freeze: Freeze,
    /// Length of a random crop and of a window, in seconds.
    #[serde(default = "defaults::crop_seconds")]
    pub crop_seconds: f64,
    /// How to fill a clip that is shorter than a crop.
    #[serde(default)]
    pub padding: Padding,
    /// The value that `padding = "zero"` inserts into the network's input. Without normalization, 0
    /// is 0 dB, as in the authors' code; with normalization, it is the mean.
    #[serde(default)]
    pub pad_value: f32,
    /// Scaling of the features before the network.
    #[serde(default)]
    pub normalization: Normalization,
    /// Mixup's weights are drawn from Beta(mixup, mixup); 0 turns mixup off.
    #[serde(default)]
    pub mixup: f32,
    /// Random changes of training crops.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// The loss. Clips that may have several labels need `"bce"`, clips with one label
    /// `"cross_entropy"`.
    #[serde(default, skip_serializing_if = "Loss::is_default")]
    pub loss: Loss,
    /// The share of a label that is spread evenly over all classes; with `loss = "bce"`, over the
    /// two answers for each class.
    #[serde(default)]
    pub label_smoothing: f32,
    /// The weight of the loss of a clip whose label is not verified: from 0 (the clip is omitted)
    /// to 1.
    #[serde(default = "defaults::unverified_weight")]
    pub unverified_weight: f32,
    /// The weights of the classes in the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// Whether an epoch contains every clip once, or every class equally often.
    #[serde(default)]
    pub sampling: Sampling,
    /// Passes over the training clips.
    #[serde(default)]
    pub epochs: usize,
    /// Crops per step.
    #[serde(default)]
    pub batch_size: usize,
    /// Learning rate of the first epoch after the warm-up; it then decays to zero along a cosine.
    #[serde(default)]
    pub learning_rate: f64,
    /// The same for the body of the network, if it differs; it needs `pretrained`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_learning_rate: Option<f64>,
    /// Epochs over which the learning rate rises from near zero.
    #[serde(default)]
    pub warmup_epochs: usize,
    /// The optimizer.
    #[serde(default)]
    pub optimizer: Method,
    /// Momentum of stochastic gradient descent; for AdamW, the decay of the first moment.
    #[serde(default = "defaults::momentum")]
    pub momentum: f64,
    /// Whether to use Nesterov momentum.
    #[serde(default)]
    pub nesterov: bool,
    /// L2 penalty on all learned values; for AdamW, decay of all learned values, decoupled from
    /// their gradients.
    #[serde(default = "defaults::weight_decay")]
    pub weight_decay: f64,
    /// The probability with which an input of the last layer is dropped in a training step; 0 turns
    /// dropout off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f32,
    /// Decay per step of a moving average of the weights, which is kept instead of the last
    /// weights; 0 turns the average off.
    #[serde(default)]
    pub ema_decay: f64,
    /// Which epoch's weights are kept.
    #[serde(default)]
    pub checkpoint: CheckpointPolicy,
    /// Precision of the convolutions.
    #[serde(default)]
    pub precision: Precision,
    /// How clips are predicted.
    #[serde(default)]
    pub prediction: Prediction,
    /// Settings for learners whose `arch` is `kernel`.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub kernel: Option<Kernels>,
    /// Settings for learners whose `arch` is `linear`.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub linear: Option<Linear>,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

/// Whether a section is missing or has only defaults, which is the same.
fn is_plain<T: Default + PartialEq>(section: &Option<T>) -> bool {
    section.as_ref().is_none_or(|section| *section == T::default())
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
#[serde(into = "NormalizationFormat", from = "NormalizationFormat")]
pub enum Normalization {
    /// No scaling, as in the paper.
    #[default]
    None,
    /// Subtracts the mean of each channel and divides by its deviation, both over the clip.
    Clip,
    /// Subtracts the mean of each channel and divides by its deviation, both over the split's
    /// training clips except those of weight 0.
    Channel,
    /// Subtracts a given mean from each channel and divides by a given deviation.
    Fixed(Scaling),
}

/// The format in a recipe.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"none\", \"clip\", \"channel\" or { mean = [...], deviation = [...] }")]
enum NormalizationFormat {
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

impl From<Normalization> for NormalizationFormat {
    fn from(normalization: Normalization) -> Self {
        match normalization {
            Normalization::None => NormalizationFormat::Named(Named::None),
            Normalization::Clip => NormalizationFormat::Named(Named::Clip),
            Normalization::Channel => NormalizationFormat::Named(Named::Channel),
            Normalization::Fixed(scaling) => NormalizationFormat::Fixed(scaling),
        }
    }
}

impl From<NormalizationFormat> for Normalization {
    fn from(written: NormalizationFormat) -> Self {
        match written {
            NormalizationFormat::Named(Named::None) => Normalization::None,
            NormalizationFormat::Named(Named::Clip) => Normalization::Clip,
            NormalizationFormat::Named(Named::Channel) => Normalization::Channel,
            NormalizationFormat::Fixed(scaling) => Normalization::Fixed(scaling),
        }
    }
}

/// Which epoch's weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointPolicy {
    /// The weights of the last epoch.
    #[default]
    Last,
    /// The weights of the epoch with the best accuracy on one crop of each held-out clip, as in the
    /// paper. This biases the out-of-fold probabilities slightly upward. A split without held-out
    /// labels keeps the last epoch's weights.
    Best,
}

/// Precision of the convolutions; statistics, loss and weights are always `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 if it is faster: on a processor with bf16 arithmetic (AVX512-BF16), and on any GPU.
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
    /// How to average windows into one prediction.
    pub average: WindowAggregation,
}

impl Default for Prediction {
    fn default() -> Self {
        Self { hop_seconds: 0.2, average: WindowAggregation::Probabilities }
    }
}

impl LearnerSettings {
    /// Whether it is a kernel machine.
    pub fn is_kernel(&self) -> bool {
        self.arch == KERNEL
    }

    /// Whether it takes features of whole clips and has no epochs: a kernel machine or a linear
    /// model.
    pub fn is_of_whole_clips(&self) -> bool {
        self.is_kernel() || self.arch == LINEAR
    }

    /// Passes over the training clips; a learner of whole clips makes one.
    pub fn passes(&self) -> usize {
        if self.is_of_whole_clips() { 1 } else { self.epochs }
    }

    /// Whether it is trained on clips whose label is verified (or not verified).
    pub fn is_used(&self, verified: bool) -> bool {
        verified || self.unverified_weight > 0.0
    }

    /// The settings of a kernel machine.
    pub fn kernels(&self) -> Kernels {
        self.kernel.unwrap_or_default()
    }

    /// The settings of a linear model.
    pub fn linear(&self) -> Linear {
        self.linear.unwrap_or_default()
    }

    /// The network for the front end's features and this number of classes; that of a kernel
    /// machine has one center for each of its `clips` training clips.
    ///
    /// # Errors
    /// An unknown name; features that it does not take, crops that are too short for it, fewer than
    /// two classes.
    pub fn graph(&self, front_end: &FrontEnd, classes: usize, clips: usize) -> Result<Graph, TrainingError> {
        let (channels, bins) = front_end.shape();
        if self.is_kernel() {
            return Ok(kernel::graph(channels, clips, classes));
        }
        if self.is_of_whole_clips() {
            return Ok(linear_graph::graph(channels, classes));
        }
        let input = [2, channels, bins, self.windowing(front_end).frames];
        let graph = self.variant()?.fit(input, classes);
        graph.map_err(|source| TrainingError::Shape { learner: self.name.clone(), source })
    }

    /// The network.
    ///
    /// # Errors
    /// An unknown name.
    pub fn variant(&self) -> Result<&'static Variant, TrainingError> {
        let variant = earmark_nets::find(&self.arch);
        variant.map_err(|source| TrainingError::Architecture { learner: self.name.clone(), source })
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
            least_frames: None,
        }
    }
}
