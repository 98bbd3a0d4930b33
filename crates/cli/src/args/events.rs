//! Arguments of sound event detection: recordings to judge it by, and its scores.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{LimitOptions, Reading};

/// `earmark mix`.
#[derive(Debug, Args)]
pub struct Mix {
    /// The clips and their labels: a folder in one of the known layouts, or a CSV file
    #[arg(long, value_name = "DATA")]
    pub data: PathBuf,
    /// How to read it
    #[command(flatten)]
    pub reading: Reading,
    /// The folder to write: recording-N.wav, events.csv (path,label,start,end,clip), README.md
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The clips to lay
    #[arg(long, value_name = "SET", default_value = "train")]
    pub set: ClipSet,
    /// Only training clips of these folds, counted from 0
    #[arg(long, value_name = "FOLD,FOLD...", value_delimiter = ',')]
    pub only_folds: Vec<usize>,
    /// The number of recordings
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub recordings: usize,
    /// The length of each recording, in seconds
    #[arg(long, value_name = "S", default_value_t = 60.0)]
    pub seconds: f64,
    /// The expected number of events per minute
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub events_per_minute: f64,
    /// The largest number of events at once; events of one class never overlap
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub max_overlap: usize,
    /// The power of an event over that of the noise, in decibels
    #[arg(long, value_name = "DB", default_value_t = 10.0, allow_negative_numbers = true)]
    pub snr: f64,
    /// The noise in the background
    #[arg(long, value_name = "NOISE", default_value = "pink")]
    pub noise: Noise,
    /// The seed of all draws; the same seed and clips give the same bytes
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What a sound file may be
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// Clips of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClipSet {
    /// The training clips
    Train,
    /// The test clips
    Test,
}

/// Noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Noise {
    /// It falls by 3 dB per octave
    Pink,
    /// Every frequency has the same power
    White,
}

/// `earmark evaluate-events`.
#[derive(Debug, Args)]
pub struct EvaluateEvents {
    /// The true events: a CSV file with the columns path, label, start and end, in seconds
    ///
    /// A row with only a path is a recording without events.
    #[arg(value_name = "REFERENCE.csv")]
    pub reference: PathBuf,
    /// The detected events, in the same form
    ///
    /// A recording of the reference without a row here counts as one without detected events. Its
    /// path may have more or fewer folders at its start than in the reference.
    #[arg(value_name = "ESTIMATED.csv")]
    pub estimated: PathBuf,
    /// The largest distance of a detected onset or offset, in seconds; for offsets half the length
    /// of the event if that is more
    #[arg(long, value_name = "S", default_value_t = 0.2)]
    pub collar: f64,
    /// The length of a segment, in seconds
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub resolution: f64,
    /// Ignore detected events in recordings that the reference does not list; otherwise they are an
    /// error
    #[arg(long)]
    pub ignore_unlisted: bool,
    /// One JSON value on stdout
    #[arg(long)]
    pub json: bool,
}
