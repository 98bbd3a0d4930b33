//! What can go wrong while tagging.

use std::path::PathBuf;

use earmark_audio::AudioError;
use earmark_features::FeatureError;
use earmark_files::FileError;

/// What can go wrong while tagging.
#[derive(Debug, thiserror::Error)]
pub enum TaggingError {
    /// A file of the bundle is missing, changed, or of another version.
    #[error("{} is not a usable bundle: {reason}", path.display())]
    Bundle {
        /// The bundle's folder, or the file in it.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// ONNX Runtime's library cannot be opened.
    #[error(
        "cannot load ONNX Runtime: {reason}\nfetch it by `cargo xtask setup`, name one by the variable ORT_DYLIB_PATH, or put libonnxruntime.so into a folder `lib` beside the program"
    )]
    Library {
        /// Each place that was tried, and what the system said.
        reason: String,
    },
    /// ONNX Runtime refuses a model or an input.
    #[error("ONNX Runtime cannot {action} {model}: {message}")]
    Runtime {
        /// What was tried, a verb.
        action: &'static str,
        /// The model's file name.
        model: String,
        /// ONNX Runtime's own words.
        message: String,
    },
    /// A clip cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A clip gives no features.
    #[error("{}: {source}", path.display())]
    Features {
        /// The clip's file.
        path: PathBuf,
        /// Why.
        source: FeatureError,
    },
    /// A clip cannot be brought to another sample rate.
    #[error("{}: {source}", path.display())]
    Resampling {
        /// The clip's file.
        path: PathBuf,
        /// Why.
        source: AudioError,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}
