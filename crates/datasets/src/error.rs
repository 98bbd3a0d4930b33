//! Errors of data sets; the messages name the file, the line and the reason.

use std::fmt;
use std::path::{Path, PathBuf};

use earmark_tables::counted;

/// A location: a line of a file, or a whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1; none for the whole file.
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

/// A path on one line.
fn printable(path: &Path) -> String {
    earmark_tables::printable(&path.to_string_lossy())
}

/// Why a data set cannot be read, split or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file or folder that cannot be read or written.
    #[error(transparent)]
    File(#[from] earmark_files::FileError),
    /// The path does not exist.
    #[error("{}: no such file or folder", printable(path))]
    NotFound {
        /// The path that was given.
        path: PathBuf,
    },
    /// A folder whose layout is not recognized.
    #[error(
        "{}: no known data set layout; expected train.csv, FSDKaggle2018.meta/, train_curated.csv, \
         FSDKaggle2019.meta/, FSD50K.ground_truth/, balanced_train_segments.csv, meta/esc50.csv, \
         metadata/UrbanSound8K.csv, metadata.csv, metadata.jsonl, or one folder of clips per class",
        printable(path)
    )]
    UnknownLayout {
        /// The folder.
        path: PathBuf,
    },
    /// An audio folder was given for a data set whose layout defines where its audio is.
    #[error("{}: an audio folder applies only to a CSV file, and this is a folder", printable(path))]
    AudioDirUnused {
        /// The data set's folder.
        path: PathBuf,
    },
    /// Columns were given for a data set of class folders.
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
        /// The reason.
        reason: String,
    },
    /// A required column is missing.
    #[error("{place}: no column {wanted}; the columns are {}", found.join(", "))]
    MissingColumn {
        /// File and line of the header.
        place: Location,
        /// The accepted name or names.
        wanted: String,
        /// The existing columns.
        found: Vec<String>,
    },
    /// A value that is not valid in its column.
    #[error("{place}: {column} is {value:?}, must be {wanted}")]
    BadValue {
        /// File and line.
        place: Location,
        /// The column's name.
        column: String,
        /// The value.
        value: String,
        /// The allowed values.
        wanted: String,
    },
    /// An empty name, label or fold.
    #[error("{place}: {column} is empty")]
    Empty {
        /// File and line.
        place: Location,
        /// The column's name.
        column: String,
    },
    /// A training clip with 0 in the columns of all classes.
    #[error("{place}: no class is 1; give the clip a class, or remove its row")]
    NoClassIsOne {
        /// File and line.
        place: Location,
    },
    /// A separator of labels that no label has.
    #[error(
        "{}: no training clip has several labels: the separator {separator:?} never occurs in the label column; give \
         the separator of this data set, or none if each clip has one label",
        printable(path)
    )]
    SeparatorUnused {
        /// The data set.
        path: PathBuf,
        /// The separator.
        separator: String,
    },
    /// Columns were given for AudioSet, whose columns have no names.
    #[error("{}: the columns of AudioSet's lists of segments are fixed; name none", printable(path))]
    FixedColumns {
        /// The list, or its folder.
        path: PathBuf,
    },
    /// A test label that no training clip has.
    #[error("{place}: label {label:?} is unknown: no training clip has it; correct it, or add such training clips")]
    UnknownLabel {
        /// File and line of the first such label.
        place: Location,
        /// The label.
        label: String,
    },
    /// A label that cannot name a class.
    #[error("{place}: the label {label:?} {fault}")]
    Label {
        /// Its first location.
        place: Location,
        /// The label.
        label: String,
        /// The reason.
        fault: LabelFault,
    },
    /// Labels that are easily confused.
    #[error("the labels {} differ only in case or spaces", quoted(labels))]
    SimilarLabels {
        /// The labels, sorted.
        labels: Vec<String>,
    },
    /// Two folders that would silently be merged into one class.
    #[error(
        "{} and {} both name the class {label:?}; move their clips into one folder, or rename one",
        printable(first),
        printable(second)
    )]
    FoldersOfOneClass {
        /// The class.
        label: String,
        /// The first folder.
        first: PathBuf,
        /// The second folder.
        second: PathBuf,
    },
    /// Two clips with the same name.
    #[error("{second}: the name {name:?} was used before, at {first}; a clip's name must be its own")]
    DuplicateName {
        /// The name.
        name: String,
        /// Its first location.
        first: Location,
        /// Its second location.
        second: Location,
    },
    /// All audio files that the data set names but that do not exist.
    #[error("{}", missing_files(paths))]
    MissingFiles {
        /// The missing files, in the order of the data set.
        paths: Vec<PathBuf>,
    },
    /// A data set without a training clip.
    #[error("{}: no training clips", printable(path))]
    NoClips {
        /// The data set.
        path: PathBuf,
    },
    /// A data set with only one class.
    #[error("{}: all training clips have the one label {label:?}; at least two classes are needed", printable(path))]
    OneClass {
        /// The data set.
        path: PathBuf,
        /// The label.
        label: String,
    },
    /// A clip whose name does not match the pattern for folds.
    #[error("{place}: the name {name:?} gives no fold: `{pattern}` does not match it")]
    NoFoldInName {
        /// The location of the clip.
        place: Location,
        /// Its name.
        name: String,
        /// The regular expression.
        pattern: String,
    },
    /// A clip whose name does not match the pattern for groups.
    #[error("{place}: the name {name:?} gives no group: `{pattern}` does not match it")]
    NoGroupInName {
        /// The location of the clip.
        place: Location,
        /// Its name.
        name: String,
        /// The regular expression.
        pattern: String,
    },
    /// The data set defines folds, but some training clips have none.
    #[error("{}; give every clip a fold, or none so that folds are drawn", without_fold(name, *clips))]
    NoFold {
        /// The first such clip's name.
        name: String,
        /// The number of such clips.
        clips: usize,
    },
    /// The folds of the data set split a group.
    #[error(
        "clips of the group {group:?} are in different folds, {name:?} among them, so scores would be too high; give \
         them one fold"
    )]
    GroupInTwoFolds {
        /// The group, such as the original recording of several clips.
        group: String,
        /// One of its clips.
        name: String,
    },
    /// A training clip without a label.
    #[error("the training clip {name:?} has no label; give it one, or remove it from the training clips")]
    NoLabel {
        /// The clip's name.
        name: String,
    },
    /// Fewer than two folds: nothing would be left to train on.
    #[error("at least 2 folds are needed, not {folds}; give the clips more folds, or none so that they are drawn")]
    TooFewFolds {
        /// The number of folds, requested or defined by the data set.
        folds: usize,
    },
    /// Folds of the data set without a clip, for example because all of their clips were skipped.
    #[error("no training clip is in {}; add clips to each fold, or give other folds", fold_names(folds))]
    EmptyFolds {
        /// The folds, counted from 0.
        folds: Vec<usize>,
    },
    /// Classes with too few clips for the number of folds.
    #[error("{}", too_small(classes, *grouped, *folds, *fewer))]
    ClassesTooSmall {
        /// All of these classes, each with the number of its clips or groups.
        classes: Vec<(String, usize)>,
        /// Whether groups are counted: clips of one group must share a fold.
        grouped: bool,
        /// The requested number of folds.
        folds: usize,
        /// The largest number of folds that the classes with at least two clips, or groups, suffice
        /// for.
        fewer: Option<usize>,
    },
    /// Classes whose clips are all in one fold, whether defined by the data set or drawn.
    #[error(
        "{} in one fold only, so the networks that predict this fold are not trained on {}: add clips of {} in \
        other folds, or remove {}",
        classes_are(labels),
        it_or_them(labels),
        it_or_them(labels),
        it_or_them(labels)
    )]
    ClassesInOneFold {
        /// All of these classes.
        labels: Vec<String>,
    },
    /// The folder for the embedded data set contains other files.
    #[error("{}: the folder is not empty and is not an embedded data set; nothing was written", printable(path))]
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
        /// The allowed values.
        wanted: String,
    },
}

