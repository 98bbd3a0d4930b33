//! The conversion of a frame's samples to mel powers, and of those to decibels or coefficients.

use std::sync::Mutex;

use crate::db::LogScale;
use crate::frame_buffer::FrameBuffer;
use crate::mel::MelBank;
use crate::mfcc::Cepstrum;
use crate::settings::MelSettings;
use crate::stft::{self, Stft};

/// The buffers of one clip, reused for the next.
#[derive(Default)]
pub(crate) struct ClipScratch {
    pub(crate) stft: stft::Scratch,
    /// The part of the padded clip that is still needed.
    pub(crate) padded: Vec<f32>,
    /// The powers of two frames.
    pub(crate) mel: [Vec<f32>; 2],
    pub(crate) powers: FrameBuffer,
}

impl ClipScratch {
    pub(crate) fn new(spectrogram: &Spectrogram) -> Self {
        let n_mels = spectrogram.settings.n_mels;
        let stft = spectrogram.stft.scratch();
        ClipScratch {
            stft,
            padded: Vec::new(),
            mel: [vec![0.0; n_mels], vec![0.0; n_mels]],
            powers: FrameBuffer::new(n_mels),
        }
    }
}

/// FFT plan, filters and DCT matrix, built once and shared.
pub(crate) struct Spectrogram {
    pub(crate) settings: MelSettings,
    pub(crate) stft: Stft,
    pub(crate) bank: MelBank,
    cepstrum: Option<Cepstrum>,
    /// Buffers of finished clips for reuse: at most as many as there were clips at once.
    spare: Mutex<Vec<ClipScratch>>,
}

impl Spectrogram {
    /// The settings must be valid.
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

    /// The number of samples before the clip that the first frame covers.
    pub(crate) fn pad(&self) -> usize {
        if self.settings.center { self.settings.n_fft / 2 } else { 0 }
    }

    /// Buffers for a clip.
    pub(crate) fn scratch(&self) -> ClipScratch {
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        spare.unwrap_or_else(|| ClipScratch::new(self))
    }

    /// Returns a clip's buffers for reuse.
    pub(crate) fn give_back(&self, space: ClipScratch) {
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(space);
        }
    }

    /// Converts one frame's powers to decibels or to cepstral coefficients: `[n_mels]` to `[bins]`.
    /// `bands` is a scratch buffer.
    pub(crate) fn frame(&self, powers: &[f32], scale: &LogScale, bands: &mut Vec<f64>, out: &mut [f64]) {
        match &self.cepstrum {
            None => scale.of_all(powers, out),
            Some(cepstrum) => {
                bands.resize(powers.len(), 0.0);
                scale.of_all(powers, bands);
                cepstrum.apply(bands, out);
            }
        }
    }
}
