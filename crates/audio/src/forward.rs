//! Sound that is read once, from its start to its end.

use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::raw::{Impossible, RawDecoder, RawFormat};
use crate::{AudioError, Limits};

/// A source of bytes.
pub(crate) type Reader = Box<dyn Read + Send + Sync>;

/// Bytes per read.
const BLOCK: usize = 1 << 16;

/// What is read, and how it arrives.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// One channel, from 0 on, in the place of the mean of all.
    pub channel: Option<usize>,
    /// The form of samples without a header.
    pub raw: Option<RawFormat>,
    /// How the bytes arrive.
    pub arrival: Arrival,
}

/// How bytes arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrival {
    /// There is an end. MP4 and AIFF, which cannot be read from their start to their end, are
    /// stored in a temporary file first.
    #[default]
    Whole,
    /// There may be no end: no length is too long, MP4 and AIFF are not supported, and raw samples
    /// and those of WAV that are not finite become silence ([`crate::AudioStream::silenced`]).
    Live,
    /// Those of a file that still grows: like `Live`, and the length in a WAV header counts for
    /// nothing.
    Growing,
}

/// Raw samples up to the end of the source, or as many as its header announces.
pub(crate) struct RawStream {
    path: PathBuf,
    limits: Limits,
    arrival: Arrival,
    reader: Reader,
    pub(crate) decoder: RawDecoder,
    /// Bytes announced, and those of them that have not arrived.
    announced: Option<u64>,
    left: u64,
    /// Whether there is a header that says what the samples are.
    has_header: bool,
    buffer: Vec<u8>,
    samples: Vec<f32>,
    /// Samples returned, and those of them that became silence.
    pub(crate) given: u64,
    pub(crate) silenced: u64,
}

impl RawStream {
    /// # Errors
    /// A rate or number of channels outside the limits, or no such channel.
    pub(crate) fn new(
        path: &Path,
        limits: &Limits,
        reader: Reader,
        format: RawFormat,
        announced: Option<u64>,
        reading: Reading,
    ) -> Result<Self, AudioError> {
        limits.check_form(path, format.sample_rate, format.channels)?;
        if let Some(channel) = reading.channel.filter(|channel| *channel >= format.channels) {
            return Err(AudioError::NoChannel {
                path: path.to_owned(),
                channel: channel + 1,
                channels: format.channels,
            });
        }
        let frame = format.frame() as u64;
        let announced = announced.filter(|_| reading.arrival != Arrival::Growing).map(|bytes| bytes / frame * frame);
        if let (Some(bytes), Arrival::Whole) = (announced, reading.arrival) {
            limits.check_length(path, format.sample_rate, bytes / frame, true)?;
        }
        Ok(Self {
            path: path.to_owned(),
            limits: limits.clone(),
            arrival: reading.arrival,
            reader,
            decoder: RawDecoder::new(format, reading.channel),
            announced,
            left: announced.unwrap_or(u64::MAX),
            has_header: reading.raw.is_none(),
            buffer: vec![0; BLOCK],
            samples: Vec::new(),
            given: 0,
            silenced: 0,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends what arrives next. Returns false at the end.
    pub(crate) fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        let most = self.left.min(BLOCK as u64) as usize;
        let buffer = self.buffer.get_mut(..most).unwrap_or_default();
        let read = read(&mut self.reader, buffer).map_err(|error| AudioError::io(&self.path, error))?;
        if read == 0 {
            return self.end();
        }
        self.left = if self.announced.is_some() { self.left - read as u64 } else { u64::MAX };
        let bytes = self.buffer.get(..read).unwrap_or_default();
        let impossible = self.decoder.decode(bytes, &mut self.samples);
        if let (Some(first), Arrival::Whole) = (impossible.first(), self.arrival) {
            return Err(self.impossible(*first));
        }
        self.silenced += impossible.len() as u64;
        self.given += self.samples.len() as u64;
        if self.arrival == Arrival::Whole {
            self.limits.check_length(&self.path, self.decoder.format.sample_rate, self.given, false)?;
        }
        out.extend_from_slice(&self.samples);
        Ok(true)
    }

    fn end(&mut self) -> Result<bool, AudioError> {
        let frame = self.decoder.format.frame();
        if self.announced.is_some() && self.left > 0 {
            let announced = self.announced.unwrap_or_default() / frame as u64;
            return Err(AudioError::truncated(&self.path, announced, self.given));
        }
        // Programs that stream WAV may be stopped anywhere. Without a header, the form may be
        // wrong.
        if self.decoder.rest() > 0 && !self.has_header {
            let reason = format!("it ends within a frame, after {} of {frame} bytes", self.decoder.rest());
            return Err(AudioError::damaged(&self.path, reason));
        }
        if self.given == 0 {
            return Err(AudioError::Empty { path: self.path.clone() });
        }
        // What follows the samples: without a reader, the writer would fail.
        if self.announced.is_some() {
            std::io::copy(&mut self.reader, &mut std::io::sink()).map_err(|error| AudioError::io(&self.path, error))?;
        }
        Ok(false)
    }

    fn impossible(&self, Impossible { frame, value }: Impossible) -> AudioError {
        let (path, rate) = (self.path.clone(), f64::from(self.decoder.format.sample_rate));
        let seconds = (self.given + frame as u64) as f64 / rate;
        match value.is_finite() {
            true => AudioError::Sample { path, seconds, value },
            false => AudioError::NotFinite { path, seconds, value },
        }
    }
}

/// Reads what there is, at least a byte unless the source has ended.
pub(crate) fn read(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The first bytes of a source, up to `N`, and the source with them.
pub(crate) fn start<const N: usize>(mut reader: Reader) -> std::io::Result<(Vec<u8>, Reader)> {
    let mut start = Vec::with_capacity(N);
    reader.by_ref().take(N as u64).read_to_end(&mut start)?;
    let whole = Cursor::new(start.clone()).chain(reader);
    Ok((start, Box::new(whole)))
}
