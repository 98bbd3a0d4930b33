//! A data set as a list of clips: names, paths, labels, folds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::clip_list::{ClipList, ListedClip};
use crate::error::{DatasetError, Location};
use crate::labels::impossible_labels;
use crate::layouts;
use crate::options::{OpenOptions, Usage};
use crate::task::Task;

/// What to do about a clip that is damaged, empty, or not audio. In any case every such clip is
/// listed with the reason. A disk failure is always an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDecodeError {
    /// Stop after all clips were decoded, and list all such clips at once.
    #[default]
    Fail,
    /// Skip the clip, and list it.
    Skip,
    /// Replace the clip with silence, and list it. Test sets with empty clips, such as
    /// FSDKaggle2018's, require a row for each.
    Silence,
}

/// One clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipEntry {
    /// Its name, unique in the data set: the file name in the CSV file, or that of the file in a
    /// class folder.
    pub name: String,
    /// The path of its audio file.
    pub path: PathBuf,
    /// Indices into [`Manifest::labels`], sorted, each once; none if its labels are unknown. Every
    /// training clip has at least one, and in a [`Task::SingleLabel`] exactly one.
    pub labels: Vec<usize>,
    /// Whether a person has checked the label; true if the data set does not specify it.
    pub verified: bool,
    /// The fold that the data set assigns to it, counted from 0.
    pub fold: Option<usize>,
    /// Its group, such as the recording it was cut from: clips of one group must share a fold.
    pub group: Option<String>,
    /// Which part of a challenge's test set it belongs to.
    pub usage: Option<Usage>,
}

impl ClipEntry {
    /// Its label, if it has exactly one.
    pub fn label(&self) -> Option<usize> {
        match self.labels[..] {
            [label] => Some(label),
            _ => None,
        }
    }
}

/// A data set: its classes and clips. All audio files existed when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The classes of the training clips, sorted.
    pub labels: Vec<String>,
    /// Whether a clip may have several labels. It is decided by how the data set is read, not by
    /// the labels that occur.
    pub task: Task,
    /// Clips to train on, in the order of the CSV, or of class and file name.
    pub train: Vec<ClipEntry>,
    /// Clips to predict; their labels may be unknown.
    pub test: Vec<ClipEntry>,
    /// The number of clips in its tables that are in neither: those that a challenge ignored, those
    /// that [`OpenOptions::rows_where`] excludes, and those of AudioSet and of FSDKaggle2019's
    /// noisy set whose sound was not downloaded.
    pub excluded: usize,
    /// Whether groups that span several folds are allowed because the folds are part of the data
    /// set's definition: in UrbanSound8K, 5 recordings are in two folds each.
    pub groups_span_folds: bool,
}

impl Manifest {
    /// Whether the data set assigns a fold to any of its training clips; otherwise folds are drawn.
    pub fn gives_folds(&self) -> bool {
        self.train.iter().any(|item| item.fold.is_some())
    }
}

/// A data set and all its errors.
pub(crate) struct Reading {
    pub manifest: Manifest,
    pub faults: Vec<DatasetError>,
    pub excluded: Vec<PathBuf>,
    pub ignored: Vec<PathBuf>,
}

/// Opens a data set.
///
/// A folder is read as the first of these layouts that matches:
/// - FSDKaggle2018, with Kaggle's names (`train.csv`, `test.csv` or `sample_submission.csv`,
///   `audio_train/`, `audio_test/`) or Zenodo's (`FSDKaggle2018.meta/`, ...). Test clips that the
///   challenge ignored are omitted;
/// - FSDKaggle2019, with Kaggle's names (`train_curated.csv`, `train_curated/`, ...) or Zenodo's
///   (`FSDKaggle2019.meta/`, ...), and FSD50K (`FSD50K.ground_truth/`, ...): several labels per
///   clip ([`Task::MultiLabel`]). Clips of FSDKaggle2019's noisy set are not verified, and are
///   omitted if their folder does not exist. Clips of FSD50K's validation split are used for
///   training;
/// - AudioSet: `balanced_train_segments.csv`, `unbalanced_train_segments.csv` or both, and
///   `eval_segments.csv` for test clips ([`Task::MultiLabel`]);
/// - ESC-50 (`meta/esc50.csv`, `audio/`) and UrbanSound8K (`metadata/UrbanSound8K.csv`,
///   `audio/fold1/`, ...);
/// - Hugging Face's `audiofolder`: `metadata.csv` or `metadata.jsonl` with a column `file_name`, in
///   the folder, in `data/`, or in a split's folder (`train/`, `validation/`, `test/` and their
///   alternative names); or split folders with one folder per class in each. Validation clips are
///   used for training;
/// - one folder of clips per class. Folders without clips are ignored. The fold and the group are
///   parsed from ESC-10's folder and file names, such as `001 - Dog bark/1-100032-A.ogg`.
///
/// A file is read as CSV; its columns are identified by their names ([`Columns`](crate::Columns)).
/// A CSV file that begins with the comment lines of AudioSet's lists of segments is read as one.
///
/// # Errors
/// The layout is not recognized; a table is damaged, lacks a column or has an empty or invalid
/// value; a name occurs twice; a test label does not occur in training; there are no clips or only
/// one class; the fold or group cannot be parsed from a name; audio files are missing (all of them
/// are listed at once). Each error names the file, the line and the reason.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Manifest, DatasetError> {
    let read = read(path, options)?;
    read.faults.into_iter().next().map_or(Ok(read.manifest), Err)
}

