//! A data set as a list of clips: names, paths, labels, folds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::{DatasetError, Location};
use crate::labels::impossible_labels;
use crate::layouts;
use crate::options::{OpenOptions, Usage};
use crate::rows::{Row, Rows};

/// What to do about a clip that is damaged, empty, or cannot be read as sound. Whatever it is,
/// every such clip is listed with the reason; only a disk that fails ends the work under each of
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDecodeError {
    /// Stop, after all clips were decoded, and list all such clips at once.
    #[default]
    Fail,
    /// Leave the clip out, and list it.
    Skip,
    /// Take silence in its place, and list it. Test sets with empty clips, as FSDKaggle2018's, want
    /// a row for each.
    Silence,
}

/// One clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipEntry {
    /// Its name, alone in the data set: the file name as the CSV has it, or of the file in a
    /// class's folder.
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
    /// Which part of a challenge's test set it belongs to.
    pub usage: Option<Usage>,
}

/// A data set: its classes and clips. All audio files were there when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The classes, sorted; those of the training clips.
    pub labels: Vec<String>,
    /// Clips to train on, in the order of the CSV, or of class and file name.
    pub train: Vec<ClipEntry>,
    /// Clips to predict; their labels may be unknown.
    pub test: Vec<ClipEntry>,
    /// How many clips its tables name that are in neither: those that a challenge ignored, and
    /// those that [`OpenOptions::rows_where`] does not take.
    pub excluded: usize,
    /// The folds of the data set tear some groups, and its authors want these folds all the same,
    /// so that it is no error: UrbanSound8K, where 5 recordings lie in two folds each.
    pub groups_span_folds: bool,
}

impl Manifest {
    /// Whether the data set gives a fold to any of its training clips; else folds are drawn.
    pub fn gives_folds(&self) -> bool {
        self.train.iter().any(|item| item.fold.is_some())
    }
}

/// A data set, and all that is wrong with it.
pub(crate) struct Reading {
    pub manifest: Manifest,
    pub faults: Vec<DatasetError>,
    pub excluded: Vec<PathBuf>,
    pub ignored: Vec<PathBuf>,
}

/// Opens a data set.
///
/// A folder is read as the first of these layouts that fits:
/// - FSDKaggle2018, with Kaggle's names (`train.csv`, `test.csv` or `sample_submission.csv`,
///   `audio_train/`, `audio_test/`) or Zenodo's (`FSDKaggle2018.meta/`, ...). Test clips that the
///   challenge ignored are omitted;
/// - ESC-50 (`meta/esc50.csv`, `audio/`) and UrbanSound8K (`metadata/UrbanSound8K.csv`,
///   `audio/fold1/`, ...);
/// - Hugging Face's `audiofolder`: `metadata.csv` or `metadata.jsonl` with a column `file_name`, in
///   the folder, in `data/`, or in a split's folder (`train/`, `validation/`, `test/` and their
///   other names); or split folders with one folder per class in each. Clips for validation are
///   clips to train on;
/// - one folder of clips per class. Folders without clips are ignored. ESC-10's folders and names,
///   such as `001 - Dog bark/1-100032-A.ogg`, give fold and group.
///
/// A file is read as CSV, its columns found by their names ([`Columns`](crate::Columns)).
///
/// # Errors
/// The layout is not recognised; a table is damaged, lacks a column or has an empty or impossible
/// value; a name stands twice; a test label is no training label; no clip or one class only; a name
/// gives no fold or group; audio files are missing (all of them are listed at once). Each error
/// names file, line and reason.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Manifest, DatasetError> {
    let read = read(path, options)?;
    read.faults.into_iter().next().map_or(Ok(read.manifest), Err)
}

/// Reads a data set as far as it goes.
pub(crate) fn read(path: &Path, options: &OpenOptions) -> Result<Reading, DatasetError> {
    let mut rows = layouts::read(path, options)?;
    let mut faults = Vec::new();
    if rows.train.is_empty() {
        faults.push(DatasetError::NoClips { path: path.to_owned() });
    }
    faults.extend(impossible_labels(&rows.train));
    faults.append(&mut rows.faults);
    faults.extend(names_used_twice(&rows));
    let labels = labels(path, &rows, &mut faults);
    let folds = folds(&rows.train, options.folds_from.as_ref(), &mut faults);
    if let Some(pattern) = &options.groups_from {
        groups(&mut rows, pattern, &mut faults);
    }
    faults.extend(missing_files(&rows));
    let no_folds = vec![None; rows.test.len()];
    let manifest = Manifest {
        excluded: excluded(&rows),
        train: items(rows.train, folds, &labels),
        test: items(rows.test, no_folds, &labels),
        labels,
        // Folds and groups of the caller's own are for them to keep whole.
        groups_span_folds: rows.groups_span_folds && options.folds_from.is_none() && options.groups_from.is_none(),
    };
    Ok(Reading { manifest, faults, excluded: rows.excluded, ignored: rows.ignored })
}

