//! How a run reports its progress, and how it is stopped.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use earmark_tables::{counted, size};
use earmark_training::Progress;

use crate::throughput::JobCost;

/// An event of a run. Concurrent jobs send events from several threads.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The user should know about this, but the run continues.
    Warning(&'a Warning),
    /// Something that was done.
    Note(&'a Note),
    /// A stage before the jobs begins; it has this many steps.
    StageStarted(Stage, usize),
    /// A step of the stage is done. Several threads work on the steps of a stage.
    StageAdvanced(Stage),
    /// The stage is done.
    StageFinished(Stage),
    /// A step of a download.
    Download(earmark_download::Event<'a>),
    /// The last download has finished or failed.
    DownloadFinished,
    /// The run's folder now holds its recipe, labels and clips.
    RunStarted(&'a std::path::Path),
    /// The jobs begin.
    JobsStarted {
        /// The cost of each job, by job index.
        costs: &'a [JobCost],
        /// The number of jobs that run at once.
        workers: usize,
    },
    /// A job begins.
    JobStarted(JobId<'a>),
    /// A job has trained on a batch, or predicted a clip.
    JobAdvanced {
        /// The job.
        job: JobId<'a>,
        /// How far the job is.
        progress: Progress,
        /// The remaining cost of the job.
        left: f64,
    },
    /// A job has ended.
    JobFinished {
        /// The job.
        job: JobId<'a>,
        /// How it ended.
        outcome: JobOutcome,
        /// Seconds since it began in this process; 0 for a job that was already done.
        seconds: f64,
    },
    /// All jobs have ended or were stopped.
    JobsFinished,
}

/// A job of a run.
#[derive(Debug, Clone, Copy)]
pub struct JobId<'a> {
    /// Its index among the jobs of this process.
    pub index: usize,
    /// `LEARNER/SPLIT`.
    pub name: &'a str,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    /// Its weights and predictions are stored.
    Done,
    /// It was already finished, by this or an earlier process.
    DoneBefore,
    /// The reason is in the final [`PipelineError::Jobs`](crate::PipelineError::Jobs).
    Failed,
    /// It was cancelled, and its state is saved.
    Cancelled,
    /// Another process is training it.
    Elsewhere,
}

impl JobOutcome {
    /// A name for programs, such as log records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::DoneBefore => "done_before",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// The outcome as a predicate, such as "is done".
impl fmt::Display for JobOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "is done",
            Self::DoneBefore => "was done before",
            Self::Failed => "failed",
            Self::Cancelled => "stopped",
            Self::Elsewhere => "is being trained by another process",
        })
    }
}

/// A stage before the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The SHA-256 of each file is computed.
    Checksums,
    /// Clips are decoded and their features computed, or read from the cache.
    Features,
    /// Each learner is measured: its time by [`plan`](crate::plan), its memory before jobs that
    /// share a GPU.
    Measurements,
}

/// What the steps of the stage are.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checksums => "files",
            Self::Features => "features",
            Self::Measurements => "measured",
        })
    }
}

/// A warning: the user should know about this, but the run continues.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The recipe uses the former name of a key.
    RenamedKey {
        /// The name in the recipe, with its section.
        old: String,
        /// The current name.
        new: String,
    },
    /// A warning of `earmark data check`.
    Data(String),
    /// More warnings about the data than are shown.
    MoreOfData {
        /// How many more.
        count: usize,
        /// The data set.
        data: PathBuf,
    },
    /// A clip cannot be decoded, and is skipped or replaced.
    Clip {
        /// The clip, and why it cannot be decoded.
        reason: String,
        /// `skipped` or `replaced by silence`.
        instead: &'static str,
    },
    /// An entry of the cache was damaged and has been computed again.
    CacheEntry {
        /// The file of the entry.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// Copies of one sound make scores too good, or have contradictory labels.
    Copies(String),
    /// The file system of the folder has no locks.
    NoLocks {
        /// A job that this process is training.
        job: String,
    },
    /// The location of the sounds could not be stored for the report.
    SoundsNotNoted(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RenamedKey { old, new } => write!(f, "`{old}` in the recipe is now called `{new}`; both are read"),
            Self::Data(text) | Self::Copies(text) => f.write_str(text),
            Self::MoreOfData { count, data } => {
                write!(f, "and {count} more; `earmark data check {}` lists them", data.display())
            }
            Self::Clip { reason, instead } => write!(f, "{reason}: {instead}"),
            Self::CacheEntry { path, reason } => write!(f, "{} was computed again: {reason}", path.display()),
            Self::NoLocks { job } => {
                write!(f, "the file system of this run has no locks: let no other process train {job}")
            }
            Self::SoundsNotNoted(reason) => write!(f, "the report will not find the sounds: {reason}"),
        }
    }
}

