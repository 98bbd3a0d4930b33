//! A data set as a list of clips: names, paths, labels, folds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::{DatasetError, Place};
use crate::layouts;

/// What to do about a clip that is damaged or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Damaged {
    /// Stop, naming the clip.
    #[default]
    Error,
    /// Leave the clip out, and list it.
    Skip,
    /// Take silence in its place, and list it. Test sets with empty clips, as FSDKaggle2018's, want a row for each.
    Zeros,
}

/// One clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name, alone in the data set: the file name as the CSV has it, or of the file in a class's folder.
    pub name: String,
    /// Where its audio lies.
    pub path: PathBuf,
    /// Index into [`Manifest::labels`]; every training clip has one.
    pub label: Option<usize>,
    /// Whether a person has checked the label; true where the data set says nothing of it.
    pub verified: bool,
    /// The fold that the data set gives it, counted from 0.
    pub fold: Option<usize>,
    /// What it was cut from: clips of one group must share a fold.
    pub group: Option<String>,
}

/// A data set: its classes and clips. All audio files were there when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The folder, or the CSV file, it was read from.
    pub root: PathBuf,
    /// The classes, sorted; those of the training clips.
    pub labels: Vec<String>,
    /// Clips to learn from, in the order of the CSV, or of class and file name.
    pub train: Vec<Item>,
    /// Clips to predict; their labels may be unknown.
    pub test: Vec<Item>,
}

/// How to read a data set, beyond what its layout says.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The fold of a training clip is what the first group of this expression, or else the whole of it, matches in
    /// the clip's name; it wins over a fold column. ESC-10 wants `^(\d)-`.
    pub folds_from: Option<Regex>,
    /// Where the files of a CSV lie; beside the CSV if none. Only for a CSV file.
    pub audio_dir: Option<PathBuf>,
}

/// A clip as a layout names it, before names, labels and folds are checked against each other.
pub(crate) struct Row {
    pub name: String,
    pub path: PathBuf,
    pub label: Option<String>,
    pub verified: bool,
    pub fold: Option<String>,
    pub group: Option<String>,
    pub place: Place,
}

/// The clips of a layout.
#[derive(Default)]
pub(crate) struct Rows {
    pub train: Vec<Row>,
    pub test: Vec<Row>,
}

/// Opens a data set: a folder in FSDKaggle2018's layout (Kaggle's or Zenodo's names), in ESC-50's, or with one folder
/// of clips per class; or a CSV file.
///
/// # Errors
/// The layout is not recognised; a CSV is damaged, lacks a column or has an empty or impossible value; a name stands
/// twice; a test label is no training label; no clip or one class only; a name gives no fold; audio files are missing
/// (all of them are listed at once). Each error names file, line and reason.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Manifest, DatasetError> {
    let rows = layouts::read(path, options.audio_dir.as_deref())?;
    if rows.train.is_empty() {
        return Err(DatasetError::NoClips { path: path.to_owned() });
    }
    unique_names(&rows)?;
    let labels = labels(path, &rows)?;
    let folds = folds(&rows.train, options.folds_from.as_ref())?;
    missing_files(&rows)?;
    let no_folds = vec![None; rows.test.len()];
    Ok(Manifest {
        root: path.to_owned(),
        train: items(rows.train, folds, &labels),
        test: items(rows.test, no_folds, &labels),
        labels,
    })
}

fn items(rows: Vec<Row>, folds: Vec<Option<usize>>, labels: &[String]) -> Vec<Item> {
    let item = |(row, fold): (Row, Option<usize>)| Item {
        name: row.name,
        path: row.path,
        label: row.label.and_then(|label| labels.binary_search(&label).ok()),
        verified: row.verified,
        fold,
        group: row.group,
    };
    rows.into_iter().zip(folds).map(item).collect()
}

fn unique_names(rows: &Rows) -> Result<(), DatasetError> {
    let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
    for row in rows.train.iter().chain(&rows.test) {
        if let Some(first) = seen.insert(&row.name, &row.place) {
            return Err(DatasetError::DuplicateName {
                name: row.name.clone(),
                first: first.clone(),
                second: row.place.clone(),
            });
        }
    }
    Ok(())
}

/// The training labels, sorted; the test labels must be among them.
fn labels(path: &Path, rows: &Rows) -> Result<Vec<String>, DatasetError> {
    let train: BTreeSet<&String> = rows.train.iter().filter_map(|row| row.label.as_ref()).collect();
    let labels: Vec<String> = train.into_iter().cloned().collect();
    if let [label] = labels.as_slice() {
        return Err(DatasetError::OneClass { path: path.to_owned(), label: label.clone() });
    }
    for row in &rows.test {
        if let Some(label) = &row.label
            && labels.binary_search(label).is_err()
        {
            return Err(DatasetError::UnknownLabel { place: row.place.clone(), label: label.clone() });
        }
    }
    Ok(labels)
}

/// The folds of the training clips, counted from 0. A data set may call its folds anything: numbers are sorted by
/// their value, other names by their letters.
fn folds(rows: &[Row], folds_from: Option<&Regex>) -> Result<Vec<Option<usize>>, DatasetError> {
    let named: Vec<Option<&str>> = match folds_from {
        Some(pattern) => rows.iter().map(|row| fold_in_name(row, pattern).map(Some)).collect::<Result<_, _>>()?,
        None => rows.iter().map(|row| row.fold.as_deref()).collect(),
    };
    let mut ids: Vec<&str> = named.iter().flatten().copied().collect();
    ids.sort_by_key(|id| (id.parse::<u64>().unwrap_or(u64::MAX), *id));
    ids.dedup();
    let index = |id: &str| ids.iter().position(|other| *other == id);
    Ok(named.into_iter().map(|id| id.and_then(index)).collect())
}

fn fold_in_name<'a>(row: &'a Row, pattern: &Regex) -> Result<&'a str, DatasetError> {
    // A clip may be named with its folder; the pattern is for the file.
    let file = row.name.rsplit('/').next().unwrap_or(&row.name);
    let found = pattern.captures(file).and_then(|captures| captures.get(1).or_else(|| captures.get(0)));
    found.map(|found| found.as_str()).ok_or_else(|| DatasetError::NoFoldInName {
        place: row.place.clone(),
        name: row.name.clone(),
        pattern: pattern.to_string(),
    })
}

fn missing_files(rows: &Rows) -> Result<(), DatasetError> {
    let all = rows.train.iter().chain(&rows.test);
    let paths: Vec<PathBuf> = all.filter(|row| !row.path.is_file()).map(|row| row.path.clone()).collect();
    if paths.is_empty() { Ok(()) } else { Err(DatasetError::MissingFiles { paths }) }
}
