//! Options for reading a data set.

use std::path::PathBuf;

use regex::Regex;

/// Options for reading a data set, in addition to its layout.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The fold of a training clip is the match of the first group of this expression, or else of
    /// the whole expression, in the clip's name. It takes precedence over a fold column. For
    /// ESC-10, use `^(\d)-`.
    pub folds_from: Option<Regex>,
    /// The group of a clip, parsed from its name in the same way. It takes precedence over a group
    /// column. For ESC-10, use `^\d-(\d+)-`.
    pub groups_from: Option<Regex>,
    /// The folder of the files of a CSV file; by default the folder of the CSV file. Only for a CSV
    /// file.
    pub audio_dir: Option<PathBuf>,
    /// The columns of a table, if their names differ from the known ones.
    pub columns: Columns,
    /// A column and a value: only rows with this value belong to the data set. `esc10` and `True`
    /// select ESC-10 from ESC-50. A table of test clips without the column is used completely.
    pub rows_where: Option<(String, String)>,
}

/// Names of columns. A column whose name is `None` is identified by the common names: `fname`,
/// `filename`, `file_name`, `slice_file_name`, `file`, `path`; `label`, `category`, `class`;
/// `fold`; `group`, `freesound_id`, `src_file`, `fsID`; `manually_verified`, `verified`.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// The file's name, or its path relative to the audio folder.
    pub name: Option<String>,
    /// The class.
    pub label: Option<String>,
    /// The fold.
    pub fold: Option<String>,
    /// The group, such as the recording that clips were cut from.
    pub group: Option<String>,
    /// Whether a person has checked the label: 1 or 0, true or false.
    pub verified: Option<String>,
}

impl Columns {
    /// Whether any column is named.
    pub(crate) fn any(&self) -> bool {
        [&self.name, &self.label, &self.fold, &self.group, &self.verified].into_iter().any(Option::is_some)
    }
}

/// The parts of a challenge's test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// The part whose score was shown during the challenge.
    Public,
    /// The part whose score decided the challenge.
    Private,
}
