//! Decoding of files to mono samples, with symphonia.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::default::formats::IsoMp4Reader;

use crate::container::Header;
use crate::decoding::{Decoding, guarded};
use crate::forward::{self, RawStream, Reader};
use crate::source::Source;
use crate::{Arrival, AudioError, Clip, Limits, Reading, header, ogg, riff};

/// The maximum number of bytes that are stored in a temporary file: AIFF cannot have more.
const MOST_STORED: u64 = 1 << 32;

/// The minimum number of samples in a block, except for the last: packets are small.
const BLOCK: usize = 16_384;

/// Decodes a file to mono, the mean of its channels.
///
/// Supports WAV (8, 16, 24 and 32-bit PCM, 32 and 64-bit float), FLAC, Ogg Vorbis, MP3, AAC-LC in
/// M4A or ADTS, and AIFF, at their native sample rate. The format is detected from the content, not
/// from the name. Encoder delay and padding are trimmed where the file specifies them: LAME's tag
/// in MP3, the edit list in M4A, the last page in Ogg. Chained Ogg streams with the same sample
/// rate are decoded one after another.
///
/// # Units
/// Full scale is 1; integers are divided by 2^(bits-1).
///
/// # Errors
/// - [`AudioError::Io`]: the file is missing, a folder, or unreadable;
/// - [`AudioError::NotAudio`], [`AudioError::Unsupported`]: another kind of file;
/// - [`AudioError::Damaged`]: fewer frames than the header announces, a corrupted packet (with its
///   time), a FLAC checksum mismatch, Ogg without its last page. Not every truncation is detected:
///   a WAV file with a length that streaming programs write (0, 2^31, 2^32 - 1 and some others) is
///   decoded up to its end, an MP3 file without LAME's tag announces no length, and ADTS only the
///   length of each packet. WAV with more than the 4 GiB of sound that its header can announce is
///   not supported;
/// - [`AudioError::Empty`]: no samples; [`AudioError::NotFinite`]: NaN or infinite samples;
/// - [`AudioError::Limit`]: the file exceeds `limits`. This is detected before decoding if the file
///   announces its length, otherwise during decoding. The limits on seconds and samples apply to
///   the output; up to 8,192 more frames may be decoded and trimmed.
pub fn decode(path: &Path, limits: &Limits) -> Result<Clip, AudioError> {
    let mut stream = AudioStream::open(path, limits)?;
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while stream.next_block(&mut block)? {
        samples.extend_from_slice(&block);
    }
    Ok(Clip { samples, sample_rate: stream.sample_rate() })
}

/// Decodes a file block by block: the same samples as [`decode`], in memory that does not grow with
/// the file.
///
/// ```
/// use earmark_audio::{AudioStream, Clip, Limits, write_wav};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("tone.wav");
/// write_wav(&path, &Clip { samples: vec![0.25; 100_000], sample_rate: 44_100 })?;
/// let mut stream = AudioStream::open(&path, &Limits::default())?;
/// let (mut samples, mut block) = (0, Vec::new());
/// while stream.next_block(&mut block)? {
///     samples += block.len();
/// }
/// assert_eq!((samples, stream.sample_rate(), stream.channels()), (100_000, 44_100, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AudioStream {
    samples: Samples,
    /// Decoded samples that have not been returned yet.
    ready: Vec<f32>,
    state: State,
}

/// Where samples come from.
enum Samples {
    Coded(Box<Coded>),
    Raw(Box<RawStream>),
}

/// A sound of a format with packets.
struct Coded {
    decoding: Decoding,
    header: Header,
    /// Of an Ogg stream that is read once: whether what was read is complete.
    is_whole: Option<Arc<AtomicBool>>,
}

/// The state of a stream.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Going,
    Ended,
    Failed,
}

