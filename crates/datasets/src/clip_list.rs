//! The clips of a data set as its layout lists them.

use std::path::PathBuf;

use crate::error::{DatasetError, Location};
use crate::options::Usage;
use crate::task::Task;

/// A clip as its layout lists it, before names, labels and folds are validated.
pub(crate) struct ListedClip {
    pub name: String,
    pub path: PathBuf,
    /// None for a test clip whose labels are unknown.
    pub labels: Vec<String>,
    pub verified: bool,
    pub fold: Option<String>,
    pub group: Option<String>,
    pub usage: Option<Usage>,
    pub place: Location,
}

/// The clips of a layout.
#[derive(Default)]
pub(crate) struct ClipList {
    pub train: Vec<ListedClip>,
    pub test: Vec<ListedClip>,
    /// Audio files that the data set lists but does not use.
    pub excluded: Vec<PathBuf>,
    /// Folders without clips next to the class folders.
    pub ignored: Vec<PathBuf>,
    /// Errors of the rows that are specific to the layout.
    pub faults: Vec<DatasetError>,
    pub groups_span_folds: bool,
    pub task: Task,
}
