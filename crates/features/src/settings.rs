//! The settings of a mel spectrogram in decibels, under librosa's names.

use serde::{Deserialize, Serialize};

use crate::FeatureError;

/// Window function of the short-time Fourier transform: a sum of cosines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// Hann.
    Hann,
    /// Hamming.
    Hamming,
    /// Blackman.
    Blackman,
    /// Blackman and Harris, four terms.
    BlackmanHarris,
    /// Nuttall, four terms.
    Nuttall,
    /// Flat top, five terms.
    FlatTop,
    /// Ones.
    Boxcar,
}

impl Window {
    /// The amplitudes of the cosines, starting with the constant; their signs alternate. Source:
    /// `scipy.signal.windows`.
    pub(crate) fn cosines(self) -> &'static [f64] {
        match self {
            Window::Hann => &[0.5, 0.5],
            Window::Hamming => &[0.54, 0.46],
            Window::Blackman => &[0.42, 0.5, 0.08],
            Window::BlackmanHarris => &[0.358_75, 0.488_29, 0.141_28, 0.011_68],
            Window::Nuttall => &[0.363_581_9, 0.489_177_5, 0.136_599_5, 0.010_641_1],
            Window::FlatTop => &[0.215_578_95, 0.416_631_58, 0.277_263_158, 0.083_578_947, 0.006_947_368],
            Window::Boxcar => &[1.0],
        }
    }
}

/// How the clip is padded when frames are centered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PadMode {
    /// Zeros.
    Constant,
    /// The first or last sample (`replicate` in PyTorch).
    #[serde(alias = "replicate")]
    Edge,
    /// The clip mirrored at its first and last sample, which are not repeated.
    Reflect,
    /// The clip mirrored before its first and after its last sample, which are repeated.
    Symmetric,
}

/// The triangular filters of the mel bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bands {
    /// librosa's, with straight sides over Hz.
    #[default]
    Librosa,
    /// Kaldi's, with straight sides over HTK's mel and height 1, computed in 32 bits as by
    /// `torchaudio.compliance.kaldi`. They need `htk` and no `norm`.
    Kaldi,
}

/// The normalization of mel bands. In a recipe: `"slaney"`, `"none"` or a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", expecting = "expected \"slaney\", \"none\" or a number")]
pub enum Norm {
    /// Each triangle has area 1 (over Hz).
    Slaney,
    /// Each triangle has height 1.
    None,
    /// Each triangle's weights are normalized to 1 in the p-norm of this order.
    #[serde(untagged)]
    P(f32),
}

/// The power at 0 dB. In a recipe: a number or `"max"`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", expecting = "expected \"max\" or a number")]
pub enum Reference {
    /// The clip's greatest power (librosa's `ref=np.max`).
    Max,
    /// This power.
    #[serde(untagged)]
    Power(f32),
}

