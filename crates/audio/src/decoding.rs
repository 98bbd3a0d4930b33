//! Decoding of packets to samples, with symphonia's decoders.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::well_known::FORMAT_ID_ADTS;
use symphonia::core::formats::{FormatReader, Track, TrackType};
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;

use crate::container::Header;
use crate::{AudioError, Limits};

/// Frames that may be decoded beyond the limits because they are trimmed: an AAC encoder inserts a
/// few thousand before the sound.
const MOST_TRIMMED: u64 = 8_192;

/// The number of frames that may be missing from an MP3 file: some encoders also count the frame
/// that contains the count.
const MP3_TOLERANCE: u64 = 1152;

/// Calls symphonia. Some damaged files violate an assumption of its code (in three places of its
/// Vorbis decoder) and cause a panic, which is reported as an error of the file here. The reader or
/// decoder is not used again.
pub(crate) fn guarded<T>(path: &Path, call: impl FnOnce() -> T) -> Result<T, AudioError> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| AudioError::damaged(path, "the decoder found a condition broken, and stopped"))
}

/// A file being decoded.
pub(crate) struct Decoding {
    pub(crate) path: PathBuf,
    limits: Limits,
    reader: Box<dyn FormatReader>,
    link: Link,
    pub(crate) sample_rate: u32,
    /// Number of channels of the packet decoded last.
    pub(crate) channels: usize,
    mix: Mix,
    /// Frames decoded.
    decoded: u64,
    /// Frames returned: those that an edit list keeps.
    kept: u64,
}

/// Samples of one packet.
#[derive(Default)]
struct Mix {
    /// The samples of several channels. 64 bits represent the samples of every format exactly, so
    /// that their mean is rounded only once.
    interleaved: Vec<f64>,
    /// The mean of the channels.
    mono: Vec<f32>,
    /// The largest magnitude of a sample in any channel, over all packets so far.
    peak: f32,
    /// The only channel that is taken, from 0 on.
    channel: Option<usize>,
}

impl Mix {
    /// Mixes a packet to mono. Returns the first frame with a sample that is NaN or infinite, and
    /// that sample.
    fn take(&mut self, packet: &GenericAudioBufferRef<'_>, channels: usize) -> Option<(usize, f32)> {
        if channels == 1 {
            packet.copy_to_vec_interleaved(&mut self.mono);
            self.peak = self.peak.max(greatest_magnitude(&self.mono));
            return not_finite(&self.mono);
        }
        let channels = channels.max(1);
        packet.copy_to_vec_interleaved(&mut self.interleaved);
        self.mono.clear();
        let frames = self.interleaved.chunks_exact(channels);
        if let Some(channel) = self.channel {
            self.mono.extend(frames.filter_map(|frame| frame.get(channel)).map(|&sample| sample as f32));
            self.peak = self.peak.max(greatest_magnitude(&self.mono));
            return not_finite(&self.mono);
        }
        self.mono.extend(frames.map(mean));
        self.peak = self.interleaved.iter().fold(self.peak, |peak, sample| peak.max(sample.abs() as f32));
        let wrong = self.interleaved.iter().position(|value| !(*value as f32).is_finite())?;
        Some((wrong / channels, self.interleaved[wrong] as f32))
    }
}

/// A stream with its decoder: the only one of the file, or one of several chained Ogg streams.
struct Link {
    track: Track,
    decoder: Box<dyn AudioDecoder>,
    /// Frames in the file before this stream.
    start: u64,
    /// Where the next packet must start, in the track's units.
    next: Option<Timestamp>,
}

