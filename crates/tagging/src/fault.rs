//! Faults of a bundle.

use earmark_features::{FeatureError, Layers};

use crate::names::SUMS;

/// A fault of a bundle, or of the file in it that the error names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleFault {
    /// The folder does not exist.
    #[error("it does not exist; a bundle is the folder RUN/bundle of a finished run")]
    Missing,
    /// The folder is not a finished bundle.
    #[error("it has no {SUMS}; a bundle is the folder RUN/bundle of a finished run")]
    Unfinished,
    /// A file that the checksum file lists is missing.
    #[error("it is missing, and {SUMS} lists it; get the bundle again from its source")]
    Lost,
    /// A pipe, a device, a folder, or a link that points out of the bundle's folder.
    #[error("it is not a regular file inside the bundle's folder")]
    NotRegular,
    /// A file, or all files together, exceed the size limit, which no bundle written by Earmark
    /// does.
    #[error("it has {bytes} bytes{of_all}, and at most {most} are read", of_all = total_of(*total))]
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        most: u64,
        /// Whether the size is that of all files of the bundle together.
        total: bool,
    },
    /// A line of the checksum file has the wrong format.
    #[error("line {line} is not a SHA-256 in 64 lower-case digits, two spaces and a file's name")]
    Line {
        /// The line number, from 1.
        line: usize,
    },
    /// A file name that points out of the folder or has control characters.
    #[error("{name:?} is not the name of a file in this folder")]
    Name {
        /// The name.
        name: String,
    },
    /// The bytes differ from what was written.
    #[error("damaged or changed: its SHA-256 is not the one in {SUMS}; get the bundle again from its source")]
    Checksum,
    /// A model's file is not ONNX.
    #[error("it is not an ONNX model")]
    NotOnnx,
    /// A model's weights are in another file.
    #[error("its weights are in another file; an ONNX file of a bundle contains all of its weights")]
    ExternalData,
    /// A model uses operators outside the ONNX standard.
    #[error("it uses operators of the domain {domain:?}; only those of ONNX are run: `ai.onnx` and `ai.onnx.ml`")]
    Operators {
        /// Their domain.
        domain: String,
    },
    /// The checksum file does not list a file that the bundle needs.
    #[error("the file {name:?} is needed, and {SUMS} does not list it")]
    Unlisted {
        /// The file's name.
        name: String,
    },
    /// The bundle does not have the requested embedding.
    #[error("{}", embeddings(names))]
    Embedding {
        /// The embeddings that it has.
        names: Vec<String>,
    },
    /// The bundle has embeddings, but none of the requested layers.
    #[error("it has no embedding of {}", without(*layers, names))]
    Layers {
        /// The requested layers.
        layers: Layers,
        /// The embeddings that it has.
        names: Vec<String>,
    },
    /// Invalid JSON, an unknown key, a missing key, or a value of the wrong type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A format from before format 1.
    #[error("it was written by a development version; run `earmark stack RUN` to write it again")]
    Development,
    /// A newer format than this program supports.
    #[error(
        "its format is {format}, and this program reads formats 1 and 2; update Earmark to at least version {earmark}"
    )]
    Newer {
        /// The bundle's format.
        format: u64,
        /// The version of Earmark that wrote it.
        earmark: String,
    },
    /// Too few or too many items.
    #[error("{count} {what}; {least} to {most} are allowed")]
    Count {
        /// The items, in the plural: `labels`, `learners`, ...
        what: &'static str,
        /// The number of items.
        count: usize,
        /// The minimum.
        least: usize,
        /// The maximum.
        most: usize,
    },
    /// An item that must be unique is duplicated.
    #[error("the {what} {name:?} is duplicated")]
    Twice {
        /// `label`, `learner` or `file`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A label or a learner's name that is empty or has control characters.
    #[error("the {what} {name:?} is empty or has control characters")]
    Text {
        /// `label` or `learner`.
        what: &'static str,
        /// The text.
        name: String,
    },
    /// A value is out of range.
    #[error("{key} = {value} is out of range: {allowed}")]
    Setting {
        /// The key, with the learner that it belongs to.
        key: String,
        /// The value.
        value: String,
        /// The allowed range.
        allowed: String,
    },
    /// A setting of a front end is out of range.
    #[error("{of}: {source}")]
    FrontEnd {
        /// The learner, or `statistics`.
        of: String,
        /// The setting, and its allowed range.
        source: FeatureError,
    },
}

fn total_of(total: bool) -> &'static str {
    if total { " of files" } else { "" }
}

fn without(layers: Layers, names: &[String]) -> String {
    let has = names.join(", ");
    match layers {
        Layers::Last => format!("the last layer, but {has}; ask for the layers `stages`"),
        Layers::Stages => {
            format!("stages, but {has}; if it is an installed model, remove it, and pull or import it again")
        }
    }
}

fn embeddings(names: &[String]) -> String {
    match names.is_empty() {
        true => "it has no embedding: a model of `earmark model list` does".to_owned(),
        false => format!("it has the embeddings {}; name one of them", names.join(", ")),
    }
}
