//! What can go wrong while tagging.

use std::path::PathBuf;

use earmark_audio::AudioError;
use earmark_features::FeatureError;
use earmark_files::FileError;

use crate::BundleFault;

/// What can go wrong while tagging.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaggingError {
    /// A file of the bundle is missing, changed, or of another version.
    #[error("{} is not a usable bundle: {fault}", path.display())]
    Bundle {
        /// The bundle's folder, or the file in it.
        path: PathBuf,
        /// What is wrong.
        fault: BundleFault,
    },
    /// A model has another input or output than its bundle describes.
    #[error("{model} does not fit its description: {tensor} is {found}, and {needed} is needed")]
    Shape {
        /// The model's file name.
        model: String,
        /// Which input or output.
        tensor: String,
        /// Its shape; `?` stands for a free side.
        found: String,
        /// The shape that the description asks for.
        needed: String,
    },
    /// ONNX Runtime's library cannot be opened.
    #[error(
        "cannot load ONNX Runtime: {reason}\nfetch it by `cargo xtask setup`, name one by the variable ORT_DYLIB_PATH, \
         or put libonnxruntime.so into a folder `lib` beside the program"
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
    /// A clip whose features would be too large: the front end's frames are too close for its
    /// length.
    #[error("{}: its features would have {values} values, and {most} are possible; tag it in parts", path.display())]
    TooLarge {
        /// The clip's file.
        path: PathBuf,
        /// How many values, deltas included.
        values: u64,
        /// The most.
        most: u64,
    },
    /// A clip cannot be brought to another sample rate.
    #[error("{}: {source}", path.display())]
    Resampling {
        /// The clip's file.
        path: PathBuf,
        /// Why.
        source: AudioError,
    },
    /// A clip for which a model gives no numbers: an overflow of its scaling or in its weights.
    #[error("{}: {what} of {model} are NaN or infinite", path.display())]
    NotFinite {
        /// The clip's file.
        path: PathBuf,
        /// `the scaled features`, `the logits` or `the probabilities`.
        what: &'static str,
        /// The model's file name.
        model: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl TaggingError {
    pub(crate) fn bundle(path: impl Into<PathBuf>, fault: impl Into<BundleFault>) -> Self {
        TaggingError::Bundle { path: path.into(), fault: fault.into() }
    }
}
