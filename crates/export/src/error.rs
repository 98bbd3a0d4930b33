//! Why a bundle cannot become one file.

use earmark_audio::AudioError;
use earmark_files::did_you_mean;
use earmark_onnx::TooLarge;
use earmark_tagging::TaggingError;

/// Why a bundle cannot become one file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The bundle has no such learner.
    #[error("the bundle has no learner {name:?} (it has {}){}", known.join(", "), did_you_mean(name, known))]
    Learner {
        /// The name.
        name: String,
        /// The learners of the bundle.
        known: Vec<String>,
    },
    /// An ONNX file of the bundle cannot become a part of another one.
    #[error("{file} cannot become a part of one file: {reason}")]
    Network {
        /// The file in the bundle.
        file: String,
        /// The reason.
        reason: String,
    },
    /// One or more learners cannot become a part of one file.
    #[error("{source}. {}", instead(able))]
    Unable {
        /// What the first one of them has.
        source: Box<ExportError>,
        /// The learners that can be exported alone.
        able: Vec<String>,
    },
    /// The file would exceed ONNX's limit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// ONNX Runtime rejects the file, or cannot run it.
    #[error(transparent)]
    Tagging(#[from] TaggingError),
    /// A sound for the calibration cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// There is no sound to calibrate on.
    #[error("there is no sound to measure the loss on; name files or folders with sounds")]
    NoSounds,
}

fn instead(able: &[String]) -> String {
    match able {
        [] => "No learner of the bundle can be exported".to_owned(),
        able => format!("These learners can be exported alone with --learner: {}", able.join(", ")),
    }
}