impl AudioStream {
    /// Opens a file and decodes its first packet.
    ///
    /// # Errors
    /// Those of [`decode`] that can be detected at the start of the file.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, AudioError> {
        Self::open_as(path, limits, Reading::default())
    }

    /// [`AudioStream::open`] of one channel, or of raw samples.
    ///
    /// # Errors
    /// Those of [`AudioStream::open`]; [`AudioError::NoChannel`].
    pub fn open_as(path: &Path, limits: &Limits, reading: Reading) -> Result<Self, AudioError> {
        let mut file = regular_file(path)?;
        if reading.raw.is_some() {
            return Self::of_reader(file, path, limits, reading);
        }
        let header = header_of(&mut file, path, limits)?;
        if header.lacks_places {
            file.rewind().map_err(|error| AudioError::io(path, error))?;
            return Self::of_reader(file, path, limits, reading);
        }
        let reader = of_file(file, path, &header)?;
        let decoding = Decoding::new(path.to_owned(), limits.clone(), reader, &header, reading.channel)?;
        Self::begin(Samples::Coded(Box::new(Coded { decoding, header, is_whole: None })))
    }

    /// Decodes what a reader gives, from the start to the end, such as standard input; `name` is
    /// used in errors. Reads no more than is needed for the next samples.
    ///
    /// # Errors
    /// Those of [`AudioStream::open_as`]; [`AudioError::Unsupported`]: MP4 or AIFF that does not
    /// arrive as a whole; [`AudioError::Io`]: there is no place for a temporary file.
    ///
    /// ```
    /// use std::io::Cursor;
    /// use earmark_audio::{AudioStream, Limits, Reading};
    /// let bytes = Cursor::new(vec![0; 1_000]);
    /// let reading = Reading { raw: Some("8000,2,s16le".parse()?), ..Reading::default() };
    /// let mut stream = AudioStream::of_reader(bytes, "-".as_ref(), &Limits::default(), reading)?;
    /// let mut samples = Vec::new();
    /// stream.next_block(&mut samples)?;
    /// assert_eq!((samples.len(), stream.sample_rate()), (250, 8_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_reader(
        reader: impl Read + Send + Sync + 'static,
        name: &Path,
        limits: &Limits,
        reading: Reading,
    ) -> Result<Self, AudioError> {
        let io = |error| AudioError::io(name, error);
        if let Some(format) = reading.raw {
            let raw = RawStream::new(name, limits, Box::new(reader), format, None, reading)?;
            return Self::begin(Samples::Raw(Box::new(raw)));
        }
        let (start, mut reader) = forward::start::<12>(Box::new(reader)).map_err(io)?;
        if start.starts_with(b"RIFF") && start.ends_with(b"WAVE") {
            std::io::copy(&mut reader.by_ref().take(12), &mut std::io::sink()).map_err(io)?;
            let (format, announced) = riff::wav_start(&mut reader, name)?;
            let raw = RawStream::new(name, limits, reader, format, announced, reading)?;
            return Self::begin(Samples::Raw(Box::new(raw)));
        }
        if !header::is_forward(&start) {
            if reading.arrival != Arrival::Whole {
                let reason = "MP4 and AIFF must be complete to be read; send WAV, FLAC, Ogg, MP3, ADTS or raw samples";
                return Err(AudioError::unsupported(name, reason));
            }
            let (reader, header) = spooled(reader, name, limits)?;
            let decoding = Decoding::new(name.to_owned(), limits.clone(), reader, &header, reading.channel)?;
            return Self::begin(Samples::Coded(Box::new(Coded { decoding, header, is_whole: None })));
        }
        if start.is_empty() {
            return Err(AudioError::NotAudio { path: name.to_owned(), reason: "it has 0 bytes".to_owned() });
        }
        let endless = Limits { max_seconds: f64::INFINITY, max_samples: usize::MAX, ..limits.clone() };
        let limits = if reading.arrival == Arrival::Whole { limits.clone() } else { endless };
        let header = Header { known: header::is_known(&start), ..Header::default() };
        let is_whole = start.starts_with(b"OggS").then(Arc::<AtomicBool>::default);
        let reader: Reader = match &is_whole {
            Some(is_whole) => Box::new(ogg::Watched::new(reader, Arc::clone(is_whole))),
            None => reader,
        };
        let reader = of_source(ReadOnlySource::new(reader), name, &header)?;
        let decoding = Decoding::new(name.to_owned(), limits, reader, &header, reading.channel)?;
        Self::begin(Samples::Coded(Box::new(Coded { decoding, header, is_whole })))
    }

    fn begin(samples: Samples) -> Result<Self, AudioError> {
        let mut stream = AudioStream { samples, ready: Vec::new(), state: State::Going };
        // The sample rate is that of the first packet, regardless of the header.
        stream.fill(1)?;
        Ok(stream)
    }

    /// Sample rate, Hz; the same for the whole file.
    pub fn sample_rate(&self) -> u32 {
        match &self.samples {
            Samples::Coded(coded) => coded.decoding.sample_rate,
            Samples::Raw(raw) => raw.decoder.format.sample_rate,
        }
    }

    /// Number of channels in the file; the mono samples are their mean.
    pub fn channels(&self) -> usize {
        match &self.samples {
            Samples::Coded(coded) => coded.decoding.channels,
            Samples::Raw(raw) => raw.decoder.format.channels,
        }
    }

    /// The largest magnitude of a sample in any channel decoded so far; full scale is 1. If it is
    /// far above that of the returned samples, the channels cancel each other.
    pub fn peak(&self) -> f32 {
        match &self.samples {
            Samples::Coded(coded) => coded.decoding.peak(),
            Samples::Raw(raw) => raw.decoder.peak,
        }
    }

    /// Number of samples so far that were not finite, or too large, and became silence: only if the
    /// sound does not arrive as a whole, else they are an error.
    pub fn silenced(&self) -> u64 {
        match &self.samples {
            Samples::Coded(_) => 0,
            Samples::Raw(raw) => raw.silenced,
        }
    }

    /// Replaces `out` with the next mono samples, about 16,384 and at most 81,920 of them. Returns
    /// false at the end, once the file is known to be complete.
    ///
    /// # Errors
    /// Those of [`decode`]. After an error, the samples returned so far are only part of a broken
    /// file, and no more follow.
    pub fn next_block(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        self.next_of(BLOCK, out)
    }

    /// [`AudioStream::next_block`] with the samples that the source has now, at least one: it waits
    /// no longer than for the next packet.
    ///
    /// # Errors
    /// Those of [`AudioStream::next_block`].
    pub fn next_available(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        self.next_of(1, out)
    }

    fn next_of(&mut self, samples: usize, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        out.clear();
        self.fill(samples)?;
        std::mem::swap(out, &mut self.ready);
        Ok(!out.is_empty())
    }

    /// Decodes packets until this many samples are ready, or the file ends.
    fn fill(&mut self, samples: usize) -> Result<(), AudioError> {
        if self.state == State::Failed {
            return Err(AudioError::damaged(self.path(), "its decoding failed before"));
        }
        while self.state == State::Going && self.ready.len() < samples {
            self.state = State::Failed;
            let more = match &mut self.samples {
                Samples::Coded(coded) => coded.next(&mut self.ready)?,
                Samples::Raw(raw) => raw.next(&mut self.ready)?,
            };
            self.state = if more { State::Going } else { State::Ended };
        }
        Ok(())
    }

    fn path(&self) -> &Path {
        match &self.samples {
            Samples::Coded(coded) => &coded.decoding.path,
            Samples::Raw(raw) => raw.path(),
        }
    }
}

