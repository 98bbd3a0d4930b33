//! Feature extraction for many clips with one plan.

use crate::FeatureError;
use crate::delta::Deltas;
use crate::front_end::FrontEnd;
use crate::spectrogram::Spectrogram;
use crate::summary::Summary;

/// Extracts features from clips. Its plan and filters are built once and shared by threads.
///
/// # Examples
/// ```
/// use earmark_features::{FeatureError, FrontEnd};
/// let extractor = FrontEnd::wave().extractor()?;
/// assert_eq!(extractor.extract(&[0.5, -0.5])?.data, [0.5, -0.5]);
/// assert_eq!(extractor.extract(&[]), Err(FeatureError::Empty));
/// # Ok::<(), FeatureError>(())
/// ```
pub struct Extractor {
    pub(crate) work: Processing,
    /// Channels and bins, as [`FrontEnd::shape`].
    pub(crate) shape: (usize, usize),
}

/// The kind of processing.
pub(crate) enum Processing {
    Nothing,
    Frames(Spectrogram, Option<Deltas>),
    Summary(Summary),
}

impl Extractor {
    pub(crate) fn new(front_end: &FrontEnd) -> Result<Self, FeatureError> {
        front_end.validate()?;
        let deltas = |wanted: &bool, settings| wanted.then(|| Deltas::new(settings));
        let work = match front_end {
            FrontEnd::LogMel { mel, deltas: wanted, delta } => {
                Processing::Frames(Spectrogram::new(mel, None), deltas(wanted, delta))
            }
            FrontEnd::Mfcc { n_mfcc, mel, deltas: wanted, delta } => {
                Processing::Frames(Spectrogram::new(mel, Some(*n_mfcc)), deltas(wanted, delta))
            }
            FrontEnd::Summary { n_mfcc, mel } => Processing::Summary(Summary::new(mel, *n_mfcc)),
            FrontEnd::Wave { .. } => Processing::Nothing,
        };
        Ok(Extractor { work, shape: front_end.shape() })
    }
}

impl FrontEnd {
    /// Creates the extractor for these settings. It plans the Fourier transform and builds the mel
    /// filter bank, so create it once and reuse it.
    ///
    /// # Errors
    /// As [`FrontEnd::validate`].
    pub fn extractor(&self) -> Result<Extractor, FeatureError> {
        Extractor::new(self)
    }
}
