//! A clip heard to its end, block by block.

use std::path::Path;

use earmark_audio::{AudioError, AudioStream, Limits, is_silent};
use sha2::{Digest, Sha256};

use super::{Kind, Problem, shown};

/// The largest 16-bit sample.
const FULL_SCALE: f32 = 32_767.0 / 32_768.0;
/// A tone that just reaches full scale stays there for 2 samples, or 3 of a low one.
const RUN: u64 = 4;
/// A clip may have this share of its samples in runs at full scale.
const CLIPPED: f64 = 0.001;

/// What a clip is.
pub(super) struct Heard {
    pub seconds: f64,
    pub sample_rate: u32,
    pub channels: usize,
    pub silent: bool,
    /// The share of its samples that lie in runs at full scale.
    pub clipped: f64,
    /// SHA-256 of rate and samples: the same sound in another container has the same one.
    pub sound: [u8; 32],
}

/// Hears a file to its end.
pub(super) fn listen(path: &Path, limits: &Limits) -> Result<Heard, Problem> {
    hear(path, limits).map_err(|error| {
        let no_bytes = || path.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let kind = match error {
            AudioError::Empty { .. } => Kind::Empty,
            AudioError::NotAudio { .. } if no_bytes() => Kind::Empty,
            AudioError::Io { .. } => Kind::Unreadable,
            _ => Kind::Damaged,
        };
        Problem::error(kind, vec![shown(path)], error.to_string())
    })
}

fn hear(path: &Path, limits: &Limits) -> Result<Heard, AudioError> {
    let mut stream = AudioStream::open(path, limits)?;
    let mut digest = Sha256::new_with_prefix(stream.sample_rate().to_le_bytes());
    let mut level = Level::default();
    let (mut samples, mut block, mut bytes) = (0_u64, Vec::new(), Vec::new());
    while stream.next_block(&mut block)? {
        bytes.clear();
        // -0 and 0 are one sound.
        bytes.extend(block.iter().flat_map(|sample| (sample + 0.0).to_le_bytes()));
        digest.update(&bytes);
        block.iter().for_each(|sample| level.take(*sample));
        samples += block.len() as u64;
    }
    Ok(Heard {
        seconds: samples as f64 / f64::from(stream.sample_rate().max(1)),
        sample_rate: stream.sample_rate(),
        channels: stream.channels(),
        silent: is_silent(level.lowest, level.highest),
        clipped: level.clipped() as f64 / samples.max(1) as f64,
        sound: digest.finalize().into(),
    })
}

/// How far samples go, and how long they stay at full scale.
struct Level {
    lowest: f32,
    highest: f32,
    run: u64,
    in_runs: u64,
}

impl Default for Level {
    fn default() -> Self {
        Self { lowest: f32::INFINITY, highest: f32::NEG_INFINITY, run: 0, in_runs: 0 }
    }
}

impl Level {
    fn take(&mut self, sample: f32) {
        (self.lowest, self.highest) = (self.lowest.min(sample), self.highest.max(sample));
        if sample.abs() >= FULL_SCALE {
            self.run += 1;
        } else if self.run > 0 {
            self.in_runs = self.clipped();
            self.run = 0;
        }
    }

    fn clipped(&self) -> u64 {
        self.in_runs + if self.run >= RUN { self.run } else { 0 }
    }
}

impl Heard {
    /// What is worth a look in a clip that could be heard.
    pub(super) fn problems(&self, path: &Path) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.silent {
            let message = "it is silent: it never leaves -80 dB of full scale";
            problems.push(Problem::warning(Kind::Silent, vec![shown(path)], message));
        }
        if self.clipped >= CLIPPED {
            let message = format!("it is clipped: {:.1} % of it lies at full scale", 100.0 * self.clipped);
            problems.push(Problem::warning(Kind::Clipped, vec![shown(path)], message));
        }
        problems
    }
}
