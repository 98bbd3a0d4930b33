//! The folder of a run: the path of each file, and how it is read and written. This module handles
//! files and plain values, but neither recipes nor results.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use earmark_datasets::Task;
use earmark_files::FileError;
use earmark_tables::CsvFile;
use earmark_training::Split;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub mod format;
mod identity;
mod jobs;
mod level2;
mod provenance;
mod sounds;

pub use jobs::JobRecord;
pub(crate) use level2::CHOICE;
pub use level2::{TrainMerits, TrainScores};
pub use sounds::SoundFolders;

use crate::error::{PipelineError, Result, ensure};
use identity::Identity;

pub(crate) const RECIPE: &str = "recipe.toml";
pub(crate) const LABELS: &str = "labels.txt";
pub(crate) const CLIPS: &str = "splits.csv";
/// Locked while a run begins.
pub(crate) const LOCK: &str = "lock";
/// The folder of the feature cache in a run's folder.
pub(crate) const CACHE: &str = "cache";
/// The log of `earmark train`.
pub const LOG: &str = "log.jsonl";

/// The files and folders of a run.
const NAMES: [&str; 25] = [
    format::FILE,
    LOCK,
    RECIPE,
    LABELS,
    CLIPS,
    CACHE,
    LOG,
    "pretrained.json",
    "embeddings",
    "verified.json",
    "statistics.csv",
    "statistics.json",
    "data.json",
    "jobs",
    "oof",
    "test",
    "level2",
    "results.json",
    "confusion.csv",
    "confusion_test.csv",
    "co_occurrence.csv",
    "co_occurrence_test.csv",
    "report.html",
    "report",
    "bundle",
];

/// A run's folder.
#[derive(Debug)]
pub struct Run {
    /// The path of the folder.
    pub folder: PathBuf,
    /// The identity of the run, once it has been computed.
    identity: OnceLock<Identity>,
}

/// What is between the labels of a clip in `splits.csv`: no label has a control character.
pub(crate) const LABEL_SEPARATOR: char = '\t';

/// A clip of a run, a row of `splits.csv`: everything that level 2 and the scores need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipRow {
    /// The name of the clip in the data set.
    pub fname: String,
    /// `train` or `test`.
    pub set: String,
    /// The label; empty for a test clip whose label is unknown. Several labels have a tab between
    /// them, which is in no label.
    pub label: String,
    /// Whether a person checked the label.
    pub verified: bool,
    /// The fold; empty for a test clip.
    pub fold: Option<usize>,
    /// SHA-256 of the clip's file.
    pub sha256: String,
}

impl ClipRow {
    /// Whether it is a training clip.
    pub fn is_train(&self) -> bool {
        self.set == "train"
    }

    /// Its labels; none if they are unknown.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.label.split(LABEL_SEPARATOR).filter(|label| !label.is_empty())
    }
}

/// The number of folds of a run's clips.
pub fn fold_count(clips: &[ClipRow]) -> usize {
    clips.iter().filter_map(|clip| clip.fold).max().map_or(0, |last| last + 1)
}

/// A row of a job's `history.csv`.
#[derive(Debug, Clone, Deserialize)]
pub struct HistoryRow {
    /// The number of the epoch, counted from 1.
    pub epoch: usize,
    /// Mean cross-entropy over the crops.
    pub loss: f64,
    /// Share of the crops for which the largest output is the correct label.
    pub accuracy: f64,
    /// The accuracy on the held-out clips, if the recipe keeps the best epoch.
    pub held_out_accuracy: Option<f64>,
    /// Duration of the epoch.
    pub seconds: f64,
}

/// A job that this process has locked until the value is dropped.
#[derive(Debug)]
pub struct JobLock {
    lock: PathBuf,
    _file: File,
    /// False if the file system has no locks, so that other processes cannot be excluded.
    pub locked: bool,
}