/// A note about something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// No recipe was named, so one was chosen.
    ChosenRecipe {
        /// The name of its file in `recipes/`, without the extension.
        name: &'static str,
        /// What the choice depended on.
        reason: String,
    },
    /// A recipe that is part of the program was named.
    ShippedRecipe {
        /// The name of its file in `recipes/`, without the extension.
        name: &'static str,
    },
    /// No recipe was named, so the run is continued with its own.
    OwnRecipe {
        /// The file in the run's folder.
        file: PathBuf,
    },
    /// Features were computed.
    Features {
        /// The number of pairs of clip and front end that were computed.
        computed: usize,
        /// The number of pairs that were in the cache.
        cached: usize,
        /// The size of all of them on disk.
        bytes: u64,
        /// The folder of the cache.
        folder: PathBuf,
    },
    /// Labels were verified by the predictions of another run.
    Verified {
        /// The other run.
        run: PathBuf,
        /// The number of labels that the other run predicts, too.
        agreed: usize,
        /// The number of labels that the other run does not predict.
        doubted: usize,
        /// The number of clips that the other run does not have.
        unknown: usize,
    },
    /// Published weights are used.
    PublishedWeights {
        /// The repository or address.
        source: String,
        /// The data that they were trained on.
        data: String,
        /// Their licence.
        licence: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChosenRecipe { name, reason } => write!(f, "recipe: {name}.toml ({reason})"),
            Self::ShippedRecipe { name } => write!(f, "recipe: {name}.toml (Earmark's own)"),
            Self::OwnRecipe { file } => write!(f, "recipe: {} (the run's own)", file.display()),
            Self::Features { computed, cached, bytes, folder } => write!(
                f,
                "features: {} in {} ({computed} computed, {cached} from the cache)",
                size(*bytes),
                folder.display()
            ),
            Self::Verified { run, agreed, doubted, unknown } => {
                let agreed = counted(*agreed, "label");
                write!(f, "verified by {}: {agreed}; unverified: {doubted}", run.display())?;
                if *unknown > 0 { write!(f, "; not in that run: {unknown}") } else { Ok(()) }
            }
            Self::PublishedWeights { source, data, licence } => {
                write!(f, "weights of {source} (trained on {data}), licence: {licence}")
            }
        }
    }
}

/// Receives the events of a run: draws progress bars, writes a log, or ignores them.
pub trait Observer: Sync {
    /// Receives an event. The worker threads call this and wait for it.
    fn event(&self, event: &Event<'_>);
}

/// Ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event<'_>) {}
}

impl<F: Fn(&Event<'_>) + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Sends a warning to the observer and the log.
pub(crate) fn warn(observer: &dyn Observer, warning: Warning) {
    tracing::warn!("{warning}");
    observer.event(&Event::Warning(&warning));
}

/// Sends a note to the observer and the log.
pub(crate) fn note(observer: &dyn Observer, note: Note) {
    tracing::info!("{note}");
    observer.event(&Event::Note(&note));
}

/// Stops a run: between the stages before the jobs, and in each job at its next batch. Clones stop
/// the same run.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop. It stops at the end of the current batch at the latest.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the run is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The flag itself, for a signal handler to set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}
