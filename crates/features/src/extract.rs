//! From samples to features, for many clips with one plan.

use crate::mfcc::{cepstrum, dct_matrix};
use crate::stft::Stft;
use crate::{FeatureError, FrontEnd, MelBank, MelSettings, delta, power_to_db};

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
    spectrogram: Option<Spectrogram>,
    deltas: bool,
}

impl Extractor {
    pub(crate) fn new(front_end: &FrontEnd) -> Result<Self, FeatureError> {
        front_end.validate()?;
        Ok(match front_end {
            FrontEnd::LogMel { mel, deltas } => {
                Extractor { spectrogram: Some(Spectrogram::new(mel, None)), deltas: *deltas }
            }
            FrontEnd::Mfcc { n_mfcc, mel, deltas } => {
                Extractor { spectrogram: Some(Spectrogram::new(mel, Some(*n_mfcc))), deltas: *deltas }
            }
            FrontEnd::Wave { .. } => Extractor { spectrogram: None, deltas: false },
        })
    }

    /// Features of a whole clip.
    ///
    /// # Shape
    /// `samples`: `[N]`, mono; out: `[frames, channels, bins]`, with centring `frames = 1 + N / hop_length`.
    /// # Units
    /// Samples at [`FrontEnd::sample_rate`], full scale = 1; log-mel in dB.
    /// # Errors
    /// No samples, a sample that is NaN or infinite, or, without centring, less than one frame.
    pub fn extract(&self, samples: &[f32]) -> Result<Features, FeatureError> {
        check_samples(samples)?;
        let Some(spectrogram) = &self.spectrogram else {
            return Ok(Features { data: samples.to_vec(), channels: 1, bins: 1, frames: samples.len() });
        };
        let (values, frames) = spectrogram.compute(samples)?;
        let bins = spectrogram.bins();
        let mut data: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        let channels = if self.deltas { 3 } else { 1 };
        if self.deltas {
            data.resize(channels * bins * frames, 0.0);
            let (features, deltas) = data.split_at_mut(bins * frames);
            for (order, deltas) in [1, 2].into_iter().zip(deltas.chunks_exact_mut(bins * frames)) {
                for (row, out) in features.chunks_exact(frames).zip(deltas.chunks_exact_mut(frames)) {
                    delta(row, order, out);
                }
            }
        }
        // Frame by frame: a crop of a clip is then one piece, and a stream can be written as it comes.
        let width = channels * bins;
        let data = (0..frames).flat_map(|t| (0..width).map(move |row| (row, t))).map(|(row, t)| data[row * frames + t]);
        Ok(Features { data: data.collect(), channels, bins, frames })
    }
}

/// The first sample that is no number, or none at all, is an error.
fn check_samples(samples: &[f32]) -> Result<(), FeatureError> {
    if samples.is_empty() {
        return Err(FeatureError::Empty);
    }
    match samples.iter().position(|sample| !sample.is_finite()) {
        Some(index) => Err(FeatureError::NotFinite { index, value: samples[index] }),
        None => Ok(()),
    }
}

/// Log-mel, or the cepstrum of it.
pub(crate) struct Spectrogram {
    settings: MelSettings,
    stft: Stft,
    bank: MelBank,
    cosines: Option<Vec<f64>>,
}

impl Spectrogram {
    /// Of valid settings.
    pub(crate) fn new(settings: &MelSettings, n_mfcc: Option<usize>) -> Self {
        Spectrogram {
            settings: settings.clone(),
            stft: Stft::new(settings),
            bank: MelBank::new(settings),
            cosines: n_mfcc.map(|n_mfcc| dct_matrix(n_mfcc, settings.n_mels)),
        }
    }

    fn bins(&self) -> usize {
        let n_mels = self.settings.n_mels;
        self.cosines.as_ref().map_or(n_mels, |cosines| cosines.len() / n_mels)
    }

    /// Row-major `[bins, frames]`, and the number of frames.
    pub(crate) fn compute(&self, samples: &[f32]) -> Result<(Vec<f64>, usize), FeatureError> {
        check_samples(samples)?;
        let settings = &self.settings;
        let frames = settings.frames(samples.len());
        if frames == 0 {
            return Err(FeatureError::TooShort { samples: samples.len(), needed: settings.n_fft });
        }
        let n_mels = settings.n_mels;
        let mut bands = vec![0.0; n_mels * frames];
        let mut column = vec![0.0; n_mels];
        self.stft.for_each_frame(samples, frames, |t, spectrum| {
            self.bank.apply(spectrum, &mut column);
            for (row, band) in bands.chunks_exact_mut(frames).zip(&column) {
                row[t] = *band;
            }
        });
        let (reference, amin) = (f64::from(settings.r#ref), f64::from(settings.amin));
        power_to_db(&mut bands, reference, amin, settings.top_db.map(f64::from));
        let values = match &self.cosines {
            Some(cosines) => cepstrum(cosines, &bands, n_mels, frames),
            None => bands,
        };
        Ok((values, frames))
    }
}
