//! From samples to features, for many clips with one plan.

use crate::delta::Deltas;
use crate::spectrogram::Spectrogram;
use crate::summary::Summary;
use crate::{FeatureError, FeatureStream, FrontEnd};

/// Features of one clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The values, row-major `[frames, channels, bins]`: a frame's values side by side. dB, coefficients or samples.
    pub data: Vec<f32>,
    /// Channels: the features, their deltas, their delta-deltas.
    pub channels: usize,
    /// Bands or coefficients; 1 for the wave.
    pub bins: usize,
    /// Frames; samples for the wave.
    pub frames: usize,
}

/// Makes features of clips: plan and filters are built once and shared by threads.
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
    pub(crate) work: Work,
    /// Channels and bins, as [`FrontEnd::shape`].
    shape: (usize, usize),
}

/// What is done to the samples.
pub(crate) enum Work {
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
                Work::Frames(Spectrogram::new(mel, None), deltas(wanted, delta))
            }
            FrontEnd::Mfcc { n_mfcc, mel, deltas: wanted, delta } => {
                Work::Frames(Spectrogram::new(mel, Some(*n_mfcc)), deltas(wanted, delta))
            }
            FrontEnd::Summary { n_mfcc, mel } => Work::Summary(Summary::new(mel, *n_mfcc)),
            FrontEnd::Wave { .. } => Work::Nothing,
        };
        Ok(Extractor { work, shape: front_end.shape() })
    }

    /// Features of a whole clip.
    ///
    /// # Shape
    /// `samples`: `[N]`, mono; out: `[frames, channels, bins]`, with centring `frames = 1 + N / hop_length`
    /// (`1 + (N - 1) / hop_length` for an odd `n_fft`).
    /// # Units
    /// Samples at [`FrontEnd::sample_rate`], full scale = 1; log-mel in dB. Power above 3.4e38 counts as 3.4e38.
    /// # Errors
    /// No samples, a sample that is NaN or infinite, or, without centring, less than one frame.
    pub fn extract(&self, samples: &[f32]) -> Result<Features, FeatureError> {
        let mut stream = self.stream();
        stream.push(samples)?;
        let frames = stream.finish()?;
        let (channels, bins) = self.shape;
        let mut data = Vec::with_capacity(frames * channels * bins);
        while stream.append(&mut data) > 0 {}
        Ok(Features { data, channels, bins, frames })
    }

    /// The features of one clip whose samples come piece by piece, bit for bit those of [`Extractor::extract`].
    ///
    /// ```
    /// use earmark_features::FrontEnd;
    /// let extractor = FrontEnd::logmel().extractor()?;
    /// let mut stream = extractor.stream();
    /// for _ in 0..50 {
    ///     stream.push(&[0.1; 441])?;
    /// }
    /// assert_eq!(stream.finish()?, 101);
    /// let (mut frames, mut some) = (Vec::new(), Vec::new());
    /// while stream.take(&mut some) > 0 {
    ///     frames.extend_from_slice(&some);
    /// }
    /// assert_eq!(frames, extractor.extract(&[0.1; 50 * 441])?.data);
    /// # Ok::<(), earmark_features::FeatureError>(())
    /// ```
    pub fn stream(&self) -> FeatureStream<'_> {
        FeatureStream::new(self)
    }
}
