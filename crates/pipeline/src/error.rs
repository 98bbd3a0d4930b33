//! What can go wrong in a run.

use std::path::PathBuf;

use earmark_audio::AudioError;
use earmark_datasets::DatasetError;
use earmark_download::DownloadError;
use earmark_features::FeatureError;
use earmark_files::FileError;
use earmark_loader::LoadError;
use earmark_nets::ExportError;
use earmark_nets::{ShapeError, UnknownVariant, WeightsError};
use earmark_stacking::StackError;
use earmark_tagging::TaggingError;
use earmark_training::TrainingError;

/// What can go wrong in a run. The message names the file, key or option, the reason, and what to
/// do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A key of a recipe, or its text.
    #[error("{0}")]
    Recipe(String),
    /// An option that contradicts another one, the recipe or the data.
    #[error("{0}")]
    Options(String),
    /// A run of another recipe is in the folder.
    #[error("the recipe differs from that of the run in {}: {differences}; {remedy}", folder.display())]
    OtherRecipe {
        /// The run.
        folder: PathBuf,
        /// The keys with both values.
        differences: String,
        /// What to do.
        remedy: String,
    },
    /// A run on other clips, labels or folds is in the folder.
    #[error(
        "the data differ from those of the run in {}: {differences}; choose another --out, or remove that folder",
        folder.display()
    )]
    OtherData {
        /// The run.
        folder: PathBuf,
        /// The clips that differ.
        differences: String,
    },
    /// A run that began with other pretrained weights is in the folder.
    #[error("{0}")]
    OtherWeights(String),
    /// Another process has removed learners from the recipe of the run.
    #[error(
        "another process has removed {} from the recipe of {}; the same command adds what is trained",
        learners.join(", "), folder.display()
    )]
    LearnersRemoved {
        /// The run.
        folder: PathBuf,
        /// Their names.
        learners: Vec<String>,
    },
    /// The folder holds something else than a run.
    #[error("{0}")]
    NotARun(String),
    /// A later version of Earmark has written the run.
    #[error(
        "{} has format {format}, written by Earmark {earmark}; this is Earmark {}, which reads formats up to {newest}: \
         update Earmark to {earmark} or later",
        file.display(), env!("CARGO_PKG_VERSION")
    )]
    NewerFormat {
        /// `run.json`.
        file: PathBuf,
        /// Its format.
        format: u32,
        /// The version that wrote it.
        earmark: String,
        /// The highest format that this version reads.
        newest: u32,
    },
    /// A file of the run that is missing or damaged.
    #[error("{0}")]
    Damaged(String),
    /// A part of the run was made from other files than those that are in its folder now.
    #[error("{0}")]
    OtherRun(String),
    /// A job whose result is needed has not finished.
    #[error("the job {0} is not done: run `earmark train` again")]
    JobNotDone(String),
    /// The learners are not stacked yet.
    #[error("{0}")]
    NotStacked(String),
    /// The run has no model of that name, or nothing to predict.
    #[error("{0}")]
    Prediction(String),
    /// Clips or files that cannot be read, each with its reason.
    #[error("{summary}:\n  {}", reasons.join("\n  "))]
    Clips {
        /// How many, and what to do.
        summary: String,
        /// A line for each.
        reasons: Vec<String>,
    },
    /// Jobs that failed, or that another process trains.
    #[error("{}", .0.join("\nerror: "))]
    Jobs(
        /// A line for each.
        Vec<String>,
    ),
    /// The [`CancelToken`](crate::CancelToken) was cancelled. What was trained so far is saved.
    #[error(
        "{done} of {of} jobs are done, and what the others have trained is saved; the same command resumes from there"
    )]
    Cancelled {
        /// Jobs that are done.
        done: usize,
        /// All jobs.
        of: usize,
    },
    /// A submission, or the labels that it is scored by.
    #[error("{0}")]
    Submission(String),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A data set.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The features of a clip.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A sound file, or limits of sound files.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A front end.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// A training job.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// Level 2.
    #[error(transparent)]
    Stacking(#[from] StackError),
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] TaggingError),
    /// A download.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// No such network.
    #[error(transparent)]
    Architecture(#[from] UnknownVariant),
    /// Features that do not fit a network.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A network that cannot be written as ONNX.
    #[error(transparent)]
    Onnx(#[from] ExportError),
    /// A text that is not of the expected form.
    #[error(transparent)]
    Format(Box<dyn std::error::Error + Send + Sync>),
    /// Another error, and where it happened.
    #[error("{context}")]
    In {
        /// The file, key or part of the run.
        context: String,
        /// The error.
        source: Box<PipelineError>,
    },
}

/// What this crate's functions return.
pub type Result<T, E = PipelineError> = std::result::Result<T, E>;

macro_rules! formats {
    ($($error:ty),*) => {$(
        impl From<$error> for PipelineError {
            fn from(error: $error) -> Self {
                Self::Format(error.into())
            }
        }
    )*};
}

formats!(csv::Error, serde_json::Error, toml::de::Error, toml::ser::Error, regex::Error);

impl PipelineError {
    /// The error without the places that were put around it.
    pub fn root(&self) -> &Self {
        match self {
            Self::In { source, .. } => source.root(),
            error => error,
        }
    }

    /// The error and its causes in one line.
    pub fn line(&self) -> String {
        earmark_files::with_causes(self)
    }
}

/// Puts a place around an error.
pub(crate) trait Context<T> {
    /// Names the place.
    fn context(self, context: impl Into<String>) -> Result<T>;
    /// Names the place if there is an error.
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
