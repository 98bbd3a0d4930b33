//! The chunks of WAV and AIFF: how many frames they announce, and how many the file contains.
//!
//! Sources: Microsoft's Multimedia Programming Interface 1.0, 3; Apple's Audio Interchange File
//! Format 1.3.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::container::{Header, read_at};
use crate::raw::{Encoding, RawFormat};
use crate::{AudioError, Limits};

/// A chunk of a file.
struct Chunk {
    name: [u8; 4],
    /// The declared size of its content, bytes.
    size: u32,
    /// The start of its content.
    start: u64,
}

/// The chunks of a file, one after another.
struct Chunks<'f> {
    file: &'f mut File,
    length: u64,
    path: &'f Path,
    /// Decodes a size from its bytes.
    number: fn([u8; 4]) -> u32,
    /// The start of the next chunk.
    position: u64,
    count: usize,
}

impl<'f> Chunks<'f> {
    /// No real file has more chunks than this.
    const MOST: usize = 10_000;

    fn new(file: &'f mut File, length: u64, path: &'f Path, number: fn([u8; 4]) -> u32) -> Self {
        Chunks { file, length, path, number, position: 12, count: 0 }
    }

    fn next(&mut self) -> Result<Option<Chunk>, AudioError> {
        let chunk = self.at(self.position)?;
        if let Some(Chunk { size, start, .. }) = chunk {
            self.position = padded(start, size);
            self.count += 1;
            if self.count == Self::MOST {
                return Err(AudioError::damaged(self.path, format!("it has {} chunks or more", Self::MOST)));
            }
        }
        Ok(chunk)
    }

    fn at(&mut self, position: u64) -> Result<Option<Chunk>, AudioError> {
        let head = self.bytes::<8>(position)?;
        let chunk = |[a, b, c, d, size @ ..]: [u8; 8]| Chunk {
            name: [a, b, c, d],
            size: (self.number)(size),
            start: position + 8,
        };
        Ok(head.map(chunk))
    }

    /// Whether the size of a chunk whose content starts at `start` is plausible: the chunk ends at
    /// the end of the file or before another chunk.
    fn closes(&mut self, start: u64, size: u32) -> Result<bool, AudioError> {
        let end = padded(start, size);
        if start + u64::from(size) == self.length || end == self.length {
            return Ok(true);
        }
        let Some(next) = self.at(end)? else { return Ok(false) };
        let named = next.name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ');
        Ok(named && next.start + u64::from(next.size) <= self.length)
    }

    fn bytes<const N: usize>(&mut self, position: u64) -> Result<Option<[u8; N]>, AudioError> {
        read_at(self.file, position, self.length, self.path)
    }
}

/// The end of a content of `size` bytes, with padding: chunks start at even offsets.
fn padded(start: u64, size: u32) -> u64 {
    start + u64::from(size) + u64::from(size % 2)
}

/// Whether this is a placeholder length that a streaming program, which cannot seek back, writes
/// for a sound of blocks of `block` bytes.
fn is_streamed(size: u32, block: u64) -> bool {
    const WRITTEN: [u32; 7] = [
        0,           // libsndfile
        0x7FFF_0000, // GStreamer
        0x7FFF_FF00, // older arecord
        0x7FFF_FFFF, // LAME
        0x8000_0000, // arecord
        0xFFFF_FFDB, // speech servers: 2^32 - 1 minus a header
        0xFFFF_FFFF, // FFmpeg
    ];
    // SoX rounds to whole blocks.
    WRITTEN.contains(&size) || u64::from(size) == 0x7FFF_F000 / block * block
}

/// Reads the header of a WAV file up to its samples.
pub(crate) fn wav(file: &mut File, length: u64, path: &Path, limits: &Limits) -> Result<Header, AudioError> {
    // The outer length is wrong in many files, and redundant with the chunks.
    let outer = u32::try_from(length - 8).unwrap_or(u32::MAX);
    let mut header = Header { known: true, patches: vec![(4, outer.to_le_bytes())], ..Header::default() };
    let mut chunks = Chunks::new(file, length, path, u32::from_le_bytes);
    let mut block = 1;
    while let Some(Chunk { name, size, start }) = chunks.next()? {
        if &name == b"fmt "
            && let Some(format) = chunks.bytes::<16>(start)?
        {
            let rate = u32::from_le_bytes([format[4], format[5], format[6], format[7]]);
            limits.check_form(path, rate, usize::from(u16::from_le_bytes([format[2], format[3]])))?;
            block = u64::from(u16::from_le_bytes([format[12], format[13]])).max(1);
            let mask = if size < 24 { None } else { chunks.bytes::<4>(start + 20)?.map(u32::from_le_bytes) };
            header.lacks_places = !has_places(&format, mask);
        }
        if &name == b"data" {
            let held = length - start;
            if chunks.closes(start, size)? {
                return Ok(header);
            }
            let Ok(most) = u32::try_from(held) else {
                let reason = format!("it has {held} bytes of sound, and WAV can announce {}", u32::MAX);
                return Err(AudioError::unsupported(path, reason));
            };
            if is_streamed(size, block) {
                header.patches.push((start - 4, most.min(u32::MAX - 1).to_le_bytes()));
            } else if most < size {
                return Err(AudioError::truncated(path, u64::from(size) / block, held / block));
            }
            break;
        }
    }
    Ok(header)
}

