//! Errors of recordings.

use std::path::PathBuf;

use earmark_audio::AudioError;
use earmark_files::FileError;

/// Why recordings cannot be written. The message names the file or setting, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingsError {
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A clip cannot be decoded or resampled.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A setting is out of its range.
    #[error("{key} is {value}, must be {wanted}")]
    Setting {
        /// The setting's name.
        key: &'static str,
        /// Its value.
        value: f64,
        /// The allowed values.
        wanted: &'static str,
    },
    /// The folder contains other files.
    #[error("{}: the folder is not empty and has no recordings of this command; nothing was written", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A clip of the data set may have several labels, and it is unknown when each of them sounds.
    #[error(
        "the clips of this data set may have several labels, and when each of them sounds is unknown; use a data set \
         with one label per clip"
    )]
    SeveralLabels,
    /// Folds are named, but the clips have none.
    #[error("the clips have no folds to choose from; name the folds by --folds-from or --fold-column, or choose none")]
    NoFolds,
    /// A fold that the data set does not have.
    #[error("there is no fold {fold}; the data set has the folds 0 to {last}, counted from 0")]
    NoSuchFold {
        /// The fold.
        fold: usize,
        /// The last fold.
        last: usize,
    },
    /// The data set has no test clips, or no clip of the chosen folds.
    #[error("the data set has no {set} clips to lay")]
    NoClips {
        /// `training` or `test`.
        set: &'static str,
    },
    /// A test clip whose label is unknown.
    #[error("the clip {name:?} has no label")]
    NoLabel {
        /// The clip's name.
        name: String,
    },
    /// A clip without sound, which cannot be laid.
    #[error("{} is silent; remove it from the data set", path.display())]
    Silent {
        /// The file.
        path: PathBuf,
    },
    /// A clip whose sound is longer than a recording.
    #[error(
        "{} has {sound:.2} s of sound, more than a recording of {recording} s; make the recordings longer (--seconds)",
        path.display()
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The length of its sound, seconds.
        sound: f64,
        /// The length of a recording, seconds.
        recording: f64,
    },
}
