//! Files to mono samples, with symphonia.

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

/// Samples that a block has at least, unless it is the last: packets are small.
const BLOCK: usize = 16_384;

/// Decodes a file to mono, the mean of its channels.
///
/// WAV (PCM of 8, 16, 24, 32 bit, float of 32 and 64), FLAC, Ogg Vorbis, MP3, AAC-LC in M4A or
/// ADTS, AIFF, at their own rate. The format is found from the content, not from the name. Encoder
/// delay and padding are cut off where the file says how much they are: LAME's tag in MP3, the edit
/// list in M4A, the last page in Ogg. Ogg streams of one rate that stand one after another in a
/// file are decoded one after another.
///
/// # Units
/// Full scale is 1; integers are divided by 2^(bits-1).
///
/// # Errors
/// - [`AudioError::Io`]: missing, a folder, not to be read;
/// - [`AudioError::NotAudio`], [`AudioError::Unsupported`]: another kind of file;
/// - [`AudioError::Damaged`]: fewer frames than the header announces, a corrupted packet (with its
///   time), a FLAC checksum that differs, Ogg without its last page. Not every cut is seen: a WAV
///   file with a length that programs write when they stream (0, 2^31, 2^32 - 1 and some others) is
///   taken as far as it goes, an MP3 file without LAME's tag announces nothing, and ADTS nothing
///   but where each packet ends. WAV with more sound than it can announce, 4 GiB, is not supported;
/// - [`AudioError::Empty`]: no samples; [`AudioError::NotFinite`]: NaN or infinite samples;
/// - [`AudioError::Limit`]: beyond `limits`, found before decoding where the file announces its
///   length, else while decoding, not after. Seconds and samples are those given out; of what is
///   decoded and trimmed, 8,192 frames may come on top.
pub fn decode(path: &Path, limits: &Limits) -> Result<Clip, AudioError> {
    let mut stream = AudioStream::open(path, limits)?;
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while stream.next_block(&mut block)? {
        samples.extend_from_slice(&block);
    }
    Ok(Clip { samples, sample_rate: stream.sample_rate() })
}

/// A file that is decoded block by block: the samples of [`decode`], in memory that does not grow
/// with the file.
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
    /// Samples that no one has taken yet.
    ready: Vec<f32>,
    state: State,
}

/// How far a stream is.
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
    /// Those of [`decode`], as far as the start of the file shows them.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, AudioError> {
        let (reader, header) = open(path, limits)?;
        let decoding = Decoding::new(path.to_owned(), limits.clone(), reader, &header)?;
        let mut stream = AudioStream { decoding, header, ready: Vec::new(), state: State::Going };
        // The rate is that of the first packet, whatever the header says.
        stream.fill(1)?;
        Ok(stream)
    }

    /// Samples in a second, Hz; the same for the whole file.
    pub fn sample_rate(&self) -> u32 {
        self.decoding.sample_rate
    }

    /// Channels of the file, of which the samples are the mean.
    pub fn channels(&self) -> usize {
        self.decoding.channels
    }

    /// The greatest magnitude of a sample of any channel, as far as the file was decoded; full
    /// scale is 1. Where it is far above that of the samples given out, the channels cancel each
    /// other.
    pub fn peak(&self) -> f32 {
        self.decoding.peak()
    }

    /// Replaces `out` by the next mono samples, some 16,384 and at most 81,920 of them; false at
    /// the end, when the file is known to be whole.
    ///
    /// # Errors
    /// Those of [`decode`]. The samples before are those of a file that is not whole, and nothing
    /// comes after.
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

/// A reader of the file's format, and what the file's header says.
fn open(path: &Path, limits: &Limits) -> Result<(Box<dyn FormatReader>, Header), AudioError> {
    let io = |error| AudioError::io(path, error);
    // Asked before the file is opened: to open a pipe may take for ever.
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
        // The probe finds the mark of MP4 anywhere; the boxes after it were not looked at.
        let reason = "the mark of MP4 stands in it, and not at its start".to_owned();
        return Err(AudioError::NotAudio { path: path.to_owned(), reason });
    }
    Ok((reader, header))
}

/// A reader of what the header says, or of any format of which the start is found in the file. An
/// MP4 file is read from its first box on, as it was when its boxes were looked at.
fn reader<'s>(stream: MediaSourceStream<'s>, header: &Header) -> Result<Box<dyn FormatReader + 's>, Error> {
    if header.mp4 {
        return Ok(Box::new(IsoMp4Reader::try_new(stream, Default::default())?));
    }
    symphonia::default::get_probe().probe(&Hint::new(), stream, Default::default(), Default::default())
}

/// Why no reader was found, or none could read the header.
fn probe_error(path: &Path, header: &Header, error: Error) -> AudioError {
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof && header.known => {
            AudioError::damaged(path, "the file ends inside its header")
        }
        Error::IoError(error) if error.kind() != ErrorKind::UnexpectedEof => AudioError::io(path, error),
        error if header.known => AudioError::damaged(path, error.to_string()),
        _ => AudioError::NotAudio { path: path.to_owned(), reason: "no known audio format was found in it".to_owned() },
    }
}