/// Reads the chunks of a WAV file after its first twelve bytes, up to its samples. Returns their
/// form and the number of their bytes, unless that is a placeholder.
pub(crate) fn wav_start(reader: &mut impl Read, path: &Path) -> Result<(RawFormat, Option<u64>), AudioError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => AudioError::damaged(path, "the file ends inside its header"),
        _ => AudioError::io(path, error),
    };
    let mut format = None;
    for _ in 0..Chunks::MOST {
        let mut head = [0; 8];
        reader.read_exact(&mut head).map_err(failed)?;
        let [a, b, c, d, size @ ..] = head;
        let (name, size) = ([a, b, c, d], u32::from_le_bytes(size));
        if &name == b"data" {
            let format: RawFormat = format.ok_or_else(|| AudioError::damaged(path, "its samples have no form"))?;
            return Ok((format, (!is_streamed(size, format.frame() as u64)).then_some(u64::from(size))));
        }
        let mut content = reader.by_ref().take(padded(0, size));
        if &name == b"fmt " {
            let mut bytes = Vec::new();
            content.by_ref().take(40).read_to_end(&mut bytes).map_err(|error| AudioError::io(path, error))?;
            format = Some(wav_format(&bytes, path)?);
        }
        std::io::copy(&mut content, &mut std::io::sink()).map_err(|error| AudioError::io(path, error))?;
    }
    Err(AudioError::damaged(path, format!("it has {} chunks or more", Chunks::MOST)))
}

/// Whether each channel has a place such as front left, by the start of a chunk `fmt `; symphonia
/// reads no others. Without a mask, the first 26 channels have places.
fn has_places(start: &[u8; 16], mask: Option<u32>) -> bool {
    let channels = u32::from(u16::from_le_bytes([start[2], start[3]]));
    match mask.filter(|_| start.starts_with(&[0xFE, 0xFF])) {
        Some(mask) => mask.count_ones() == channels,
        None => channels <= 26,
    }
}

/// The form in the content of a chunk `fmt `.
fn wav_format(bytes: &[u8], path: &Path) -> Result<RawFormat, AudioError> {
    let half = |at: usize| bytes.get(at..at + 2).map_or(0, |of| u16::from_le_bytes([of[0], of[1]]));
    if bytes.len() < 16 {
        return Err(AudioError::damaged(path, "the file ends inside its header"));
    }
    // An extensible format names the kind of its samples further on.
    let kind = if half(0) == 0xFFFE { half(24) } else { half(0) };
    let (channels, block, bits) = (usize::from(half(2)), usize::from(half(12)), half(14));
    let big_endian = false;
    let encoding = match (kind, bits) {
        (1, 8) => Encoding::U8,
        (1, 16) => Encoding::S16 { big_endian },
        (1, 24) => Encoding::S24 { big_endian },
        (1, 32) => Encoding::S32 { big_endian },
        (3, 32) => Encoding::F32 { big_endian },
        (3, 64) => Encoding::F64 { big_endian },
        (6, 8) => Encoding::ALaw,
        (7, 8) => Encoding::MuLaw,
        _ => {
            let reason = format!("its samples are of WAV's format {kind} with {bits} bits");
            return Err(AudioError::unsupported(path, reason));
        }
    };
    let sample_rate = u32::from(half(4)) | u32::from(half(6)) << 16;
    let format = RawFormat { sample_rate, channels, encoding };
    if channels == 0 || sample_rate == 0 || block != format.frame() {
        let reason =
            format!("{channels} channels of {bits} bits in {block} bytes, at {sample_rate} Hz, are not possible");
        return Err(AudioError::damaged(path, reason));
    }
    Ok(format)
}

