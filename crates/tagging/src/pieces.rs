//! A sound as pieces that are tagged one by one, so that memory does not grow with its length.

use std::path::Path;

use earmark_audio::{Arrival, AudioError, AudioStream, Clip, Limits, RawFormat, Reading};

use crate::TaggingError;
use crate::clip::{Level, Warning};
use crate::cutter::{Cut, Cutter, Piece};

/// The part of each sound that is tagged, and how sounds are read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// Its start, seconds from the start of the sound.
    pub start: f64,
    /// Its end; none: that of the sound.
    pub end: Option<f64>,
    /// One channel, from 0 on, in the place of the mean of all.
    pub channel: Option<usize>,
    /// The form of sounds that are raw samples without a header.
    pub raw: Option<RawFormat>,
    /// Whether the path `-` is the standard input of the process, in any format.
    pub has_stdin: bool,
}

impl Part {
    /// Opens a sound.
    fn open(&self, path: &Path, limits: &Limits) -> Result<AudioStream, AudioError> {
        let reading = Reading { channel: self.channel, raw: self.raw, arrival: Arrival::Whole };
        match self.has_stdin && path.as_os_str() == "-" {
            true => AudioStream::of_reader(std::io::stdin(), path, limits, reading),
            false => AudioStream::open_as(path, limits, reading),
        }
    }

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

/// The pieces of a sound.
pub(crate) struct Pieces<'a> {
    path: &'a Path,
    blocks: Blocks<'a>,
    block: Vec<f32>,
    sample_rate: u32,
    cutter: Cutter,
    /// Samples before the part that is tagged, and its length.
    skipped: u64,
    longest: u64,
    /// Samples read before the part that are still to be dropped.
    to_skip: u64,
    has_failed: bool,
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
        let stream = part.open(path, limits)?;
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
        let failed = |source: AudioError| TaggingError::Resampling { path: path.to_owned(), source };
        let cutter = Cutter::new(sample_rate, rates, cut).map_err(failed)?;
        let (block, level) = (Vec::new(), Level::default());
        Ok(Pieces {
            path,
            blocks,
            block,
            sample_rate,
            cutter,
            skipped: 0,
            longest: u64::MAX,
            to_skip: 0,
            has_failed: false,
            level,
        })
    }

    /// The length of the part in seconds, after the last piece.
    pub fn seconds(&self) -> f64 {
        self.cutter.pushed() as f64 / f64::from(self.sample_rate)
    }

    /// The times of samples.
    pub fn clock(&self) -> Clock {
        Clock { skipped: self.skipped, sample_rate: self.sample_rate }
    }

    /// The end of the part, in seconds from the start of the sound; after the last piece.
    pub fn end(&self) -> f64 {
        self.clock().seconds(self.cutter.pushed())
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
        loop {
            if let Some(piece) = self.cutter.next_piece() {
                return Ok(Some(piece));
            }
            if self.cutter.has_ended() {
                break;
            }
            self.read_block()?;
        }
        match self.cutter.pushed() {
            0 => Err(TaggingError::Ended { path: self.path.to_owned(), start: self.clock().seconds(0) }),
            _ => Ok(None),
        }
    }

    /// Reads a block and resamples it, or ends the sound.
    fn read_block(&mut self) -> Result<(), TaggingError> {
        let (block, mut ends) = match &mut self.blocks {
            Blocks::File(stream) => {
                let ends = !stream.next_block(&mut self.block)?;
                (self.block.as_slice(), ends)
            }
            Blocks::Clip(clip) => {
                let clip = clip.take();
                (clip.map_or(&[][..], |clip| &clip.samples), clip.is_none())
            }
        };
        // The part that is tagged.
        let dropped = self.to_skip.min(block.len() as u64);
        self.to_skip -= dropped;
        let block = &block[dropped as usize..];
        let missing = self.longest - self.cutter.pushed();
        let block = &block[..missing.min(block.len() as u64) as usize];
        ends |= missing == block.len() as u64;
        self.level.add(block);
        let pushed = self.cutter.push(block, ends);
        pushed.map_err(|source| TaggingError::Resampling { path: self.path.to_owned(), source })
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<Piece, TaggingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let next = self.next_piece();
        self.has_failed = next.is_err();
        next.transpose()
    }
}
