//! Files to mono samples, with symphonia.

use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatReader, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;

use crate::header::{self, Header};
use crate::source::Source;
use crate::{AudioError, Clip, Limits};

/// Frames that an MP3 file may be short of: some encoders count the frame that holds the count itself.
const MP3_TOLERANCE: u64 = 1152;

/// Samples that a block has at least, unless it is the last: packets are small.
const BLOCK: usize = 16_384;

/// Decodes a file to mono, the mean of its channels.
///
/// WAV (PCM of 8, 16, 24, 32 bit, float of 32 and 64), FLAC, Ogg Vorbis, MP3, AAC-LC in M4A, AIFF, at their own rate. The
/// format is found from the content, not from the name. Encoder delay and padding are cut off where the file says how
/// much they are: LAME's tag in MP3, the edit list in M4A, the last page in Ogg.
///
/// # Units
/// Full scale is 1; integers are divided by 2^(bits-1).
///
/// # Errors
/// - [`AudioError::Io`]: missing, a folder, not to be read;
/// - [`AudioError::NotAudio`], [`AudioError::Unsupported`]: another kind of file;
/// - [`AudioError::Damaged`]: fewer frames than the header announces, a corrupted packet (with its time), a FLAC checksum
///   that differs, Ogg without its last page. Lengths of 0 or 0xFFFFFFFF in WAV mean "streamed": then what is there is
///   taken. An MP3 file without LAME's tag announces nothing, so that a cut in it is not seen;
/// - [`AudioError::Empty`]: no samples; [`AudioError::NotFinite`]: NaN or infinite samples;
/// - [`AudioError::Limit`]: beyond `limits`, found while decoding, not after.
pub fn decode(path: &Path, limits: &Limits) -> Result<Clip, AudioError> {
    let mut stream = AudioStream::open(path, limits)?;
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while stream.next_block(&mut block)? {
        samples.extend_from_slice(&block);
    }
    Ok(Clip { samples, sample_rate: stream.sample_rate() })
}

/// A file that is decoded block by block: the samples of [`decode`], in memory that does not grow with the file.
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
        let decoding = Decoding::new(path.to_owned(), limits.clone(), reader)?;
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

    /// Replaces `out` by the next mono samples, some 16,384 and at most 81,920 of them; false at the end, when the file is
    /// known to be whole.
    ///
    /// # Errors
    /// Those of [`decode`]. The samples before are those of a file that is not whole, and nothing comes after.
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
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::InvalidInput };
        return Err(io(std::io::Error::new(kind, "it is not a regular file")));
    }
    if metadata.len() == 0 {
        return Err(AudioError::NotAudio { path: path.to_owned(), reason: "it has 0 bytes".to_owned() });
    }
    let header = header::read(&mut file, metadata.len(), path, limits)?;
    let mut source = Source { file, length: metadata.len(), position: 0, patches: header.patches.clone() };
    std::io::Seek::rewind(&mut source).map_err(io)?;
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let probe = || symphonia::default::get_probe().probe(&Hint::new(), stream, Default::default(), Default::default());
    let reader = guarded(path, probe)?.map_err(|error| probe_error(path, &header, error))?;
    Ok((reader, header))
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

/// Calls symphonia. Some damaged files break a condition that its code takes for granted (three such places in its
/// Vorbis decoder); what panics there is an error of the file here. The reader or decoder is not used again.
fn guarded<T>(path: &Path, call: impl FnOnce() -> T) -> Result<T, AudioError> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| AudioError::damaged(path, "the decoder found a condition broken, and stopped"))
}

/// A file on the way to samples.
struct Decoding {
    path: PathBuf,
    limits: Limits,
    reader: Box<dyn FormatReader>,
    track: Track,
    decoder: Box<dyn AudioDecoder>,
    sample_rate: u32,
    /// Of the packet decoded last.
    channels: usize,
    /// Samples of a packet; 64 bits hold those of any format, so that their mean is rounded once.
    interleaved: Vec<f64>,
    /// Frames decoded.
    decoded: u64,
    /// Frames given out: those that are to be heard.
    heard: u64,
    /// Where the next packet must start, in the track's units.
    next: Option<Timestamp>,
}

