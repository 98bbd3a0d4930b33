//! How a run says where it stands, and how it is stopped.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use earmark_training::Progress;

/// What happens in a run. Events of several jobs come from several threads at once.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Something that the user should know, and that stops nothing.
    Warning(&'a Warning),
    /// Something that was done.
    Note(&'a Note),
    /// A stage before the jobs begins; it has so many steps.
    StageStarted(Stage, usize),
    /// A step of the stage is done. The steps of a stage are done by several threads.
    StageAdvanced(Stage),
    /// The stage is done.
    StageFinished(Stage),
    /// A step of a download.
    Download(earmark_download::Event<'a>),
    /// The last download is done, or has failed.
    DownloadFinished,
    /// The run's folder holds its recipe, labels and clips now.
    RunStarted(&'a std::path::Path),
    /// The jobs begin: the cost of each, in a unit of its own, and how many run at once.
    JobsStarted {
        /// Of each job, in the order of their numbers.
        costs: &'a [f64],
        /// Jobs at once.
        workers: usize,
    },
    /// A job begins.
    JobStarted(JobId<'a>),
    /// A job has done a batch, or predicted a clip.
    JobAdvanced {
        /// Which.
        job: JobId<'a>,
        /// What it does.
        progress: Progress,
        /// What is left of its cost.
        left: f64,
    },
    /// A job has ended.
    JobFinished {
        /// Which.
        job: JobId<'a>,
        /// How.
        outcome: JobOutcome,
        /// Seconds since it began in this process; 0 for one that was done before.
        seconds: f64,
    },
    /// All jobs have ended, or were stopped.
    JobsFinished,
}

/// A job of a run.
#[derive(Debug, Clone, Copy)]
pub struct JobId<'a> {
    /// Its number among the jobs of this process.
    pub index: usize,
    /// `LEARNER/SPLIT`.
    pub name: &'a str,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    /// Its weights and predictions are stored.
    Done,
    /// It, or an earlier process, had finished it before.
    DoneBefore,
    /// [`PipelineError::Jobs`](crate::PipelineError::Jobs) has the reason in the end.
    Failed,
    /// It was cancelled, and its state is saved.
    Cancelled,
    /// Another process trains it.
    Elsewhere,
}

/// What became of the job, a predicate.
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

/// What is done before the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The SHA-256 of each file is computed.
    Checksums,
    /// Clips are decoded and their features computed, or read from the cache.
    Features,
    /// [`plan`](crate::plan) measures each learner.
    Measurements,
}

/// What is counted.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checksums => "files",
            Self::Features => "features",
            Self::Measurements => "measured",
        })
    }
}

/// Something that the user should know, and that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The recipe has the former name of a key.
    RenamedKey {
        /// The name in the recipe, with its section.
        old: String,
        /// The name of now.
        new: String,
    },
    /// What `earmark data check` warns of.
    Data(String),
    /// More of them than are worth showing.
    MoreOfData {
        /// How many.
        count: usize,
        /// The data set.
        data: PathBuf,
    },
    /// A clip that cannot be decoded, and what stands for it.
    Clip {
        /// Which, and why.
        reason: String,
        /// `skipped` or `replaced by silence`.
        instead: &'static str,
    },
    /// An entry of the cache that was damaged, and was computed again.
    CacheEntry {
        /// Its file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// Copies of one sound where they make scores too good, or labels contradict each other.
    Copies(String),
    /// The folder's file system has no locks.
    NoLocks {
        /// A job that this process trains.
        job: String,
    },
    /// Where the sounds lie could not be stored for the report.
    SoundsNotNoted(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RenamedKey { old, new } => write!(f, "the recipe's `{old}` is called `{new}` now; both are read"),
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

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Features were computed.
    Features {
        /// Clips and front ends that were computed.
        computed: usize,
        /// Those that the cache had.
        cached: usize,
        /// Of all of them, on disk.
        bytes: u64,
        /// The cache.
        folder: PathBuf,
    },
    /// Labels were verified by another run.
    Verified {
        /// That run.
        run: PathBuf,
        /// Labels that it predicts, too.
        agreed: usize,
        /// Labels that it does not.
        doubted: usize,
        /// Clips that it does not have.
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
            Self::Features { computed, cached, bytes, folder } => write!(
                f,
                "features: {} in {} ({computed} computed, {cached} from the cache)",
                crate::text::size(*bytes),
                folder.display()
            ),
            Self::Verified { run, agreed, doubted, unknown } => {
                write!(f, "verified by {}: {agreed} labels; {doubted} stay unverified", run.display())?;
                if *unknown > 0 { write!(f, ", and {unknown} are not in that run") } else { Ok(()) }
            }
            Self::PublishedWeights { source, data, licence } => {
                write!(f, "weights of {source} (trained on {data}), licence: {licence}")
            }
        }
    }
}

/// Takes the events of a run: draws bars, writes a log, or ignores them.
pub trait Observer: Sync {
    /// Something has happened. It is called from the threads that work, which wait for it.
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

/// Warns the observer and the log.
pub(crate) fn warn(observer: &dyn Observer, warning: Warning) {
    tracing::warn!("{warning}");
    observer.event(&Event::Warning(&warning));
}

/// Notes something for the observer and the log.
pub(crate) fn note(observer: &dyn Observer, note: Note) {
    tracing::info!("{note}");
    observer.event(&Event::Note(&note));
}

/// Stops a run: between the stages before the jobs, and in each job at its next batch. Clones stop
/// the same run.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop. It may take until the end of a batch.
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
