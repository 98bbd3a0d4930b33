//! Why a clip has no features.

use std::path::PathBuf;

use earmark_audio::AudioError;
use earmark_features::FeatureError;
use earmark_files::FileError;

/// Why a clip has no features; the message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The sound file is damaged, has an unknown format, or cannot be read.
    #[error(transparent)]
    Audio(AudioError),
    /// The sound cannot be resampled to a front end's sample rate.
    #[error("{}: {source}", path.display())]
    Resampling {
        /// The sound file.
        path: PathBuf,
        /// What is wrong.
        source: AudioError,
    },
    /// No features can be computed from the sound.
    #[error("{}: {source}", path.display())]
    Features {
        /// The sound file.
        path: PathBuf,
        /// What is wrong.
        source: FeatureError,
    },
    /// The settings of a front end are invalid.
    #[error(transparent)]
    Settings(FeatureError),
    /// A cache file cannot be read or written, or a sound file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The sound file has changed since its SHA-256 was computed.
    #[error("{} has changed since it was first read", path.display())]
    Changed {
        /// The sound file.
        path: PathBuf,
    },
}

impl LoadError {
    /// Whether the clip caused the error, so that a data set can continue without it. If not, the
    /// cause is the disk or a setting, and other clips will fail too.
    pub fn is_of_the_clip(&self) -> bool {
        match self {
            LoadError::Audio(error) => !matches!(error, AudioError::Io { .. }),
            LoadError::Resampling { .. } | LoadError::Features { .. } => true,
            LoadError::Settings(_) | LoadError::File(_) | LoadError::Changed { .. } => false,
        }
    }
}
