//! The input of a network: the kind of features and their settings, as written in recipes and
//! bundles.

use serde::{Deserialize, Serialize};

use crate::layers::Layers;
use crate::settings::{check, check_coefficients};
use crate::{Bands, DeltaSettings, FeatureError, MelSettings, Norm, PadMode, summary};

/// The kind of features and their settings. In TOML or JSON: a `kind` and the settings as keys of
/// the same table.
///
/// ```
/// use earmark_features::FrontEnd;
/// let front_end: FrontEnd = serde_json::from_str(r#"{"kind": "logmel", "n_mels": 40, "deltas": false}"#)?;
/// assert_eq!(front_end.shape(), (1, 40));
/// let typo = serde_json::from_str::<FrontEnd>(r#"{"kind": "logmel", "n_mel": 40}"#).unwrap_err();
/// assert!(typo.to_string().contains("n_mel"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", from = "FrontEndFormat")]
pub enum FrontEnd {
    /// Mel spectrogram in decibels, `[3, n_mels, T]` with deltas, else `[1, n_mels, T]`.
    LogMel {
        /// The spectrogram.
        #[serde(flatten)]
        mel: MelSettings,
        /// Whether deltas and delta-deltas are stacked on it.
        deltas: bool,
        /// Settings of the deltas.
        #[serde(flatten)]
        delta: DeltaSettings,
    },
    /// Mel-frequency cepstral coefficients, `[3, n_mfcc, T]` with deltas, else `[1, n_mfcc, T]`.
    Mfcc {
        /// Coefficients kept, from 0.
        n_mfcc: usize,
        /// The spectrogram they are computed from; 128 bands by default.
        #[serde(flatten)]
        mel: MelSettings,
        /// Whether deltas and delta-deltas are stacked on them.
        deltas: bool,
        /// Settings of the deltas.
        #[serde(flatten)]
        delta: DeltaSettings,
    },
    /// The whole clip as one frame, `[1248, 1, 1]` for 64 bands and 20 coefficients: statistics of
    /// the distribution and the changes of each band of the log-mel spectrogram and each cepstral
    /// coefficient; the modulation spectrum of 16 groups of bands and of each coefficient, in
    /// octaves; and the correlation of the changes of each pair of groups.
    Summary {
        /// Cepstral coefficients, from 0.
        n_mfcc: usize,
        /// The spectrogram it is computed from.
        #[serde(flatten)]
        mel: MelSettings,
    },
    /// The whole clip as one frame, `[size, 1, 1]`: what a network that was trained on other data
    /// makes of it.
    Embedding {
        /// The network: the name of an installed model, or the folder of a bundle; in a bundle, one
        /// of its `embeddings`.
        model: String,
        /// Its layers.
        #[serde(skip_serializing_if = "Layers::is_last")]
        layers: Layers,
        /// The SHA-256 of the network's file; empty in a recipe, until the model is found.
        #[serde(skip_serializing_if = "String::is_empty")]
        sha256: String,
        /// Values; 0 until the model is found.
        #[serde(skip_serializing_if = "is_zero")]
        size: usize,
        /// The sample rate of the network's own front end, Hz; 0 until the model is found.
        #[serde(skip_serializing_if = "no_rate")]
        sr: u32,
    },
    /// The samples themselves, `[1, 1, N]`.
    Wave {
        /// Sample rate, Hz.
        sr: u32,
        /// Channels; currently only 1.
        channels: usize,
    },
}

/// The serialized form, where keys may be missing: the default of `n_mels` differs between MFCC and
/// log-mel.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum FrontEndFormat {
    LogMel {
        #[serde(flatten)]
        mel: MelSettings,
        #[serde(default = "yes")]
        deltas: bool,
        #[serde(flatten)]
        delta: DeltaSettings,
    },
    Mfcc {
        #[serde(default = "mfcc_coefficients")]
        n_mfcc: usize,
        #[serde(default = "mfcc_bands")]
        n_mels: usize,
        #[serde(flatten)]
        mel: MelSettings,
        #[serde(default = "yes")]
        deltas: bool,
        #[serde(flatten)]
        delta: DeltaSettings,
    },
    Summary {
        #[serde(default = "summary_coefficients")]
        n_mfcc: usize,
        #[serde(flatten)]
        mel: MelSettings,
    },
    Embedding {
        model: String,
        #[serde(default)]
        layers: Layers,
        #[serde(default)]
        sha256: String,
        #[serde(default)]
        size: usize,
        #[serde(default)]
        sr: u32,
    },
    Wave {
        #[serde(default = "wave_rate")]
        sr: u32,
        #[serde(default = "mono")]
        channels: usize,
    },
}

