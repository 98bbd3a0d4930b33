//! Why a clip gave no features.

use std::path::PathBuf;

use earmark_audio::AudioError;
use earmark_features::FeatureError;
use earmark_files::FileError;

/// Why a clip gave no features, in words that name the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The sound file is damaged, of no known kind, or cannot be read.
    #[error(transparent)]
    Audio(AudioError),
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
    /// Whether the clip is at fault, so that a data set can go on without it; else it is the disk
    /// or a setting, and other clips will fail too.
    pub fn is_of_the_clip(&self) -> bool {
        match self {
            LoadError::Audio(error) => !matches!(error, AudioError::Io { .. }),
            LoadError::Resampling { .. } | LoadError::Features { .. } => true,
            LoadError::Settings(_) | LoadError::File(_) | LoadError::Changed { .. } => false,
        }
    }
}