/// Settings of a mel spectrogram in decibels, as in `librosa.feature.melspectrogram` and
/// `librosa.power_to_db`.
///
/// The defaults are those of the DCASE 2018 reference system: 22,050 Hz, frames of 80 ms every 10
/// ms, 64 Slaney bands up to 11,025 Hz, decibels relative to 1 with a range of 80 dB.
///
/// ```
/// use earmark_features::MelSettings;
/// let settings: MelSettings = serde_json::from_str(r#"{"sr": 44100, "n_fft": 3528, "hop_length": 441}"#)?;
/// assert!(settings.validate().is_ok());
/// let wrong = MelSettings { hop_length: 0, ..settings };
/// assert!(wrong.validate().unwrap_err().to_string().contains("hop_length"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MelSettings {
    /// Sample rate, Hz; 1,000 to 768,000.
    pub sr: u32,
    /// Pre-emphasis: this multiple of the sample before is subtracted from each sample, and the
    /// clip's first sample is dropped; 0 (none) to below 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub preemphasis: f32,
    /// Samples of a frame and points of its Fourier transform; 2 to 65,536, not necessarily a power
    /// of two.
    pub n_fft: usize,
    /// Length of the window in samples, centered in the frame; none: `n_fft`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub win_length: Option<usize>,
    /// Samples from frame to frame; 1 to 65,536.
    pub hop_length: usize,
    /// Window function.
    pub window: Window,
    /// Whether the window is periodic (scipy's `fftbins=True`) or symmetric.
    #[serde(skip_serializing_if = "is_true")]
    pub periodic: bool,
    /// Whether frame `t` is centered on sample `t * hop_length` (else it starts there).
    pub center: bool,
    /// How the clip is padded when frames are centered.
    pub pad_mode: PadMode,
    /// Exponent of the magnitude: 2 for power, 1 for magnitude.
    pub power: f32,
    /// Mel bands; 1 to 1,024.
    pub n_mels: usize,
    /// Lower edge of the lowest band, Hz.
    pub fmin: f32,
    /// Upper edge of the highest band, Hz; none: `sr / 2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fmax: Option<f32>,
    /// Whether to use HTK's mel scale (O'Shaughnessy) instead of Slaney's.
    pub htk: bool,
    /// The filters of the bands.
    #[serde(skip_serializing_if = "is_librosa")]
    pub bands: Bands,
    /// Normalization of the bands.
    pub norm: Norm,
    /// The power at 0 dB.
    pub r#ref: Reference,
    /// Floor under the power; at least 1e-37.
    pub amin: f32,
    /// Range in decibels below the clip's maximum; none (in a recipe: any negative number):
    /// unlimited.
    #[serde(with = "top_db")]
    pub top_db: Option<f32>,
    /// Natural logarithms instead of decibels: `ln(power + log_offset)`, at least 1e-37. `ref`,
    /// `amin` and `top_db` then do not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_offset: Option<f32>,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_librosa(bands: &Bands) -> bool {
    *bands == Bands::Librosa
}

impl Default for MelSettings {
    fn default() -> Self {
        MelSettings {
            sr: 22_050,
            preemphasis: 0.0,
            n_fft: 1764,
            win_length: None,
            hop_length: 220,
            window: Window::Hann,
            periodic: true,
            center: true,
            pad_mode: PadMode::Constant,
            power: 2.0,
            n_mels: 64,
            fmin: 0.0,
            fmax: None,
            htk: false,
            bands: Bands::Librosa,
            norm: Norm::Slaney,
            r#ref: Reference::Power(1.0),
            amin: 1e-10,
            top_db: Some(80.0),
            log_offset: None,
        }
    }
}

/// TOML has no null, and a missing key means the default, so -1 means "off".
mod top_db {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<f32>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f32(value.unwrap_or(-1.0))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
        let value = Option::<f32>::deserialize(deserializer)?;
        Ok(value.filter(|top_db| *top_db >= 0.0 || top_db.is_nan()))
    }
}

impl MelSettings {
    /// Upper edge of the highest band, Hz.
    pub fn upper_edge(&self) -> f32 {
        self.fmax.unwrap_or(self.sr as f32 / 2.0)
    }

    /// Length of the window in samples.
    pub fn window_length(&self) -> usize {
        self.win_length.unwrap_or(self.n_fft)
    }

    /// The number of frames of a clip of `samples` samples, 0 if it is too short for one.
    ///
    /// ```
    /// use earmark_features::MelSettings;
    /// assert_eq!(MelSettings::default().frames(5 * 22_050), 502);
    /// ```
    pub fn frames(&self, samples: usize) -> usize {
        let samples = if self.preemphasis > 0.0 { samples.saturating_sub(1) } else { samples };
        let padded = if self.center { samples + self.n_fft / 2 * 2 } else { samples };
        if samples == 0 || padded < self.n_fft { 0 } else { 1 + (padded - self.n_fft) / self.hop_length.max(1) }
    }

    /// The number of samples of the shortest clip that has a frame.
    pub(crate) fn least_samples(&self) -> usize {
        (if self.center { 1 } else { self.n_fft }) + usize::from(self.preemphasis > 0.0)
    }

