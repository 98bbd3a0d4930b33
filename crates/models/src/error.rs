//! What can go wrong with a model.

use std::path::PathBuf;

use earmark_download::DownloadError;
use earmark_files::{FileError, did_you_mean};
use earmark_nets::{ExportError, ShapeError, UnknownVariant, WeightsError};
use earmark_tagging::{StoreError, TaggingError};

/// Why a model cannot be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No published model has this name.
    #[error("no model {name} is published; there are {}{}", known.join(", "), did_you_mean(name, known))]
    Unknown {
        /// The name.
        name: String,
        /// The published models.
        known: Vec<String>,
    },
    /// No network has this name.
    #[error(transparent)]
    Architecture(#[from] UnknownVariant),
    /// The features that a network was trained on are not known.
    #[error("the features that {arch} was trained on are not known; models can be of {}", known.join(", "))]
    NoFrontEnd {
        /// The network.
        arch: String,
        /// Networks with known features.
        known: Vec<String>,
    },
    /// The file has no weights, or those of another network.
    #[error("{}: {source}; are these weights of {arch}?", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The requested network.
        arch: String,
        /// The reason.
        source: Box<WeightsError>,
    },
    /// The weights fit no input of the network.
    #[error("{}: {source}", path.display())]
    Shape {
        /// The file of weights.
        path: PathBuf,
        /// The reason.
        source: ShapeError,
    },
    /// The list of classes cannot be used.
    #[error("{}: {reason}", path.display())]
    Labels {
        /// The list.
        path: PathBuf,
        /// The line and the reason.
        reason: String,
    },
    /// The list of classes has another length than the network's output.
    #[error("{} has {classes} classes, and {list} has {labels}; name the list that belongs to the weights by --labels",
        path.display())]
    Classes {
        /// The file of weights.
        path: PathBuf,
        /// Its classes.
        classes: usize,
        /// The list.
        list: String,
        /// The classes in it.
        labels: usize,
    },
    /// The weights cannot be fetched.
    #[error("{source}; or fetch {url} by other means, and `earmark model import FILE --arch {arch} --name {name}`")]
    Download {
        /// The address of the weights.
        url: String,
        /// The network.
        arch: String,
        /// The model.
        name: String,
        /// The reason.
        source: Box<DownloadError>,
    },
    /// No cache for downloads is known.
    #[error(transparent)]
    Cache(Box<DownloadError>),
    /// The network cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The bundle cannot be installed.
    #[error(transparent)]
    Bundle(#[from] TaggingError),
    /// The folder of models.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}
