//! Decodes a file, and detects sound whose tags are meaningless.

use std::path::Path;

use earmark_audio::{AudioError, AudioStream, Clip, Limits, SILENCE, is_silent};

/// Why the tags of a file may be meaningless: a network returns probabilities for any input.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The samples vary by no more than -80 dB of full scale.
    Silent {
        /// Half of their range; full scale is 1.
        peak: f32,
    },
    /// The channels are loud, but their mean is silent.
    Cancelling {
        /// The greatest magnitude in any channel; full scale is 1.
        peak: f32,
    },
    /// Shorter than 10 ms.
    Short {
        /// The number of samples.
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

/// Decodes a file like [`earmark_audio::decode`], and returns warnings about its sound.
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

/// The warnings about a clip; `peak` is the peak of the channels.
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
    // A constant offset is in the mean too, so it does not count as cancellation of the channels.
    let of_mean = highest.abs().max(lowest.abs());
    if peak - of_mean > 10.0 * SILENCE {
        return vec![Warning::Cancelling { peak }];
    }
    vec![Warning::Silent { peak: (highest - lowest) / 2.0 }]
}
