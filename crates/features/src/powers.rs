//! Mel powers of a clip that comes piece by piece.

use crate::spectrogram::Spectrogram;
use crate::stft::{Scratch, beyond};
use crate::{FeatureError, PadMode};

/// Samples taken at once; what is kept of the clip's samples is this and a frame.
const PIECE: usize = 16_384;
/// Frames that are kept together and freed together.
const BLOCK: usize = 256;

/// Samples in, mel powers out, frame by frame: `[frames, n_mels]`.
///
/// The powers are kept in 32 bits, since `top_db` needs the whole clip's greatest before a frame can go out: one hour of
/// 64 bands takes 92 MB. Rounded like this, a power is within 3e-7 dB of what it was (decibels themselves within 4e-6).
pub(crate) struct Powers<'a> {
    spectrogram: &'a Spectrogram,
    scratch: Scratch,
    /// The clip with what stands beyond its ends, as far as it is still needed.
    padded: Vec<f32>,
    /// Where `padded` starts in the whole padded clip.
    start: usize,
    /// Whether what stands before the clip is in `padded`.
    headed: bool,
    samples: usize,
    blocks: Vec<Vec<f32>>,
    frames: usize,
    greatest: f32,
    mel: Vec<f64>,
}

/// Refuses samples that are no numbers; `before` samples came earlier.
pub(crate) fn check_finite(samples: &[f32], before: usize) -> Result<(), FeatureError> {
    match samples.iter().position(|sample| !sample.is_finite()) {
        Some(index) => Err(FeatureError::NotFinite { index: before + index, value: samples[index] }),
        None => Ok(()),
    }
}

impl<'a> Powers<'a> {
    pub(crate) fn new(spectrogram: &'a Spectrogram) -> Self {
        Powers {
            scratch: spectrogram.stft.scratch(),
            padded: Vec::new(),
            start: 0,
            headed: spectrogram.pad() == 0,
            samples: 0,
            blocks: Vec::new(),
            frames: 0,
            greatest: 0.0,
            mel: vec![0.0; spectrogram.settings.n_mels],
            spectrogram,
        }
    }

    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        check_finite(samples, self.samples)?;
        for piece in samples.chunks(PIECE) {
            self.padded.extend_from_slice(piece);
            self.samples += piece.len();
            // So many samples are enough to mirror.
            if !self.headed && self.samples >= self.spectrogram.settings.n_fft {
                self.head();
            }
            if self.headed {
                self.transform();
            }
        }
        Ok(())
    }

    /// No more samples will come.
    pub(crate) fn finish(&mut self) -> Result<(), FeatureError> {
        let settings = &self.spectrogram.settings;
        if self.samples == 0 {
            return Err(FeatureError::Empty);
        }
        if settings.frames(self.samples) == 0 {
            return Err(FeatureError::TooShort { samples: self.samples, needed: settings.n_fft });
        }
        let pad = self.spectrogram.pad();
        let kept = self.padded.len().min(if self.headed { pad + 1 } else { self.samples });
        let tail = self.beyond(kept, kept..kept + pad);
        if !self.headed {
            self.head();
        }
        self.padded.extend(tail);
        self.transform();
        self.padded = Vec::new();
        Ok(())
    }

    fn head(&mut self) {
        // A clip without padding beyond its last `pad` samples mirrors as the whole clip does.
        let pad = self.spectrogram.pad() as isize;
        let pad_mode = self.spectrogram.settings.pad_mode;
        let head: Vec<f32> = (-pad..0).map(|index| beyond(&self.padded, index, pad_mode)).collect();
        self.padded.splice(0..0, head);
        self.headed = true;
    }

    /// Samples at positions counted in the last `kept` ones.
    fn beyond(&self, kept: usize, positions: std::ops::Range<usize>) -> Vec<f32> {
        let last = &self.padded[self.padded.len() - kept..];
        let pad_mode: PadMode = self.spectrogram.settings.pad_mode;
        positions.map(|index| beyond(last, index as isize, pad_mode)).collect()
    }

    /// Makes every frame that is whole, and forgets samples that no frame needs any more.
    fn transform(&mut self) {
        let settings = &self.spectrogram.settings;
        let at = |frames: usize, start: usize| frames * settings.hop_length - start;
        while let Some(frame) =
            self.padded.get(at(self.frames, self.start)..).and_then(|rest| rest.get(..settings.n_fft))
        {
            let spectrum = self.spectrogram.stft.spectrum(frame, &mut self.scratch);
            self.spectrogram.bank.apply(spectrum, &mut self.mel);
            if self.frames.is_multiple_of(BLOCK) {
                self.blocks.push(Vec::with_capacity(BLOCK * self.mel.len()));
            }
            // Louder than 32 bits can say is said as the loudest they can.
            let powers = self.mel.iter().map(|power| power.min(f64::from(f32::MAX)) as f32);
            if let Some(block) = self.blocks.last_mut() {
                let before = block.len();
                block.extend(powers);
                self.greatest = block[before..].iter().fold(self.greatest, |greatest, power| greatest.max(*power));
            }
            self.frames += 1;
        }
        // The last ones stay: they are mirrored at the end.
        let done = at(self.frames, self.start).min(self.padded.len().saturating_sub(self.spectrogram.pad() + 1));
        self.start += done;
        self.padded.drain(..done);
    }

    pub(crate) fn spectrogram(&self) -> &'a Spectrogram {
        self.spectrogram
    }

    /// Frames so far.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// The greatest power so far.
    pub(crate) fn greatest(&self) -> f32 {
        self.greatest
    }

    /// The powers of a frame that is there and was not freed: `[n_mels]`.
    pub(crate) fn frame(&self, t: usize) -> &[f32] {
        let at = t % BLOCK * self.mel.len();
        &self.blocks[t / BLOCK][at..at + self.mel.len()]
    }

    /// Gives back the memory of frames before `t`, save the block of the first ones if it is to be kept.
    pub(crate) fn free(&mut self, t: usize, keep_first: bool) {
        let whole = (t / BLOCK).min(self.blocks.len());
        let blocks = self.blocks[..whole].iter_mut().skip(usize::from(keep_first)).rev();
        for block in blocks.take_while(|block| block.capacity() > 0) {
            *block = Vec::new();
        }
    }
}
