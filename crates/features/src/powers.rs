//! Mel powers of a clip that comes piece by piece.

use crate::FeatureError;
use crate::db::Decibels;
use crate::rows::Rows;
use crate::spectrogram::Spectrogram;
use crate::stft::{Scratch, beyond};

/// Samples taken at once; what is kept of the clip's samples is this and a frame.
const PIECE: usize = 2_048;

/// Samples in, mel powers out, frame by frame: `[frames, n_mels]`.
///
/// The powers are kept in 32 bits, since `top_db` needs the whole clip's greatest before a frame can go out: one hour of
/// 64 bands takes 92 MB. Rounded like this, a power is within 3e-7 dB of what it was (decibels themselves within 4e-6).
pub(crate) struct Powers<'a> {
    spectrogram: &'a Spectrogram,
    space: Space,
    /// Where `space.padded` starts in the whole padded clip.
    start: usize,
    /// Whether what stands before the clip is in `space.padded`.
    headed: bool,
    samples: usize,
    greatest: f32,
}

/// The memory that one clip takes, used again for the next.
#[derive(Default)]
pub(crate) struct Space {
    scratch: Scratch,
    /// The clip with what stands beyond its ends, as far as it is still needed.
    padded: Vec<f32>,
    /// The powers of two frames.
    mel: [Vec<f32>; 2],
    powers: Rows,
}

impl Space {
    pub(crate) fn new(spectrogram: &Spectrogram) -> Self {
        let n_mels = spectrogram.settings.n_mels;
        let scratch = spectrogram.stft.scratch();
        Space { scratch, padded: Vec::new(), mel: [vec![0.0; n_mels], vec![0.0; n_mels]], powers: Rows::new(n_mels) }
    }
}

impl Drop for Powers<'_> {
    fn drop(&mut self) {
        self.space.padded.clear();
        self.space.powers.clear();
        self.spectrogram.give_back(std::mem::take(&mut self.space));
    }
}

/// Refuses samples that are no numbers; `before` samples came earlier.
pub(crate) fn check_finite(samples: &[f32], before: usize) -> Result<(), FeatureError> {
    // Without a way out of the loop it becomes vector instructions.
    if samples.iter().fold(true, |finite, sample| finite & sample.is_finite()) {
        return Ok(());
    }
    let index = samples.iter().position(|sample| !sample.is_finite()).unwrap_or(0);
    Err(FeatureError::NotFinite { index: before + index, value: samples[index] })
}

impl<'a> Powers<'a> {
    pub(crate) fn new(spectrogram: &'a Spectrogram) -> Self {
        let (space, headed) = (spectrogram.space(), spectrogram.pad() == 0);
        Powers { spectrogram, space, start: 0, headed, samples: 0, greatest: 0.0 }
    }

    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        check_finite(samples, self.samples)?;
        for piece in samples.chunks(PIECE) {
            self.space.padded.extend_from_slice(piece);
            self.samples += piece.len();
            // So many samples are enough to mirror.
            if !self.headed && self.samples >= self.spectrogram.settings.n_fft {
                self.head();
            }
            if self.headed {
                self.transform(false);
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
        let kept = if self.headed { pad + 1 } else { self.samples };
        let last = &self.space.padded[self.space.padded.len().saturating_sub(kept)..];
        let tail = beyond(last, last.len() as isize, pad, settings.pad_mode);
        if !self.headed {
            self.head();
        }
        self.space.padded.extend(tail);
        self.transform(true);
        Ok(())
    }

    /// Puts what stands before the clip before its first samples, of which there are all or enough to mirror.
    fn head(&mut self) {
        let pad = self.spectrogram.pad();
        let head = beyond(&self.space.padded, -(pad as isize), pad, self.spectrogram.settings.pad_mode);
        self.space.padded.splice(0..0, head);
        self.headed = true;
    }

    /// Makes every frame that is whole, and forgets samples that no frame needs any more. Frames go in pairs, so one
    /// may have to wait for the next; not if these are the `last`.
    fn transform(&mut self, last: bool) {
        let Spectrogram { settings, stft, bank, .. } = self.spectrogram;
        let (start, hop_length, n_fft) = (self.start, settings.hop_length, settings.n_fft);
        let at = |frame: usize| frame * hop_length - start;
        let Space { scratch, padded, mel, powers } = &mut self.space;
        let frame = |t: usize| padded.get(at(t)..).and_then(|rest| rest.get(..n_fft));
        while let Some(first) = frame(powers.len()) {
            let second = frame(powers.len() + 1);
            if second.is_none() && !last {
                break;
            }
            let spectra = stft.spectra([first, second.unwrap_or(first)], scratch);
            self.greatest = self.greatest.max(bank.apply(spectra, mel));
            let whole = 1 + usize::from(second.is_some());
            mel[..whole].iter().for_each(|mel| powers.push(mel));
        }
        // The last ones stay: they are mirrored at the end.
        let done = at(powers.len()).min(padded.len().saturating_sub(self.spectrogram.pad() + 1));
        self.start += done;
        padded.drain(..done);
    }

    pub(crate) fn spectrogram(&self) -> &'a Spectrogram {
        self.spectrogram
    }

    /// How the powers so far become decibels.
    pub(crate) fn decibels(&self) -> Decibels {
        Decibels::of_clip(&self.spectrogram.settings, self.greatest)
    }

    /// Frames so far.
    pub(crate) fn frames(&self) -> usize {
        self.space.powers.len()
    }

    /// The powers of a frame that is there and was not freed: `[n_mels]`.
    pub(crate) fn frame(&self, t: usize) -> &[f32] {
        self.space.powers.row(t)
    }

    /// Says that frames before `t` are no longer needed, save the first ones, if so.
    pub(crate) fn free(&mut self, t: usize, keep_first: bool) {
        self.space.powers.free(t, keep_first);
    }
}
