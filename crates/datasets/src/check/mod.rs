//! What is in a data set, and what is wrong with it: every table read, every clip heard, every file compared.
//!
//! ```
//! use earmark_datasets::check::{Kind, check};
//! use earmark_datasets::synth::{SynthOptions, write};
//! let folder = tempfile::tempdir()?;
//! write(folder.path(), &SynthOptions { train_clips: 60, test_clips: 12, ..SynthOptions::default() })?;
//! std::fs::remove_file(folder.path().join("audio_test").read_dir()?.next().unwrap()?.path())?;
//! let report = check(folder.path(), &Default::default(), &Default::default(), |_, _| ())?;
//! assert_eq!((report.train, report.test, report.classes.len(), report.errors), (60, 12, 12, 1));
//! assert_eq!(report.problems[0].kind, Kind::MissingFile);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod files;
mod sound;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use earmark_audio::Limits;
use rayon::prelude::*;
use serde::Serialize;

use crate::error::DatasetError;
use crate::manifest::{Item, Manifest, OpenOptions, read};
use sound::{Heard, listen};

/// What a data set holds, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The folder or file that was checked.
    pub data: String,
    /// Clips to learn from.
    pub train: usize,
    /// Clips to predict.
    pub test: usize,
    /// Clips that its tables name and that are neither ([`Manifest::left_out`]).
    pub left_out: usize,
    /// The classes, sorted by name.
    pub classes: Vec<Class>,
    /// Training clips in each fold that the data set gives; empty if it gives none.
    pub folds: Vec<usize>,
    /// How many groups the training clips form, such as recordings they were cut from; none if none has a group.
    pub groups: Option<usize>,
    /// Lengths of the clips that could be heard; none if none could.
    pub lengths: Option<Lengths>,
    /// Clips by sample rate, Hz.
    pub sample_rates: BTreeMap<u32, usize>,
    /// Clips by number of channels.
    pub channels: BTreeMap<usize, usize>,
    /// How many problems must be mended.
    pub errors: usize,
    /// How many problems are worth a look.
    pub warnings: usize,
    /// All of them, what must be mended first.
    pub problems: Vec<Problem>,
}

/// A class and its clips.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class {
    /// Its name.
    pub label: String,
    /// Clips to learn from.
    pub train: usize,
    /// Clips to predict whose label is known.
    pub test: usize,
    /// Length of all of them that could be heard, seconds.
    pub seconds: f64,
}

/// Lengths of clips, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lengths {
    /// Of all clips together.
    pub total: f64,
    /// Of the shortest one.
    pub shortest: f64,
    /// Half of the clips are no longer than this one.
    pub median: f64,
    /// Of the longest one.
    pub longest: f64,
}

/// Whether a data set can be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must be mended: training would stop, or its scores would be wrong.
    Error,
    /// It is worth a look.
    Warning,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Names, labels or folds that do not go together; the message says which.
    Manifest,
    /// A file that the data set names is not there.
    MissingFile,
    /// A file cannot be read.
    Unreadable,
    /// A file is damaged, is no sound, or exceeds the limits set.
    Damaged,
    /// A file holds no byte, or no sample.
    Empty,
    /// The same sound has two labels.
    TwoLabels,
    /// One recording, or the same sound, lies in two given folds: an error, unless
    /// [`crate::Manifest::folds_tear_groups`].
    TwoFolds,
    /// The same sound is learned from and predicted (an error), or one recording is (a warning).
    TrainAndTest,
    /// The same sound stands in the data set twice; drawn folds may tear the two apart.
    Duplicate,
    /// A class has fewer clips, or groups, than the five folds that are drawn by default.
    FewClips,
    /// A clip never rises above -80 dB of full scale.
    Silent,
    /// At least a thousandth of a clip lies in runs of four samples or more at full scale.
    Clipped,
    /// Sounds that are there and belong to no class and no table.
    NotListed,
    /// Files of sound in a format that is not decoded, passed over.
    OtherFormat,
    /// A folder in the place of a class's that holds no clip, passed over.
    NoClips,
}

/// A problem of a data set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Whether it must be mended.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// The files it is about, if any.
    pub files: Vec<String>,
    /// What is wrong, in words.
    pub message: String,
}

impl Problem {
    fn error(kind: Kind, files: Vec<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, kind, files, message: message.into() }
    }

    fn warning(kind: Kind, files: Vec<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, kind, files, message: message.into() }
    }
}

