//! The clips of a data set as its layout names them.

use std::path::PathBuf;

use crate::error::{DatasetError, Location};
use crate::options::Usage;

/// A clip as a layout names it, before names, labels and folds are checked against each other.
pub(crate) struct Row {
    pub name: String,
    pub path: PathBuf,
    pub label: Option<String>,
    pub verified: bool,
    pub fold: Option<String>,
    pub group: Option<String>,
    pub usage: Option<Usage>,
    pub place: Location,
}

/// The clips of a layout.
#[derive(Default)]
pub(crate) struct Rows {
    pub train: Vec<Row>,
    pub test: Vec<Row>,
    /// Audio that the data set knows and does not use.
    pub excluded: Vec<PathBuf>,
    /// Folders in the place of a class folder that have no clip.
    pub ignored: Vec<PathBuf>,
    /// What is wrong with the rows, beside what is checked of them all.
    pub faults: Vec<DatasetError>,
    pub groups_span_folds: bool,
}