impl Decoding {
    fn new(path: PathBuf, limits: Limits, reader: Box<dyn FormatReader>) -> Result<Self, AudioError> {
        let Some(track) = reader.default_track(TrackType::Audio).cloned() else {
            return Err(AudioError::unsupported(&path, "it has no audio track of a known codec"));
        };
        let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
            return Err(AudioError::unsupported(&path, "the codec of its audio track is not known"));
        };
        let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        limits.check_form(&path, parameters.sample_rate.unwrap_or(0), channels)?;
        let make = || symphonia::default::get_codecs().make_audio_decoder(parameters, &options(&track, parameters));
        let decoder = guarded(&path, make)?.map_err(|error| match error {
            Error::Unsupported(reason) => AudioError::unsupported(&path, reason),
            error => AudioError::damaged(&path, error.to_string()),
        })?;
        let (sample_rate, interleaved, decoded, heard) = (0, Vec::new(), 0, 0);
        let next = None;
        Ok(Decoding { path, limits, reader, track, decoder, sample_rate, channels, interleaved, decoded, heard, next })
    }

    /// Decodes the next packet and appends its samples to `out`; false at the end, after all checks.
    fn next(&mut self, header: &Header, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        match guarded(&self.path, || self.reader.next_packet())? {
            Ok(Some(packet)) if packet.track_id == self.track.id => self.take(&packet, header, out)?,
            Ok(Some(_)) => {}
            Ok(None) => return self.end(true, header),
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => return self.end(false, header),
            Err(Error::IoError(error)) => return Err(AudioError::io(&self.path, error)),
            Err(Error::ResetRequired) => {
                return Err(AudioError::unsupported(&self.path, "it is a chain of several streams"));
            }
            Err(error) => return Err(self.damaged_here(error)),
        }
        Ok(true)
    }

    /// Checks that the file was `whole`.
    fn end(&mut self, whole: bool, header: &Header) -> Result<bool, AudioError> {
        self.check_length(whole, header)?;
        if self.decoder.finalize().verify_ok == Some(false) {
            return Err(AudioError::damaged(&self.path, "the checksum (MD5) of its samples differs"));
        }
        if self.heard == 0 {
            return Err(AudioError::Empty { path: self.path.clone() });
        }
        Ok(false)
    }

    fn take(&mut self, packet: &Packet, header: &Header, out: &mut Vec<f32>) -> Result<(), AudioError> {
        // MP3 has no times of its own: symphonia counts them, and counts the cut-off ends twice.
        if !self.is_mp3() {
            if self.next.is_some_and(|next| next != packet.pts) {
                return Err(self.damaged_here("packets are missing"));
            }
            let length = packet.dur.saturating_add(packet.trim_start).saturating_add(packet.trim_end);
            self.next = packet.pts.checked_add(length);
        }
        match guarded(&self.path, || self.decoder.decode(packet))? {
            Ok(buffer) => {
                self.channels = form(&self.path, &self.limits, &buffer, &mut self.sample_rate)?;
                let length = self.decoded + buffer.frames() as u64;
                self.limits.check_length(&self.path, self.sample_rate, length)?;
                buffer.copy_to_vec_interleaved(&mut self.interleaved);
                self.mix(header, out)
            }
            Err(error) => Err(self.damaged_here(error)),
        }
    }

    /// Appends the mean of the channels, as far as it is to be heard.
    fn mix(&mut self, header: &Header, out: &mut Vec<f32>) -> Result<(), AudioError> {
        let channels = self.channels.max(1);
        if let Some(index) = self.interleaved.iter().position(|value| !(*value as f32).is_finite()) {
            self.decoded += (index / channels) as u64;
            let (seconds, value) = (self.seconds(), self.interleaved[index] as f32);
            return Err(AudioError::NotFinite { path: self.path.clone(), seconds, value });
        }
        let frames = (self.interleaved.len() / channels) as u64;
        let heard = header.edit.map_or(0..u64::MAX, |edit| edit.frames(self.sample_rate));
        let inside = |at: u64| at.clamp(self.decoded, self.decoded + frames) - self.decoded;
        let (start, end) = (inside(heard.start), inside(heard.end));
        let samples = &self.interleaved[start as usize * channels..end as usize * channels];
        match channels {
            1 => out.extend(samples.iter().map(|sample| *sample as f32)),
            _ => out.extend(samples.chunks_exact(channels).map(mean)),
        }
        self.heard += end - start;
        self.decoded += frames;
        Ok(())
    }

    /// Whether all frames that were announced could be decoded.
    fn check_length(&self, whole: bool, header: &Header) -> Result<(), AudioError> {
        let decoded = self.decoded;
        let is_mp3 = self.is_mp3();
        let (announced, tolerance) = match header.frames.or(self.track.num_frames) {
            // Without LAME's tag it is a guess from the first packets.
            Some(_) if is_mp3 && self.track.delay.is_none() => (0, 0),
            Some(frames) if is_mp3 => (frames, MP3_TOLERANCE),
            // Ogg counts from the stream's start, of which the file may be a part.
            Some(frames) => (frames.saturating_sub(self.track.start_ts.get().max(0) as u64), 0),
            None => (0, 0),
        };
        if decoded + tolerance < announced {
            return Err(AudioError::truncated(&self.path, announced, decoded));
        }
        if !whole {
            let reason = format!("the file ends before its last packet, {decoded} frames could be decoded");
            return Err(AudioError::damaged(&self.path, reason));
        }
        Ok(())
    }

    fn is_mp3(&self) -> bool {
        self.decoder.codec_params().codec == CODEC_ID_MP3
    }

    fn seconds(&self) -> f64 {
        self.decoded as f64 / f64::from(self.sample_rate.max(1))
    }

    fn damaged_here(&self, reason: impl std::fmt::Display) -> AudioError {
        AudioError::damaged(&self.path, format!("at {:.3} s: {reason}", self.seconds()))
    }
}

fn mean(frame: &[f64]) -> f32 {
    (frame.iter().sum::<f64>() / frame.len() as f64) as f32
}

/// MP3 without LAME's tag has only a guessed length, which must cut nothing off.
fn options(track: &Track, parameters: &AudioCodecParameters) -> AudioDecoderOptions {
    let guessed = parameters.codec == CODEC_ID_MP3 && track.delay.is_none();
    AudioDecoderOptions::default().gapless(!guessed).verify(true)
}

/// Channels of a packet; its rate must be that of the packets before.
fn form(
    path: &Path,
    limits: &Limits,
    buffer: &GenericAudioBufferRef<'_>,
    sample_rate: &mut u32,
) -> Result<usize, AudioError> {
    let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
    limits.check_form(path, rate, channels)?;
    if rate == 0 {
        return Err(AudioError::damaged(path, "its sample rate is 0 Hz"));
    }
    if *sample_rate != 0 && rate != *sample_rate {
        let reason = format!("its sample rate changes from {sample_rate} to {rate} Hz");
        return Err(AudioError::unsupported(path, reason));
    }
    *sample_rate = rate;
    Ok(channels)
}