fn items(rows: Vec<Row>, folds: Vec<Option<usize>>, labels: &[String]) -> Vec<ClipEntry> {
    let item = |(row, fold): (Row, Option<usize>)| ClipEntry {
        name: row.name,
        path: row.path,
        label: row.label.and_then(|label| labels.binary_search(&label).ok()),
        verified: row.verified,
        fold,
        group: row.group,
        usage: row.usage,
    };
    rows.into_iter().zip(folds).map(item).collect()
}

fn names_used_twice(rows: &Rows) -> Vec<DatasetError> {
    let mut seen: BTreeMap<&str, &Location> = BTreeMap::new();
    let mut faults = Vec::new();
    for row in rows.train.iter().chain(&rows.test) {
        if let Some(first) = seen.get(row.name.as_str()) {
            faults.push(DatasetError::DuplicateName {
                name: row.name.clone(),
                first: (*first).clone(),
                second: row.place.clone(),
            });
        } else {
            seen.insert(&row.name, &row.place);
        }
    }
    faults
}

/// The training labels, sorted; the test labels must be among them.
fn labels(path: &Path, rows: &Rows, faults: &mut Vec<DatasetError>) -> Vec<String> {
    let train: BTreeSet<&String> = rows.train.iter().filter_map(|row| row.label.as_ref()).collect();
    let labels: Vec<String> = train.into_iter().cloned().collect();
    if let [label] = labels.as_slice() {
        faults.push(DatasetError::OneClass { path: path.to_owned(), label: label.clone() });
    }
    let mut unknown = BTreeSet::new();
    for row in &rows.test {
        if let Some(label) = &row.label
            && labels.binary_search(label).is_err()
            && unknown.insert(label)
        {
            faults.push(DatasetError::UnknownLabel { place: row.place.clone(), label: label.clone() });
        }
    }
    labels
}

/// The folds of the training clips, counted from 0. A data set may call its folds anything: numbers
/// are sorted by their value, other names by their letters.
fn folds(rows: &[Row], folds_from: Option<&Regex>, faults: &mut Vec<DatasetError>) -> Vec<Option<usize>> {
    let named: Vec<Option<&str>> = match folds_from {
        Some(pattern) => rows.iter().map(|row| part_of_name(&row.name, pattern)).collect(),
        None => rows.iter().map(|row| row.fold.as_deref()).collect(),
    };
    if let Some(pattern) = folds_from {
        let without = rows.iter().zip(&named).filter(|(_, fold)| fold.is_none());
        faults.extend(without.map(|(row, _)| DatasetError::NoFoldInName {
            place: row.place.clone(),
            name: row.name.clone(),
            pattern: pattern.to_string(),
        }));
    }
    let mut ids: Vec<&str> = named.iter().flatten().copied().collect();
    ids.sort_by_key(|id| (id.parse::<u64>().unwrap_or(u64::MAX), *id));
    ids.dedup();
    let places: BTreeMap<&str, usize> = ids.into_iter().zip(0..).collect();
    named.into_iter().map(|id| id.and_then(|id| places.get(id).copied())).collect()
}

/// Sets the groups that the names give. Test clips may be named otherwise: no fold depends on them.
fn groups(rows: &mut Rows, pattern: &Regex, faults: &mut Vec<DatasetError>) {
    for row in rows.train.iter_mut().chain(&mut rows.test) {
        row.group = part_of_name(&row.name, pattern).map(str::to_owned);
    }
    let without = rows.train.iter().filter(|row| row.group.is_none());
    faults.extend(without.map(|row| DatasetError::NoGroupInName {
        place: row.place.clone(),
        name: row.name.clone(),
        pattern: pattern.to_string(),
    }));
}

/// What a pattern finds in a clip's name. A clip may be named with its folder: the file's own name
/// is looked at first.
fn part_of_name<'a>(name: &'a str, pattern: &Regex) -> Option<&'a str> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let find = |text: &'a str| pattern.captures(text).and_then(|captures| captures.get(1).or_else(|| captures.get(0)));
    find(file).or_else(|| find(name)).map(|found| found.as_str())
}

/// How many clips are named and not used. A table beside the one that was read names those that are
/// used as well.
fn excluded(rows: &Rows) -> usize {
    let used: BTreeSet<&PathBuf> = rows.train.iter().chain(&rows.test).map(|row| &row.path).collect();
    let excluded: BTreeSet<&PathBuf> = rows.excluded.iter().collect();
    excluded.difference(&used).count()
}

fn missing_files(rows: &Rows) -> Option<DatasetError> {
    let all = rows.train.iter().chain(&rows.test);
    let paths: Vec<PathBuf> = all.filter(|row| !row.path.is_file()).map(|row| row.path.clone()).collect();
    (!paths.is_empty()).then_some(DatasetError::MissingFiles { paths })
}
