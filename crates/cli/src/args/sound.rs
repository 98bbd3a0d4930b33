//! Arguments of sounds: features, networks, tagging.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use earmark_audio::Limits;
use serde::Serialize;

/// Kinds of features.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureKind {
    /// Samples at 44,100 Hz: `[1, N]`
    Wave,
    /// Log-mel with deltas: `[3, 64, T]`
    Logmel,
    /// MFCC with deltas: `[3, 64, T]`
    Mfcc,
    /// The whole clip in one frame, for kernels: `[1248]`
    Summary,
    /// Maximum, minimum, variance, skewness of 64 MFCC: `[256]`
    Stats,
}

/// `earmark features`.
#[derive(Debug, Args)]
pub struct Features {
    /// The sound file
    pub file: PathBuf,
    /// Which features
    #[arg(long)]
    pub kind: FeatureKind,
    /// A setting of the front end under librosa's name, such as `n_mels=128`; can be given several
    /// times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The NumPy file to write, 32-bit floats
    #[arg(long, value_name = "X.npy")]
    pub out: PathBuf,
    /// What a sound file may be
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// What a sound file may be.
#[derive(Debug, Clone, Args)]
pub struct LimitOptions {
    /// Maximum length of a sound, in seconds; by default 3600, and 1,000,000 for `tag`, whose
    /// memory does not grow with it
    #[arg(long, value_name = "S", env = "EARMARK_MAX_SECONDS")]
    pub max_seconds: Option<f64>,
    /// Lowest sample rate, in Hz
    #[arg(long, value_name = "HZ", env = "EARMARK_MIN_SAMPLE_RATE")]
    #[arg(default_value_t = Limits::default().min_sample_rate)]
    pub min_sample_rate: u32,
    /// Highest sample rate, in Hz
    #[arg(long, value_name = "HZ", env = "EARMARK_MAX_SAMPLE_RATE")]
    #[arg(default_value_t = Limits::default().max_sample_rate)]
    pub max_sample_rate: u32,
    /// Maximum number of channels
    #[arg(long, value_name = "N", env = "EARMARK_MAX_CHANNELS", default_value_t = Limits::default().max_channels)]
    pub max_channels: usize,
    /// Maximum number of mono samples; by default those of `--max-seconds` at 74 kHz
    #[arg(long, value_name = "N", env = "EARMARK_MAX_SAMPLES")]
    pub max_samples: Option<usize>,
}

impl LimitOptions {
    /// The limits of a decoder.
    pub fn limits(&self) -> anyhow::Result<Limits> {
        self.limits_of(Limits::default().max_seconds)
    }

    /// The limits of a decoder, with this maximum length by default.
    pub fn limits_of(&self, seconds: f64) -> anyhow::Result<Limits> {
        let &LimitOptions { max_seconds, min_sample_rate, max_sample_rate, max_channels, max_samples } = self;
        let max_seconds = max_seconds.unwrap_or(seconds);
        let max_samples = max_samples.unwrap_or_else(|| Limits::samples_of(max_seconds));
        let limits = Limits { max_seconds, min_sample_rate, max_sample_rate, max_channels, max_samples };
        limits.validate()?;
        Ok(limits)
    }
}

/// `earmark nets`.
#[derive(Debug, Subcommand)]
pub enum Nets {
    /// Name, family, input, parameters, FLOPs and published weights of every network
    ///
    /// A recipe's `arch` can also be `kernel`, kernel ridge regression on the summary of a clip,
    /// which is not a network and so is not listed.
    List {
        /// One JSON value on stdout
        #[arg(long)]
        json: bool,
    },
    /// Write a network as ONNX: input `x` `[batch, channels, bins, frames]`, output `logits`
    /// `[batch, classes]`
    ///
    /// Channels are those of the weights; without weights 3, and 1 for the networks on the wave,
    /// which take `[batch, 1, 1, samples]`. Batch and frames are variable, and so
    /// are bins, except for `cnn14`, which takes 64.
    Export {
        /// The network's name
        arch: String,
        /// Its weights, a file of safetensors or of PyTorch with timm's or torchvision's names;
        /// without it, fresh random ones
        #[arg(long, value_name = "W.safetensors")]
        weights: Option<PathBuf>,
        /// Number of classes; by default those of the weights, or 1000
        #[arg(long, value_name = "N")]
        classes: Option<usize>,
        /// The ONNX file to write
        #[arg(long, value_name = "M.onnx")]
        out: PathBuf,
    },
}
