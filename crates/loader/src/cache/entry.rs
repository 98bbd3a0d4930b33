//! The format of a cache file: a header, followed by the values, all little-endian.
//!
//! | bytes | contents |
//! |---|---|
//! | 0..8 | `EARMARKF` |
//! | 8..12 | the format's version |
//! | 12..16 | bits of a value: 32 or 16, IEEE 754 |
//! | 16..20, 20..24, 24..32 | channels, bins, frames |
//! | 32..96 | the entry's key, SHA-256 in hexadecimal digits: also the file's name |
//! | 96..100 | CRC-32 of the values |
//! | 100..104, 104..112, 112..116 | the sound file's sample rate, samples of its mono mix, channels |
//! | 116..148 | SHA-256 of the sound's rate and samples ([`SoundId`]); zeros for silence |
//! | 148..152 | CRC-32 of all above |
//! | 152..192 | zeros, so that the values start at a multiple of 64 bytes |
//! | 192.. | the values, `[frames, channels, bins]` |

use earmark_features::{FeatureView, Values};

use earmark_audio::SoundId;

/// The version of the format above; a change of format needs a new number, which changes all keys.
pub(super) const VERSION: u32 = 3;

/// Length of the header in bytes; the values start there.
pub(super) const HEADER: usize = 192;

const MAGIC: [u8; 8] = *b"EARMARKF";
/// The offset of the header's own checksum.
const SEAL: usize = 148;

/// Why a file is not a cache entry, or not the requested one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryFault {
    /// The file is not a cache file.
    #[error("it is not a feature cache file")]
    Foreign,
    /// It was written in another version of the format.
    #[error("it has version {found} of the format, and this program reads version {VERSION}")]
    Version {
        /// The version in its header.
        found: u32,
    },
    /// The header does not match its checksum, or has impossible values.
    #[error("its header is damaged")]
    Header,
    /// The file was truncated, or bytes were appended.
    #[error("it has {found} bytes, its header announces {announced}")]
    Length {
        /// Bytes of the file.
        found: u64,
        /// Bytes that its header specifies.
        announced: u64,
    },
    /// The values do not match their checksum.
    #[error("its values are damaged (their CRC-32 differs)")]
    Values,
    /// It is an entry of another clip or other settings, under the wrong name.
    #[error("it belongs to another clip or other settings")]
    OtherKey,
    /// The bytes are not aligned in memory; this never happens with a mapped file.
    #[error("its values are not aligned in memory")]
    Alignment,
}

/// The precision of stored values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Single,
    Half,
}

impl Precision {
    pub(super) fn bits(self) -> u32 {
        match self {
            Precision::Single => 32,
            Precision::Half => 16,
        }
    }
}

/// The sound that features were computed from: the properties that limits check, and the ID that
/// identifies copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Hz.
    pub sample_rate: u32,
    /// Samples of the mono mix.
    pub samples: u64,
    pub channels: u32,
    /// `None` for silence.
    pub id: Option<SoundId>,
}

/// The header of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub precision: Precision,
    pub channels: u32,
    pub bins: u32,
    pub frames: u64,
    /// 64 hexadecimal digits.
    pub key: [u8; 64],
    /// CRC-32 of the values.
    pub checksum: u32,
    pub sound: Extent,
}

impl Header {
    pub(super) fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.precision.bits().to_le_bytes());
        bytes[16..20].copy_from_slice(&self.channels.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.bins.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.frames.to_le_bytes());
        bytes[32..96].copy_from_slice(&self.key);
        bytes[96..100].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[100..104].copy_from_slice(&self.sound.sample_rate.to_le_bytes());
        bytes[104..112].copy_from_slice(&self.sound.samples.to_le_bytes());
        bytes[112..116].copy_from_slice(&self.sound.channels.to_le_bytes());
        bytes[116..SEAL].copy_from_slice(&self.sound.id.map_or([0; 32], SoundId::to_bytes));
        let seal = crc32fast::hash(&bytes[..SEAL]);
        bytes[SEAL..SEAL + 4].copy_from_slice(&seal.to_le_bytes());
        bytes
    }

    /// Parses the header of a file of `length` bytes that starts with `bytes`.
    pub(super) fn parse(bytes: &[u8], length: u64) -> Result<Self, EntryFault> {
        if !bytes.starts_with(&MAGIC) {
            return Err(EntryFault::Foreign);
        }
        let Some(bytes) = bytes.first_chunk::<HEADER>() else {
            return Err(EntryFault::Length { found: length, announced: HEADER as u64 });
        };
        let version = number(bytes, 8);
        if version != VERSION {
            return Err(EntryFault::Version { found: version });
        }
        let precision = match number(bytes, 12) {
            32 => Precision::Single,
            16 => Precision::Half,
            _ => return Err(EntryFault::Header),
        };
        let long = |at: usize| u64::from(number(bytes, at)) | u64::from(number(bytes, at + 4)) << 32;
        let mut key = [0; 64];
        key.copy_from_slice(&bytes[32..96]);
        let (channels, bins, checksum) = (number(bytes, 16), number(bytes, 20), number(bytes, 96));
        let mut id = [0; 32];
        id.copy_from_slice(&bytes[116..SEAL]);
        let sound = Extent {
            sample_rate: number(bytes, 100),
            samples: long(104),
            channels: number(bytes, 112),
            id: (id != [0; 32]).then(|| SoundId::from_bytes(id)),
        };
        let header = Header { precision, channels, bins, frames: long(24), key, checksum, sound };
        let announced = header.length().filter(|announced| *announced > HEADER as u64);
        match announced {
            // Comparing all bytes also checks the unused ones after the checksums.
            Some(announced) if header.to_bytes() == *bytes => match announced == length {
                true => Ok(header),
                false => Err(EntryFault::Length { found: length, announced }),
            },
            _ => Err(EntryFault::Header),
        }
    }

    /// Length of the whole file in bytes; `None` if it would overflow.
    pub(super) fn length(&self) -> Option<u64> {
        let values = u64::from(self.channels).checked_mul(self.bins.into())?.checked_mul(self.frames)?;
        values.checked_mul(u64::from(self.precision.bits() / 8))?.checked_add(HEADER as u64)
    }

    /// The values in the bytes after the header.
    pub(super) fn view<'a>(&self, values: &'a [u8]) -> Result<FeatureView<'a>, EntryFault> {
        let values = match self.precision {
            Precision::Single => bytemuck::try_cast_slice(values).map(Values::Single),
            Precision::Half => bytemuck::try_cast_slice(values).map(Values::Half),
        };
        let values = values.map_err(|_| EntryFault::Alignment)?;
        Ok(FeatureView::new(values, self.channels as usize, self.bins as usize))
    }
}

