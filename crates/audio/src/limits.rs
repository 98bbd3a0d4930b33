//! Limits on audio files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::AudioError;

/// Limits on audio files, so that no file takes unbounded time or memory. Each is checked before or
/// during decoding, never after.
///
/// ```
/// use earmark_audio::Limits;
/// let limits = Limits { max_seconds: 60.0, ..Limits::default() };
/// limits.validate()?;
/// # Ok::<(), earmark_audio::AudioError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Settings")]
pub struct Limits {
    /// Maximum length of a clip, seconds.
    pub max_seconds: f64,
    /// Minimum sample rate, Hz: resampling from a few hertz to a usual rate takes a gigabyte.
    pub min_sample_rate: u32,
    /// Maximum sample rate, Hz.
    pub max_sample_rate: u32,
    /// Maximum number of channels.
    pub max_channels: usize,
    /// Maximum decoded size: samples of the mono mix, 4 bytes each. A stream keeps fewer in memory,
    /// but has the same limit. If the settings omit it, it is derived from `max_seconds` by
    /// [`Limits::samples_of`].
    pub max_samples: usize,
}

/// The serialized limits, where `max_samples` is derived from `max_seconds` unless it is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    max_seconds: f64,
    min_sample_rate: u32,
    max_sample_rate: u32,
    max_channels: usize,
    max_samples: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        let Limits { max_seconds, min_sample_rate, max_sample_rate, max_channels, .. } = Limits::default();
        Settings { max_seconds, min_sample_rate, max_sample_rate, max_channels, max_samples: None }
    }
}

impl From<Settings> for Limits {
    fn from(settings: Settings) -> Self {
        let Settings { max_seconds, min_sample_rate, max_sample_rate, max_channels, max_samples } = settings;
        let max_samples = max_samples.unwrap_or_else(|| Limits::samples_of(max_seconds));
        Limits { max_seconds, min_sample_rate, max_sample_rate, max_channels, max_samples }
    }
}

/// One hour, 1 to 384 kHz, 32 channels, and 1 GiB of samples.
impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_seconds: 3600.0,
            min_sample_rate: 1_000,
            max_sample_rate: 384_000,
            max_channels: 32,
            max_samples: 1 << 28,
        }
    }
}

impl Limits {
    /// Checks that every limit is valid.
    ///
    /// # Errors
    /// [`AudioError::Setting`] names the first limit that is not in its range, and the range.
    pub fn validate(&self) -> Result<(), AudioError> {
        let (rate, channels, samples) = (self.max_sample_rate, self.max_channels, self.max_samples);
        let lowest = self.min_sample_rate;
        let seconds = self.max_seconds > 0.0 && self.max_seconds <= 1e6;
        let checks = [
            ("max_seconds", seconds, self.max_seconds.to_string(), "above 0, at most 1,000,000 seconds"),
            ("max_sample_rate", (1..=1 << 20).contains(&rate), rate.to_string(), "1 to 1,048,576 Hz"),
            ("min_sample_rate", (1..=rate).contains(&lowest), lowest.to_string(), "1 Hz to max_sample_rate"),
            ("max_channels", (1..=65_535).contains(&channels), channels.to_string(), "1 to 65,535"),
            ("max_samples", (1..=1 << 40).contains(&(samples as u64)), samples.to_string(), "1 to 2^40 samples"),
        ];
        match checks.into_iter().find(|(_, fine, ..)| !fine) {
            Some((key, _, value, allowed)) => Err(AudioError::Setting { key, value, allowed }),
            None => Ok(()),
        }
    }

    /// The `max_samples` for a maximum length in seconds: those at 74 kHz, and at least the
    /// default.
    ///
    /// ```
    /// use earmark_audio::Limits;
    /// assert_eq!(Limits::samples_of(3600.0), Limits::default().max_samples);
    /// assert!(Limits::samples_of(10_800.0) > 10_800 * 48_000);
    /// ```
    pub fn samples_of(max_seconds: f64) -> usize {
        let Limits { max_seconds: usual, max_samples, .. } = Limits::default();
        // A cast saturates, and turns NaN into 0; values that are out of range are rejected with
        // `max_seconds`.
        ((max_seconds / usual * max_samples as f64) as usize).clamp(max_samples, 1 << 40)
    }