impl JobLock {
    /// Removes the lock of a job that is done. A process that locks the job later finds it done.
    pub fn done(self) {
        // A lock that cannot be removed is an empty file.
        let _ = std::fs::remove_file(&self.lock);
    }
}

impl Run {
    /// Opens an existing run.
    ///
    /// # Errors
    /// [`PipelineError::NotARun`], [`PipelineError::NewerFormat`].
    pub fn open(folder: &Path) -> Result<Self> {
        let (run, name) = (Self::at(folder), folder.display());
        ensure!(folder.exists(), NotARun, "{name} does not exist");
        Self::check_files(folder)?;
        ensure!(run.path(CLIPS).exists(), NotARun, "{name} is not a run: it has no {CLIPS}");
        format::of(folder)?;
        Ok(run)
    }

    /// Checks that a run in `folder`, if there is one, still has the files that it began with.
    ///
    /// # Errors
    /// [`PipelineError::Lost`].
    pub(crate) fn check_files(folder: &Path) -> Result<()> {
        let run = Self::at(folder);
        let has = |name: &str| run.path(name).exists();
        let lost = match (has(CLIPS), has(format::FILE)) {
            // A process that ended before the run began leaves the format, but no jobs.
            (false, begun) => Some((CLIPS, "clips and folds")).filter(|_| begun && has("jobs")),
            (true, _) if !has(RECIPE) => Some((RECIPE, "own recipe")),
            (true, _) if !has(LABELS) => Some((LABELS, "classes")),
            (true, false) if format::is_lost(folder)? => Some((format::FILE, "format and task")),
            (true, _) => None,
        };
        match lost {
            Some((name, what)) => Err(PipelineError::Lost { file: run.path(name), what }),
            None => Ok(()),
        }
    }

