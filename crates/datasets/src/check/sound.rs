//! Decoding of a whole clip, block by block.

use std::path::Path;

use earmark_audio::{AudioError, AudioStream, Fingerprint, Limits, SoundId};

use super::problem::{Problem, ProblemKind, shown};

/// The largest 16-bit sample.
const FULL_SCALE: f32 = 32_767.0 / 32_768.0;
/// The minimum length of a clipped run: a tone that just reaches full scale stays there for 2
/// samples, or 3 if it is low.
const RUN: u64 = 4;
/// The share of samples in runs at full scale from which on a clip counts as clipped.
const CLIPPED: f64 = 0.001;

/// The properties of a decoded clip.
pub(super) struct DecodedClip {
    pub seconds: f64,
    pub sample_rate: u32,
    pub channels: usize,
    /// The share of its samples in runs at full scale.
    pub clipped: f64,
    /// The identifier of the sound, independent of the container; none if it is silent.
    pub sound: Option<SoundId>,
}

/// Decodes a whole file. It rejects every file that the feature cache would reject for any front
/// end.
pub(super) fn decode(path: &Path, limits: &Limits) -> Result<DecodedClip, Problem> {
    decoded(path, limits).map_err(|error| {
        let no_bytes = || path.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let kind = match error {
            AudioError::Empty { .. } => ProblemKind::Empty,
            AudioError::NotAudio { .. } if no_bytes() => ProblemKind::Empty,
            AudioError::Io { .. } => ProblemKind::Unreadable,
            _ => ProblemKind::Damaged,
        };
        Problem::error(kind, vec![shown(path)], error.to_string())
    })
}

fn decoded(path: &Path, limits: &Limits) -> Result<DecodedClip, AudioError> {
    let mut stream = AudioStream::open(path, limits)?;
    let rate = stream.sample_rate();
    let mut fingerprint = Fingerprint::new(rate);
    let (mut level, mut block) = (Level::default(), Vec::new());
    while stream.next_block(&mut block)? {
        fingerprint.take(&block).map_err(|found| AudioError::sample(path, found, rate))?;
        block.iter().for_each(|sample| level.take(*sample));
    }
    let samples = fingerprint.samples();
    Ok(DecodedClip {
        seconds: samples as f64 / f64::from(rate.max(1)),
        sample_rate: rate,
        channels: stream.channels(),
        clipped: level.clipped() as f64 / samples.max(1) as f64,
        sound: fingerprint.finish(),
    })
}

/// Counts the samples in runs at full scale.
#[derive(Default)]
struct Level {
    run: u64,
    in_runs: u64,
}

impl Level {
    fn take(&mut self, sample: f32) {
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

impl DecodedClip {
    /// The warnings for a clip that could be decoded.
    pub(super) fn problems(&self, path: &Path) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.sound.is_none() {
            let message = "it is silent: it never leaves -80 dB of full scale";
            problems.push(Problem::warning(ProblemKind::Silent, vec![shown(path)], message));
        }
        if self.clipped >= CLIPPED {
            let message = format!("it is clipped: {:.1} % of its samples are at full scale", 100.0 * self.clipped);
            problems.push(Problem::warning(ProblemKind::Clipped, vec![shown(path)], message));
        }
        problems
    }
}
