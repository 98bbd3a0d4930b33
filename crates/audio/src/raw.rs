//! Samples without a header.

use std::str::FromStr;

use crate::LARGEST_SAMPLE;

/// How a sample is stored. The names are FFmpeg's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `u8`: 8-bit integers, 128 is silence.
    U8,
    /// `s8`: 8-bit integers.
    S8,
    /// `s16le`, and `s16be` if the most significant byte is the first one.
    S16 {
        /// Whether the most significant byte is the first one.
        big_endian: bool,
    },
    /// `s24le`, `s24be`: three bytes each.
    S24 {
        /// Whether the most significant byte is the first one.
        big_endian: bool,
    },
    /// `s32le`, `s32be`.
    S32 {
        /// Whether the most significant byte is the first one.
        big_endian: bool,
    },
    /// `f32le`, `f32be`.
    F32 {
        /// Whether the most significant byte is the first one.
        big_endian: bool,
    },
    /// `f64le`, `f64be`.
    F64 {
        /// Whether the most significant byte is the first one.
        big_endian: bool,
    },
    /// `mulaw`: 8 bits, G.711 of North America and Japan.
    MuLaw,
    /// `alaw`: 8 bits, G.711 of other countries.
    ALaw,
}

impl Encoding {
    /// Every encoding by its name.
    pub const NAMES: [(&'static str, Encoding); 14] = [
        ("u8", Self::U8),
        ("s8", Self::S8),
        ("s16le", Self::S16 { big_endian: false }),
        ("s16be", Self::S16 { big_endian: true }),
        ("s24le", Self::S24 { big_endian: false }),
        ("s24be", Self::S24 { big_endian: true }),
        ("s32le", Self::S32 { big_endian: false }),
        ("s32be", Self::S32 { big_endian: true }),
        ("f32le", Self::F32 { big_endian: false }),
        ("f32be", Self::F32 { big_endian: true }),
        ("f64le", Self::F64 { big_endian: false }),
        ("f64be", Self::F64 { big_endian: true }),
        ("mulaw", Self::MuLaw),
        ("alaw", Self::ALaw),
    ];

    /// Bytes per sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::S8 | Self::MuLaw | Self::ALaw => 1,
            Self::S16 { .. } => 2,
            Self::S24 { .. } => 3,
            Self::S32 { .. } | Self::F32 { .. } => 4,
            Self::F64 { .. } => 8,
        }
    }

    /// A sample of [`Encoding::bytes`] bytes; full scale is 1.
    fn sample(self, bytes: &[u8]) -> f64 {
        let first = bytes.first().copied().unwrap_or_default();
        match self {
            Self::U8 => (f64::from(first) - 128.0) / 128.0,
            Self::S8 => f64::from(first.cast_signed()) / 128.0,
            Self::MuLaw => f64::from(of_mu_law(first)) / 32_768.0,
            Self::ALaw => f64::from(of_a_law(first)) / 32_768.0,
            Self::S16 { big_endian } | Self::S24 { big_endian } | Self::S32 { big_endian } => {
                // In the highest bits, so that the sign is in its place.
                let shift = 32 - 8 * bytes.len() as u32;
                f64::from(((word(bytes, big_endian) as u32) << shift).cast_signed()) / 2_147_483_648.0
            }
            Self::F32 { big_endian } => f64::from(f32::from_bits(word(bytes, big_endian) as u32)),
            Self::F64 { big_endian } => f64::from_bits(word(bytes, big_endian)),
        }
    }
}

/// The number that up to eight bytes are.
fn word(bytes: &[u8], big_endian: bool) -> u64 {
    let add = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    if big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
}

/// ITU-T G.711, table 2: 16 bits of 8.
fn of_mu_law(code: u8) -> i32 {
    const BIAS: i32 = 0x84;
    let code = !code;
    let magnitude = ((i32::from(code & 0x0F) << 3) + BIAS) << (code >> 4 & 7);
    if code & 0x80 != 0 { BIAS - magnitude } else { magnitude - BIAS }
}

/// ITU-T G.711, table 1: 16 bits of 8.
fn of_a_law(code: u8) -> i32 {
    let code = code ^ 0x55;
    let (segment, place) = (code >> 4 & 7, i32::from(code & 0x0F) << 4);
    let magnitude = if segment == 0 { place + 8 } else { (place + 0x108) << (segment - 1) };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// The form of samples without a header, the channels of a frame one after the other.
///
/// ```
/// use earmark_audio::{Encoding, RawFormat};
/// let format: RawFormat = "16000,2,s16le".parse()?;
/// let encoding = Encoding::S16 { big_endian: false };
/// assert_eq!(format, RawFormat { sample_rate: 16_000, channels: 2, encoding });
/// # Ok::<(), earmark_audio::RawFormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFormat {
    /// Sample rate, Hz.
    pub sample_rate: u32,
    /// Number of channels, at least 1.
    pub channels: usize,
    /// How a sample is stored.
    pub encoding: Encoding,
}

impl RawFormat {
    /// Bytes per frame.
    pub fn frame(&self) -> usize {
        self.channels * self.encoding.bytes()
    }
}

impl std::fmt::Display for RawFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = Encoding::NAMES.iter().find(|(_, of)| *of == self.encoding).map_or("", |(name, _)| name);
        write!(f, "{},{},{name}", self.sample_rate, self.channels)
    }
}

/// Why a text is not the form of raw samples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; RATE,CHANNELS,FORMAT is needed, such as 16000,1,s16le")]
pub struct RawFormatError {
    /// What is wrong.
    reason: String,
}

impl FromStr for RawFormat {
    type Err = RawFormatError;

