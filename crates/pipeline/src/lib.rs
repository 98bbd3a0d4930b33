//! From sounds and a recipe to a tagger: what `earmark train`, `stack`, `evaluate`, `compare` and
//! `predict` do, as functions.
//!
//! ```no_run,standalone_crate
//! use earmark_pipeline::{CancelToken, Silent, TrainOptions, train};
//!
//! let options = TrainOptions::new("recipes/fast.toml", "sounds", "runs/mine");
//! let trained = train(&options, &Silent, &CancelToken::new())?;
//! if let Some(results) = trained.results {
//!     println!("{results}");
//! }
//! # Ok::<(), earmark_pipeline::PipelineError>(())
//! ```
//!
//! The result is the folder of a run; `earmark-tagging` tags with its `bundle/`. The same call
//! resumes a run that was stopped by a [`CancelToken`] or killed, and on a CPU the result is
//! identical to the bit. An [`Observer`] receives the progress as [`Event`]s; log records go to
//! `tracing`, with a span `job` for each job. Nothing here prints, reads the command line, handles
//! signals or ends the process. The only process-wide setting that this crate changes is the number
//! of threads of libtorch.

mod admission;
mod base_predictions;
mod begin;
mod bundle;
mod changes;
mod checks;
mod compare;
mod detection;
mod embeddings;
mod error;
mod evaluate;
mod events;
mod features;
mod incomparable;
mod jobs;
mod level2;
mod names;
mod options;
mod plan;
mod predict;
mod pretrained;
mod progress;
mod recipe;
mod run;
mod runner;
mod schedule;
mod statistics;
mod submission;
pub mod text;
mod throughput;
mod train;
mod verified;

pub use compare::{CompareOptions, RunComparison, compare};
pub use detection::{DetectionOptions, DetectionReport, evaluate_events};
pub use earmark_stacking::EventSettings;
pub use earmark_training::{LIBTORCH, LearnerSettings, Learning, Progress, Split};
pub use error::{PipelineError, Result};
pub use evaluate::{
    Comparison, Evaluation, JobScores, JobsTable, Model, ModelKind, MultiLabel, Results, RunResults, ScoreTables,
    Scoring, SingleLabel, evaluate, evaluate_jobs, evaluate_so_far,
};
pub use events::{CancelToken, Event, JobId, JobOutcome, Note, Observer, Silent, Stage, Warning};
pub use incomparable::{Incomparable, Relabelled};
pub use level2::stack;
pub use names::{ALL_LEARNERS, ARITHMETIC, GEOMETRIC, STACK};
pub use options::{HUB, JobSelection, TrainOptions};
pub use plan::{LearnerPlan, Plan, PlannedJob, plan};
pub use predict::{PredictOptions, predict};
pub use pretrained::{PlannedDownload, WeightsSource, WeightsSources};
pub use progress::JobsProgress;
pub use recipe::{CachePrecision, DataSettings, Recipe};
pub use run::{
    ClipRow, HistoryRow, JobRecord, LOG, Run, SoundFolders, TrainMerits, TrainScores, fold_count, rows_if_any,
};
pub use schedule::{CPU, Shard};
pub use submission::{LabelIntervals, ModelScores, SetScores, SubmissionScores, evaluate_submission};
pub use throughput::{JobCost, ThroughputEstimator};
pub use train::{Trained, train};