    /// Whether the logarithms depend on the clip's greatest power, so that none are final before
    /// the end of the clip.
    pub fn needs_greatest(&self) -> bool {
        self.log_offset.is_none() && (self.top_db.is_some() || self.r#ref == Reference::Max)
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`FeatureError::Setting`] names the first setting that is not, and what is allowed.
    pub fn validate(&self) -> Result<(), FeatureError> {
        check("sr", self.sr, (1_000..=768_000).contains(&self.sr), "1,000 to 768,000 Hz")?;
        let preemphasis = self.preemphasis;
        check("preemphasis", preemphasis, (0.0..1.0).contains(&preemphasis), "0 to below 1")?;
        check("n_fft", self.n_fft, (2..=65_536).contains(&self.n_fft), "2 to 65,536 samples")?;
        let length = self.window_length();
        check("win_length", length, (1..=self.n_fft).contains(&length), "1 sample to n_fft")?;
        check("hop_length", self.hop_length, (1..=65_536).contains(&self.hop_length), "1 to 65,536 samples")?;
        check("power", self.power, self.power > 0.0 && self.power <= 8.0, "above 0, at most 8")?;
        check("n_mels", self.n_mels, (1..=1_024).contains(&self.n_mels), "1 to 1,024")?;
        let (lower, upper) = (self.fmin, self.upper_edge());
        let half = self.sr as f32 / 2.0;
        check("fmax", upper, upper > 0.0 && upper <= half, "above 0, at most sr / 2")?;
        check("fmin", lower, lower >= 0.0 && lower < upper, "at least 0, below fmax")?;
        let kaldi = self.bands == Bands::Kaldi;
        check("htk", self.htk, self.htk || !kaldi, "true with bands = \"kaldi\"")?;
        let fits = !kaldi || self.norm == Norm::None;
        check("norm", format!("{:?}", self.norm), fits, "\"none\" with bands = \"kaldi\"")?;
        if let Norm::P(p) = self.norm {
            check("norm", p, (0.1..=100.0).contains(&p), "\"slaney\", \"none\" or 0.1 to 100")?;
        }
        if let Reference::Power(power) = self.r#ref {
            check("ref", power, power > 0.0 && power.is_finite(), "\"max\" or above 0")?;
        }
        check("amin", self.amin, self.amin >= 1e-37 && self.amin.is_finite(), "at least 1e-37")?;
        let offset = self.log_offset.unwrap_or(1.0);
        check("log_offset", offset, offset >= 1e-37 && offset.is_finite(), "at least 1e-37")?;
        let top_db = self.top_db.unwrap_or(0.0);
        check("top_db", top_db, (0.0..=1_000.0).contains(&top_db), "0 to 1,000 dB, or -1 for no limit")
    }
}

/// Checks that there are no more coefficients than mel bands. The limit may be the default of
/// `n_mels`, which the user did not write, so the error names it.
pub(crate) fn check_coefficients(n_mfcc: usize, mel: &MelSettings) -> Result<(), FeatureError> {
    let allowed = format!("1 to n_mels, which is {}", mel.n_mels);
    check("n_mfcc", n_mfcc, (1..=mel.n_mels).contains(&n_mfcc), &allowed)
}

/// Returns an error that names the key unless the value is in its range.
pub(crate) fn check(
    key: &'static str,
    value: impl std::fmt::Display,
    allowed: bool,
    range: &str,
) -> Result<(), FeatureError> {
    if allowed {
        return Ok(());
    }
    Err(FeatureError::Setting { key, value: value.to_string(), allowed: range.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_no_more_than_bands() {
        let mel = MelSettings { n_mels: 40, ..MelSettings::default() };
        assert!(check_coefficients(1, &mel).is_ok() && check_coefficients(40, &mel).is_ok());
        for wrong in [0, 41] {
            let error = check_coefficients(wrong, &mel).unwrap_err();
            assert!(matches!(error, FeatureError::Setting { key: "n_mfcc", .. }), "{error}");
        }
    }
}