    /// The folder of a run, whether it exists or not.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), identity: OnceLock::new() }
    }

    /// Checks that a run can be written in `folder`, before any clip is decoded.
    ///
    /// # Errors
    /// The folder holds files that do not belong to a run, or cannot be written to.
    pub fn check_place(folder: &Path) -> Result<()> {
        // A process that ended before the run began leaves these.
        let begun = folder.join(format::FILE).exists();
        let is_ours = |name: &str| {
            name.starts_with('.')
                || [CACHE, LOCK, LOG].contains(&name)
                || begun && [RECIPE, LABELS, format::FILE].contains(&name)
        };
        if !folder.join(CLIPS).exists() {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let foreign = entries.map(|entry| entry.file_name()).find(|name| !is_ours(&name.to_string_lossy()));
            if let Some(foreign) = foreign {
                return Err(PipelineError::NotARun(format!(
                    "--out {}: the folder is not empty and is not a run (it has {}); choose another folder",
                    folder.display(),
                    foreign.display()
                )));
            }
        }
        let probe = folder.join(".earmark-probe");
        earmark_files::write_atomic(&probe, b"")?;
        match std::fs::remove_file(&probe) {
            // Another process, with another job of this run, removed it first.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => Ok(removed.map_err(FileError::of("remove", &probe))?),
        }
    }

    /// Removes the temporary files of killed processes, once all jobs are done and level 2 is
    /// locked: immediately where no other process can be writing, elsewhere if they are older than
    /// a day. The cache removes its own.
    pub(crate) fn sweep(&self, jobs: impl Iterator<Item = PathBuf>) {
        for folder in jobs.chain(["oof", "test", "level2", "bundle"].map(|name| self.path(name))) {
            earmark_files::sweep(&folder, Duration::ZERO);
        }
        for folder in ["", "report"] {
            earmark_files::sweep(&self.path(folder), earmark_files::ABANDONED);
        }
    }

    /// Whether a path, which need not exist, is a file of the run in `folder` or is in one of its
    /// folders.
    pub(crate) fn contains(folder: &Path, path: &Path) -> bool {
        let (folder, path) = (earmark_files::resolve(folder), earmark_files::resolve(path));
        let inner = folder.zip(path).and_then(|(folder, path)| Some(path.strip_prefix(folder).ok()?.to_owned()));
        let first = inner.as_ref().and_then(|inner| inner.components().next());
        first.is_some_and(|first| NAMES.iter().any(|name| first.as_os_str() == *name))
    }

    /// The path of a file in the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether its clips may have several labels.
    ///
    /// # Errors
    /// `run.json` cannot be read.
    pub fn task(&self) -> Result<Task> {
        format::task(&self.folder)
    }

    /// The classes.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn labels(&self) -> Result<Vec<String>> {
        Ok(earmark_files::read_to_string(&self.path(LABELS))?.lines().map(str::to_owned).collect())
    }

    /// The clips, in the order of every table of the run: training clips, then test clips.
    ///
    /// # Errors
    /// The file cannot be read, or is cut off.
    pub fn clips(&self) -> Result<Vec<ClipRow>> {
        rows(&self.path(CLIPS))
    }

    /// The folder of a job.
    pub fn job(&self, learner: &str, split: Split) -> PathBuf {
        self.folder.join("jobs").join(learner).join(split.to_string())
    }

    /// Locks a job, so that no other process trains it; `None` if another process has locked it.
    /// The lock is an advisory lock of the operating system: it ends with the process, and other
    /// machines see it if the folder's file system supports that.
    ///
    /// # Errors
    /// The folder cannot be created or written to.
    pub(crate) fn lock_job(&self, learner: &str, split: Split) -> Result<Option<JobLock>> {
        let folder = self.job(learner, split);
        earmark_files::create_folder(&folder)?;
        let lock = folder.join("lock");
        let file = earmark_files::open_lock(&lock).map_err(FileError::of("open", &lock))?;
        let locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if has_no_locks(&error) => false,
            Err(TryLockError::Error(source)) => return Err(FileError::of("lock", &lock)(source).into()),
        };
        Ok(Some(JobLock { lock, _file: file, locked }))
    }

    /// Waits until no other process writes level 2 or the report, and keeps others waiting until
    /// the file is dropped. Two processes that share the jobs may both reach level 2.
    ///
    /// # Errors
    /// The folder cannot be created or written to.
    pub fn lock_level2(&self) -> Result<File> {
        earmark_files::create_folder(&self.path("level2"))?;
        self.wait_for_lock("level2/lock")
    }

    pub(crate) fn wait_for_lock(&self, name: &str) -> Result<File> {
        let lock = self.path(name);
        let file = earmark_files::open_lock(&lock).map_err(FileError::of("open", &lock))?;
        match file.lock() {
            Err(error) if !has_no_locks(&error) => Err(FileError::of("lock", &lock)(error).into()),
            _ => Ok(file),
        }
    }

    /// The epochs of a job so far.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn history(&self, learner: &str, split: Split) -> Result<Vec<HistoryRow>> {
        rows_if_any(&self.job(learner, split).join("history.csv"))
    }
}

/// Whether the error means that a file system has no locks: it does not support them or, like some
/// network file systems, has none available (ENOLCK).
fn has_no_locks(error: &std::io::Error) -> bool {
    let enolck = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(enolck)
}

/// The rows of a CSV file; empty if the file does not exist.
///
/// # Errors
/// The file cannot be read, or a row does not parse.
pub fn rows_if_any<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    if path.exists() { rows(path) } else { Ok(Vec::new()) }
}

/// The rows of a CSV file.
fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = earmark_files::read_to_string(path)?;
    let damaged = |reason: String| PipelineError::Damaged(format!("{} is damaged: {reason}", path.display()));
    // A file that is cut off within the last value may still parse.
    if !text.ends_with('\n') {
        return Err(damaged(format!("line {} is cut off", text.lines().count().max(1))));
    }
    let rows = CsvFile::parse(&text).and_then(|file| file.deserialize());
    rows.map_err(|error| damaged(error.to_string()))
}
