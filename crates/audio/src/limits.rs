//! What a file may hold.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::AudioError;

/// What a file may hold, so that no file takes unbounded time or memory. Each is found before or while decoding, never after.
///
/// ```
/// use earmark_audio::Limits;
/// let limits = Limits { max_seconds: 60.0, ..Limits::default() };
/// limits.validate()?;
/// # Ok::<(), earmark_audio::AudioError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest clip, seconds.
    pub max_seconds: f64,
    /// Lowest sample rate, Hz: to bring sound of a few hertz to an ordinary rate takes a gigabyte.
    pub min_sample_rate: u32,
    /// Highest sample rate, Hz.
    pub max_sample_rate: u32,
    /// Most channels.
    pub max_channels: usize,
    /// Largest decoded size: samples of the mono mix, of 4 bytes each. A stream holds fewer, but ends here all the same.
    pub max_samples: usize,
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
    /// Whether every limit is one.
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

    /// Whether a file of this rate, these channels and so many samples of the mono mix would be decoded: what [`crate::decode`]
    /// says of it.
    ///
    /// # Errors
    /// [`AudioError::Limit`] names the limit that `path` exceeds.
    ///
    /// ```
    /// use earmark_audio::Limits;
    /// let limits = Limits { max_seconds: 60.0, ..Limits::default() };
    /// let check = |seconds: u64| limits.check("clip.wav".as_ref(), 44_100, 2, seconds * 44_100);
    /// check(60)?;
    /// assert!(check(61).unwrap_err().to_string().contains("more than 60 seconds"));
    /// # Ok::<(), earmark_audio::AudioError>(())
    /// ```
    pub fn check(&self, path: &Path, sample_rate: u32, channels: usize, samples: u64) -> Result<(), AudioError> {
        self.check_form(path, sample_rate, channels)?;
        self.check_length(path, sample_rate, samples)
    }

    /// Whether a file of this rate and these channels may be decoded; a rate of 0 is one that is not known.
    pub(crate) fn check_form(&self, path: &Path, sample_rate: u32, channels: usize) -> Result<(), AudioError> {
        let beyond = |than, limit, unit| Err(AudioError::Limit { path: path.to_owned(), than, limit, unit });
        if sample_rate > self.max_sample_rate {
            return beyond("more", f64::from(self.max_sample_rate), "Hz");
        }
        if sample_rate != 0 && sample_rate < self.min_sample_rate {
            return beyond("less", f64::from(self.min_sample_rate), "Hz");
        }
        if channels > self.max_channels {
            return beyond("more", self.max_channels as f64, "channels");
        }
        Ok(())
    }

    /// Whether a clip may have this many samples.
    pub(crate) fn check_length(&self, path: &Path, sample_rate: u32, samples: u64) -> Result<(), AudioError> {
        let exceeded = |limit, unit| Err(AudioError::Limit { path: path.to_owned(), than: "more", limit, unit });
        if samples as f64 > self.max_seconds * f64::from(sample_rate) {
            return exceeded(self.max_seconds, "seconds");
        }
        if samples > self.max_samples as u64 {
            return exceeded(self.max_samples as f64, "samples");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_named() {
        let rows = [
            (Limits { max_seconds: 0.0, ..Limits::default() }, "max_seconds = 0 "),
            (Limits { max_seconds: f64::NAN, ..Limits::default() }, "max_seconds = NaN "),
            (Limits { max_seconds: f64::INFINITY, ..Limits::default() }, "max_seconds = inf "),
            (Limits { max_sample_rate: 0, ..Limits::default() }, "max_sample_rate = 0 "),
            (Limits { max_sample_rate: u32::MAX, ..Limits::default() }, "1,048,576 Hz"),
            (Limits { min_sample_rate: 0, ..Limits::default() }, "min_sample_rate = 0 "),
            (Limits { min_sample_rate: 9_000, max_sample_rate: 8_000, ..Limits::default() }, "min_sample_rate = 9000 "),
            (Limits { max_channels: 0, ..Limits::default() }, "max_channels = 0 "),
            (Limits { max_samples: 0, ..Limits::default() }, "max_samples = 0 "),
        ];
        assert!(Limits::default().validate().is_ok());
        for (limits, named) in rows {
            let error = limits.validate().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn limits_are_settings_with_defaults() {
        let read = |text: &str| toml::from_str::<Limits>(text);
        assert_eq!(read("").unwrap(), Limits::default());
        let limits = read("max_seconds = 60\nmin_sample_rate = 8_000").unwrap();
        assert_eq!(limits, Limits { max_seconds: 60.0, min_sample_rate: 8_000, ..Limits::default() });
        assert_eq!(read(&toml::to_string(&limits).unwrap()).unwrap(), limits);
        let error = read("max_length = 3").unwrap_err().to_string();
        assert!(error.contains("max_length"), "{error}");
    }
}
