//! Why a clip gave no features.

use std::path::{Path, PathBuf};

use earmark_audio::AudioError;
use earmark_features::FeatureError;
use earmark_files::FileError;

use crate::sound::{ImpossibleSample, LARGEST_SAMPLE};

/// Why a clip gave no features, in words that name the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The sound file is damaged, of no known kind, or cannot be read.
    #[error(transparent)]
    Audio(AudioError),
    /// A sample is not finite, or so large that features of it would not be.
    #[error("{} has a sample of {value:e} at {seconds:.3} s; at most {LARGEST_SAMPLE:e} is possible", path.display())]
    Sample {
        /// The sound file.
        path: PathBuf,
        /// Where it stands, seconds.
        seconds: f64,
        /// The sample of the mono mix.
        value: f32,
    },
    /// The sound cannot be brought to a front end's sample rate.
    #[error("{}: {source}", path.display())]
    Resampling {
        /// The sound file.
        path: PathBuf,
        /// What is wrong.
        source: AudioError,
    },
    /// The sound gives no features.
    #[error("{}: {source}", path.display())]
    Features {
        /// The sound file.
        path: PathBuf,
        /// What is wrong.
        source: FeatureError,
    },
    /// A front end cannot be.
    #[error(transparent)]
    Settings(FeatureError),
    /// A file of the cache cannot be read or written, or a sound file not read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The sound file does not hold what it held when its SHA-256 was taken.
    #[error("{} has changed since it was looked at first", path.display())]
    Changed {
        /// The sound file.
        path: PathBuf,
    },
}

impl LoadError {
    /// The error for a sample that cannot be, of a file of this rate.
    pub(crate) fn sample(path: &Path, found: ImpossibleSample, rate: u32) -> Self {
        let ImpossibleSample { index, value } = found;
        LoadError::Sample { path: path.to_owned(), seconds: index as f64 / f64::from(rate.max(1)), value }
    }

    /// Whether the clip is at fault, so that a data set can go on without it; else it is the disk or a setting, and
    /// other clips will fail too.
    pub fn is_of_the_clip(&self) -> bool {
        match self {
            LoadError::Audio(error) => !matches!(error, AudioError::Io { .. }),
            LoadError::Sample { .. } | LoadError::Resampling { .. } | LoadError::Features { .. } => true,
            LoadError::Settings(_) | LoadError::File(_) | LoadError::Changed { .. } => false,
        }
    }
}