/// Reads an AIFF file to its end.
pub(crate) fn aiff(file: &mut File, length: u64, path: &Path, limits: &Limits) -> Result<Header, AudioError> {
    let mut header = Header { known: true, ..Header::default() };
    let mut chunks = Chunks::new(file, length, path, u32::from_be_bytes);
    let mut block = 1;
    while let Some(Chunk { name, size, start }) = chunks.next()? {
        if &name == b"COMM"
            && let Some(common) = chunks.bytes::<18>(start)?
        {
            let channels = u16::from_be_bytes([common[0], common[1]]);
            let bits = u16::from_be_bytes([common[6], common[7]]);
            limits.check_form(path, rate_of_extended(&common[8..]), usize::from(channels))?;
            let frames = u32::from_be_bytes([common[2], common[3], common[4], common[5]]);
            header.frames = (frames > 0).then_some(u64::from(frames));
            block = (u64::from(channels) * u64::from(bits.div_ceil(8))).max(1);
        }
        let held = length - start;
        if &name == b"SSND" && held < u64::from(size) {
            // Eight bytes of offset and alignment precede the samples.
            let announced = header.frames.unwrap_or(u64::from(size).saturating_sub(8) / block);
            return Err(AudioError::truncated(path, announced, held.saturating_sub(8) / block));
        }
    }
    Ok(header)
}

