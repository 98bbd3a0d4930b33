//! Recordings in which it is known what sounds when, to judge the detection of events: the clips of
//! a data set, laid at random times over noise.

mod deck;
mod error;
mod options;
mod place;
mod sound;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use earmark_audio::{Clip, write_wav};
use earmark_files::{FileError, write_atomic};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::dsp::{RATE, decibels, pink_filter, samples as samples_of, within};
use super::{holds_something_else, remove};
use crate::manifest::{ClipEntry, Manifest};
use crate::random::{key, stream};
use crate::task::Task;
use deck::Deck;
use place::{Placed, place, poisson};
use sound::Sound;

pub use error::RecordingsError;
pub use options::{ClipSet, Noise, RecordingOptions};

/// The level of the noise, decibels of full scale.
const NOISE: f64 = -40.0;

/// The highest peak of a recording, decibels of full scale.
const PEAK: f64 = -1.0;

/// The table of events, in the folder of the recordings.
pub const EVENTS: &str = "events.csv";

/// First line of the README, which identifies a folder with recordings.
const TITLE: &str = "# Recordings with known events";

/// A summary of written recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingsReport {
    /// Recordings.
    pub recordings: usize,
    /// Events in all of them.
    pub events: usize,
    /// Drawn events for which a recording had no place.
    pub without_place: usize,
    /// Different clips among the events.
    pub clips: usize,
    /// Length of all recordings together, seconds.
    pub seconds: f64,
}

/// Writes recordings as `recording-N.wav` (mono, 16 bit, 44,100 Hz), `events.csv` with the columns
/// `path,label,start,end,clip`, and a README. Recordings of an earlier call in the folder are
/// replaced. A recording without events has a row with only its path.
///
/// - Classes are drawn in turn, and the clips of a class in turn, each in random order.
/// - The silence around a clip is cut off: frames of 10 ms that are more than 30 dB below its
///   loudest frame. So `start` and `end`, in seconds, are those of the sound. They are numbers of
///   samples divided by 44,100.
/// - An event starts anywhere where it fits into the recording, with no more than `max_overlap`
///   events at once, and at least half a second from events of its class. If no such position is
///   found in 200 tries, the event is omitted ([`RecordingsReport::without_place`]).
/// - The noise has -40 dB of full scale (root mean square), an event `snr` dB more over its length.
///   A recording whose peak would exceed -1 dB is scaled down as a whole.
///
/// The same data, options and executable give the same bytes; more recordings do not change the
/// first ones.
///
/// # Errors
/// A setting is out of range; the data set has several labels per clip, or none of the wanted clips
/// or folds; the folder contains something else; a clip that is drawn cannot be decoded, is silent,
/// or is longer than a recording; a file cannot be written. Then there is no `events.csv`.
pub fn write_recordings(
    data: &Manifest,
    out: &Path,
    options: &RecordingOptions,
) -> Result<RecordingsReport, RecordingsError> {
    options.check()?;
    let clips = chosen(data, &options.clips)?;
    if holds_something_else(out, TITLE) {
        return Err(RecordingsError::NotEmpty { path: out.to_owned() });
    }
    write_atomic(&out.join("README.md"), readme(options).as_bytes())?;
    remove(&out.join(EVENTS))?;
    let mut deck = Deck::new(&clips, stream(options.seed, &[key("recordings"), key("clips")]));
    let mut table = "path,label,start,end,clip\n".to_owned();
    let (mut events, mut without_place, mut used) = (0, 0, BTreeSet::new());
    let width = options.recordings.to_string().len();
    let names: Vec<String> = (1..=options.recordings).map(|n| format!("recording-{n:0width$}.wav")).collect();
    for (n, name) in names.iter().enumerate() {
        let recording = Recording::mix(n as u64, &mut deck, options)?;
        events += recording.events.len();
        without_place += recording.without_place;
        used.extend(recording.events.iter().map(|(_, clip)| &clip.name));
        recording.list(name, data, &mut table);
        write_wav(&out.join(name), &recording.into_clip())?;
    }
    remove_stale(out, &names)?;
    write_atomic(&out.join(EVENTS), table.as_bytes())?;
    let seconds = options.recordings as f64 * options.seconds;
    Ok(RecordingsReport { recordings: options.recordings, events, without_place, clips: used.len(), seconds })
}

/// The clips to lay.
fn chosen<'a>(data: &'a Manifest, set: &ClipSet) -> Result<Vec<&'a ClipEntry>, RecordingsError> {
    if data.task == Task::MultiLabel {
        return Err(RecordingsError::SeveralLabels);
    }
    let (clips, name): (Vec<&ClipEntry>, _) = match set {
        ClipSet::Train => (data.train.iter().collect(), "training"),
        ClipSet::Test => (data.test.iter().collect(), "test"),
        ClipSet::Folds(folds) => {
            let last = data.train.iter().filter_map(|clip| clip.fold).max().ok_or(RecordingsError::NoFolds)?;
            if let Some(fold) = folds.iter().copied().find(|fold| *fold > last) {
                return Err(RecordingsError::NoSuchFold { fold, last });
            }
            let is_wanted = |clip: &&ClipEntry| clip.fold.is_some_and(|fold| folds.contains(&fold));
            (data.train.iter().filter(is_wanted).collect(), "training")
        }
    };
    match clips.iter().find(|clip| clip.label().is_none()) {
        Some(clip) => Err(RecordingsError::NoLabel { name: clip.name.clone() }),
        None if clips.is_empty() => Err(RecordingsError::NoClips { set: name }),
        None => Ok(clips),
    }
}

