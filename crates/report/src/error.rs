//! The errors of a report.

use earmark_audio::AudioError;
use earmark_datasets::DatasetError;
use earmark_features::FeatureError;
use earmark_files::FileError;
use earmark_loader::LoadError;
use earmark_pipeline::PipelineError;

/// An error while writing a report. Missing or damaged sounds are not errors; the page mentions
/// them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The run cannot be read.
    #[error(transparent)]
    Run(Box<PipelineError>),
    /// The page, or a plot, cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A sound cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// Its features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// The cache of features cannot be opened.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The cache of features cannot be read.
    #[error(transparent)]
    Cache(#[from] LoadError),
}

impl From<PipelineError> for ReportError {
    fn from(error: PipelineError) -> Self {
        Self::Run(Box::new(error))
    }
}
