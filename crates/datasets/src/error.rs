//! What can be wrong with a data set, in words that name the file, the line and the reason.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where something stands: a line of a file, or a file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// Its line, counted from 1; none where the file itself is meant.
    pub line: Option<u64>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}", printable(&self.path)),
            None => write!(f, "{}", printable(&self.path)),
        }
    }
}

/// A path in one line: control characters, which would move a terminal's cursor, are escaped.
fn printable(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.chars().fold(String::new(), |mut text, letter| {
        match letter.is_control() {
            true => text.extend(letter.escape_default()),
            false => text.push(letter),
        }
        text
    })
}

/// Why a data set cannot be read, split or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file or folder that cannot be read or written.
    #[error(transparent)]
    File(#[from] earmark_files::FileError),
    /// Nothing stands at the path.
    #[error("{}: there is no such file or folder", printable(path))]
    NotFound {
        /// The path that was given.
        path: PathBuf,
    },
    /// A folder in which no layout is recognised.
    #[error(
        "{}: no data set is recognised here; wanted train.csv, FSDKaggle2018.meta/, meta/esc50.csv, \
         metadata/UrbanSound8K.csv, metadata.csv, metadata.jsonl, or one folder of clips per class",
        printable(path)
    )]
    UnknownLayout {
        /// The folder.
        path: PathBuf,
    },
    /// An audio folder was given for a data set that says itself where its audio lies.
    #[error("{}: an audio folder is given, but that goes only with a CSV file, and this is a folder", printable(path))]
    AudioDirUnused {
        /// The data set's folder.
        path: PathBuf,
    },
    /// Columns were named for a data set of class folders.
    #[error(
        "{}: columns or their values are named, but this data set has no table, only class folders",
        printable(path)
    )]
    NoTable {
        /// The data set's folder.
        path: PathBuf,
    },
    /// A table (CSV or JSON lines) whose text is damaged.
    #[error("{place}: {reason}")]
    Table {
        /// File and line.
        place: Location,
        /// What is wrong with it.
        reason: String,
    },
    /// A column that must be there is not.
    #[error("{place}: no column {wanted}; the columns are {}", found.join(", "))]
    MissingColumn {
        /// File and line of the header.
        place: Location,
        /// The name, or the names of which one must be there.
        wanted: String,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A value that cannot be what its column says.
    #[error("{place}: {column} is {value:?}, must be {wanted}")]
    BadValue {
        /// File and line.
        place: Location,
        /// The column's name.
        column: String,
        /// The value.
        value: String,
        /// What it must be.
        wanted: String,
    },
    /// A name, label or fold that is empty.
    #[error("{place}: {column} is empty")]
    Empty {
        /// File and line.
        place: Location,
        /// The column's name.
        column: String,
    },
    /// A label that no training clip has.
    #[error("{place}: label {label:?} is unknown: no training clip has it")]
    UnknownLabel {
        /// File and line of the first such label.
        place: Location,
        /// The label.
        label: String,
    },
    /// A label that cannot name a class.
    #[error("{place}: the label {label:?} {fault}")]
    Label {
        /// Where it stands first.
        place: Location,
        /// The label.
        label: String,
        /// Why it cannot.
        fault: LabelFault,
    },
    /// Labels that people would take for one.
    #[error("the labels {} differ only in case or spaces", quoted(labels))]
    SimilarLabels {
        /// The labels, sorted.
        labels: Vec<String>,
    },
    /// Two folders that would be one class without a word.
    #[error(
        "{} and {} both name the class {label:?}; move their clips into one folder, or rename one",
        printable(first),
        printable(second)
    )]
    FoldersOfOneClass {
        /// The class.
        label: String,
        /// The one folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Two clips with one name.
    #[error("{second}: the name {name:?} was used before, at {first}; a clip's name must be its own")]
    DuplicateName {
        /// The name.
        name: String,
        /// Where it stands first.
        first: Location,
        /// Where it stands again.
        second: Location,
    },
    /// Audio files that are named but not there, all of them.
    #[error("{}", missing_files(paths))]
    MissingFiles {
        /// Every missing file, in the order in which the data set names them.
        paths: Vec<PathBuf>,
    },
    /// A data set without a training clip.
    #[error("{}: no training clips", printable(path))]
    NoClips {
        /// The data set.
        path: PathBuf,
    },
    /// A data set with one class only.
    #[error("{}: all training clips have the one label {label:?}; at least two classes are needed", printable(path))]
    OneClass {
        /// The data set.
        path: PathBuf,
        /// The label.
        label: String,
    },
    /// A clip from whose name no fold can be read.
    #[error("{place}: the name {name:?} gives no fold: `{pattern}` does not match it")]
    NoFoldInName {
        /// Where the clip stands.
        place: Location,
        /// Its name.
        name: String,
        /// The regular expression.
        pattern: String,
    },
    /// A clip from whose name no group can be read.
    #[error("{place}: the name {name:?} gives no group: `{pattern}` does not match it")]
    NoGroupInName {
        /// Where the clip stands.
        place: Location,
        /// Its name.
        name: String,
        /// The regular expression.
        pattern: String,
    },
    /// The data set gives folds, and some training clips have none.
    #[error("{}; give every clip a fold, or none so that folds are drawn", without_fold(name, *clips))]
    NoFold {
        /// The first such clip's name.
        name: String,
        /// How many there are.
        clips: usize,
    },
    /// The given folds tear a group apart.
    #[error("clips of the group {group:?} lie in different folds, {name:?} among them, so scores would be too high")]
    GroupInTwoFolds {
        /// The group, such as a recording that clips were cut from.
        group: String,
        /// One of its clips.
        name: String,
    },
    /// A training clip without a label.
    #[error("the training clip {name:?} has no label")]
    NoLabel {
        /// The clip's name.
        name: String,
    },
    /// Fewer than two folds: nothing would be left to train on.
    #[error("at least 2 folds are needed, not {folds}")]
    TooFewFolds {
        /// The folds asked for or given.
        folds: usize,
    },
    /// Given folds without a clip, for example because all of their clips were skipped.
    #[error("no training clip is in {}; add clips to each fold, or give other folds", fold_names(folds))]
    EmptyFolds {
        /// The folds, counted from 0.
        folds: Vec<usize>,
    },
    /// A class that cannot reach every fold.
    #[error("{}", too_small(label, *count, *grouped, *folds))]
    ClassTooSmall {
        /// The class.
        label: String,
        /// How many clips or groups it has.
        count: usize,
        /// Whether these are groups: clips of one group must share a fold.
        grouped: bool,
        /// The folds asked for.
        folds: usize,
    },
    /// A class whose clips all lie in one fold, given or drawn.
    #[error("class {label:?} lies in one fold only, so networks of the other folds never train on it")]
    ClassInOneFold {
        /// The class.
        label: String,
    },
    /// The embedded data set was to be written over something else.
    #[error("{}: the folder is not empty and holds no embedded data set; nothing was written", printable(path))]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A setting of the synthetic data set out of its range.
    #[error("{key} is {value}, must be {wanted}")]
    Setting {
        /// The setting's name.
        key: &'static str,
        /// Its value.
        value: usize,
        /// What it must be.
        wanted: String,
    },
}

