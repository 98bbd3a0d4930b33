//! Errors of decoding and resampling.

use std::path::{Path, PathBuf};

use crate::fingerprint::{ImpossibleSample, LARGEST_SAMPLE};

/// Why a file could not be decoded or resampled; the message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The file is missing, a folder, or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file contains no known audio format.
    #[error("{} is not an audio file: {reason}", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The file is audio of a kind that is not supported.
    #[error("{} cannot be decoded: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported.
        reason: String,
    },
    /// The file is truncated or corrupted.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is missing, or what is wrong and where.
        reason: String,
    },
    /// The file is audio without any samples.
    #[error("{} has no samples", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file has fewer channels than the one asked for.
    #[error("{} has no channel {channel}: it has {channels}", path.display())]
    NoChannel {
        /// The file.
        path: PathBuf,
        /// The channel that was asked for, from 1 on.
        channel: usize,
        /// The number of its channels.
        channels: usize,
    },
    /// A sample is NaN or infinite.
    #[error("{} has a sample that is {value} at {seconds:.3} s", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Its time, seconds.
        seconds: f64,
        /// The sample.
        value: f32,
    },
    /// A sample is so large that features of it would not be finite.
    #[error("{} has a sample of {value:e} at {seconds:.3} s; at most {LARGEST_SAMPLE:e} is possible", path.display())]
    Sample {
        /// The file.
        path: PathBuf,
        /// Its time, seconds.
        seconds: f64,
        /// The sample of the mono mix.
        value: f32,
    },
    /// The file is beyond a limit of [`crate::Limits`].
    #[error("{} {}", path.display(), beyond(key, *limit, *found))]
    Limit {
        /// The file.
        path: PathBuf,
        /// The limit's name in [`crate::Limits`], such as `max_seconds`.
        key: &'static str,
        /// The limit, in the unit of its name: seconds, Hz, channels, samples.
        limit: f64,
        /// The value of the file, in the same unit, if its header contains it.
        found: Option<f64>,
    },
    /// A setting of [`crate::Limits`] is out of its range.
    #[error("{key} = {value} is out of range: {allowed}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Sample rates between which resampling is not possible, or samples outside the range of the
    /// transform.
    #[error("cannot resample from {from} to {to} Hz: {reason}")]
    Resample {
        /// Sample rate of the clip, Hz.
        from: u32,
        /// Requested sample rate, Hz.
        to: u32,
        /// What is wrong with the rates or the samples.
        reason: String,
    },
}

/// The description of a file that exceeds a limit.
fn beyond(key: &str, limit: f64, found: Option<f64>) -> String {
    let found = |text: fn(f64) -> String| found.map(f64::round).map_or(String::new(), text);
    match key {
        "max_seconds" => format!("is longer than {limit} s{}", found(|found| format!(" (about {found} s)"))),
        "max_samples" => format!("has more than {limit} samples{}", found(|found| format!(" ({found})"))),
        "max_channels" => format!("has more than {limit} channels{}", found(|found| format!(" ({found})"))),
        "min_sample_rate" => format!("has a sample rate below {limit} Hz{}", found(|found| format!(" ({found} Hz)"))),
        _ => format!("has a sample rate above {limit} Hz{}", found(|found| format!(" ({found} Hz)"))),
    }
}

impl AudioError {
    /// The error for a sample that is out of range, in a file with this sample rate.
    pub fn sample(path: &Path, found: ImpossibleSample, rate: u32) -> Self {
        let ImpossibleSample { index, value } = found;
        AudioError::Sample { path: path.to_owned(), seconds: index as f64 / f64::from(rate.max(1)), value }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        AudioError::Io { path: path.to_owned(), source }
    }

    pub(crate) fn unsupported(path: &Path, reason: impl Into<String>) -> Self {
        AudioError::Unsupported { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        AudioError::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn truncated(path: &Path, announced: u64, decoded: u64) -> Self {
        let reason = format!("the header announces {announced} frames, {decoded} could be decoded");
        AudioError::damaged(path, reason)
    }
}
