//! One pass over a sound: all requested parts are computed from the same stream of samples.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use earmark_audio::{AudioError, AudioStream, Fingerprint, Limits, StreamResampler};
use earmark_features::{FeatureError, FeatureStream};
use earmark_files::FileError;

use super::entry::Extent;
use super::error::LoadError;
use super::extractor::{EntryExtractor, EntryStream};
use super::writer::EntryWriter;

/// Limit in bytes of the unfinished features of one clip, all together.
const KEPT: f64 = (32 << 20) as f64;

/// Half a second, which replaces a clip that cannot be decoded.
const SILENCE: usize = 22_050;
const SILENCE_RATE: u32 = 44_100;

/// A sound to load.
#[derive(Clone, Copy)]
pub(super) enum Sound<'a> {
    File { path: &'a Path, sha256: &'a str },
    Silence,
}

/// The source of samples.
enum Source {
    File(Box<AudioStream>),
    Silence { left: usize },
}

/// Limit of the chunk sizes of all kept resamplers, in samples: enough for about a hundred with
/// ordinary rates, or for one with the worst.
const IDLE: usize = 1 << 20;

/// Idle resamplers for reuse: to plan a new one takes as long as resampling some seconds of sound.
#[derive(Default)]
pub(super) struct Idle(BTreeMap<(u32, u32), StreamResampler>);

impl Idle {
    /// Keeps a resampler, and drops the others if all together would be too large.
    fn put(&mut self, from: u32, to: u32, resampler: StreamResampler) {
        let chunks: usize = self.0.values().map(StreamResampler::chunk).sum();
        if chunks + resampler.chunk() > IDLE {
            self.0.clear();
        }
        self.0.insert((from, to), resampler);
    }

    fn take(&mut self, from: u32, to: u32) -> Result<StreamResampler, AudioError> {
        self.0.remove(&(from, to)).map_or_else(|| StreamResampler::new(from, to), Ok)
    }
}

/// Samples at a rate that a part needs.
struct Resampled {
    resampler: StreamResampler,
    block: Vec<f32>,
}

/// A part that is being computed: its features, and the entry that they are written to.
struct Sink<'a> {
    /// Its index in the list of all parts.
    place: usize,
    part: &'a EntryExtractor<'a>,
    stream: EntryStream<'a>,
    writer: EntryWriter,
    /// Scratch buffer.
    taken: Vec<f32>,
}

/// The result of one pass over a sound.
pub(super) struct Passed {
    /// Parts whose values are all written, and the properties of the sound.
    pub made: Vec<(usize, EntryWriter, Extent)>,
    /// Parts of a long clip that would have needed too much memory together with others: each needs
    /// its own pass.
    pub waiting: Vec<usize>,
}

