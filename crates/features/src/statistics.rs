//! Hand-crafted statistics of a clip for level 2: how each cepstral coefficient is distributed over time.

use serde::{Deserialize, Serialize};

use crate::extract::Spectrogram;
use crate::front_end::{mfcc_bands, mfcc_coefficients};
use crate::settings::check;
use crate::{FeatureError, MelSettings};

/// Settings of the statistics: which coefficients of which spectrogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct MfccStatistics {
    /// Coefficients, from 0.
    pub n_mfcc: usize,
    /// The spectrogram under them; 128 bands where nothing else is said.
    #[serde(flatten)]
    pub mel: MelSettings,
}

/// The form in a file, where keys may be missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "mfcc_coefficients")]
    n_mfcc: usize,
    #[serde(default = "mfcc_bands")]
    n_mels: usize,
    #[serde(flatten)]
    mel: MelSettings,
}

impl From<Written> for MfccStatistics {
    fn from(Written { n_mfcc, n_mels, mel }: Written) -> Self {
        MfccStatistics { n_mfcc, mel: MelSettings { n_mels, ..mel } }
    }
}

impl Default for MfccStatistics {
    fn default() -> Self {
        let mel = MelSettings { n_mels: mfcc_bands(), ..MelSettings::default() };
        MfccStatistics { n_mfcc: mfcc_coefficients(), mel }
    }
}

impl MfccStatistics {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`FeatureError::Setting`] names the first setting that is not, and what is allowed.
    pub fn validate(&self) -> Result<(), FeatureError> {
        self.mel.validate()?;
        check("n_mfcc", self.n_mfcc, (1..=self.mel.n_mels).contains(&self.n_mfcc), "1 to n_mels")
    }
}

/// Maximum, minimum, variance and skewness of each coefficient over the clip.
///
/// Variance and skewness are those of the population (`numpy.var`, `scipy.stats.skew` with `bias=True`); a constant
/// coefficient has skewness 0, where scipy says NaN.
///
/// # Shape
/// `samples`: `[N]` at `settings.mel.sr`, mono; out: `[4 * n_mfcc]`, all maxima, then minima, variances, skewnesses.
/// # Errors
/// A setting out of its range, no samples, a sample that is NaN or infinite.
///
/// ```
/// use earmark_features::{MfccStatistics, mfcc_statistics};
/// let silence = vec![0.0; 22_050];
/// let statistics = mfcc_statistics(&silence, &MfccStatistics::default())?;
/// assert_eq!(statistics.len(), 4 * 64);
/// assert_eq!(statistics[0], statistics[64]); // the greatest is the least
/// # Ok::<(), earmark_features::FeatureError>(())
/// ```
pub fn mfcc_statistics(samples: &[f32], settings: &MfccStatistics) -> Result<Vec<f32>, FeatureError> {
    settings.validate()?;
    let (mfcc, frames) = Spectrogram::new(&settings.mel, Some(settings.n_mfcc)).compute(samples)?;
    let mut out = vec![0.0; 4 * settings.n_mfcc];
    for (k, row) in mfcc.chunks_exact(frames).enumerate() {
        for (block, value) in describe(row).into_iter().enumerate() {
            out[block * settings.n_mfcc + k] = value as f32;
        }
    }
    Ok(out)
}

/// Names of the values of [`mfcc_statistics`], in their order.
///
/// ```
/// use earmark_features::{MfccStatistics, mfcc_statistics_names};
/// let names = mfcc_statistics_names(&MfccStatistics::default());
/// assert_eq!((names[0].as_str(), names[255].as_str()), ("mfcc_max_00", "mfcc_skew_63"));
/// ```
pub fn mfcc_statistics_names(settings: &MfccStatistics) -> Vec<String> {
    let blocks = ["max", "min", "var", "skew"];
    blocks.iter().flat_map(|block| (0..settings.n_mfcc).map(move |k| format!("mfcc_{block}_{k:02}"))).collect()
}

/// Maximum, minimum, variance, skewness.
fn describe(row: &[f64]) -> [f64; 4] {
    let n = row.len() as f64;
    let maximum = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let minimum = row.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = row.iter().sum::<f64>() / n;
    let moment = |power: i32| row.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
    let variance = moment(2);
    // What is left of a constant row is rounding.
    let constant = maximum - minimum <= 1e-9 * maximum.abs().max(minimum.abs()).max(1.0);
    let skewness = if constant { 0.0 } else { moment(3) / variance.powf(1.5) };
    [maximum, minimum, variance, skewness]
}