impl Link {
    fn new(path: &Path, limits: &Limits, reader: &dyn FormatReader, start: u64) -> Result<Self, AudioError> {
        let Some(track) = reader.default_track(TrackType::Audio).cloned() else {
            return Err(AudioError::unsupported(path, "it has no audio track of a known codec"));
        };
        let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
            return Err(AudioError::unsupported(path, "the codec of its audio track is not known"));
        };
        let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        limits.check_form(path, parameters.sample_rate.unwrap_or(0), channels)?;
        let make = || symphonia::default::get_codecs().make_audio_decoder(parameters, &options(&track, parameters));
        let decoder = guarded(path, make)?.map_err(|error| match error {
            Error::Unsupported(reason) => AudioError::unsupported(path, reason),
            error => AudioError::damaged(path, error.to_string()),
        })?;
        Ok(Link { track, decoder, start, next: None })
    }

    /// The announced number of frames, unless it is only an estimate.
    fn announced(&self, reader: &dyn FormatReader, header: &Header) -> Option<u64> {
        let frames = header.frames.or(self.track.num_frames)?;
        // In MP3 without LAME's tag and in ADTS, it is an estimate from some packets.
        let guessed = self.is_mp3() && self.track.delay.is_none() || reader.format_info().format == FORMAT_ID_ADTS;
        // Ogg counts frames from the start of the stream, and the file may contain only a later
        // part of it.
        let before = if self.is_mp3() { 0 } else { self.track.start_ts.get().max(0) as u64 };
        (!guessed).then(|| frames.saturating_sub(before))
    }

    /// Checks that the announced length, without what an edit list trims, is within the limits.
    fn check_announced(
        &self,
        path: &Path,
        limits: &Limits,
        reader: &dyn FormatReader,
        header: &Header,
    ) -> Result<(), AudioError> {
        let rate = self.decoder.codec_params().sample_rate.unwrap_or(0);
        let Some(frames) = self.announced(reader, header).filter(|_| rate > 0) else { return Ok(()) };
        let frames = if self.is_mp3() { frames.saturating_sub(MP3_TOLERANCE) } else { frames };
        let kept = header.edit.map_or(0..frames, |edit| edit.frames(rate));
        limits.check_length(path, rate, frames.min(kept.end).saturating_sub(kept.start), true)
    }

    fn is_mp3(&self) -> bool {
        self.decoder.codec_params().codec == CODEC_ID_MP3
    }
}

impl Decoding {
    /// Starts decoding a file, unless its announced length exceeds the limits.
    pub(crate) fn new(
        path: PathBuf,
        limits: Limits,
        reader: Box<dyn FormatReader>,
        header: &Header,
        channel: Option<usize>,
    ) -> Result<Self, AudioError> {
        let link = Link::new(&path, &limits, &*reader, 0)?;
        link.check_announced(&path, &limits, &*reader, header)?;
        let mix = Mix { channel, ..Mix::default() };
        let (sample_rate, channels, decoded, kept) = (0, 0, 0, 0);
        Ok(Decoding { path, limits, reader, link, sample_rate, channels, mix, decoded, kept })
    }

    /// The largest magnitude of a sample in any channel so far.
    pub(crate) fn peak(&self) -> f32 {
        self.mix.peak
    }

    /// Decodes the next packet and appends its samples to `out`. Returns false at the end, after
    /// all checks.
    pub(crate) fn next(&mut self, header: &Header, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        match guarded(&self.path, || self.reader.next_packet())? {
            Ok(Some(packet)) if packet.track_id == self.link.track.id => self.take(&packet, header, out)?,
            Ok(Some(_)) => {}
            Ok(None) => return self.end(true, header),
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => return self.end(false, header),
            Err(Error::IoError(error)) => return Err(AudioError::io(&self.path, error)),
            Err(Error::ResetRequired) => {
                self.check_length(true, header)?;
                self.link = Link::new(&self.path, &self.limits, &*self.reader, self.decoded)?;
            }
            Err(error) => return Err(self.damaged_here(error)),
        }
        Ok(true)
    }

    /// Runs the checks at the end of the file; `whole` is false if the reader found it truncated.
    fn end(&mut self, whole: bool, header: &Header) -> Result<bool, AudioError> {
        self.check_length(whole && !header.cut, header)?;
        if self.link.decoder.finalize().verify_ok == Some(false) {
            return Err(AudioError::damaged(&self.path, "the checksum (MD5) of its samples differs"));
        }
        if self.kept == 0 {
            return Err(AudioError::Empty { path: self.path.clone() });
        }
        Ok(false)
    }

