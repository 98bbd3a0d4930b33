//! What can go wrong while tagging.

use std::path::PathBuf;

use earmark_audio::AudioError;
use earmark_features::FeatureError;
use earmark_files::{FileError, did_you_mean};

use crate::BundleFault;
use crate::names::MODELS;

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
    /// The input or output of a model differs from the bundle's description.
    #[error(
        "{model} does not fit its description: {tensor} is {found}, and {needed} is needed; get the bundle again from \
         its source, or write it again by `earmark stack RUN`"
    )]
    Shape {
        /// The model's file name.
        model: String,
        /// Which input or output.
        tensor: String,
        /// Its shape; `?` stands for a variable dimension.
        found: String,
        /// The shape that the description requires.
        needed: String,
    },
    /// ONNX Runtime's library cannot be loaded.
    #[error(
        "cannot load ONNX Runtime: {reason}\nfetch it by `cargo xtask setup`, name one by the variable ORT_DYLIB_PATH, \
         or put libonnxruntime.so into a folder `lib` beside the program"
    )]
    Library {
        /// Each path that was tried, and the system's error.
        reason: String,
    },
    /// ONNX Runtime rejects a model or an input.
    #[error("ONNX Runtime cannot {action} {model}: {message}")]
    Runtime {
        /// The failed action, a verb.
        action: &'static str,
        /// The model's file name.
        model: String,
        /// ONNX Runtime's message.
        message: String,
    },
    /// A clip cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// No features can be computed from a clip.
    #[error("{}: {source}", path.display())]
    Features {
        /// The clip's file.
        path: PathBuf,
        /// The reason.
        source: FeatureError,
    },
    /// The features of a clip would be too large: the hop of the front end is too short for the
    /// clip's length.
    #[error("{}: its features would have {values} values, and {most} are possible; tag it in parts", path.display())]
    TooLarge {
        /// The clip's file.
        path: PathBuf,
        /// The number of values, including deltas.
        values: u64,
        /// The maximum.
        most: u64,
    },
    /// A setting of a timeline or of events is out of its range.
    #[error("{key} = {value}: {allowed} is possible")]
    Timeline {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: f64,
        /// The possible values.
        allowed: String,
    },
    /// A clip cannot be resampled.
    #[error("{}: {source}", path.display())]
    Resampling {
        /// The clip's file.
        path: PathBuf,
        /// The reason.
        source: AudioError,
    },
    /// The output of a model for a clip is NaN or infinite: its scaling or the computation
    /// overflows.
    #[error("{}: {what} of {model} are NaN or infinite", path.display())]
    NotFinite {
        /// The clip's file.
        path: PathBuf,
        /// `the scaled features`, `the outputs` or `the probabilities`.
        what: &'static str,
        /// The model's file name.
        model: String,
    },
    /// An installed model cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl TaggingError {
    /// The error with the bundle's folder before the name of a file in it.
    pub(crate) fn of_bundle(self, folder: &std::path::Path) -> Self {
        match self {
            TaggingError::Bundle { path, fault } => TaggingError::Bundle { path: folder.join(path), fault },
            other => other,
        }
    }

    pub(crate) fn bundle(path: impl Into<PathBuf>, fault: impl Into<BundleFault>) -> Self {
        TaggingError::Bundle { path: path.into(), fault: fault.into() }
    }
}

/// Why an installed model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No variable names the folder, and the user has no home folder.
    #[error("no folder for models is known: set {MODELS}")]
    NoFolder,
    /// A name that is no file name.
    #[error("{name:?} is not the name of a model: letters, digits, dots, dashes and underscores")]
    Name {
        /// The name.
        name: String,
    },
    /// There is no such model.
    #[error(
        "no model {name} is installed in {}{}; `earmark model list` names the published ones, and `earmark model pull` \
         fetches one{}",
        folder.display(),
        listed(known),
        did_you_mean(name, known)
    )]
    Unknown {
        /// The name.
        name: String,
        /// The folder of models.
        folder: PathBuf,
        /// The installed models.
        known: Vec<String>,
    },
    /// No model is installed, or none is chosen.
    #[error(
        "no model is chosen: `earmark model pull mn04_as` fetches one that knows the 527 classes of AudioSet (4 MB), \
         `earmark model use NAME` chooses an installed one, and --model names any bundle"
    )]
    NoDefault,
    /// The model's folder is incomplete or damaged.
    #[error("the model {name} is damaged: {source}; `earmark model remove {name}`, then pull or import it again")]
    Damaged {
        /// Its name.
        name: String,
        /// What is wrong.
        source: Box<TaggingError>,
    },
    /// The model cannot be checked here.
    #[error("the model {name} cannot be checked: {source}")]
    Unchecked {
        /// Its name.
        name: String,
        /// The reason.
        source: Box<TaggingError>,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(" (there are {})", known.join(", ")) }
}