/// The integer part of an 80-bit float in hertz, saturating.
fn rate_of_extended(bytes: &[u8]) -> u32 {
    let exponent = i32::from(u16::from_be_bytes([bytes[0] & 0x7f, bytes[1]])) - 16_383;
    let mantissa = u64::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8], bytes[9]]);
    match exponent {
        ..0 => 0,
        0..=31 => (mantissa >> (63 - exponent)) as u32,
        _ => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;
    use crate::decode;

    /// A 44-byte header of a mono sound with blocks of `block` bytes, which announces `size` bytes.
    fn head(block: u16, size: u32) -> Vec<u8> {
        let mut head = [&b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0"[..], &8_000u32.to_le_bytes()].concat();
        head.extend((8_000 * u32::from(block)).to_le_bytes());
        head.extend([block, 8 * block].into_iter().flat_map(u16::to_le_bytes));
        head.extend(b"data");
        head.extend(size.to_le_bytes());
        head
    }

    /// A file of 16-bit samples with so many channels, whose samples are `value(channel)`.
    fn of_channels(channels: u16, extensible: bool, value: impl Fn(u16) -> i16) -> Vec<u8> {
        let kind: u16 = if extensible { 0xFFFE } else { 1 };
        let mut form = [kind, channels].map(u16::to_le_bytes).concat();
        form.extend([16_000, 32_000 * u32::from(channels)].map(u32::to_le_bytes).concat());
        form.extend([2 * channels, 16].map(u16::to_le_bytes).concat());
        if extensible {
            form.extend(b"\x16\0\x10\0\0\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
        }
        let data: Vec<u8> = (0..300).flat_map(|_| (0..channels).map(&value)).flat_map(i16::to_le_bytes).collect();
        let chunk = |name: &[u8; 4], bytes: &[u8]| [&name[..], &(bytes.len() as u32).to_le_bytes(), bytes].concat();
        chunk(b"RIFF", &[b"WAVE".to_vec(), chunk(b"fmt ", &form), chunk(b"data", &data)].concat())
    }

    #[test]
    fn any_number_of_channels_up_to_the_limit_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("many.wav");
        let limits = Limits { max_channels: 64, ..Limits::default() };
        for channels in [1, 2, 26, 27, 32, 33, 64] {
            for extensible in [false, true] {
                let value = |channel: u16| 256 * i16::try_from(channel).unwrap();
                std::fs::write(&path, of_channels(channels, extensible, value)).unwrap();
                let clip = decode(&path, &limits).unwrap();
                let mean = f32::from(channels - 1) / 2.0 / 128.0;
                assert_eq!(clip.samples.len(), 300);
                assert!(clip.samples.iter().all(|sample| (sample - mean).abs() < 1e-6), "{channels}");
                let last = crate::Reading { channel: Some(usize::from(channels) - 1), ..Default::default() };
                let mut stream = crate::AudioStream::open_as(&path, &limits, last).unwrap();
                let mut samples = Vec::new();
                stream.next_block(&mut samples).unwrap();
                assert_eq!((samples[0], stream.channels()), (f32::from(channels - 1) / 128.0, usize::from(channels)));
            }
        }
        let few = Limits { max_channels: 32, ..limits };
        assert!(matches!(decode(&path, &few), Err(AudioError::Limit { key: "max_channels", .. })));
        // Cut in the middle of its samples.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
        assert!(matches!(decode(&path, &limits), Err(AudioError::Damaged { .. })));
    }

    /// Reads the header of a file that has `held` bytes after such a header, of which `end` are the
    /// last.
    fn read(block: u16, size: u32, held: u64, end: &[u8]) -> Result<Header, AudioError> {
        let mut file = sparse(block, size, held, end);
        let length = file.as_file().metadata().unwrap().len();
        wav(file.as_file_mut(), length, Path::new("long.wav"), &Limits::default())
    }

    fn sparse(block: u16, size: u32, held: u64, end: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&head(block, size)).unwrap();
        file.as_file().set_len(44 + held).unwrap();
        file.seek(SeekFrom::Start(44 + held - end.len() as u64)).unwrap();
        file.write_all(end).unwrap();
        file
    }

    /// The size of the sound that the decoder gets, if it differs from that in the file.
    fn decoder_size(header: &Header) -> Option<u32> {
        header.patches.iter().find(|(at, _)| *at == 40).map(|(_, size)| u32::from_le_bytes(*size))
    }

    #[test]
    fn lengths_of_programs_that_stream_are_not_believed() {
        let sizes = [0, 0x7FFF_0000, 0x7FFF_F000, 0x7FFF_FF00, i32::MAX as u32, 1 << 31, u32::MAX - 36, u32::MAX];
        for (block, size) in sizes.map(|size| (2, size)).into_iter().chain([(3, 0x7FFF_EFFF), (6, 0x7FFF_EFFC)]) {
            assert_eq!(decoder_size(&read(block, size, 600, b"").unwrap()), Some(600), "{size:#x}");
            // The file contains more than is announced.
            if size != 0 && size != u32::MAX {
                let held = u64::from(size) + 600;
                let most = u32::try_from(held).ok().map(|held| held.min(u32::MAX - 1));
                assert_eq!(
                    read(block, size, held, b"").ok().and_then(|header| decoder_size(&header)),
                    most,
                    "{size:#x}"
                );
            }
        }
        let path = sparse(2, u32::MAX, 600, b"").into_temp_path();
        assert_eq!(decode(&path, &Limits::default()).unwrap().samples.len(), 300);
    }

    #[test]
    fn other_large_lengths_are_believed() {
        for size in [0x7FFF_0001, 0x7FFF_F002, 0x7FFF_FFFE, 0x8000_0002, 0x9000_0000, u32::MAX - 1] {
            let error = read(2, size, 600, b"").err().unwrap().to_string();
            assert!(
                error.ends_with(&format!("the header announces {} frames, 300 could be decoded", size / 2)),
                "{error}"
            );
        }
        let cut = sparse(2, 0x8100_0000, 0x8100_0000 - (1 << 20), b"").into_temp_path();
        let error = decode(&cut, &Limits::default()).unwrap_err();
        assert!(matches!(error, AudioError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_length_after_which_the_file_goes_on_well_is_believed() {
        let list = b"LIST\x04\0\0\0INFO";
        for size in [0x7FFF_0000, 0x7FFF_F000, 0x8000_0000, 0xFFFF_FFDA] {
            for end in [&b""[..], list] {
                let header = read(2, size, u64::from(size) + end.len() as u64, end).unwrap();
                assert_eq!(decoder_size(&header), None, "{size:#x}");
            }
        }
        // A chunk that does not fit into the file is ignored.
        assert!(decoder_size(&read(2, 0x7FFF_0000, 0x7FFF_000C, b"LIST\x05\0\0\0INFO").unwrap()).is_some());
    }

    #[test]
    fn more_sound_than_wav_can_announce_is_an_error() {
        for size in [0, 600, 0x7FFF_FFFF, 0x8100_0000, u32::MAX] {
            let path = sparse(2, size, (1 << 32) + 600, b"").into_temp_path();
            let error = decode(&path, &Limits::default()).unwrap_err();
            assert!(
                matches!(&error, AudioError::Unsupported { reason, .. } if reason.contains("4294967896")),
                "{error}"
            );
        }
    }

    #[test]
    fn files_of_too_many_chunks_are_damaged() {
        for (head, chunk) in [(&b"RIFF\0\0\0\0WAVE"[..], b"junk\0\0\0\0"), (b"FORM\0\0\0\0AIFF", b"NAME\0\0\0\0")] {
            let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
            std::fs::write(&path, [head, &chunk.repeat(20_000)].concat()).unwrap();
            let error = decode(&path, &Limits::default()).unwrap_err();
            assert!(matches!(&error, AudioError::Damaged { reason, .. } if reason.contains("10000")), "{error}");
        }
    }
}
