//! Hand-crafted statistics of a clip for level 2: how each cepstral coefficient is distributed over
//! time.

use serde::{Deserialize, Serialize};

use crate::front_end::{mfcc_bands, mfcc_coefficients};
use crate::moments::{Described, Moments};
use crate::powers::Powers;
use crate::settings::{check, check_coefficients};
use crate::spectrogram::Spectrogram;
use crate::{FeatureError, MelSettings};

/// One number that describes how a coefficient is distributed over the clip's frames.
///
/// Variance, deviation, skewness and kurtosis are those of the population (`numpy.var`,
/// `numpy.std`, `scipy.stats.skew` and `scipy.stats.kurtosis` with their defaults). A coefficient
/// that varies by less than 1e-5 has skewness and kurtosis 0: librosa's 32-bit numbers are not more
/// precise, and for a constant coefficient scipy returns NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistic {
    /// Maximum.
    Max,
    /// Minimum.
    Min,
    /// Variance.
    Var,
    /// Skewness.
    Skew,
    /// Mean.
    Mean,
    /// Standard deviation.
    Std,
    /// Excess kurtosis (Fisher's definition).
    Kurtosis,
}

impl Statistic {
    const ALL: [Statistic; 7] = {
        use Statistic::{Kurtosis, Max, Mean, Min, Skew, Std, Var};
        [Max, Min, Var, Skew, Mean, Std, Kurtosis]
    };

    /// Its name in recipes and in table columns.
    pub fn name(self) -> &'static str {
        match self {
            Statistic::Max => "max",
            Statistic::Min => "min",
            Statistic::Var => "var",
            Statistic::Skew => "skew",
            Statistic::Mean => "mean",
            Statistic::Std => "std",
            Statistic::Kurtosis => "kurtosis",
        }
    }

    fn of(self, column: &Described) -> f64 {
        match self {
            Statistic::Max => column.maximum,
            Statistic::Min => column.minimum,
            Statistic::Var => column.variance,
            Statistic::Skew => column.skewness,
            Statistic::Mean => column.mean,
            Statistic::Std => column.variance.sqrt(),
            Statistic::Kurtosis => column.kurtosis,
        }
    }
}

/// A selection of statistics: a named set, or a list of names.
///
/// ```
/// use earmark_features::{Statistic, StatisticSet};
/// let list: StatisticSet = serde_json::from_str(r#"["max", "std"]"#)?;
/// assert_eq!(list.statistics(), [Statistic::Max, Statistic::Std]);
/// assert_eq!(StatisticSet::Paper.statistics().len(), 4);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "lowercase",
    expecting = "expected \"paper\", \"moments\", \"all\" or a list of max, min, var, skew, mean, std, kurtosis"
)]
pub enum StatisticSet {
    /// Maximum, minimum, variance, skewness: those of the reference system.
    Paper,
    /// Mean, standard deviation, skewness, kurtosis.
    Moments,
    /// All statistics: those of the paper first, then mean, standard deviation, kurtosis.
    All,
    /// These, in this order.
    #[serde(untagged)]
    List(Vec<Statistic>),
}

impl StatisticSet {
    /// The statistics of the set, in their order.
    pub fn statistics(&self) -> &[Statistic] {
        const MOMENTS: [Statistic; 4] = [Statistic::Mean, Statistic::Std, Statistic::Skew, Statistic::Kurtosis];
        match self {
            StatisticSet::Paper => &Statistic::ALL[..4],
            StatisticSet::Moments => &MOMENTS,
            StatisticSet::All => &Statistic::ALL,
            StatisticSet::List(list) => list,
        }
    }
}

/// Settings of the statistics: which coefficients of which spectrogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "StatisticsFormat")]
pub struct MfccStatistics {
    /// Coefficients, from 0.
    pub n_mfcc: usize,
    /// The statistics of each coefficient.
    pub set: StatisticSet,
    /// The spectrogram they are computed from; 128 bands by default.
    #[serde(flatten)]
    pub mel: MelSettings,
}

/// The serialized form, where keys may be missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsFormat {
    #[serde(default = "mfcc_coefficients")]
    n_mfcc: usize,
    #[serde(default = "paper")]
    set: StatisticSet,
    #[serde(default = "mfcc_bands")]
    n_mels: usize,
    #[serde(flatten)]
    mel: MelSettings,
}

fn paper() -> StatisticSet {
    StatisticSet::Paper
}

impl From<StatisticsFormat> for MfccStatistics {
    fn from(StatisticsFormat { n_mfcc, set, n_mels, mel }: StatisticsFormat) -> Self {
        MfccStatistics { n_mfcc, set, mel: MelSettings { n_mels, ..mel } }
    }
}

impl Default for MfccStatistics {
    fn default() -> Self {
        let mel = MelSettings { n_mels: mfcc_bands(), ..MelSettings::default() };
        MfccStatistics { n_mfcc: mfcc_coefficients(), set: paper(), mel }
    }
}