/// Why a text cannot name a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelFault {
    /// It is empty or only spaces.
    #[error("is empty")]
    Empty,
    /// It contains a control character such as a newline, a tab or an escape.
    #[error("has a control character in it (a newline, a tab, an escape); remove it")]
    ControlCharacter,
    /// The folder's name is not valid Unicode.
    #[error("is not valid UTF-8; rename it")]
    NotUnicode,
    /// It is the name of a column in the tables that a run writes.
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

fn classes_are(labels: &[String]) -> String {
    match labels {
        [label] => format!("class {label:?} is"),
        _ => format!(
            "the classes {} are",
            labels.iter().map(|label| format!("{label:?}")).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn it_or_them(labels: &[String]) -> &'static str {
    if labels.len() == 1 { "it" } else { "them" }
}

fn too_small(classes: &[(String, usize)], grouped: bool, folds: usize, fewer: Option<usize>) -> String {
    let unit = if grouped { "group" } else { "clip" };
    let fewer_than = |classes: &[&(String, usize)], limit: &str| match classes {
        [(label, count)] => format!("class {label:?} has {}, fewer than {limit}", counted(*count, unit)),
        _ => {
            let class = |(label, count): &&(String, usize)| format!("{label:?} ({})", counted(*count, unit));
            let listed = classes.iter().map(class).collect::<Vec<_>>().join(", ");
            format!("the classes {listed} have fewer {unit}s than {limit}")
        }
    };
    let (single, small): (Vec<_>, Vec<_>) = classes.iter().partition(|(_, count)| *count < 2);
    let of_single = (!single.is_empty()).then(|| {
        let these = if single.len() == 1 { "the class" } else { "these classes" };
        format!("{}: add clips, or remove {these}", fewer_than(&single, "the 2 that cross-validation needs"))
    });
    let of_small = (!small.is_empty()).then(|| {
        let remedy = fewer.map_or(String::new(), |fewer| format!("set `[data] folds = {fewer}`, or "));
        format!("{}: {remedy}add clips", fewer_than(&small, &format!("the {folds} folds")))
    });
    of_single.into_iter().chain(of_small).collect::<Vec<_>>().join("; ")
}

/// The maximum number of missing files that a message lists.
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
