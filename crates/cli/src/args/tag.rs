//! Arguments of `earmark tag`.

use std::path::PathBuf;

use clap::Args;
use earmark_audio::RawFormat;
use serde::{Serialize, Serializer};

use super::{LimitOptions, threads};

/// `earmark tag`.
#[derive(Debug, Args)]
pub struct Tag {
    /// Sound files, folders of them, patterns such as 'archive/**/*.wav', or `-`, standard input
    #[arg(required_unless_present = "from_file")]
    pub paths: Vec<PathBuf>,
    /// A text file with a path in each line, files or folders; `-` is standard input
    #[arg(long, value_name = "LIST")]
    pub from_file: Option<PathBuf>,
    /// Only part I of N of the sounds, from 1/N to N/N, for N machines: each sound belongs to the
    /// same part everywhere, by its path
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// The bundle, such as the folder RUN/bundle, or the name of an installed model; by default the
    /// model last pulled or chosen (`earmark model use`)
    #[arg(long, value_name = "BUNDLE|NAME", env = "EARMARK_MODEL")]
    pub model: Option<String>,
    /// Which tags
    #[command(flatten)]
    pub which: Which,
    /// The part of a sound, and tags over time
    #[command(flatten)]
    pub time: Time,
    /// The form of the output
    #[command(flatten)]
    pub form: Form,
    /// Threads: as many files, or parts of a file, at once, each with models of its own in memory;
    /// by default (0) one per core
    #[arg(long, default_value_t = 0, value_name = "N", env = "EARMARK_THREADS", value_parser = threads())]
    pub threads: usize,
    /// What a sound file may be
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// Which tags are written.
#[derive(Debug, Clone, Args, Serialize)]
pub struct Which {
    /// Tags per file or window, at most; by default 3 or, if a clip may have several labels, all
    /// labels whose score reaches their threshold
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub top: Option<u64>,
    /// The score of every label, also of those below their threshold
    #[arg(long, conflicts_with = "top")]
    pub all: bool,
    /// Omit tags below this score, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "P", value_parser = probability)]
    pub min_score: f32,
    /// Only these labels; can be given several times
    #[arg(long = "class", value_name = "LABEL")]
    pub classes: Vec<String>,
}

/// The part of a sound, and tags over time.
#[derive(Debug, Clone, Args, Serialize)]
pub struct Time {
    /// Start of the part of each sound to tag, in seconds
    #[arg(long, value_name = "S")]
    pub start: Option<f64>,
    /// End of that part, in seconds from the start of the sound
    #[arg(long, value_name = "S")]
    pub end: Option<f64>,
    /// One channel of each sound, from 1 on; by default the mean of all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65_535))]
    pub channel: Option<u64>,
    /// Sounds are raw samples: their rate in Hz, number of channels, and format, one of u8, s8,
    /// s16le, s24le, s32le, f32le, f64le, the same with be, mulaw, alaw
    #[arg(long, value_name = "RATE,CHANNELS,FORMAT")]
    #[serde(serialize_with = "as_text")]
    pub raw: Option<RawFormat>,
    /// The tags of each window of a sound
    #[arg(long, conflicts_with = "events")]
    pub timeline: bool,
    /// Events: from where the score of a label reaches `--on` to where it falls below `--off`
    #[arg(long, conflicts_with_all = ["top", "all"])]
    pub events: bool,
    /// Length of a window, in seconds; by default that of the bundle's networks, at most 2
    #[arg(long, value_name = "S")]
    pub window: Option<f64>,
    /// From the start of one window to that of the next, in seconds; by default half a window, and
    /// with `--events` a quarter
    #[arg(long, value_name = "S")]
    pub hop: Option<f64>,
    /// An event begins where the score reaches this; by default the label's threshold in the
    /// bundle, or 0.5
    #[arg(long, value_name = "P", value_parser = probability, requires = "events")]
    pub on: Option<f32>,
    /// An event ends where the score falls below this; by default half of `--on`
    #[arg(long, value_name = "P", value_parser = probability, requires = "events")]
    pub off: Option<f32>,
    /// Scores are smoothed by the median over this time, in seconds
    #[arg(long, value_name = "S", default_value_t = 0.0, requires = "events")]
    pub median: f64,
    /// Minimum length of an event, in seconds
    #[arg(long, value_name = "S", default_value_t = 0.0, requires = "events")]
    pub min_length: f64,
    /// Events of a label that are less than this apart are one, in seconds
    #[arg(long, value_name = "S", default_value_t = 0.0, requires = "events")]
    pub min_gap: f64,
}

/// The form of the output; without an option, text for people.
#[derive(Debug, Clone, Args)]
pub struct Form {
    /// One JSON value: `[{"path": ..., "tags": [{"label": ..., "score": ...}]}]`; with `--timeline`
    /// `"windows": [{"start": ..., "end": ..., "tags": [...]}]`, with `--events` `"events":
    /// [{"label": ..., "start": ..., "end": ..., "score": ...}]`
    #[arg(long, group = "format")]
    pub json: bool,
    /// A line of JSON for each file
    #[arg(long, group = "format")]
    pub ndjson: bool,
    /// A table: path,label,score; with `--timeline` path,start,end,label,score, with `--events`
    /// path,label,start,end,score. A file without tags has a row with its path alone
    #[arg(long, group = "format")]
    pub csv: bool,
    /// Labels for Audacity; with `--timeline` or `--events`
    #[arg(long, group = "format")]
    pub audacity: bool,
    /// A selection table for Raven; with `--timeline` or `--events`
    #[arg(long, group = "format")]
    pub raven: bool,
    /// The file to write, when all is done; by default standard output, file by file
    #[arg(long, value_name = "FILE", conflicts_with = "output_dir")]
    pub output: Option<PathBuf>,
    /// Continue the output of a process that was stopped: what is done is noted in FILE.journal.
    /// With `--csv` or `--ndjson`
    #[arg(long, requires = "output", conflicts_with = "output_dir")]
    pub resume: bool,
    /// With `--resume`: a sound is done if its content is the same, not its size and time
    #[arg(long, requires = "resume")]
    pub by_hash: bool,
    /// A folder to write a file for each sound to, with the sound's name and place in its folder
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// One part of several.
#[derive(Debug, Clone, Copy)]
pub struct Shard {
    /// From 0 on.
    pub part: u64,
    /// Number of parts.
    pub parts: u64,
}

fn shard(text: &str) -> Result<Shard, String> {
    let fault = || "it is not of the form I/N, such as 1/4".to_owned();
    let (part, parts) = text.split_once('/').ok_or_else(fault)?;
    let (part, parts): (u64, u64) = (part.parse().map_err(|_| fault())?, parts.parse().map_err(|_| fault())?);
    if parts == 0 {
        Err("there is no part of 0; 1/1 is all".to_owned())
    } else if part == 0 || part > parts {
        Err(format!("1/{parts} to {parts}/{parts} are possible"))
    } else {
        Ok(Shard { part: part - 1, parts })
    }
}

fn as_text<S: Serializer>(raw: &Option<RawFormat>, serializer: S) -> Result<S::Ok, S::Error> {
    raw.map(|raw| raw.to_string()).serialize(serializer)
}

/// A number from 0 to 1.
pub(super) fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "it is not a number")?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("it is not in the range 0 to 1".to_owned()) }
}
