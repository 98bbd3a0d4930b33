//! Decoding of files to mono samples, with symphonia.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::io::MediaSourceStream;
use symphonia::default::formats::IsoMp4Reader;

use crate::container::Header;
use crate::decoding::{Decoding, guarded};
use crate::header;
use crate::source::Source;
use crate::{AudioError, Clip, Limits};

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
    decoding: Decoding,
    header: Header,
    /// Decoded samples that have not been returned yet.
    ready: Vec<f32>,
    state: State,
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
        Self::of_channel(path, limits, None)
    }

    /// [`AudioStream::open`] with one channel of the file, from 0 on, in the place of the mean of
    /// all.
    ///
    /// # Errors
    /// Those of [`AudioStream::open`]; [`AudioError::NoChannel`].
    pub fn open_channel(path: &Path, limits: &Limits, channel: usize) -> Result<Self, AudioError> {
        Self::of_channel(path, limits, Some(channel))
    }

    fn of_channel(path: &Path, limits: &Limits, channel: Option<usize>) -> Result<Self, AudioError> {
        let (reader, header) = open(path, limits)?;
        let decoding = Decoding::new(path.to_owned(), limits.clone(), reader, &header, channel)?;
        let mut stream = AudioStream { decoding, header, ready: Vec::new(), state: State::Going };
        // The sample rate is that of the first packet, regardless of the header.
        stream.fill(1)?;
        Ok(stream)
    }

    /// Sample rate, Hz; the same for the whole file.
    pub fn sample_rate(&self) -> u32 {
        self.decoding.sample_rate
    }

    /// Number of channels in the file; the mono samples are their mean.
    pub fn channels(&self) -> usize {
        self.decoding.channels
    }

    /// The largest magnitude of a sample in any channel decoded so far; full scale is 1. If it is
    /// far above that of the returned samples, the channels cancel each other.
    pub fn peak(&self) -> f32 {
        self.decoding.peak()
    }

    /// Replaces `out` with the next mono samples, about 16,384 and at most 81,920 of them. Returns
    /// false at the end, once the file is known to be complete.
    ///
    /// # Errors
    /// Those of [`decode`]. After an error, the samples returned so far are only part of a broken
    /// file, and no more follow.
    pub fn next_block(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        out.clear();
        self.fill(BLOCK)?;
        std::mem::swap(out, &mut self.ready);
        Ok(!out.is_empty())
    }

    /// Decodes packets until this many samples are ready, or the file ends.
    fn fill(&mut self, samples: usize) -> Result<(), AudioError> {
        if self.state == State::Failed {
            return Err(AudioError::damaged(&self.decoding.path, "its decoding failed before"));
        }
        while self.state == State::Going && self.ready.len() < samples {
            self.state = State::Failed;
            let more = self.decoding.next(&self.header, &mut self.ready)?;
            self.state = if more { State::Going } else { State::Ended };
        }
        Ok(())
    }
}

/// A reader for the file's format, and the file's header.
fn open(path: &Path, limits: &Limits) -> Result<(Box<dyn FormatReader>, Header), AudioError> {
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
    let mut file = File::open(path).map_err(io)?;
    let header = header::read(&mut file, metadata.len(), path, limits)?;
    let mut source = Source { file, length: metadata.len(), position: 0, patches: header.patches.clone() };
    std::io::Seek::rewind(&mut source).map_err(io)?;
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let reader = guarded(path, || reader(stream, &header))?.map_err(|error| probe_error(path, &header, error))?;
    if reader.format_info().format == FORMAT_ID_ISOMP4 && !header.mp4 {
        // The probe finds the MP4 signature anywhere in the file; the boxes after it were not
        // checked.
        let reason = "the mark of MP4 stands in it, and not at its start".to_owned();
        return Err(AudioError::NotAudio { path: path.to_owned(), reason });
    }
    Ok((reader, header))
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