/// The number of clips that are decoded at once.
const AT_ONCE: usize = 32;

/// One recording.
struct Recording<'a> {
    samples: Vec<f32>,
    /// The events, sorted by start.
    events: Vec<(Placed, &'a ClipEntry)>,
    without_place: usize,
}

impl<'a> Recording<'a> {
    /// Draws the n-th recording.
    fn mix(n: u64, deck: &mut Deck<'a>, options: &RecordingOptions) -> Result<Self, RecordingsError> {
        let mut rng = stream(options.seed, &[key("recordings"), key("events"), n]);
        let count = poisson(options.events_per_minute * options.seconds / 60.0, &mut rng);
        let clips: Vec<&ClipEntry> = (0..count).map(|_| deck.draw()).collect();
        let mut recording = Self { samples: noise(n, options), events: Vec::new(), without_place: 0 };
        for clips in clips.chunks(AT_ONCE) {
            let load = |clip: &&ClipEntry| Sound::load(clip, &options.limits);
            let sounds: Vec<Sound> = clips.par_iter().map(load).collect::<Result<_, _>>()?;
            for (clip, sound) in clips.iter().zip(&sounds) {
                recording.lay(clip, sound, options, &mut rng)?;
            }
        }
        recording.events.sort_by_key(|(event, _)| (event.range.start, event.range.end));
        Ok(recording)
    }

    /// Adds an event where it has a place.
    fn lay(
        &mut self,
        clip: &'a ClipEntry,
        sound: &Sound,
        options: &RecordingOptions,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), RecordingsError> {
        let (length, class) = (self.samples.len(), clip.label().unwrap_or_default());
        if sound.samples.len() > length {
            let (sound, recording) = (sound.samples.len() as f64 / RATE, options.seconds);
            return Err(RecordingsError::TooLong { path: clip.path.clone(), sound, recording });
        }
        let placed = self.events.iter().map(|(event, _)| event);
        let Some(event) = place((class, sound.samples.len()), length, placed, options.max_overlap, rng) else {
            self.without_place += 1;
            return Ok(());
        };
        let gain = decibels(NOISE + options.snr) / sound.level;
        for (sum, value) in self.samples[event.range.clone()].iter_mut().zip(&sound.samples) {
            *sum += (gain * value) as f32;
        }
        self.events.push((event, clip));
        Ok(())
    }

    /// The samples, scaled down if their peak is too high.
    fn into_clip(mut self) -> Clip {
        let peak = self.samples.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
        let highest = decibels(PEAK) as f32;
        if peak > highest {
            self.samples.iter_mut().for_each(|value| *value *= highest / peak);
        }
        Clip { samples: self.samples, sample_rate: RATE as u32 }
    }

    /// Appends the rows of the table of events.
    fn list(&self, name: &str, data: &Manifest, table: &mut String) {
        if self.events.is_empty() {
            let _ = writeln!(table, "{name},,,,");
        }
        for (event, clip) in &self.events {
            let label = field(data.labels.get(event.class).map_or("", String::as_str));
            let (start, end) = (event.range.start as f64 / RATE, event.range.end as f64 / RATE);
            let _ = writeln!(table, "{name},{label},{start},{end},{}", field(&clip.name));
        }
    }
}

/// The background of the n-th recording.
fn noise(n: u64, options: &RecordingOptions) -> Vec<f32> {
    let mut rng = stream(options.seed, &[key("recordings"), key("noise"), n]);
    let mut pink = pink_filter();
    let mut sample = || match options.noise {
        Noise::White => within(&mut rng, -1.0..1.0) as f32,
        Noise::Pink => pink(within(&mut rng, -1.0..1.0)) as f32,
    };
    let mut samples: Vec<f32> = (0..samples_of(options.seconds)).map(|_| sample()).collect();
    let power = samples.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / samples.len() as f64;
    let gain = (decibels(NOISE) / power.sqrt()) as f32;
    samples.iter_mut().for_each(|value| *value *= gain);
    samples
}

/// A field of a CSV file.
fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) || text != text.trim() {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Removes the recordings of an earlier call that are not among `names`.
fn remove_stale(folder: &Path, names: &[String]) -> Result<(), FileError> {
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    for entry in fs::read_dir(folder).map_err(FileError::of("list", folder))? {
        let name = entry.map_err(FileError::of("list", folder))?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("recording-").and_then(|name| name.strip_suffix(".wav"));
        let is_ours = number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        if is_ours && !names.contains(name.as_str()) {
            remove(&folder.join(name))?;
        }
    }
    Ok(())
}

fn readme(options: &RecordingOptions) -> String {
    let RecordingOptions { seed, recordings, seconds, events_per_minute, snr, noise, max_overlap, clips, .. } = options;
    let noise = format!("{noise:?}").to_lowercase();
    let clips = match clips {
        ClipSet::Train => "training clips".to_owned(),
        ClipSet::Test => "test clips".to_owned(),
        ClipSet::Folds(folds) => format!("training clips of the folds {folds:?}"),
    };
    format!(
        "{TITLE}

{recordings} recordings of {seconds} s, mono WAV of 16 bit and 44,100 Hz, made from seed {seed}: {clips} of a data
set over {noise} noise, {snr} dB above it, {events_per_minute} per minute on average, at most {max_overlap} at once.

`{EVENTS}` has a row for each event: recording, label, start and end in seconds, and the name of the clip. A recording
without events has a row with only its path.
"
    )
}