fn is_zero(size: &usize) -> bool {
    *size == 0
}

fn no_rate(sr: &u32) -> bool {
    *sr == 0
}

fn yes() -> bool {
    true
}

fn mono() -> usize {
    1
}

fn wave_rate() -> u32 {
    44_100
}

pub(crate) fn mfcc_coefficients() -> usize {
    64
}

fn summary_coefficients() -> usize {
    20
}

pub(crate) fn mfcc_bands() -> usize {
    128
}

impl From<FrontEndFormat> for FrontEnd {
    fn from(written: FrontEndFormat) -> Self {
        match written {
            FrontEndFormat::LogMel { mel, deltas, delta } => FrontEnd::LogMel { mel, deltas, delta },
            FrontEndFormat::Mfcc { n_mfcc, n_mels, mel, deltas, delta } => {
                FrontEnd::Mfcc { n_mfcc, mel: MelSettings { n_mels, ..mel }, deltas, delta }
            }
            FrontEndFormat::Summary { n_mfcc, mel } => FrontEnd::Summary { n_mfcc, mel },
            FrontEndFormat::Embedding { model, layers, sha256, size, sr } => {
                FrontEnd::Embedding { model, layers, sha256, size, sr }
            }
            FrontEndFormat::Wave { sr, channels } => FrontEnd::Wave { sr, channels },
        }
    }
}

/// Log-mel with deltas and the default [`MelSettings`].
impl Default for FrontEnd {
    fn default() -> Self {
        FrontEnd::LogMel { mel: MelSettings::default(), deltas: true, delta: DeltaSettings::default() }
    }
}

impl FrontEnd {
    /// Log-mel with deltas and the settings of the reference system, `[3, 64, T]` at 22,050 Hz.
    pub fn logmel() -> Self {
        FrontEnd::default()
    }

    /// 64 MFCC from 128 bands with deltas, `[3, 64, T]` at 22,050 Hz.
    pub fn mfcc() -> Self {
        let mel = MelSettings { n_mels: mfcc_bands(), ..MelSettings::default() };
        FrontEnd::Mfcc { n_mfcc: mfcc_coefficients(), mel, deltas: true, delta: DeltaSettings::default() }
    }

    /// The summary of 64 bands and 20 coefficients, `[1248, 1, 1]` at 22,050 Hz.
    pub fn summary() -> Self {
        FrontEnd::Summary { n_mfcc: summary_coefficients(), mel: MelSettings::default() }
    }

    /// The samples at 44,100 Hz, `[1, 1, N]`.
    pub fn wave() -> Self {
        FrontEnd::Wave { sr: wave_rate(), channels: 1 }
    }

    /// The log-mel of EfficientAT's networks, `[1, 128, T]` at 32,000 Hz; they take it scaled by
    /// [`Scaling::efficientat`](crate::Scaling::efficientat).
    ///
    /// Source: Schmid, Koutini, Widmer, "Efficient large-scale audio tagging via
    /// transformer-to-CNN knowledge distillation", ICASSP 2023; `AugmentMelSTFT` of their code, in
    /// evaluation mode.
    pub fn efficientat() -> Self {
        let mel = MelSettings {
            sr: 32_000,
            preemphasis: 0.97,
            n_fft: 1_024,
            win_length: Some(800),
            hop_length: 320,
            periodic: false,
            pad_mode: PadMode::Reflect,
            n_mels: 128,
            fmax: Some(15_000.0),
            htk: true,
            bands: Bands::Kaldi,
            norm: Norm::None,
            log_offset: Some(1e-5),
            ..MelSettings::default()
        };
        FrontEnd::LogMel { mel, deltas: false, delta: DeltaSettings::default() }
    }

