//! Mel powers of a clip that comes piece by piece.

use crate::FeatureError;
use crate::db::Decibels;
use crate::features::Features;
use crate::settings::MelSettings;
use crate::spectrogram::{ClipScratch, Spectrogram};
use crate::stft::context_frames;

/// Samples taken at once; what is kept of the clip's samples is this and a frame.
const PIECE: usize = 2_048;

/// Samples in, mel powers out, frame by frame: `[frames, n_mels]`.
///
/// The powers are kept in 32 bits, since `top_db` needs the whole clip's greatest before a frame
/// can go out: one hour of 64 bands takes 92 MB. Rounded like this, a power is within 3e-7 dB of
/// what it was (decibels themselves within 4e-6).
pub(crate) struct Powers<'a> {
    spectrogram: &'a Spectrogram,
    scratch: ClipScratch,
    /// Where `scratch.padded` starts in the whole padded clip.
    start: usize,
    /// Whether what stands before the clip is in `scratch.padded`.
    headed: bool,
    samples: usize,
    greatest: f32,
}

impl Drop for Powers<'_> {
    fn drop(&mut self) {
        self.scratch.padded.clear();
        self.scratch.powers.clear();
        self.spectrogram.give_back(std::mem::take(&mut self.scratch));
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
        let (scratch, headed) = (spectrogram.scratch(), spectrogram.pad() == 0);
        Powers { spectrogram, scratch, start: 0, headed, samples: 0, greatest: 0.0 }
    }

    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        check_finite(samples, self.samples)?;
        for piece in samples.chunks(PIECE) {
            self.scratch.padded.extend_from_slice(piece);
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
        let last = &self.scratch.padded[self.scratch.padded.len().saturating_sub(kept)..];
        let tail = context_frames(last, last.len() as isize, pad, settings.pad_mode);
        if !self.headed {
            self.head();
        }
        self.scratch.padded.extend(tail);
        self.transform(true);
        Ok(())
    }

    /// Puts what stands before the clip before its first samples, of which there are all or enough
    /// to mirror.
    fn head(&mut self) {
        let pad = self.spectrogram.pad();
        let head = context_frames(&self.scratch.padded, -(pad as isize), pad, self.spectrogram.settings.pad_mode);
        self.scratch.padded.splice(0..0, head);
        self.headed = true;
    }

    /// Makes every frame that is whole, and forgets samples that no frame needs any more. Frames go
    /// in pairs, so one may have to wait for the next; not if these are the `last`.
    fn transform(&mut self, last: bool) {
        let Spectrogram { settings, stft, bank, .. } = self.spectrogram;
        let (start, hop_length, n_fft) = (self.start, settings.hop_length, settings.n_fft);
        let at = |frame: usize| frame * hop_length - start;
        let ClipScratch { stft: scratch, padded, mel, powers } = &mut self.scratch;
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
        self.scratch.powers.len()
    }

    /// The powers of a frame that is there and was not freed: `[n_mels]`.
    pub(crate) fn frame(&self, t: usize) -> &[f32] {
        self.scratch.powers.row(t)
    }

    /// Says that frames before `t` are no longer needed, save the first ones, if so.
    pub(crate) fn free(&mut self, t: usize, keep_first: bool) {
        self.scratch.powers.free(t, keep_first);
    }
}

/// The mel spectrogram itself, without decibels.
///
/// # Shape
/// `samples`: `[N]` at `settings.sr`, mono; out: `[frames, 1, n_mels]`.
/// # Units
/// Power (with `power = 2`; else magnitude to that exponent), for Slaney's norm per Hz; at most
/// 3.4e38.
/// # Errors
/// A setting out of its range, no samples, a sample that is NaN or infinite, less than one frame
/// without centring.
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
