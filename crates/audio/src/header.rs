//! What a file's header says, read before the decoder sees it: how many frames are announced, and how many are there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::mp4::{self, Boxes, Edit};
use crate::source::Patch;
use crate::{AudioError, Limits, ogg};

/// What the header says.
#[derive(Default)]
pub(crate) struct Header {
    /// A known format's mark stands at the start.
    pub(crate) known: bool,
    /// It begins as MP4 does, and its boxes were looked at.
    pub(crate) mp4: bool,
    /// Lengths to set right for the decoder.
    pub(crate) patches: Vec<Patch>,
    /// Frames announced, where the decoder does not know them.
    pub(crate) frames: Option<u64>,
    /// Which part of the decoded sound is to be heard.
    pub(crate) edit: Option<Edit>,
    /// The file ends before its sound does.
    pub(crate) cut: bool,
}

/// Reads the header of a file of `length` bytes.
///
/// # Errors
/// A WAV or AIFF file announces more frames than it holds, or a form beyond the limits; an MP4 file announces more packets
/// than it has bytes, or has too many boxes; the file cannot be read.
pub(crate) fn read(file: &mut File, length: u64, path: &Path, limits: &Limits) -> Result<Header, AudioError> {
    let Some(start) = read_at::<12>(file, 0, length, path)? else { return Ok(Header::default()) };
    let form = &start[8..12];
    if &start[..4] == b"RIFF" && form == b"WAVE" {
        wav(file, length, path, limits)
    } else if &start[..4] == b"FORM" && (form == b"AIFF" || form == b"AIFC") {
        aiff(file, length, path, limits)
    } else if MP4.contains(&&start[4..8]) {
        let header = mp4(file, length, path)?;
        Ok(Header { known: &start[4..8] == MP4[0], ..header })
    } else if &start[..4] == b"OggS" {
        let whole = ogg::is_whole(file, length).map_err(|error| AudioError::io(path, error))?;
        Ok(Header { known: true, cut: !whole, ..Header::default() })
    } else {
        let known = [&b"fLaC"[..], b"ID3"].iter().any(|mark| start.starts_with(mark));
        Ok(Header { known, ..Header::default() })
    }
}

/// The box that an MP4 file begins with, and those that may stand before it to keep room.
const MP4: [&[u8]; 4] = [b"ftyp", b"free", b"skip", b"wide"];

fn mp4(file: &mut File, length: u64, path: &Path) -> Result<Header, AudioError> {
    let boxes = Boxes::read(file, length).map_err(|error| AudioError::io(path, error))?;
    if boxes.count == Boxes::MOST {
        return Err(AudioError::damaged(path, format!("it has {} boxes or more", Boxes::MOST)));
    }
    if boxes.packets > length {
        let reason = format!("its fragments announce {} packets, it has {length} bytes", boxes.packets);
        return Err(AudioError::damaged(path, reason));
    }
    let edit = mp4::edit(file, length).unwrap_or_default();
    Ok(Header { mp4: true, patches: boxes.patches, edit, ..Header::default() })
}

/// `N` bytes at `position`; none when the file ends before.
fn read_at<const N: usize>(
    file: &mut File,
    position: u64,
    length: u64,
    path: &Path,
) -> Result<Option<[u8; N]>, AudioError> {
    if position.saturating_add(N as u64) > length {
        return Ok(None);
    }
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(position)).map_err(|error| AudioError::io(path, error))?;
    file.read_exact(&mut bytes).map_err(|error| AudioError::io(path, error))?;
    Ok(Some(bytes))
}

fn u16_le(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_le(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Lengths above this are written by programs that stream and cannot go back (sox: 0x7FFFF000, ffmpeg: 0xFFFFFFFF).
const STREAMED: u32 = 0x7FFF_0000;

fn wav(file: &mut File, length: u64, path: &Path, limits: &Limits) -> Result<Header, AudioError> {
    // The outer length is wrong in many files, and says nothing that the chunks do not say.
    let outer = u32::try_from(length - 8).unwrap_or(u32::MAX);
    let mut header = Header { known: true, patches: vec![(4, outer.to_le_bytes())], ..Header::default() };
    let mut block = 1;
    let mut position = 12;
    while let Some(chunk) = read_at::<8>(file, position, length, path)? {
        let (name, size, start) = (&chunk[..4], u32_le(&chunk, 4), position + 8);
        if name == b"fmt "
            && let Some(format) = read_at::<16>(file, start, length, path)?
        {
            limits.check_form(path, u32_le(&format, 4), usize::from(u16_le(&format, 2)))?;
            block = u64::from(u16_le(&format, 12)).max(1);
        }
        if name == b"data" {
            let held = length - start;
            let streamed = size >= STREAMED || (size == 0 && held >= block && !is_chunk(file, start, length, path)?);
            if streamed && held != u64::from(size) {
                let held = u32::try_from(held).unwrap_or(u32::MAX - 1);
                header.patches.push((position + 4, held.to_le_bytes()));
            } else if held < u64::from(size) {
                return Err(AudioError::truncated(path, u64::from(size) / block, held / block));
            }
            break;
        }
        position = start + u64::from(size) + u64::from(size % 2);
    }
    Ok(header)
}

/// Whether another chunk of a WAV file stands at `position`: then a data chunk of length 0 before it is really empty.
fn is_chunk(file: &mut File, position: u64, length: u64, path: &Path) -> Result<bool, AudioError> {
    let Some(chunk) = read_at::<8>(file, position, length, path)? else { return Ok(false) };
    let named = chunk[..4].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ');
    Ok(named && position + 8 + u64::from(u32_le(&chunk, 4)) <= length)
}

fn aiff(file: &mut File, length: u64, path: &Path, limits: &Limits) -> Result<Header, AudioError> {
    let mut header = Header { known: true, ..Header::default() };
    let mut block = 1;
    let mut position = 12;
    while let Some(chunk) = read_at::<8>(file, position, length, path)? {
        let size = u32::from_be_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        let start = position + 8;
        if &chunk[..4] == b"COMM"
            && let Some(common) = read_at::<18>(file, start, length, path)?
        {
            let channels = u16::from_be_bytes([common[0], common[1]]);
            let bits = u16::from_be_bytes([common[6], common[7]]);
            limits.check_form(path, rate_of_extended(&common[8..]), usize::from(channels))?;
            let frames = u32::from_be_bytes([common[2], common[3], common[4], common[5]]);
            header.frames = (frames > 0).then_some(u64::from(frames));
            block = (u64::from(channels) * u64::from(bits.div_ceil(8))).max(1);
        }
        let held = length - start;
        if &chunk[..4] == b"SSND" && held < u64::from(size) {
            // Eight bytes of offset and alignment stand before the samples.
            let announced = header.frames.unwrap_or(u64::from(size).saturating_sub(8) / block);
            return Err(AudioError::truncated(path, announced, held.saturating_sub(8) / block));
        }
        position = start + u64::from(size) + u64::from(size % 2);
    }
    Ok(header)
}

/// The whole hertz of an 80-bit float, as far as they fit.
fn rate_of_extended(bytes: &[u8]) -> u32 {
    let exponent = i32::from(u16::from_be_bytes([bytes[0] & 0x7f, bytes[1]])) - 16_383;
    let mantissa = u64::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8], bytes[9]]);
    match exponent {
        ..0 => 0,
        0..=31 => (mantissa >> (63 - exponent)) as u32,
        _ => u32::MAX,
    }
}