/// Checks a data set. Clips are heard in parallel, block by block, so that memory does not grow with their length.
/// `tick` is told how many clips were heard, of how many.
///
/// # Errors
/// The data set cannot be read at all: nothing is there, no layout is recognised, a table is damaged or lacks a column.
/// All else that is wrong stands in the report.
pub fn check(
    path: &Path,
    options: &OpenOptions,
    limits: &Limits,
    tick: impl Fn(usize, usize) + Sync,
) -> Result<Report, DatasetError> {
    let read = read(path, options)?;
    let manifest = &read.manifest;
    let items: Vec<&Item> = manifest.train.iter().chain(&manifest.test).collect();
    let done = AtomicUsize::new(0);
    let heard: Vec<Result<Option<Heard>, Problem>> = items
        .par_iter()
        .map(|item| {
            let heard = if item.path.is_file() { listen(&item.path, limits).map(Some) } else { Ok(None) };
            tick(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
            heard
        })
        .collect();

    let mut problems: Vec<Problem> = read.faults.iter().flat_map(of_fault).collect();
    let mut clips = Vec::with_capacity(items.len());
    for heard in heard {
        match heard {
            Ok(clip) => clips.push(clip),
            Err(problem) => {
                problems.push(problem);
                clips.push(None);
            }
        }
    }
    let pairs = || items.iter().copied().zip(&clips).filter_map(|(item, heard)| Some((item, heard.as_ref()?)));
    problems.extend(pairs().flat_map(|(item, heard)| heard.problems(&item.path)));
    problems.extend(compare::folds_and_groups(manifest));
    problems.extend(compare::same_sounds(manifest, &clips));
    problems.extend(files::passed_over(&read, path, options));
    problems.sort();
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let mut report = Report { errors, warnings: problems.len() - errors, problems, ..summary(manifest, &clips) };
    report.data = path.display().to_string();
    Ok(report)
}

/// The numbers of a report.
fn summary(manifest: &Manifest, clips: &[Option<Heard>]) -> Report {
    let class = |label: &String| Class { label: label.clone(), train: 0, test: 0, seconds: 0.0 };
    let mut classes: Vec<Class> = manifest.labels.iter().map(class).collect();
    for (index, (item, heard)) in manifest.train.iter().chain(&manifest.test).zip(clips).enumerate() {
        if let Some(class) = item.label.and_then(|label| classes.get_mut(label)) {
            *(if index < manifest.train.len() { &mut class.train } else { &mut class.test }) += 1;
            class.seconds += heard.as_ref().map_or(0.0, |heard| heard.seconds);
        }
    }
    let (mut sample_rates, mut channels) = (BTreeMap::new(), BTreeMap::new());
    let mut seconds = Vec::new();
    for heard in clips.iter().flatten() {
        *sample_rates.entry(heard.sample_rate).or_insert(0) += 1;
        *channels.entry(heard.channels).or_insert(0) += 1;
        seconds.push(heard.seconds);
    }
    seconds.sort_by(f64::total_cmp);
    let lengths = seconds.first().zip(seconds.last()).map(|(shortest, longest)| Lengths {
        total: seconds.iter().sum(),
        shortest: *shortest,
        median: seconds[(seconds.len() - 1) / 2],
        longest: *longest,
    });
    let mut folds = Vec::new();
    for fold in manifest.train.iter().filter_map(|item| item.fold) {
        folds.resize(folds.len().max(fold + 1), 0);
        folds[fold] += 1;
    }
    Report {
        data: String::new(),
        train: manifest.train.len(),
        test: manifest.test.len(),
        left_out: manifest.left_out,
        classes,
        folds,
        groups: compare::groups(manifest),
        lengths,
        sample_rates,
        channels,
        errors: 0,
        warnings: 0,
        problems: Vec::new(),
    }
}

/// What reading found wrong, as problems: each missing file is one of its own.
fn of_fault(fault: &DatasetError) -> Vec<Problem> {
    let missing = |path| Problem::error(Kind::MissingFile, vec![shown(path)], "the file is not there");
    match fault {
        DatasetError::MissingFiles { paths } => paths.iter().map(|path| missing(path)).collect(),
        other => vec![Problem::error(Kind::Manifest, Vec::new(), other.to_string())],
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
