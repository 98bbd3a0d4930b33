//! Options for reading a data set.

use std::path::PathBuf;

use regex::Regex;

use crate::task::Task;

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
    /// The text between the labels of a clip in the label column, such as `,`. It makes the data
    /// set a [`Task::MultiLabel`](crate::Task); FSD50K and FSDKaggle2019 have `,` by default.
    pub label_separator: Option<String>,
    /// A column and a value: only rows with this value belong to the data set. `esc10` and `True`
    /// select ESC-10 from ESC-50. A table of test clips without the column is used completely.
    pub rows_where: Option<(String, String)>,
}

/// Names of columns. A column whose name is `None` is identified by the common names: `fname`,
/// `filename`, `file_name`, `slice_file_name`, `file`, `path`; `label`, `category`, `class` (with a
/// separator also `labels`); `fold`; `group`, `freesound_id`, `flickr_video_URL`, `src_file`,
/// `fsID`; `manually_verified`, `verified`.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// The file's name, or its path relative to the audio folder.
    pub name: Option<String>,
    /// The class, or several with [`OpenOptions::label_separator`] between them.
    pub label: Option<String>,
    /// One column per class instead, with 1 for the clips of the class and 0 for the others. It
    /// makes the data set a [`Task::MultiLabel`](crate::Task).
    pub one_hot: Vec<String>,
    /// The fold.
    pub fold: Option<String>,
    /// The group, such as the recording that clips were cut from.
    pub group: Option<String>,
    /// Whether a person has checked the label: 1 or 0, true or false.
    pub verified: Option<String>,
}

impl Columns {
    /// Whether any column is named.
    fn any(&self) -> bool {
        let one = [&self.name, &self.label, &self.fold, &self.group, &self.verified];
        one.into_iter().any(Option::is_some) || !self.one_hot.is_empty()
    }
}

impl OpenOptions {
    /// Whether anything is said about the columns of a table.
    pub(crate) fn of_a_table(&self) -> bool {
        self.columns.any() || self.rows_where.is_some() || self.label_separator.is_some()
    }

    /// Whether a clip of a table may have several labels.
    pub(crate) fn task(&self) -> Task {
        match self.label_separator.is_some() || !self.columns.one_hot.is_empty() {
            true => Task::MultiLabel,
            false => Task::SingleLabel,
        }
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
