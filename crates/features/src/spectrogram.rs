//! What turns a frame's samples into mel powers, and those into decibels or coefficients.

use std::sync::Mutex;

use crate::db::Decibels;
use crate::mel::MelBank;
use crate::mfcc::Cepstrum;
use crate::powers::{Powers, Space};
use crate::stft::Stft;
use crate::{FeatureError, Features, MelSettings};

/// Plan, filters and cosines, built once and shared.
pub(crate) struct Spectrogram {
    pub(crate) settings: MelSettings,
    pub(crate) stft: Stft,
    pub(crate) bank: MelBank,
    cepstrum: Option<Cepstrum>,
    /// Memory of clips that are done, for those to come: at most as many as there were at once.
    spare: Mutex<Vec<Space>>,
}

impl Spectrogram {
    /// Of valid settings.
    pub(crate) fn new(settings: &MelSettings, n_mfcc: Option<usize>) -> Self {
        Spectrogram {
            settings: settings.clone(),
            stft: Stft::new(settings),
            bank: MelBank::new(settings),
            cepstrum: n_mfcc.map(|n_mfcc| Cepstrum::new(n_mfcc, settings.n_mels)),
            spare: Mutex::default(),
        }
    }

    /// Bands or coefficients of a frame.
    pub(crate) fn bins(&self) -> usize {
        self.cepstrum.as_ref().map_or(self.settings.n_mels, |cepstrum| cepstrum.n_mfcc)
    }

    /// Samples before the clip that the first frame covers.
    pub(crate) fn pad(&self) -> usize {
        if self.settings.center { self.settings.n_fft / 2 } else { 0 }
    }

    /// Memory for a clip.
    pub(crate) fn space(&self) -> Space {
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        spare.unwrap_or_else(|| Space::new(self))
    }

    /// Keeps a clip's memory for the next.
    pub(crate) fn give_back(&self, space: Space) {
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(space);
        }
    }

    /// One frame's powers to decibels or to the coefficients of those: `[n_mels]` to `[bins]`. `bands` is scratch.
    pub(crate) fn frame(&self, powers: &[f32], decibels: &Decibels, bands: &mut Vec<f64>, out: &mut [f64]) {
        match &self.cepstrum {
            None => decibels.of_all(powers, out),
            Some(cepstrum) => {
                bands.resize(powers.len(), 0.0);
                decibels.of_all(powers, bands);
                cepstrum.apply(bands, out);
            }
        }
    }
}

/// The mel spectrogram itself, without decibels.
///
/// # Shape
/// `samples`: `[N]` at `settings.sr`, mono; out: `[frames, 1, n_mels]`.
/// # Units
/// Power (with `power = 2`; else magnitude to that exponent), for Slaney's norm per Hz; at most 3.4e38.
/// # Errors
/// A setting out of its range, no samples, a sample that is NaN or infinite, less than one frame without centring.
///
/// Source: `librosa.feature.melspectrogram` (0.11).
///
/// ```
/// use earmark_features::{MelSettings, melspectrogram};
/// let mel = melspectrogram(&[0.5; 22_050], &MelSettings::default())?;
/// assert_eq!((mel.frames, mel.bins), (101, 64));
/// assert!(mel.data.iter().all(|power| *power >= 0.0));
/// # Ok::<(), earmark_features::FeatureError>(())
/// ```
pub fn melspectrogram(samples: &[f32], settings: &MelSettings) -> Result<Features, FeatureError> {
    settings.validate()?;
    let spectrogram = Spectrogram::new(settings, None);
    let mut powers = Powers::new(&spectrogram);
    powers.push(samples)?;
    powers.finish()?;
    let data = (0..powers.frames()).flat_map(|t| powers.frame(t)).copied().collect();
    Ok(Features { data, channels: 1, bins: settings.n_mels, frames: powers.frames() })
}
