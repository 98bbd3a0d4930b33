//! Mel powers of a clip that arrives in pieces.

use crate::FeatureError;
use crate::db::LogScale;
use crate::features::Features;
use crate::settings::MelSettings;
use crate::spectrogram::{ClipScratch, Spectrogram};
use crate::stft::context_frames;

/// Samples processed at once; only this many plus one frame of the clip's samples are kept.
const PIECE: usize = 2_048;

/// Samples in, mel powers out, frame by frame: `[frames, n_mels]`.
///
/// The powers are kept in 32 bits, since `top_db` needs the maximum over the whole clip before any
/// frame can be returned: one hour of 64 bands takes 92 MB. This rounding changes a power by at
/// most 3e-7 dB (rounding decibels would change them by up to 4e-6).
pub(crate) struct Powers<'a> {
    spectrogram: &'a Spectrogram,
    scratch: ClipScratch,
    /// The position of `scratch.padded` in the whole padded clip.
    start: usize,
    /// Whether `scratch.padded` contains the padding before the clip.
    headed: bool,
    /// Samples so far, and without the one that pre-emphasis drops.
    given: usize,
    samples: usize,
    /// The last sample, for pre-emphasis.
    before: Option<f32>,
    greatest: f32,
}

impl Drop for Powers<'_> {
    fn drop(&mut self) {
        self.scratch.padded.clear();
        self.scratch.powers.clear();
        self.spectrogram.give_back(std::mem::take(&mut self.scratch));
    }
}

/// Rejects samples that are NaN or infinite; `before` is the number of earlier samples.
pub(crate) fn check_finite(samples: &[f32], before: usize) -> Result<(), FeatureError> {
    // Without an early exit, the loop is vectorized.
    if samples.iter().fold(true, |finite, sample| finite & sample.is_finite()) {
        return Ok(());
    }
    let index = samples.iter().position(|sample| !sample.is_finite()).unwrap_or(0);
    Err(FeatureError::NotFinite { index: before + index, value: samples[index] })
}

impl<'a> Powers<'a> {
    pub(crate) fn new(spectrogram: &'a Spectrogram) -> Self {
        let (scratch, headed) = (spectrogram.scratch(), spectrogram.pad() == 0);
        Powers { spectrogram, scratch, start: 0, headed, given: 0, samples: 0, before: None, greatest: 0.0 }
    }

    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        check_finite(samples, self.given)?;
        self.given += samples.len();
        for piece in samples.chunks(PIECE) {
            self.samples += self.append(piece);
            // This many samples are enough for mirroring.
            if !self.headed && self.samples >= self.spectrogram.settings.n_fft {
                self.head();
            }
            if self.headed {
                self.transform(false);
            }
        }
        Ok(())
    }

    /// Appends samples with pre-emphasis, and returns their number.
    fn append(&mut self, piece: &[f32]) -> usize {
        let (coefficient, padded) = (self.spectrogram.settings.preemphasis, &mut self.scratch.padded);
        if coefficient == 0.0 {
            padded.extend_from_slice(piece);
            return piece.len();
        }
        let length = padded.len();
        // Differences of very loud samples overflow.
        let emphasised = |before: f32, sample: f32| (sample - coefficient * before).clamp(f32::MIN, f32::MAX);
        padded.extend(self.before.zip(piece.first()).map(|(before, first)| emphasised(before, *first)));
        padded.extend(piece.windows(2).map(|pair| emphasised(pair[0], pair[1])));
        self.before = piece.last().copied().or(self.before);
        padded.len() - length
    }

    /// Ends the clip.
    pub(crate) fn finish(&mut self) -> Result<(), FeatureError> {
        let settings = &self.spectrogram.settings;
        if self.given == 0 {
            return Err(FeatureError::Empty);
        }
        if settings.frames(self.given) == 0 {
            return Err(FeatureError::TooShort { samples: self.given, needed: settings.least_samples() });
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

    /// Inserts the padding before the first samples, of which there must be all or enough for
    /// mirroring.
    fn head(&mut self) {
        let pad = self.spectrogram.pad();
        let head = context_frames(&self.scratch.padded, -(pad as isize), pad, self.spectrogram.settings.pad_mode);
        self.scratch.padded.splice(0..0, head);
        self.headed = true;
    }

    /// Transforms all complete frames, and drops samples that no frame needs any more. Frames are
    /// transformed in pairs, so one may have to wait for the next, unless these are the `last`.
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
        // Keep the last samples: they are mirrored at the end.
        let done = at(powers.len()).min(padded.len().saturating_sub(self.spectrogram.pad() + 1));
        self.start += done;
        padded.drain(..done);
    }

    pub(crate) fn spectrogram(&self) -> &'a Spectrogram {
        self.spectrogram
    }

    /// The conversion to logarithms for the powers so far.
    pub(crate) fn scale(&self) -> LogScale {
        LogScale::of_clip(&self.spectrogram.settings, self.greatest)
    }

    /// Frames so far.
    pub(crate) fn frames(&self) -> usize {
        self.scratch.powers.len()
    }

    /// The powers of a frame that exists and was not freed: `[n_mels]`.
    pub(crate) fn frame(&self, t: usize) -> &[f32] {
        self.scratch.powers.row(t)
    }

    /// Frees the frames before `t`, except for the first ones if `keep_first`.
    pub(crate) fn free(&mut self, t: usize, keep_first: bool) {
        self.scratch.powers.free(t, keep_first);
    }
}

/// The mel spectrogram itself, without decibels.
///
/// # Shape
/// `samples`: `[N]` at `settings.sr`, mono; out: `[frames, 1, n_mels]`.
/// # Units
/// Power (with `power = 2`; else magnitude to that exponent), per Hz with Slaney's norm; at most
/// 3.4e38.
/// # Errors
/// A setting out of its range, no samples, a sample that is NaN or infinite, less than one frame
/// without centering.
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