/// Why a text cannot name a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelFault {
    /// It is empty, or all spaces.
    #[error("is empty")]
    Empty,
    /// A newline, a tab, an escape or the like is in it.
    #[error("has a control character in it (a newline, a tab, an escape); remove it")]
    ControlCharacter,
    /// The bytes of its name are no text.
    #[error("is not valid UTF-8; rename it")]
    NotUnicode,
    /// A column of the tables that a run writes is called so.
    #[error("is the name of a column in the tables of a run; rename the class")]
    Reserved,
}

fn quoted(labels: &[String]) -> String {
    labels.iter().map(|label| format!("{label:?}")).collect::<Vec<_>>().join(" and ")
}

fn without_fold(name: &str, clips: usize) -> String {
    match clips {
        0 | 1 => format!("the clip {name:?} has no fold"),
        n => format!("{n} clips have no fold, {name:?} among them"),
    }
}

fn fold_names(folds: &[usize]) -> String {
    let names: Vec<String> = folds.iter().map(|fold| format!("fold{fold}")).collect();
    names.join(", ")
}

fn too_small(label: &str, count: usize, grouped: bool, folds: usize) -> String {
    let unit = match (count, grouped) {
        (1, false) => "clip",
        (_, false) => "clips",
        (1, true) => "group of clips",
        (_, true) => "groups of clips",
    };
    let remedy = match count {
        0 | 1 => "set `[data] folds`, or add clips (at least 2)".to_owned(),
        _ => format!("set `[data] folds` to at most {count}, or add clips"),
    };
    format!("class {label:?} has {count} {unit} but there are {folds} folds: {remedy}")
}

/// How many missing files a message lists by name.
const LISTED: usize = 20;

fn missing_files(paths: &[PathBuf]) -> String {
    let mut text = match paths.len() {
        1 => "1 audio file is missing:".to_owned(),
        n => format!("{n} audio files are missing:"),
    };
    for path in paths.iter().take(LISTED) {
        text.push_str(&format!("\n  {}", printable(path)));
    }
    if paths.len() > LISTED {
        text.push_str(&format!("\n  and {} more", paths.len() - LISTED));
    }
    text
}