    fn take(&mut self, packet: &Packet, header: &Header, out: &mut Vec<f32>) -> Result<(), AudioError> {
        // MP3 has no timestamps: symphonia computes them, and counts the trimmed ends twice.
        if !self.link.is_mp3() {
            if self.link.next.is_some_and(|next| next != packet.pts) {
                return Err(self.damaged_here("packets are missing"));
            }
            let length = packet.dur.saturating_add(packet.trim_start).saturating_add(packet.trim_end);
            self.link.next = packet.pts.checked_add(length);
        }
        match guarded(&self.path, || self.link.decoder.decode(packet))? {
            Ok(buffer) => {
                self.channels = form(&self.path, &self.limits, &buffer, &mut self.sample_rate)?;
                if let Some(channel) = self.mix.channel.filter(|channel| *channel >= self.channels) {
                    let (path, channel, channels) = (self.path.clone(), channel + 1, self.channels);
                    return Err(AudioError::NoChannel { path, channel, channels });
                }
                let decoded = self.decoded + buffer.frames() as u64;
                let all = header.edit.map_or(0..u64::MAX, |edit| edit.frames(self.sample_rate));
                let [start, end] = [all.start, all.end].map(|at| at.clamp(self.decoded, decoded) - self.decoded);
                let kept = self.kept + end - start;
                for length in [kept, decoded.saturating_sub(MOST_TRIMMED)] {
                    self.limits.check_length(&self.path, self.sample_rate, length, false)?;
                }
                if let Some((frame, value)) = self.mix.take(&buffer, self.channels) {
                    self.decoded += frame as u64;
                    return Err(AudioError::NotFinite { path: self.path.clone(), seconds: self.seconds(), value });
                }
                out.extend_from_slice(&self.mix.mono[start as usize..end as usize]);
                (self.kept, self.decoded) = (kept, decoded);
                Ok(())
            }
            Err(error) => Err(self.damaged_here(error)),
        }
    }

    /// Checks that all announced frames were decoded.
    fn check_length(&self, whole: bool, header: &Header) -> Result<(), AudioError> {
        let decoded = self.decoded - self.link.start;
        let announced = self.link.announced(&*self.reader, header).unwrap_or(0);
        let tolerance = if self.link.is_mp3() { MP3_TOLERANCE } else { 0 };
        if decoded + tolerance < announced {
            return Err(AudioError::truncated(&self.path, announced, decoded));
        }
        if whole { Ok(()) } else { Err(self.incomplete()) }
    }

    /// The error for a file that ends before its last packet.
    pub(crate) fn incomplete(&self) -> AudioError {
        let decoded = self.decoded - self.link.start;
        let reason = format!("the file ends before its last packet, {decoded} frames could be decoded");
        AudioError::damaged(&self.path, reason)
    }

    fn seconds(&self) -> f64 {
        self.decoded as f64 / f64::from(self.sample_rate.max(1))
    }

    fn damaged_here(&self, reason: impl std::fmt::Display) -> AudioError {
        AudioError::damaged(&self.path, format!("at {:.3} s: {reason}", self.seconds()))
    }
}

/// The first sample that is NaN or infinite, and its index.
fn not_finite(samples: &[f32]) -> Option<(usize, f32)> {
    if greatest_magnitude(samples).is_finite() {
        return None;
    }
    let index = samples.iter().position(|value| !value.is_finite())?;
    Some((index, samples[index]))
}

/// The largest magnitude; NaN if any sample is NaN. There is no branch per sample.
pub(crate) fn greatest_magnitude(samples: &[f32]) -> f32 {
    // Interpreted as integers, magnitudes keep their order, with infinity above all numbers and NaN
    // above infinity.
    f32::from_bits(samples.iter().fold(0, |greatest, sample| greatest.max(sample.to_bits() & 0x7FFF_FFFF)))
}

fn mean(frame: &[f64]) -> f32 {
    (frame.iter().sum::<f64>() / frame.len() as f64) as f32
}

/// The length of MP3 without LAME's tag is only an estimate, by which nothing must be trimmed.
fn options(track: &Track, parameters: &AudioCodecParameters) -> AudioDecoderOptions {
    let guessed = parameters.codec == CODEC_ID_MP3 && track.delay.is_none();
    AudioDecoderOptions::default().gapless(!guessed).verify(true)
}

/// The number of channels of a packet; its rate must be that of the previous packets.
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