impl Coded {
    fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        let more = self.decoding.next(&self.header, out)?;
        if !more && self.is_whole.as_ref().is_some_and(|is_whole| !is_whole.load(Ordering::Relaxed)) {
            return Err(self.decoding.incomplete());
        }
        Ok(more)
    }
}

/// A file to read; other things than files could block forever.
fn regular_file(path: &Path) -> Result<File, AudioError> {
    let io = |error| AudioError::io(path, error);
    // Checked before the file is opened: opening a pipe may block forever.
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::InvalidInput };
        return Err(io(std::io::Error::new(kind, "it is not a regular file")));
    }
    if metadata.len() == 0 {
        return Err(AudioError::NotAudio { path: path.to_owned(), reason: "it has 0 bytes".to_owned() });
    }
    File::open(path).map_err(io)
}

/// A reader for the format of what is stored in a temporary file first, and its header.
fn spooled(mut from: Reader, name: &Path, limits: &Limits) -> Result<(Box<dyn FormatReader>, Header), AudioError> {
    let mut stored = || -> std::io::Result<File> {
        let mut file = tempfile::tempfile()?;
        std::io::copy(&mut from.by_ref().take(MOST_STORED + 1), &mut file)?;
        file.rewind()?;
        Ok(file)
    };
    let failed = |error: std::io::Error| {
        let folder = std::env::temp_dir();
        let reason = format!("cannot store it in a temporary file in {}: {error}", folder.display());
        AudioError::io(name, std::io::Error::new(error.kind(), reason))
    };
    let mut file = stored().map_err(failed)?;
    if file.metadata().map_err(|error| AudioError::io(name, error))?.len() > MOST_STORED {
        return Err(AudioError::unsupported(name, "it has more than 4 GiB that would have to be stored; name a file"));
    }
    let header = header_of(&mut file, name, limits)?;
    Ok((of_file(file, name, &header)?, header))
}