/// Computes the `chosen` parts of a sound.
pub(super) fn pass(
    sound: Sound<'_>,
    limits: &Limits,
    parts: &[EntryExtractor<'_>],
    chosen: &[usize],
    idle: &mut Idle,
    writer: impl Fn(usize) -> Result<EntryWriter, FileError>,
) -> Result<Passed, LoadError> {
    let mut source = Source::open(sound, limits)?;
    let mut rates: BTreeMap<u32, Resampled> = BTreeMap::new();
    let mut sinks = Vec::with_capacity(chosen.len());
    for &place in chosen {
        let part = &parts[place];
        sinks.push(Sink { place, part, stream: part.stream(), writer: writer(place)?, taken: Vec::new() });
        if let Entry::Vacant(rate) = rates.entry(part.rate()) {
            let resampler = idle.take(source.rate(), part.rate()).map_err(|error| sound.resampling(error))?;
            rate.insert(Resampled { resampler, block: Vec::new() });
        }
    }
    let (mut waiting, mut block) = (Vec::new(), Vec::new());
    let mut fingerprint = Fingerprint::new(source.rate());
    while source.next(&mut block)? {
        fingerprint
            .take(&block)
            .map_err(|found| LoadError::Audio(AudioError::sample(&sound.path(), found, source.rate())))?;
        for Resampled { resampler, block: out } in rates.values_mut() {
            out.clear();
            resampler.push(&block, out).map_err(|error| sound.resampling(error))?;
        }
        for sink in &mut sinks {
            sink.take(sound, &rates[&sink.part.rate()].block)?;
        }
        let seconds = fingerprint.samples() as f64 / f64::from(source.rate());
        if sinks.iter().map(|sink| sink.part.kept()).sum::<f64>() * seconds > KEPT {
            waiting.extend(keep_one(&mut sinks));
            rates.retain(|rate, _| sinks.iter().any(|sink| sink.part.rate() == *rate));
        }
    }
    for Resampled { resampler, block } in rates.values_mut() {
        block.clear();
        resampler.finish(block).map_err(|error| sound.resampling(error))?;
    }
    let (sample_rate, channels, samples) = (source.rate(), source.channels(), fingerprint.samples());
    let extent = Extent { sample_rate, samples, channels, id: fingerprint.finish() };
    let made = sinks.into_iter().map(|mut sink| {
        sink.take(sound, &rates[&sink.part.rate()].block)?;
        let (place, writer) = sink.finish(sound)?;
        Ok((place, writer, extent))
    });
    let made = made.collect::<Result<_, LoadError>>()?;
    rates.into_iter().for_each(|(rate, Resampled { resampler, .. })| idle.put(source.rate(), rate, resampler));
    Ok(Passed { made, waiting })
}

/// Drops all parts that keep data in memory except the first one, and returns the dropped ones.
fn keep_one(sinks: &mut Vec<Sink<'_>>) -> Vec<usize> {
    let first = sinks.iter().find(|sink| sink.part.kept() > 0.0).map(|sink| sink.place);
    let given_up = sinks.extract_if(.., |sink| sink.part.kept() > 0.0 && Some(sink.place) != first);
    given_up.map(|sink| sink.place).collect()
}

impl Sink<'_> {
    /// Takes the next samples, and writes the values that are final.
    fn take(&mut self, sound: Sound<'_>, samples: &[f32]) -> Result<(), LoadError> {
        match &mut self.stream {
            EntryStream::Features(stream) => {
                stream.push(samples).map_err(|error| sound.features(error))?;
                write_final(stream, &mut self.writer, &mut self.taken)?;
            }
            EntryStream::Statistics(stream) => stream.push(samples).map_err(|error| sound.features(error))?,
        }
        Ok(())
    }

    fn finish(mut self, sound: Sound<'_>) -> Result<(usize, EntryWriter), LoadError> {
        match self.stream {
            EntryStream::Features(mut stream) => {
                stream.finish().map_err(|error| sound.features(error))?;
                write_final(&mut stream, &mut self.writer, &mut self.taken)?;
            }
            EntryStream::Statistics(stream) => {
                self.writer.write(&stream.finish().map_err(|error| sound.features(error))?)?;
            }
        }
        Ok((self.place, self.writer))
    }
}

fn write_final(
    stream: &mut FeatureStream<'_>,
    writer: &mut EntryWriter,
    taken: &mut Vec<f32>,
) -> Result<(), FileError> {
    while stream.take(taken) > 0 {
        writer.write(taken)?;
    }
    Ok(())
}

impl Source {
    fn open(sound: Sound<'_>, limits: &Limits) -> Result<Self, LoadError> {
        Ok(match sound {
            Sound::File { path, .. } => {
                Source::File(Box::new(AudioStream::open(path, limits).map_err(LoadError::Audio)?))
            }
            Sound::Silence => Source::Silence { left: SILENCE },
        })
    }

    fn rate(&self) -> u32 {
        match self {
            Source::File(stream) => stream.sample_rate(),
            Source::Silence { .. } => SILENCE_RATE,
        }
    }

    fn channels(&self) -> u32 {
        match self {
            Source::File(stream) => stream.channels() as u32,
            Source::Silence { .. } => 1,
        }
    }

    /// Replaces `block` with the next samples; false at the end.
    fn next(&mut self, block: &mut Vec<f32>) -> Result<bool, LoadError> {
        match self {
            Source::File(stream) => stream.next_block(block).map_err(LoadError::Audio),
            Source::Silence { left } => {
                block.clear();
                block.resize(std::mem::take(left), 0.0);
                Ok(!block.is_empty())
            }
        }
    }
}

impl Sound<'_> {
    /// Its name in keys.
    pub(super) fn name(&self) -> &str {
        match self {
            Sound::File { sha256, .. } => sha256,
            Sound::Silence => "silence",
        }
    }

    /// Checks a sound that was decoded before against the limits.
    pub(super) fn check(self, limits: &Limits, extent: Extent) -> Result<(), LoadError> {
        let Sound::File { path, .. } = self else { return Ok(()) };
        let Extent { sample_rate, samples, channels, .. } = extent;
        limits.check(path, sample_rate, channels as usize, samples).map_err(LoadError::Audio)
    }

    fn features(self, source: FeatureError) -> LoadError {
        match self {
            Sound::File { path, .. } => LoadError::Features { path: path.to_owned(), source },
            Sound::Silence => LoadError::Settings(source),
        }
    }

    fn resampling(self, source: AudioError) -> LoadError {
        LoadError::Resampling { path: self.path(), source }
    }

    /// Its name in errors.
    fn path(self) -> PathBuf {
        match self {
            Sound::File { path, .. } => path.to_owned(),
            Sound::Silence => PathBuf::from("half a second of silence"),
        }
    }
}
