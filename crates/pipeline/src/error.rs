//! The errors of a run.

use std::path::{Path, PathBuf};

use earmark_audio::AudioError;
use earmark_datasets::DatasetError;
use earmark_download::DownloadError;
use earmark_features::FeatureError;
use earmark_files::{FileError, did_you_mean};
use earmark_loader::LoadError;
use earmark_nets::ExportError;
use earmark_nets::{ShapeError, UnknownVariant, WeightsError};
use earmark_stacking::StackError;
use earmark_tables::counted;
use earmark_tagging::TaggingError;
use earmark_training::TrainingError;

use crate::incomparable::Incomparable;

/// An error of a run. The message names the file, key or option, the reason, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A key of a recipe, or its text, is invalid.
    #[error("{0}")]
    Recipe(String),
    /// There is no such recipe.
    #[error(
        "there is no recipe {}: neither a file, nor one of Earmark's own, which need no file: {}{}",
        file.display(), shipped.join(", "), did_you_mean(&stem(file), &shipped.iter().map(stem).collect::<Vec<_>>())
    )]
    NoRecipe {
        /// The file that was named.
        file: PathBuf,
        /// The names of Earmark's own recipes.
        shipped: Vec<String>,
    },
    /// An option contradicts another option, the recipe or the data.
    #[error("{0}")]
    Options(String),
    /// The folder holds a run with a different recipe.
    #[error("the recipe differs from that of the run in {}: {differences}; {remedy}", folder.display())]
    OtherRecipe {
        /// The folder of the run.
        folder: PathBuf,
        /// The differing keys with both values.
        differences: String,
        /// What to do.
        remedy: String,
    },
    /// The recipe, labels or clips of a run were edited after jobs were trained with them.
    #[error(
        "{} in {} {} trained with other settings than the run has now: {differences}; restore them, choose another \
         --out, or remove the {} of these jobs in {}/jobs to train them again",
        jobs.join(", "), folder.display(), if jobs.len() == 1 { "was" } else { "were" },
        if jobs.len() == 1 { "folder" } else { "folders" }, folder.display()
    )]
    OtherSettings {
        /// The folder of the run.
        folder: PathBuf,
        /// The jobs, as `LEARNER/SPLIT`.
        jobs: Vec<String>,
        /// The differing keys with both values, or the files that differ.
        differences: String,
    },
    /// The folder holds a run with different clips, labels or folds.
    #[error(
        "the data differ from those of the run in {}: {differences}; choose another --out, or remove that folder",
        folder.display()
    )]
    OtherData {
        /// The folder of the run.
        folder: PathBuf,
        /// The clips that differ.
        differences: String,
    },
    /// The folder holds a run that began with different pretrained weights.
    #[error("{0}")]
    OtherWeights(String),
    /// Another process removed learners from the recipe of the run.
    #[error(
        "another process has removed {} from the recipe of {}; the same command adds what is trained",
        learners.join(", "), folder.display()
    )]
    LearnersRemoved {
        /// The folder of the run.
        folder: PathBuf,
        /// The names of the learners.
        learners: Vec<String>,
    },
    /// The folder holds something other than a run.
    #[error("{0}")]
    NotARun(String),
    /// The run was written by a later version of Earmark.
    #[error(
        "{} has format {format}, written by Earmark {earmark}; this is Earmark {}, which reads formats up to {newest}: \
         update Earmark to {earmark} or later",
        file.display(), env!("CARGO_PKG_VERSION")
    )]
    NewerFormat {
        /// `run.json`.
        file: PathBuf,
        /// The format of the run.
        format: u32,
        /// The version that wrote the run.
        earmark: String,
        /// The highest format that this version reads.
        newest: u32,
    },
    /// A file that the run began with, and that cannot be computed again, is missing.
    #[error(
        "{} is missing, which has the run's {what}; restore it, or begin another run with another --out",
        file.display()
    )]
    Lost {
        /// The file.
        file: PathBuf,
        /// What it contains.
        what: &'static str,
    },
    /// A file of the run is missing or damaged.
    #[error("{0}")]
    Damaged(String),
    /// A part of the run was made from other files than those now in its folder.
    #[error("{0}")]
    OtherRun(String),
    /// A job whose result is needed has not finished.
    #[error("the job {0} is not done: run `earmark train` again")]
    JobNotDone(String),
    /// The learners have not been stacked yet.
    #[error("{0}")]
    NotStacked(String),
    /// The run has no model of this name, or nothing to predict.
    #[error("{0}")]
    Prediction(String),
    /// Clips or files cannot be read.
    #[error("{summary}:\n  {}", reasons.join("\n  "))]
    Clips {
        /// The number of them, and what to do.
        summary: String,
        /// One line for each, with the reason.
        reasons: Vec<String>,
    },
    /// Jobs failed, or are being trained by another process.
    #[error("{}", .0.join("\nerror: "))]
    Jobs(
        /// One line for each.
        Vec<String>,
    ),
    /// The [`CancelToken`](crate::CancelToken) was cancelled. The progress so far is saved.
    #[error(
        "{done} of {} {} done, and what the others have trained is saved; the same command resumes from there",
        counted(*of, "job"), if *of == 1 { "is" } else { "are" }
    )]
    Cancelled {
        /// The number of jobs that are done.
        done: usize,
        /// The number of all jobs.
        of: usize,
    },
    /// Two runs cannot be compared.
    #[error(transparent)]
    Incomparable(Box<Incomparable>),
    /// A submission, or the labels that it is scored against, is invalid.
    #[error("{0}")]
    Submission(String),
    /// A table of events is invalid, or two do not have the same recordings.
    #[error("{0}")]
    Detection(String),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A data set cannot be opened.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The features of a clip cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A sound file cannot be decoded, or its limits are invalid.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A front end is invalid.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// A training job failed.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// Level 2 failed.
    #[error(transparent)]
    Stacking(#[from] StackError),
    /// A bundle is invalid or cannot be written.
    #[error(transparent)]
    Bundle(#[from] TaggingError),
    /// A download failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Weights cannot be read, written or used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// There is no such network.
    #[error(transparent)]
    Architecture(#[from] UnknownVariant),
    /// The features do not fit a network.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A network cannot be written as ONNX.
    #[error(transparent)]
    Onnx(#[from] ExportError),
    /// A text does not have the expected format.
    #[error(transparent)]
    Format(Box<dyn std::error::Error + Send + Sync>),
    /// Another error with the place where it occurred.
    #[error("{context}")]
    In {
        /// The file, key or part of the run.
        context: String,
        /// The error.
        source: Box<PipelineError>,
    },
}

/// The result type of this crate's functions.
pub type Result<T, E = PipelineError> = std::result::Result<T, E>;

/// The name of a file without folder and extension.
fn stem(file: impl AsRef<Path>) -> String {
    file.as_ref().file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

macro_rules! formats {
    ($($error:ty),*) => {$(
        impl From<$error> for PipelineError {
            fn from(error: $error) -> Self {
                Self::Format(error.into())
            }
        }
    )*};
}

impl From<Incomparable> for PipelineError {
    fn from(error: Incomparable) -> Self {
        Self::Incomparable(Box::new(error))
    }
}

formats!(csv::Error, serde_json::Error, toml::de::Error, toml::ser::Error, regex::Error);

impl PipelineError {
    /// The innermost error, without the context that was added to it.
    pub fn root(&self) -> &Self {
        match self {
            Self::In { source, .. } => source.root(),
            error => error,
        }
    }

    /// The error and its causes as one line.
    pub fn line(&self) -> String {
        earmark_files::with_causes(self)
    }
}

/// Adds context to an error.
pub(crate) trait Context<T> {
    /// Adds the place where the error occurred.
    fn context(self, context: impl Into<String>) -> Result<T>;
    /// Like [`Context::context`], but only evaluates the closure if there is an error.
    fn with_context<C: Into<String>>(self, context: impl FnOnce() -> C) -> Result<T>;
}

impl<T, E: Into<PipelineError>> Context<T> for std::result::Result<T, E> {
    fn context(self, context: impl Into<String>) -> Result<T> {
        self.with_context(|| context)
    }

    fn with_context<C: Into<String>>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| PipelineError::In { context: context().into(), source: Box::new(error.into()) })
    }
}

/// Returns an error unless a condition holds: `ensure!(condition, Variant, "text {}", argument)`.
macro_rules! ensure {
    ($condition:expr, $variant:ident, $($text:tt)+) => {
        if !$condition {
            return Err($crate::PipelineError::$variant(format!($($text)+)));
        }
    };
}
pub(crate) use ensure;
