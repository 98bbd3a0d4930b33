//! A file's sound, and what makes its tags worthless.

use std::path::Path;

use earmark_audio::{AudioError, AudioStream, Clip, Limits, SILENCE, is_silent};

/// Why the tags of a file say little: a network answers whatever it is given.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The samples do not move by more than -80 dB of full scale.
    Silent {
        /// How far they go to either side of their middle; full scale is 1.
        peak: f32,
    },
    /// The channels are loud, and their mean is silent.
    Cancelling {
        /// The greatest magnitude in any channel; full scale is 1.
        peak: f32,
    },
    /// Shorter than 10 ms.
    Short {
        /// How many samples there are.
        samples: usize,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Warning::Silent { peak } => write!(f, "the file is silent (peak {peak})"),
            Warning::Cancelling { peak } => {
                write!(f, "its channels cancel each other (their peak is {peak}, and their mean is silent)")
            }
            Warning::Short { samples: 1 } => f.write_str("the file is 1 sample long"),
            Warning::Short { samples } => write!(f, "the file is {samples} samples long"),
        }
    }
}

/// Decodes a file as [`earmark_audio::decode`] does, and judges its sound.
pub(crate) fn decode(path: &Path, limits: &Limits) -> Result<(Clip, Vec<Warning>), AudioError> {
    let mut stream = AudioStream::open(path, limits)?;
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while stream.next_block(&mut block)? {
        samples.extend_from_slice(&block);
    }
    let clip = Clip { samples, sample_rate: stream.sample_rate() };
    let warnings = judge(&clip, stream.peak());
    Ok((clip, warnings))
}

/// `peak` is that of the channels.
fn judge(clip: &Clip, peak: f32) -> Vec<Warning> {
    const SHORTEST: f64 = 0.01;
    if clip.seconds() < SHORTEST {
        return vec![Warning::Short { samples: clip.samples.len() }];
    }
    let bounds = |(low, high): (f32, f32), sample: &f32| (low.min(*sample), high.max(*sample));
    let (lowest, highest) = clip.samples.iter().fold((f32::INFINITY, f32::NEG_INFINITY), bounds);
    if !is_silent(lowest, highest) {
        return Vec::new();
    }
    // A constant part is in the mean too, and is none of the channels' doing.
    let of_mean = highest.abs().max(lowest.abs());
    if peak - of_mean > 10.0 * SILENCE {
        return vec![Warning::Cancelling { peak }];
    }
    vec![Warning::Silent { peak: (highest - lowest) / 2.0 }]
}
