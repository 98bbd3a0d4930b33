//! A sound as pieces that are tagged one by one, so that memory does not grow with its length.

use std::path::Path;

use earmark_audio::{AudioError, AudioStream, Clip, Limits, StreamResampler};

use crate::TaggingError;
use crate::clip::{Level, Warning};

/// Where pieces begin and end, in samples of the sound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Length of a piece.
    pub length: u64,
    /// From the start of one piece to that of the next; at most its length.
    pub hop: u64,
    /// The piece at the end, where no whole one fits any more: it has the length of the others and
    /// ends where the sound ends, or it begins where the one before ends.
    pub rest: Rest,
}

/// The last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// As long as the others.
    Whole,
    /// What remains.
    Shorter,
}

/// A part of a sound, at every rate that front ends need.
pub(crate) struct Piece {
    /// Its first sample in the sound.
    pub start: u64,
    /// The sample after its last one.
    pub end: u64,
    at_rates: Vec<Clip>,
}

impl Piece {
    /// The samples at a rate that was asked for.
    pub fn at(&self, rate: u32) -> &[f32] {
        self.at_rates.iter().find(|clip| clip.sample_rate == rate).map_or(&[], |clip| &clip.samples)
    }

    /// The number of samples in the sound.
    pub fn length(&self) -> u64 {
        self.end - self.start
    }
}

/// The part of each sound that is tagged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// Its start, seconds from the start of the sound.
    pub start: f64,
    /// Its end; none: that of the sound.
    pub end: Option<f64>,
    /// One channel, from 0 on, in the place of the mean of all.
    pub channel: Option<usize>,
}

impl Part {
    /// Checks that the times are in order.
    ///
    /// # Errors
    /// [`TaggingError::Timeline`] names the time that is not.
    pub fn validate(&self) -> Result<(), TaggingError> {
        let fault = |key, value: f64, allowed: &str| {
            let allowed = allowed.to_owned();
            Err(TaggingError::Timeline { key, value, allowed })
        };
        if !(0.0..1e9).contains(&self.start) {
            return fault("start", self.start, "0 seconds or more");
        }
        match self.end {
            Some(end) if !(end > self.start && end < 1e9) => fault("end", end, "a time after `start`"),
            _ => Ok(()),
        }
    }
}

/// The times of the samples of a part.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    skipped: u64,
    sample_rate: u32,
}

impl Clock {
    /// The time of a sample of the part, in seconds from the start of the sound.
    pub fn seconds(self, sample: u64) -> f64 {
        (self.skipped + sample) as f64 / f64::from(self.sample_rate)
    }
}

/// Where samples come from.
enum Blocks<'a> {
    File(Box<AudioStream>),
    /// A clip, until it is read.
    Clip(Option<&'a Clip>),
}

/// The samples at one rate that pieces may still need.
struct AtRate {
    resampler: StreamResampler,
    /// The samples from `first` on, at this rate.
    samples: Vec<f32>,
    first: u64,
}

/// The pieces of a sound.
pub(crate) struct Pieces<'a> {
    path: &'a Path,
    blocks: Blocks<'a>,
    block: Vec<f32>,
    sample_rate: u32,
    rates: Vec<AtRate>,
    cut: Cut,
    /// Samples before the part that is tagged, and its length.
    skipped: u64,
    longest: u64,
    /// Samples read before the part that are still to be dropped.
    to_skip: u64,
    /// Samples read of the part.
    read: u64,
    has_ended: bool,
    has_failed: bool,
    /// Bounds of the last piece.
    last: Option<(u64, u64)>,
    level: Level,
}

impl<'a> Pieces<'a> {
    /// The pieces of a file, at these rates; `cut` has the sound's rate.
    ///
    /// # Errors
    /// The start of the file cannot be decoded, or cannot be resampled.
    pub fn of_file(
        path: &'a Path,
        limits: &Limits,
        part: Part,
        rates: &[u32],
        cut: impl FnOnce(u32) -> Cut,
    ) -> Result<Self, TaggingError> {
        let stream = match part.channel {
            Some(channel) => AudioStream::open_channel(path, limits, channel)?,
            None => AudioStream::open(path, limits)?,
        };
        let rate = stream.sample_rate();
        let mut pieces = Self::new(path, Blocks::File(Box::new(stream)), rate, rates, cut(rate))?;
        let samples = |seconds: f64| (seconds * f64::from(rate)).round() as u64;
        pieces.skipped = samples(part.start);
        pieces.to_skip = pieces.skipped;
        pieces.longest = part.end.map_or(u64::MAX, |end| samples(end).saturating_sub(pieces.skipped).max(1));
        Ok(pieces)
    }

    /// The pieces of a clip, which has samples, all of them finite; `path` is used in errors.
    ///
    /// # Errors
    /// It cannot be resampled.
    pub fn of_clip(
        path: &'a Path,
        clip: &'a Clip,
        rates: &[u32],
        cut: impl FnOnce(u32) -> Cut,
    ) -> Result<Self, TaggingError> {
        Self::new(path, Blocks::Clip(Some(clip)), clip.sample_rate, rates, cut(clip.sample_rate))
    }