fn header_of(file: &mut File, path: &Path, limits: &Limits) -> Result<Header, AudioError> {
    let length = file.metadata().map_err(|error| AudioError::io(path, error))?.len();
    header::read(file, length, path, limits)
}

/// A reader for the format of a file that starts with this header.
fn of_file(file: File, path: &Path, header: &Header) -> Result<Box<dyn FormatReader>, AudioError> {
    let io = |error| AudioError::io(path, error);
    let length = file.metadata().map_err(io)?.len();
    let mut source = Source { file, length, position: 0, patches: header.patches.clone() };
    source.rewind().map_err(io)?;
    of_source(source, path, header)
}

/// A reader for the format of a source that starts with this header.
fn of_source(
    source: impl MediaSource + 'static,
    path: &Path,
    header: &Header,
) -> Result<Box<dyn FormatReader>, AudioError> {
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let reader = guarded(path, || reader(stream, header))?.map_err(|error| probe_error(path, header, error))?;
    if reader.format_info().format == FORMAT_ID_ISOMP4 && !header.mp4 {
        // The probe finds the MP4 signature anywhere in the file; the boxes after it were not
        // checked.
        let reason = "the mark of MP4 stands in it, and not at its start".to_owned();
        return Err(AudioError::NotAudio { path: path.to_owned(), reason });
    }
    Ok(reader)
}

/// A reader for the format of the header, or for any format whose start is found in the file. An
/// MP4 file is read from its first box on, like when its boxes were checked.
fn reader<'s>(stream: MediaSourceStream<'s>, header: &Header) -> Result<Box<dyn FormatReader + 's>, Error> {
    if header.mp4 {
        return Ok(Box::new(IsoMp4Reader::try_new(stream, Default::default())?));
    }
    symphonia::default::get_probe().probe(&Hint::new(), stream, Default::default(), Default::default())
}

/// The error for a file for which no reader was found, or whose header cannot be read.
fn probe_error(path: &Path, header: &Header, error: Error) -> AudioError {
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof && header.known => {
            AudioError::damaged(path, "the file ends inside its header")
        }
        Error::IoError(error) if error.kind() != ErrorKind::UnexpectedEof => AudioError::io(path, error),
        error if header.known => AudioError::damaged(path, error.to_string()),
        _ => AudioError::NotAudio { path: path.to_owned(), reason: "it has no known format".to_owned() },
    }
}
