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
    let (mut samples, mut block, mut level) = (Vec::new(), Vec::new(), Level::default());
    while stream.next_block(&mut block)? {
        samples.extend_from_slice(&block);
        level.add(&block);
    }
    let warnings = level.warnings(stream.sample_rate(), stream.peak());
    Ok((Clip { samples, sample_rate: stream.sample_rate() }, warnings))
}

/// The number and the bounds of the samples of a sound that arrives in pieces.
pub(crate) struct Level {
    samples: usize,
    lowest: f32,
    highest: f32,
}

impl Default for Level {
    fn default() -> Self {
        Level { samples: 0, lowest: f32::INFINITY, highest: f32::NEG_INFINITY }
    }
}

impl Level {
    /// Adds the next samples.
    pub fn add(&mut self, samples: &[f32]) {
        self.samples += samples.len();
        for &sample in samples {
            self.lowest = self.lowest.min(sample);
            self.highest = self.highest.max(sample);
        }
    }

    /// The warnings about the sound; `peak` is the peak of its channels.
    pub fn warnings(&self, sample_rate: u32, peak: f32) -> Vec<Warning> {
        const SHORTEST: f64 = 0.01;
        let &Level { samples, lowest, highest } = self;
        if (samples as f64) < SHORTEST * f64::from(sample_rate) {
            return vec![Warning::Short { samples }];
        }
        if !is_silent(lowest, highest) {
            return Vec::new();
        }
        // A constant offset is in the mean too, so it does not count as cancellation of the
        // channels.
        let of_mean = highest.abs().max(lowest.abs());
        if peak - of_mean > 10.0 * SILENCE {
            return vec![Warning::Cancelling { peak }];
        }
        vec![Warning::Silent { peak: (highest - lowest) / 2.0 }]
    }
}
