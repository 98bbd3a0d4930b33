//! Arguments of `earmark listen`.

use std::path::PathBuf;

use clap::Args;
use earmark_audio::RawFormat;

use super::tag::probability;
use super::{LimitOptions, threads};

/// `earmark listen`.
#[derive(Debug, Args)]
pub struct Listen {
    /// A file, which is read on while it grows; a named pipe; or `-`, standard input
    #[cfg_attr(feature = "microphone", doc = "Without it, the microphone")]
    #[cfg_attr(not(feature = "microphone"), arg(required = true))]
    pub source: Option<PathBuf>,
    /// The bundle, such as the folder RUN/bundle, or the name of an installed model; by default the
    /// model last pulled or chosen (`earmark model use`)
    #[arg(long, value_name = "BUNDLE|NAME", env = "EARMARK_MODEL")]
    pub model: Option<String>,
    /// What an event is
    #[command(flatten)]
    pub events: LiveEvents,
    /// How the source is read
    #[command(flatten)]
    pub reading: LiveReading,
    /// Append the lines to this file; by default they go to standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Clips of the events
    #[command(flatten)]
    pub clips: ClipOptions,
    /// Threads
    #[arg(long, default_value_t = 1, value_name = "N", env = "EARMARK_THREADS", value_parser = threads())]
    pub threads: usize,
    /// What the sound may be
    #[command(flatten)]
    pub limits: LimitOptions,
    /// The microphone
    #[cfg(feature = "microphone")]
    #[command(flatten)]
    pub microphone: Microphone,
}

/// What an event is; as for `earmark tag --events`.
#[derive(Debug, Args)]
pub struct LiveEvents {
    /// Only these labels; can be given several times
    #[arg(long = "class", value_name = "LABEL")]
    pub classes: Vec<String>,
    /// Length of a window, in seconds; by default that of the bundle's networks, at most 1. An
    /// event is reported after at most a window and two hops
    #[arg(long, value_name = "S")]
    pub window: Option<f64>,
    /// From the start of one window to that of the next, in seconds; by default a quarter of a
    /// window
    #[arg(long, value_name = "S")]
    pub hop: Option<f64>,
    /// An event begins where the score reaches this; by default the label's threshold in the
    /// bundle, or 0.5
    #[arg(long, value_name = "P", value_parser = probability)]
    pub on: Option<f32>,
    /// An event ends where the score falls below this; by default half of `--on`
    #[arg(long, value_name = "P", value_parser = probability)]
    pub off: Option<f32>,
    /// Scores are smoothed by the median over this time, in seconds; half of it passes before an
    /// event is reported
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub median: f64,
    /// Minimum length of an event, in seconds; an event is reported when it is as long
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub min_length: f64,
    /// Events of a label that are less than this apart are one, in seconds; the end of an event is
    /// reported after this time
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub min_gap: f64,
}

/// How the source is read.
#[derive(Debug, Args)]
pub struct LiveReading {
    /// The source has raw samples: their rate in Hz, number of channels, and format, one of u8, s8,
    /// s16le, s24le, s32le, f32le, f64le, the same with be, mulaw, alaw
    #[arg(long, value_name = "RATE,CHANNELS,FORMAT")]
    pub raw: Option<RawFormat>,
    /// One channel, from 1 on; by default the mean of all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65_535))]
    pub channel: Option<u64>,
    /// Read a file once, from its start to its end, at this many times real time; 0 or `max` is as
    /// fast as possible
    #[arg(long, value_name = "X", value_parser = speed)]
    pub speed: Option<f64>,
    /// End when the source ends: when the writer closes the pipe, or the file is removed, replaced
    /// or truncated
    #[arg(long)]
    pub no_reconnect: bool,
    /// Seconds of sound that may wait for being tagged
    #[arg(long, value_name = "S", default_value_t = 30.0, value_parser = seconds::<1, 600>)]
    pub buffer: f64,
    /// Drop sound that does not fit into the buffer, instead of letting the source wait
    #[arg(long)]
    pub drop: bool,
}

/// Clips of the events.
#[derive(Debug, Args)]
pub struct ClipOptions {
    /// A folder to write a WAV file for each event to
    #[arg(long, value_name = "DIR")]
    pub save_clips: Option<PathBuf>,
    /// Seconds of sound before and after the event in its clip
    #[arg(long, value_name = "S", default_value_t = 1.0, requires = "save_clips", value_parser = seconds::<0, 60>)]
    pub padding: f64,
    /// Seconds of a longer event in its clip
    #[arg(long, value_name = "S", default_value_t = 30.0, requires = "save_clips", value_parser = seconds::<1, 600>)]
    pub max_clip: f64,
}

/// The microphone.
#[cfg(feature = "microphone")]
#[derive(Debug, Args)]
pub struct Microphone {
    /// The microphone of this name; by default that of the system
    #[arg(long, value_name = "NAME", conflicts_with = "source")]
    pub device: Option<String>,
    /// Print the names of the microphones
    #[arg(long, conflicts_with_all = ["source", "device"])]
    pub list_devices: bool,
}

/// A factor of real time.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        _ if text == "max" => Ok(0.0),
        Ok(speed) if (0.0..=1e6).contains(&speed) => Ok(speed),
        _ => Err("it is neither a number from 0 on nor `max`".to_owned()),
    }
}

/// Seconds in a range.
fn seconds<const LEAST: u32, const MOST: u32>(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().map_err(|_| "it is not a number")?;
    let (least, most) = (f64::from(LEAST), f64::from(MOST));
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("it is not in the range {LEAST} to {MOST}")) }
}
