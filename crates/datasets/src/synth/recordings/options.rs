//! Options of recordings.

use earmark_audio::Limits;

use super::error::RecordingsError;

/// The noise in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// It falls by 3 dB per octave.
    Pink,
    /// Every frequency has the same power.
    White,
}

/// The clips to lay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClipSet {
    /// All training clips.
    Train,
    /// The training clips of these folds, counted from 0.
    Folds(Vec<usize>),
    /// The test clips.
    Test,
}

/// Options of recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingOptions {
    /// The seed of all draws.
    pub seed: u64,
    /// The number of recordings, 1 to 10,000.
    pub recordings: usize,
    /// The length of each, in seconds, 1 to 3600.
    pub seconds: f64,
    /// The expected number of events per minute, 0 to 600; the number in a recording follows a
    /// Poisson distribution.
    pub events_per_minute: f64,
    /// The power of an event over that of the noise, in decibels, -60 to 60.
    pub snr: f64,
    /// The noise in the background.
    pub noise: Noise,
    /// The largest number of events that sound at once, at least 1.
    pub max_overlap: usize,
    /// The clips to lay.
    pub clips: ClipSet,
    /// Limits on the files of the clips.
    pub limits: Limits,
}

impl Default for RecordingOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            recordings: 20,
            seconds: 60.0,
            events_per_minute: 10.0,
            snr: 10.0,
            noise: Noise::Pink,
            max_overlap: 2,
            clips: ClipSet::Train,
            limits: Limits::default(),
        }
    }
}

impl RecordingOptions {
    /// Checks the ranges.
    pub(super) fn check(&self) -> Result<(), RecordingsError> {
        let settings = [
            ("recordings", self.recordings as f64, 1.0..=10_000.0, "1 to 10000"),
            ("seconds", self.seconds, 1.0..=3600.0, "1 to 3600"),
            ("events_per_minute", self.events_per_minute, 0.0..=600.0, "0 to 600"),
            ("snr", self.snr, -60.0..=60.0, "-60 to 60 dB"),
            ("max_overlap", self.max_overlap as f64, 1.0..=f64::MAX, "at least 1"),
        ];
        match settings.into_iter().find(|(_, value, range, _)| !range.contains(value)) {
            Some((key, value, _, wanted)) => Err(RecordingsError::Setting { key, value, wanted }),
            None => Ok(()),
        }
    }
}