impl MfccStatistics {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`FeatureError::Setting`] names the first setting that is not, and what is allowed.
    pub fn validate(&self) -> Result<(), FeatureError> {
        self.mel.validate()?;
        check_coefficients(self.n_mfcc, &self.mel)?;
        let set = self.set.statistics();
        let once = !set.is_empty() && set.iter().enumerate().all(|(at, statistic)| !set[..at].contains(statistic));
        let names: Vec<&str> = set.iter().map(|statistic| statistic.name()).collect();
        check("set", format!("[{}]", names.join(", ")), once, "each statistic at most once, and at least one")
    }

    /// Creates the extractor of the statistics. It plans the Fourier transform and builds the mel
    /// filter bank, so create it once and reuse it.
    ///
    /// # Errors
    /// As [`MfccStatistics::validate`].
    pub fn extractor(&self) -> Result<StatisticsExtractor, FeatureError> {
        self.validate()?;
        let spectrogram = Spectrogram::new(&self.mel, Some(self.n_mfcc));
        Ok(StatisticsExtractor { spectrogram, set: self.set.clone() })
    }
}

/// Computes the statistics of clips. Its plan and filters are built once and shared by threads.
pub struct StatisticsExtractor {
    spectrogram: Spectrogram,
    set: StatisticSet,
}

impl StatisticsExtractor {
    /// The statistics of a whole clip.
    ///
    /// # Shape
    /// `samples`: `[N]` at `mel.sr`, mono; out: `[statistics * n_mfcc]`: the first statistic of all
    /// coefficients, then the second, ...; [`mfcc_statistics_names`] has their names.
    /// # Errors
    /// No samples, a sample that is NaN or infinite, or, without centering, less than one frame.
    ///
    /// ```
    /// use earmark_features::{MfccStatistics, StatisticSet};
    /// let settings = MfccStatistics { set: StatisticSet::Moments, ..MfccStatistics::default() };
    /// let statistics = settings.extractor()?.extract(&[0.0; 22_050])?;
    /// assert_eq!(statistics.len(), 4 * 64);
    /// assert_eq!(statistics[64], 0.0); // silence never deviates
    /// # Ok::<(), earmark_features::FeatureError>(())
    /// ```
    pub fn extract(&self, samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
        let mut stream = self.stream();
        stream.push(samples)?;
        stream.finish()
    }

    /// The statistics of one clip whose samples arrive in pieces, bit-identical to those of
    /// [`StatisticsExtractor::extract`].
    ///
    /// With `top_db` it keeps 4 bytes per frame and band until the end, as [`crate::FeatureStream`]
    /// does.
    pub fn stream(&self) -> StatisticsStream<'_> {
        let n_mfcc = self.spectrogram.bins();
        StatisticsStream {
            powers: Powers::new(&self.spectrogram),
            set: &self.set,
            moments: Moments::new(n_mfcc),
            described: 0,
            bands: Vec::new(),
            frame: vec![0.0; n_mfcc],
        }
    }
}

/// Computes the statistics of one clip as its samples arrive.
pub struct StatisticsStream<'a> {
    powers: Powers<'a>,
    set: &'a StatisticSet,
    moments: Moments,
    /// Frames that were added to the moments.
    described: usize,
    bands: Vec<f64>,
    frame: Vec<f64>,
}

impl StatisticsStream<'_> {
    /// Pushes the clip's next samples, `[N]`, any number of them.
    ///
    /// # Errors
    /// A sample that is NaN or infinite.
    pub fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        self.powers.push(samples)?;
        if !self.powers.spectrogram().settings.needs_greatest() {
            self.describe();
        }
        Ok(())
    }

    /// Ends the clip, and returns the statistics like [`StatisticsExtractor::extract`].
    ///
    /// # Errors
    /// There were no samples, or, without centering, less than one frame.
    pub fn finish(mut self) -> Result<Vec<f32>, FeatureError> {
        self.powers.finish()?;
        self.describe();
        let columns: Vec<Described> = (0..self.frame.len()).map(|column| self.moments.column(column)).collect();
        let values = self.set.statistics().iter().flat_map(|statistic| columns.iter().map(|c| statistic.of(c) as f32));
        Ok(values.collect())
    }

    fn describe(&mut self) {
        let (spectrogram, scale) = (self.powers.spectrogram(), self.powers.scale());
        for t in self.described..self.powers.frames() {
            spectrogram.frame(self.powers.frame(t), &scale, &mut self.bands, &mut self.frame);
            self.moments.add(&self.frame);
        }
        self.described = self.powers.frames();
        self.powers.free(self.described, false);
    }
}

/// The statistics of one clip: [`MfccStatistics::extractor`] and [`StatisticsExtractor::extract`]
/// in one.
///
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
    settings.extractor()?.extract(samples)
}

/// Names of the statistics, in their order.
///
/// ```
/// use earmark_features::{MfccStatistics, mfcc_statistics_names};
/// let names = mfcc_statistics_names(&MfccStatistics::default());
/// assert_eq!((names[0].as_str(), names[255].as_str()), ("mfcc_max_00", "mfcc_skew_63"));
/// ```
pub fn mfcc_statistics_names(settings: &MfccStatistics) -> Vec<String> {
    let names = settings.set.statistics().iter().map(|statistic| statistic.name());
    names.flat_map(|name| (0..settings.n_mfcc).map(move |k| format!("mfcc_{name}_{k:02}"))).collect()
}
