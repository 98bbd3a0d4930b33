//! The sound of a clip, without the silence around it.

use std::ops::Range;

use earmark_audio::{Limits, decode, is_silent, resample};

use super::error::RecordingsError;
use crate::manifest::ClipEntry;
use crate::synth::dsp::{RATE, decibels, fade, rms};

/// Samples in a frame of 10 ms.
const FRAME: usize = (RATE / 100.0) as usize;

/// The level below that of the loudest frame, in decibels, up to which a frame is sound.
const TRIM: f64 = 30.0;

/// The sound of a clip.
pub(super) struct Sound {
    pub samples: Vec<f64>,
    /// Root mean square.
    pub level: f64,
}

impl Sound {
    /// Decodes a clip. Frames of 10 ms at its start and end that are more than 30 dB below its
    /// loudest frame are cut off, and 2 ms and 10 ms of what is left are faded in and out.
    pub fn load(clip: &ClipEntry, limits: &Limits) -> Result<Self, RecordingsError> {
        let decoded = resample(&decode(&clip.path, limits)?, RATE as u32)?.samples;
        let (lowest, highest) =
            decoded.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
        if is_silent(lowest, highest) {
            return Err(RecordingsError::Silent { path: clip.path.clone() });
        }
        let mean = decoded.iter().map(|x| f64::from(*x)).sum::<f64>() / decoded.len() as f64;
        let centered: Vec<f64> = decoded.iter().map(|x| f64::from(*x) - mean).collect();
        let mut samples = centered[sounding(&centered)].to_vec();
        fade(&mut samples, 0.002, 0.01);
        Ok(Self { level: rms(&samples).max(f64::MIN_POSITIVE), samples })
    }
}

/// The samples from the first to the last frame of sound.
fn sounding(samples: &[f64]) -> Range<usize> {
    let levels: Vec<f64> = samples.chunks(FRAME).map(rms).collect();
    let threshold = levels.iter().copied().fold(0.0, f64::max) * decibels(-TRIM);
    let is_sound = |level: &f64| *level >= threshold;
    let first = levels.iter().position(is_sound).unwrap_or(0);
    let last = levels.iter().rposition(is_sound).unwrap_or(0);
    first * FRAME..samples.len().min((last + 1) * FRAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_around_a_sound_is_cut_off_and_pauses_stay() {
        let mut samples = vec![0.0; 100 * FRAME + 7];
        for (frame, level) in [(10, 0.02), (11, 0.04), (12, 1.0), (50, 1.0), (80, 0.04), (81, 0.02)] {
            samples[frame * FRAME..(frame + 1) * FRAME].fill(level);
        }
        assert_eq!(sounding(&samples), 11 * FRAME..81 * FRAME);
        samples[100 * FRAME..].fill(0.5);
        assert_eq!(sounding(&samples), 11 * FRAME..100 * FRAME + 7);
        assert_eq!(sounding(&samples[100 * FRAME..]), 0..7);
    }
}