/// Reads a data set, and collects all errors that do not prevent reading on.
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
        task: rows.task,
        excluded: excluded(&rows),
        train: items(rows.train, folds, &labels),
        test: items(rows.test, no_folds, &labels),
        labels,
        // If the caller defines the folds or groups, groups must not span folds.
        groups_span_folds: rows.groups_span_folds && options.folds_from.is_none() && options.groups_from.is_none(),
    };
    Ok(Reading { manifest, faults, excluded: rows.excluded, ignored: rows.ignored })
}

fn items(rows: Vec<ListedClip>, folds: Vec<Option<usize>>, labels: &[String]) -> Vec<ClipEntry> {
    let item = |(row, fold): (ListedClip, Option<usize>)| ClipEntry {
        name: row.name,
        path: row.path,
        labels: row
            .labels
            .iter()
            .filter_map(|label| labels.binary_search(label).ok())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        verified: row.verified,
        fold,
        group: row.group,
        usage: row.usage,
    };
    rows.into_iter().zip(folds).map(item).collect()
}

fn names_used_twice(rows: &ClipList) -> Vec<DatasetError> {
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

/// The training labels, sorted. Test labels that are not among them are errors.
fn labels(path: &Path, rows: &ClipList, faults: &mut Vec<DatasetError>) -> Vec<String> {
    let train: BTreeSet<&String> = rows.train.iter().flat_map(|row| &row.labels).collect();
    let labels: Vec<String> = train.into_iter().cloned().collect();
    if let [label] = labels.as_slice() {
        faults.push(DatasetError::OneClass { path: path.to_owned(), label: label.clone() });
    }
    let mut unknown = BTreeSet::new();
    let of_test = rows.test.iter().flat_map(|row| row.labels.iter().map(move |label| (row, label)));
    for (row, label) in of_test {
        if labels.binary_search(label).is_err() && unknown.insert(label) {
            faults.push(DatasetError::UnknownLabel { place: row.place.clone(), label: label.clone() });
        }
    }
    labels
}

/// The folds of the training clips, counted from 0. The names of the folds are arbitrary: numbers
/// are sorted numerically, other names alphabetically.
fn folds(rows: &[ListedClip], folds_from: Option<&Regex>, faults: &mut Vec<DatasetError>) -> Vec<Option<usize>> {
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

/// Parses the groups from the names. Test clips need not match the pattern, because no fold depends
/// on them.
fn groups(rows: &mut ClipList, pattern: &Regex, faults: &mut Vec<DatasetError>) {
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

/// The match of a pattern in a clip's name. The name may contain folders, so the file name is
/// searched first.
fn part_of_name<'a>(name: &'a str, pattern: &Regex) -> Option<&'a str> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let find = |text: &'a str| pattern.captures(text).and_then(|captures| captures.get(1).or_else(|| captures.get(0)));
    find(file).or_else(|| find(name)).map(|found| found.as_str())
}

/// The number of clips that are named but not used. Used clips must be subtracted, because
/// additional tables name them as well.
fn excluded(rows: &ClipList) -> usize {
    let used: BTreeSet<&PathBuf> = rows.train.iter().chain(&rows.test).map(|row| &row.path).collect();
    let excluded: BTreeSet<&PathBuf> = rows.excluded.iter().collect();
    excluded.difference(&used).count()
}

fn missing_files(rows: &ClipList) -> Option<DatasetError> {
    let all = rows.train.iter().chain(&rows.test);
    let paths: Vec<PathBuf> = all.filter(|row| !row.path.is_file()).map(|row| row.path.clone()).collect();
    (!paths.is_empty()).then_some(DatasetError::MissingFiles { paths })
}