    /// Checks whether [`crate::decode`] would accept a file with this sample rate, number of
    /// channels and number of samples in the mono mix.
    ///
    /// # Errors
    /// [`AudioError::Limit`] names the limit that `path` exceeds.
    ///
    /// ```
    /// use earmark_audio::{AudioError, Limits};
    /// let limits = Limits { max_seconds: 60.0, ..Limits::default() };
    /// let check = |seconds: u64| limits.check("clip.wav".as_ref(), 44_100, 2, seconds * 44_100);
    /// check(60)?;
    /// assert!(matches!(check(61), Err(AudioError::Limit { key: "max_seconds", found: Some(61.0), .. })));
    /// # Ok::<(), earmark_audio::AudioError>(())
    /// ```
    pub fn check(&self, path: &Path, sample_rate: u32, channels: usize, samples: u64) -> Result<(), AudioError> {
        self.check_form(path, sample_rate, channels)?;
        self.check_length(path, sample_rate, samples, true)
    }

    /// Checks whether a file with this sample rate and number of channels may be decoded; a rate of
    /// 0 means unknown.
    pub(crate) fn check_form(&self, path: &Path, sample_rate: u32, channels: usize) -> Result<(), AudioError> {
        let rate = Some(f64::from(sample_rate));
        if sample_rate > self.max_sample_rate {
            return Err(limit(path, "max_sample_rate", f64::from(self.max_sample_rate), rate));
        }
        if sample_rate != 0 && sample_rate < self.min_sample_rate {
            return Err(limit(path, "min_sample_rate", f64::from(self.min_sample_rate), rate));
        }
        if channels > self.max_channels {
            return Err(limit(path, "max_channels", self.max_channels as f64, Some(channels as f64)));
        }
        Ok(())
    }

    /// Checks whether a clip may have this many samples, in total if `whole`, else decoded so far.
    pub(crate) fn check_length(&self, path: &Path, rate: u32, samples: u64, whole: bool) -> Result<(), AudioError> {
        let found = |value: f64| whole.then_some(value);
        let (count, rate) = (samples as f64, f64::from(rate));
        if count > self.max_seconds * rate {
            return Err(limit(path, "max_seconds", self.max_seconds, found(count / rate.max(1.0))));
        }
        if samples > self.max_samples as u64 {
            return Err(limit(path, "max_samples", self.max_samples as f64, found(count)));
        }
        Ok(())
    }
}

fn limit(path: &Path, key: &'static str, limit: f64, found: Option<f64>) -> AudioError {
    AudioError::Limit { path: path.to_owned(), key, limit, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_named() {
        let rows = [
            (Limits { max_seconds: 0.0, ..Limits::default() }, "max_seconds"),
            (Limits { max_seconds: f64::NAN, ..Limits::default() }, "max_seconds"),
            (Limits { max_seconds: f64::INFINITY, ..Limits::default() }, "max_seconds"),
            (Limits { max_sample_rate: 0, ..Limits::default() }, "max_sample_rate"),
            (Limits { max_sample_rate: u32::MAX, ..Limits::default() }, "max_sample_rate"),
            (Limits { min_sample_rate: 0, ..Limits::default() }, "min_sample_rate"),
            (Limits { min_sample_rate: 9_000, max_sample_rate: 8_000, ..Limits::default() }, "min_sample_rate"),
            (Limits { max_channels: 0, ..Limits::default() }, "max_channels"),
            (Limits { max_samples: 0, ..Limits::default() }, "max_samples"),
        ];
        assert!(Limits::default().validate().is_ok());
        for (limits, named) in rows {
            let error = limits.validate().unwrap_err();
            assert!(matches!(&error, AudioError::Setting { key, .. } if *key == named), "{error}");
        }
    }

    #[test]
    fn limits_are_settings_with_defaults() {
        let read = |text: &str| toml::from_str::<Limits>(text);
        assert_eq!(read("").unwrap(), Limits::default());
        let limits = read("max_seconds = 60\nmin_sample_rate = 8_000").unwrap();
        assert_eq!(limits, Limits { max_seconds: 60.0, min_sample_rate: 8_000, ..Limits::default() });
        let longer = read("max_seconds = 7200").unwrap();
        assert_eq!(longer.max_samples, 2 * Limits::default().max_samples, "one setting is enough");
        assert_eq!(read("max_seconds = 7200\nmax_samples = 9").unwrap().max_samples, 9);
        assert_eq!(read(&toml::to_string(&limits).unwrap()).unwrap(), limits);
        let error = read("max_length = 3").unwrap_err().to_string();
        assert!(error.contains("max_length"), "{error}");
    }
}
