//! Checks the contents of a data set: reads every table, decodes every clip, compares every file.
//!
//! ```
//! use earmark_datasets::check::{CheckSettings, ProblemKind, check};
//! use earmark_datasets::synth::{SynthOptions, write};
//! let folder = tempfile::tempdir()?;
//! write(folder.path(), &SynthOptions { train_clips: 60, test_clips: 12, ..SynthOptions::default() })?;
//! std::fs::remove_file(folder.path().join("audio_test").read_dir()?.next().unwrap()?.path())?;
//! let settings = CheckSettings { folds: 2, ..CheckSettings::default() };
//! let report = check(folder.path(), &Default::default(), &settings, |_, _| ())?;
//! assert_eq!((report.train, report.test, report.classes.len(), report.errors), (60, 12, 12, 1));
//! assert_eq!(report.problems[0].kind, ProblemKind::MissingFile);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod files;
mod problem;
mod report;
mod sound;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use earmark_audio::Limits;
use rayon::prelude::*;

use crate::error::DatasetError;
use crate::manifest::{ClipEntry, Manifest, read};
use crate::options::OpenOptions;
use crate::rules::{DEFAULT_FOLDS, violations};
use crate::violation::Violation;
use problem::shown;
use sound::{DecodedClip, decode};

pub use crate::violation::Severity;
pub use files::{Ignored, ignored};
pub use problem::{Problem, ProblemKind};
pub use report::{CheckReport, Class, Lengths};

/// Settings of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckSettings {
    /// Limits on audio files.
    pub limits: Limits,
    /// The number of folds that training would draw if the data set defines none.
    pub folds: usize,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self { limits: Limits::default(), folds: DEFAULT_FOLDS }
    }
}

/// Checks a data set. Clips are decoded in parallel, block by block, so that memory does not grow
/// with their length. `tick` is called with the number of finished clips and the total.
///
/// # Errors
/// The data set cannot be read at all: it does not exist, no layout is recognized, a table is
/// damaged or lacks a column. All other problems are part of the report.
pub fn check(
    path: &Path,
    options: &OpenOptions,
    settings: &CheckSettings,
    tick: impl Fn(usize, usize) + Sync,
) -> Result<CheckReport, DatasetError> {
    let read = read(path, options)?;
    let manifest = &read.manifest;
    let items: Vec<&ClipEntry> = manifest.train.iter().chain(&manifest.test).collect();
    let done = AtomicUsize::new(0);
    let decoded: Vec<Result<Option<DecodedClip>, Problem>> = items
        .par_iter()
        .map(|item| {
            let decoded = if item.path.is_file() { decode(&item.path, &settings.limits).map(Some) } else { Ok(None) };
            tick(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
            decoded
        })
        .collect();

    let mut problems: Vec<Problem> = read.faults.iter().flat_map(of_fault).collect();
    let mut clips = Vec::with_capacity(items.len());
    for decoded in decoded {
        match decoded {
            Ok(clip) => clips.push(clip),
            Err(problem) => {
                problems.push(problem);
                clips.push(None);
            }
        }
    }
    let pairs = || items.iter().copied().zip(&clips).filter_map(|(item, decoded)| Some((item, decoded.as_ref()?)));
    problems.extend(pairs().flat_map(|(item, decoded)| decoded.problems(&item.path)));
    problems.extend(rules(manifest, &clips, settings.folds).into_iter().map(of_violation));
    problems.extend(compare::recordings_in_train_and_test(manifest));
    problems.extend(compare::same_sounds(manifest, &clips));
    problems.extend(files::ignored_files(&read, path, options));
    problems.sort();
    problems.dedup_by(|later, earlier| later.kind == ProblemKind::Unreadable && later.files == earlier.files);
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let mut report = CheckReport { errors, warnings: problems.len() - errors, problems, ..summary(manifest, &clips) };
    report.data = path.display().to_string();
    Ok(report)
}

/// The rules that a data set violates. If folds are drawn, copies are grouped first, as in
/// training.
fn rules(manifest: &Manifest, clips: &[Option<DecodedClip>], folds: usize) -> Vec<Violation> {
    let broken = violations(manifest, folds);
    if manifest.gives_folds() || broken.iter().any(|rule| rule.severity == Severity::Error) {
        return broken;
    }
    let mut grouped = manifest.clone();
    let sounds: Vec<_> = clips.iter().map(|decoded| decoded.as_ref().and_then(|decoded| decoded.sound)).collect();
    if grouped.group_copies(&sounds) { violations(&grouped, folds) } else { broken }
}

/// The counts of a report.
fn summary(manifest: &Manifest, clips: &[Option<DecodedClip>]) -> CheckReport {
    let class = |label: &String| Class { label: label.clone(), train: 0, test: 0, seconds: 0.0 };
    let mut classes: Vec<Class> = manifest.labels.iter().map(class).collect();
    for (index, (item, decoded)) in manifest.train.iter().chain(&manifest.test).zip(clips).enumerate() {
        for label in &item.labels {
            let class = &mut classes[*label];
            *(if index < manifest.train.len() { &mut class.train } else { &mut class.test }) += 1;
            class.seconds += decoded.as_ref().map_or(0.0, |decoded| decoded.seconds);
        }
    }
    let (mut sample_rates, mut channels) = (BTreeMap::new(), BTreeMap::new());
    let mut seconds = Vec::new();
    for decoded in clips.iter().flatten() {
        *sample_rates.entry(decoded.sample_rate).or_insert(0) += 1;
        *channels.entry(decoded.channels).or_insert(0) += 1;
        seconds.push(decoded.seconds);
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
    CheckReport {
        data: String::new(),
        train: manifest.train.len(),
        test: manifest.test.len(),
        excluded: manifest.excluded,
        task: manifest.task,
        labels: manifest.train.iter().map(|item| item.labels.len()).sum(),
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

/// Converts an error of reading to problems: one for each missing file.
fn of_fault(fault: &DatasetError) -> Vec<Problem> {
    let missing = |path| Problem::error(ProblemKind::MissingFile, vec![shown(path)], "the file is missing");
    match fault {
        DatasetError::MissingFiles { paths } => paths.iter().map(|path| missing(path)).collect(),
        DatasetError::File(error) => {
            vec![Problem::error(ProblemKind::Unreadable, vec![shown(&error.path)], error.to_string())]
        }
        other => vec![Problem::error(kind_of(other), Vec::new(), other.to_string())],
    }
}

fn of_violation(found: Violation) -> Problem {
    let files = found.files.iter().map(|path| shown(path)).collect();
    Problem { severity: found.severity, kind: kind_of(&found.reason), files, message: found.reason.to_string() }
}

fn kind_of(reason: &DatasetError) -> ProblemKind {
    match reason {
        DatasetError::Label { .. } | DatasetError::SimilarLabels { .. } | DatasetError::FoldersOfOneClass { .. } => {
            ProblemKind::Label
        }
        DatasetError::ClassesTooSmall { .. } => ProblemKind::FewClips,
        DatasetError::GroupInTwoFolds { .. } => ProblemKind::TwoFolds,
        _ => ProblemKind::Manifest,
    }
}
