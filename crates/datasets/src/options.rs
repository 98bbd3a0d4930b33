//! How a data set is read.

use std::path::PathBuf;

use regex::Regex;

/// How to read a data set, beyond what its layout says.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The fold of a training clip is what the first group of this expression, or else the whole of
    /// it, matches in the clip's name; it wins over a fold column. ESC-10 wants `^(\d)-`.
    pub folds_from: Option<Regex>,
    /// The group of a clip, read from its name in the same way; it wins over a column. ESC-10 wants
    /// `^\d-(\d+)-`.
    pub groups_from: Option<Regex>,
    /// Where the files of a CSV lie; beside the CSV if none. Only for a CSV file.
    pub audio_dir: Option<PathBuf>,
    /// The columns of a table, where they go by other names than the known ones.
    pub columns: Columns,
    /// A column and a value: only rows that have it are clips of the data set. `esc10` and `True`
    /// make ESC-10 out of ESC-50. A table of test clips without the column is taken whole.
    pub rows_where: Option<(String, String)>,
}

/// Names of columns. Those that are none are found by the names in use: `fname`, `filename`,
/// `file_name`, `slice_file_name`, `file`, `path`; `label`, `category`, `class`; `fold`; `group`,
/// `freesound_id`, `src_file`, `fsID`; `manually_verified`, `verified`.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// The file's name, or its path from the folder of the audio.
    pub name: Option<String>,
    /// The class.
    pub label: Option<String>,
    /// The fold.
    pub fold: Option<String>,
    /// What clips were cut from.
    pub group: Option<String>,
    /// Whether a person has checked the label: 1 or 0, true or false.
    pub verified: Option<String>,
}

impl Columns {
    /// Whether a column is named.
    pub(crate) fn any(&self) -> bool {
        [&self.name, &self.label, &self.fold, &self.group, &self.verified].into_iter().any(Option::is_some)
    }
}

/// The parts of a challenge's test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Its score was shown while the challenge ran.
    Public,
    /// Its score decided.
    Private,
}