fn number(bytes: &[u8; HEADER], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// Reads the features from the bytes of a cache file, and checks every byte.
///
/// # Errors
/// Any byte that differs from what was written; values that do not start at a multiple of 4 bytes
/// in memory.
#[doc(hidden)]
pub fn read_entry(bytes: &[u8]) -> Result<FeatureView<'_>, EntryFault> {
    let header = Header::parse(bytes, bytes.len() as u64)?;
    let values = bytes.get(HEADER..).unwrap_or_default();
    if crc32fast::hash(values) != header.checksum {
        return Err(EntryFault::Values);
    }
    header.view(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Vec<u8> {
        let values = [1.5f32, -2.0, 3.25, 0.0, 5.0, -6.0].map(f32::to_le_bytes).concat();
        let checksum = crc32fast::hash(&values);
        let id = Some(SoundId::from_bytes([7; 32]));
        let sound = Extent { sample_rate: 44_100, samples: 700, channels: 2, id };
        let (precision, key) = (Precision::Single, [b'a'; 64]);
        let header = Header { precision, channels: 1, bins: 3, frames: 2, key, checksum, sound };
        [header.to_bytes().to_vec(), values].concat()
    }

    /// Bytes aligned like those of a mapped file.
    fn aligned(bytes: &[u8]) -> Vec<u64> {
        let mut words = vec![0; bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        words
    }

    fn read(bytes: &[u8]) -> Result<Vec<f32>, EntryFault> {
        let words = aligned(bytes);
        let view = read_entry(&bytemuck::cast_slice(&words)[..bytes.len()])?;
        let mut out = vec![0.0; view.width() * view.frames()];
        view.read(0, &mut out);
        Ok(out)
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&entry()).unwrap(), [1.5, -2.0, 3.25, 0.0, 5.0, -6.0]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let entry = entry();
        for at in 0..entry.len() {
            assert!(read(&entry[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut entry = entry.clone();
                entry[at] ^= 1 << bit;
                assert!(read(&entry).is_err(), "bit {bit} of byte {at}");
            }
        }
        let longer = [entry.as_slice(), &[0]].concat();
        assert_eq!(read(&longer), Err(EntryFault::Length { found: 217, announced: 216 }));
    }

    #[test]
    fn faults_say_what_is_wrong() {
        let with = |at: usize, bytes: &[u8]| {
            let mut entry = entry();
            entry[at..at + bytes.len()].copy_from_slice(bytes);
            let seal = crc32fast::hash(&entry[..SEAL]).to_le_bytes();
            entry[SEAL..SEAL + 4].copy_from_slice(&seal);
            read(&entry).unwrap_err()
        };
        assert_eq!(read(b"RIFF"), Err(EntryFault::Foreign));
        assert_eq!(read(b""), Err(EntryFault::Foreign));
        assert_eq!(with(8, &[9]), EntryFault::Version { found: 9 });
        assert_eq!(with(12, &[64]), EntryFault::Header, "bits of a value");
        assert_eq!(with(12, &[16]), EntryFault::Length { found: 216, announced: 204 });
        assert_eq!(with(16, &[0xFF; 16]), EntryFault::Header, "more values than can be");
        assert_eq!(with(24, &[0; 8]), EntryFault::Header, "no frames");
        assert_eq!(with(152, &[1]), EntryFault::Header, "the unused bytes");
        assert_eq!(with(96, &[1]), EntryFault::Values);
    }
}
