//! What turns a frame's samples into mel powers, and those into decibels or coefficients.

use crate::stft::Stft;
use crate::{MelBank, MelSettings, dct_matrix};

/// Plan, filters and cosines, built once and shared.
pub(crate) struct Spectrogram {
    pub(crate) settings: MelSettings,
    pub(crate) stft: Stft,
    pub(crate) bank: MelBank,
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

    /// Bands or coefficients of a frame.
    pub(crate) fn bins(&self) -> usize {
        let n_mels = self.settings.n_mels;
        self.cosines.as_ref().map_or(n_mels, |cosines| cosines.len() / n_mels)
    }

    /// Samples before the clip that the first frame covers.
    pub(crate) fn pad(&self) -> usize {
        if self.settings.center { self.settings.n_fft / 2 } else { 0 }
    }

    /// One frame's powers to decibels, or to the coefficients of those.
    ///
    /// `greatest` is the clip's greatest power. `decibels` is scratch.
    pub(crate) fn frame(&self, powers: &[f32], greatest: f32, decibels: &mut Vec<f64>, out: &mut [f64]) {
        let settings = &self.settings;
        let (amin, offset) = (f64::from(settings.amin), f64::from(settings.r#ref.max(settings.amin)).log10());
        let decibel = |power: f32| 10.0 * (f64::from(power).max(amin).log10() - offset);
        let floor = settings.top_db.map_or(f64::NEG_INFINITY, |top_db| decibel(greatest) - f64::from(top_db));
        let values = powers.iter().map(|power| decibel(*power).max(floor));
        let Some(cosines) = &self.cosines else {
            out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
            return;
        };
        decibels.clear();
        decibels.extend(values);
        for (out, row) in out.iter_mut().zip(cosines.chunks_exact(decibels.len())) {
            *out = crate::mel::dot(row, decibels);
        }
    }
}