    /// The log-mel of PANNs' networks, `[1, 64, T]` at 32,000 Hz.
    ///
    /// Source: Kong et al., "PANNs: large-scale pretrained audio neural networks", 2020.
    pub fn panns() -> Self {
        let mel = MelSettings {
            sr: 32_000,
            n_fft: 1_024,
            hop_length: 320,
            pad_mode: PadMode::Reflect,
            fmin: 50.0,
            fmax: Some(14_000.0),
            top_db: None,
            ..MelSettings::default()
        };
        FrontEnd::LogMel { mel, deltas: false, delta: DeltaSettings::default() }
    }

    /// The sample rate that [`Extractor::extract`](crate::Extractor::extract) expects, Hz.
    pub fn sample_rate(&self) -> u32 {
        match self {
            FrontEnd::LogMel { mel, .. } | FrontEnd::Mfcc { mel, .. } | FrontEnd::Summary { mel, .. } => mel.sr,
            FrontEnd::Wave { sr, .. } | FrontEnd::Embedding { sr, .. } => *sr,
        }
    }

    /// Channels and bins of the features, the first two axes of `[channels, bins, frames]`.
    pub fn shape(&self) -> (usize, usize) {
        let stacked = |deltas: &bool| if *deltas { 3 } else { 1 };
        match self {
            FrontEnd::LogMel { mel, deltas, .. } => (stacked(deltas), mel.n_mels),
            FrontEnd::Mfcc { n_mfcc, deltas, .. } => (stacked(deltas), *n_mfcc),
            FrontEnd::Summary { n_mfcc, mel } => (summary::length(mel, *n_mfcc), 1),
            FrontEnd::Embedding { size, .. } => (*size, 1),
            FrontEnd::Wave { channels, .. } => (*channels, 1),
        }
    }

    /// The settings of the mel spectrogram, if there is one.
    pub fn mel(&self) -> Option<&MelSettings> {
        match self {
            FrontEnd::LogMel { mel, .. } | FrontEnd::Mfcc { mel, .. } | FrontEnd::Summary { mel, .. } => Some(mel),
            FrontEnd::Wave { .. } | FrontEnd::Embedding { .. } => None,
        }
    }

    /// The settings of the mel spectrogram as a mutable reference, if there is one.
    pub fn mel_mut(&mut self) -> Option<&mut MelSettings> {
        match self {
            FrontEnd::LogMel { mel, .. } | FrontEnd::Mfcc { mel, .. } | FrontEnd::Summary { mel, .. } => Some(mel),
            FrontEnd::Wave { .. } | FrontEnd::Embedding { .. } => None,
        }
    }

    /// Whether the whole clip is one frame: the summary and embeddings.
    pub fn is_of_whole_clips(&self) -> bool {
        matches!(self, FrontEnd::Summary { .. } | FrontEnd::Embedding { .. })
    }

    /// Frames per second of sound; samples per second for the waveform; 0 for features of whole
    /// clips.
    pub fn frames_per_second(&self) -> f64 {
        match self {
            FrontEnd::LogMel { mel, .. } | FrontEnd::Mfcc { mel, .. } => f64::from(mel.sr) / mel.hop_length as f64,
            FrontEnd::Wave { sr, .. } => f64::from(*sr),
            FrontEnd::Summary { .. } | FrontEnd::Embedding { .. } => 0.0,
        }
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`FeatureError::Setting`] names the first setting that is not, and what is allowed.
    pub fn validate(&self) -> Result<(), FeatureError> {
        match self {
            FrontEnd::LogMel { mel, delta, .. } => {
                mel.validate()?;
                delta.validate()
            }
            FrontEnd::Mfcc { n_mfcc, mel, delta, .. } => {
                mel.validate()?;
                delta.validate()?;
                check_coefficients(*n_mfcc, mel)
            }
            FrontEnd::Summary { n_mfcc, mel } => {
                mel.validate()?;
                check_coefficients(*n_mfcc, mel)
            }
            // A recipe's embedding, until its model is found.
            FrontEnd::Embedding { sha256, .. } if sha256.is_empty() => Ok(()),
            FrontEnd::Embedding { size, sr, .. } => {
                check("size", size, (1..=65_536).contains(size), "1 to 65,536 values")?;
                check("sr", sr, (1_000..=768_000).contains(sr), "1,000 to 768,000 Hz")
            }
            FrontEnd::Wave { sr, channels } => {
                check("sr", sr, (1_000..=768_000).contains(sr), "1,000 to 768,000 Hz")?;
                check("channels", channels, *channels == 1, "1")
            }
        }
    }
}