    fn new(
        path: &'a Path,
        blocks: Blocks<'a>,
        sample_rate: u32,
        rates: &[u32],
        cut: Cut,
    ) -> Result<Self, TaggingError> {
        let at_rate = |&rate: &u32| {
            let resampler = StreamResampler::new(sample_rate, rate)?;
            Ok(AtRate { resampler, samples: Vec::new(), first: 0 })
        };
        let failed = |source: AudioError| TaggingError::Resampling { path: path.to_owned(), source };
        let rates = rates.iter().map(at_rate).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let (block, level) = (Vec::new(), Level::default());
        Ok(Pieces {
            path,
            blocks,
            block,
            sample_rate,
            rates,
            cut,
            skipped: 0,
            longest: u64::MAX,
            to_skip: 0,
            read: 0,
            has_ended: false,
            has_failed: false,
            last: None,
            level,
        })
    }

    /// The length of the part in seconds, after the last piece.
    pub fn seconds(&self) -> f64 {
        self.read as f64 / f64::from(self.sample_rate)
    }

    /// The times of samples.
    pub fn clock(&self) -> Clock {
        Clock { skipped: self.skipped, sample_rate: self.sample_rate }
    }

    /// The end of the part, in seconds from the start of the sound; after the last piece.
    pub fn end(&self) -> f64 {
        self.clock().seconds(self.read)
    }

    /// Why the tags of the sound may be meaningless; after the last piece.
    pub fn warnings(&self) -> Vec<Warning> {
        let peak = match &self.blocks {
            Blocks::File(stream) => stream.peak(),
            Blocks::Clip(_) => 0.0,
        };
        self.level.warnings(self.sample_rate, peak)
    }

    /// The next piece; none at the end of the sound.
    ///
    /// # Errors
    /// The sound cannot be decoded or resampled.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, TaggingError> {
        let start = self.last.map_or(0, |(start, _)| start + self.cut.hop);
        let end = start + self.cut.length;
        // At the end, the last piece may begin before this one.
        self.forget(self.last.map_or(0, |(last, _)| if self.cut.rest == Rest::Whole { last } else { start }));
        while !self.has_ended && !self.rates.iter().all(|at| at.has(end)) {
            self.read_block()?;
        }
        let (start, end) = match self.last {
            _ if end <= self.read => (start, end),
            Some((_, covered)) if covered >= self.read => return Ok(None),
            Some((_, covered)) if self.cut.rest == Rest::Shorter => (covered, self.read),
            None if self.read == 0 => {
                return Err(TaggingError::Ended { path: self.path.to_owned(), start: self.clock().seconds(0) });
            }
            _ => (self.read.saturating_sub(self.cut.length), self.read),
        };
        self.last = Some((start, end));
        let at_rates = self.rates.iter().map(|at| at.between(start, end)).collect();
        Ok(Some(Piece { start, end, at_rates }))
    }

    /// Reads a block and resamples it, or ends the sound.
    fn read_block(&mut self) -> Result<(), TaggingError> {
        let block = match &mut self.blocks {
            Blocks::File(stream) => {
                self.has_ended = !stream.next_block(&mut self.block)?;
                self.block.as_slice()
            }
            Blocks::Clip(clip) => {
                let clip = clip.take();
                self.has_ended = clip.is_none();
                clip.map_or(&[][..], |clip| &clip.samples)
            }
        };
        // The part that is tagged.
        let dropped = self.to_skip.min(block.len() as u64);
        self.to_skip -= dropped;
        let block = &block[dropped as usize..];
        let taken = (self.longest - self.read).min(block.len() as u64);
        let block = &block[..taken as usize];
        self.read += taken;
        self.has_ended |= self.read == self.longest;
        self.level.add(block);
        for AtRate { resampler, samples, .. } in &mut self.rates {
            let mut done = resampler.push(block, samples);
            if self.has_ended {
                done = done.and_then(|()| resampler.finish(samples));
            }
            done.map_err(|source| TaggingError::Resampling { path: self.path.to_owned(), source })?;
        }
        Ok(())
    }

    /// Drops samples before this one of the sound.
    fn forget(&mut self, before: u64) {
        for at in &mut self.rates {
            let count = at.resampler.length(before).saturating_sub(at.first) as usize;
            // Seldom, because the others are moved.
            if 2 * count > at.samples.len() {
                let dropped = at.samples.drain(..count.min(at.samples.len())).len();
                at.first += dropped as u64;
            }
        }
    }
}

impl AtRate {
    /// Whether the samples before this one of the sound are ready.
    fn has(&self, end: u64) -> bool {
        self.first + self.samples.len() as u64 >= self.resampler.length(end)
    }

    /// A copy of the samples between two of the sound.
    fn between(&self, start: u64, end: u64) -> Clip {
        let place = |sample: u64| (self.resampler.length(sample) - self.first) as usize;
        let samples = self.samples.get(place(start)..place(end).min(self.samples.len())).unwrap_or_default().to_vec();
        Clip { samples, sample_rate: self.resampler.sample_rate() }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<Piece, TaggingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = if self.has_failed { Ok(None) } else { self.next_piece() };
        self.has_failed = next.is_err();
        next.transpose()
    }
}