    fn from_str(text: &str) -> Result<Self, RawFormatError> {
        let fault = |reason: String| RawFormatError { reason };
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [rate, channels, name] = parts[..] else { return Err(fault(format!("{text:?} has no three parts"))) };
        let sample_rate = rate.parse().ok().filter(|rate| (1..=1 << 20).contains(rate));
        let channels_read = channels.parse().ok().filter(|channels| (1..=65_535).contains(channels));
        let encoding = Encoding::NAMES.iter().find(|(known, _)| *known == name).map(|(_, encoding)| *encoding);
        Ok(RawFormat {
            sample_rate: sample_rate.ok_or_else(|| fault(format!("{rate:?} is no sample rate in Hz")))?,
            channels: channels_read.ok_or_else(|| fault(format!("{channels:?} is no number of channels")))?,
            encoding: encoding.ok_or_else(|| {
                let known: Vec<&str> = Encoding::NAMES.iter().map(|(name, _)| *name).collect();
                fault(format!("{name:?} is not one of the formats {}", known.join(", ")))
            })?,
        })
    }
}

/// Raw bytes that arrive in pieces of any size to mono samples.
pub(crate) struct RawDecoder {
    pub(crate) format: RawFormat,
    /// The only channel that is taken, from 0 on; else the mean of all.
    channel: Option<usize>,
    /// The bytes of a frame that has not arrived as a whole.
    rest: Vec<u8>,
    /// The largest magnitude of a sample so far.
    pub(crate) peak: f32,
}

/// A sample that cannot be sound, which has become silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Impossible {
    /// How many samples were returned before it.
    pub(crate) frame: usize,
    pub(crate) value: f32,
}

impl RawDecoder {
    /// Of one channel, or the mean of all.
    pub(crate) fn new(format: RawFormat, channel: Option<usize>) -> Self {
        Self { format, channel, rest: Vec::new(), peak: 0.0 }
    }

    /// Replaces `out` with the samples of the frames that these bytes complete. Samples that are
    /// not finite or above [`LARGEST_SAMPLE`] become silence, and are returned.
    pub(crate) fn decode(&mut self, bytes: &[u8], out: &mut Vec<f32>) -> Vec<Impossible> {
        out.clear();
        let mut held = std::mem::take(&mut self.rest);
        held.extend_from_slice(bytes);
        let frame = self.format.frame();
        let whole = held.len() / frame * frame;
        let mut impossible = Vec::new();
        for frame in held.chunks_exact(frame) {
            let value = self.frame(frame);
            let is_sound = value.abs() <= LARGEST_SAMPLE;
            if !is_sound {
                impossible.push(Impossible { frame: out.len(), value });
            }
            out.push(if is_sound { value } else { 0.0 });
        }
        held.drain(..whole);
        self.rest = held;
        impossible
    }

    /// Bytes of a frame that is not complete.
    pub(crate) fn rest(&self) -> usize {
        self.rest.len()
    }

    /// The mono sample of a frame. 64 bits represent the samples of every format exactly, so that
    /// their mean is rounded only once.
    fn frame(&mut self, frame: &[u8]) -> f32 {
        let encoding = self.format.encoding;
        let size = encoding.bytes();
        if let Some(channel) = self.channel {
            let sample = frame.chunks_exact(size).nth(channel).map_or(0.0, |bytes| encoding.sample(bytes)) as f32;
            self.peak = self.peak.max(sample.abs());
            return sample;
        }
        let mut sum = 0.0;
        for bytes in frame.chunks_exact(size) {
            let sample = encoding.sample(bytes);
            self.peak = self.peak.max(sample.abs() as f32);
            sum += sample;
        }
        (sum / self.format.channels as f64) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_rate_channels_and_encoding() {
        for (name, encoding) in Encoding::NAMES {
            let text = format!("44100,3,{name}");
            let format: RawFormat = text.parse().unwrap();
            assert_eq!(format, RawFormat { sample_rate: 44_100, channels: 3, encoding });
            assert_eq!(format.to_string(), text);
        }
        for (text, part) in [
            ("", "three parts"),
            ("16000,1", "three parts"),
            ("0,1,u8", "\"0\""),
            ("16000,0,u8", "\"0\""),
            ("16k,1,u8", "\"16k\""),
            ("16000,1,s16", "s16le, s16be"),
        ] {
            let error = text.parse::<RawFormat>().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("16000,1,s16le"), "{error}");
        }
    }

    #[test]
    fn bytes_may_arrive_in_any_pieces() {
        let format: RawFormat = "8000,2,s24le".parse().unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(6 * 100 + 5).collect();
        let (mut whole, mut out) = (Vec::new(), Vec::new());
        assert_eq!(RawDecoder::new(format, None).decode(&bytes, &mut whole), []);
        assert_eq!(whole.len(), 100);
        for size in [1, 4, 7, 600] {
            let mut decoder = RawDecoder::new(format, None);
            let mut samples = Vec::new();
            for piece in bytes.chunks(size) {
                decoder.decode(piece, &mut out);
                samples.extend_from_slice(&out);
            }
            assert_eq!((samples, decoder.rest()), (whole.clone(), 5));
        }
    }

    #[test]
    fn what_cannot_be_sound_becomes_silence() {
        let format: RawFormat = "8000,1,f32le".parse().unwrap();
        let values = [0.5, f32::NAN, 1e13, -0.25, f32::NEG_INFINITY];
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        let mut out = Vec::new();
        let impossible = RawDecoder::new(format, None).decode(&bytes, &mut out);
        assert_eq!(out, [0.5, 0.0, 0.0, -0.25, 0.0]);
        assert_eq!(impossible.iter().map(|of| of.frame).collect::<Vec<_>>(), [1, 2, 4]);
        assert!(impossible[0].value.is_nan() && impossible[1].value == 1e13);
    }
}
