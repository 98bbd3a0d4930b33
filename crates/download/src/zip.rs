//! Reading of untrusted zip archives: the directory is verified against the entries.
//!
//! The format is that of PKWARE's APPNOTE 6.3, of which data sets use only a part: stored and
//! deflated files, and the 64-bit fields of large archives. The directory is parsed here, because
//! existing crates keep it in a map, in which the second of two entries with the same name silently
//! replaces the first, and read all of it before its length can be limited. An entry that differs
//! from the directory is damaged; encryption and other methods are rejected.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use earmark_files::FileError;
use flate2::{Crc, read::DeflateDecoder};

use crate::error::DownloadError;
use crate::unpacker::{EntryKind, Unpacker};

const END: u32 = 0x0605_4b50;
const END64_PLACE: u32 = 0x0706_4b50;
const END64: u32 = 0x0606_4b50;
const ENTRY: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
/// The maximum size of the directory, which is kept in memory: about 600,000 entries.
const DIRECTORY: u64 = 64 << 20;

/// An entry of the directory.
struct Entry {
    name: Vec<u8>,
    kind: EntryKind,
    encrypted: bool,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    place: u64,
}

/// Passes every entry of a zip archive to `unpacker`.
pub(super) fn unpack(path: &Path, unpacker: &mut Unpacker, mut read: impl FnMut(u64)) -> Result<(), DownloadError> {
    let mut file = BufReader::new(File::open(path).map_err(FileError::of("read", path))?);
    let length = file.get_ref().metadata().map_err(FileError::of("read", path))?.len();
    // From here on, a read error means a damaged archive whose offsets are wrong.
    let entries = directory(&mut file, length, unpacker)?;
    let mut done = 0_u64;
    for entry in &entries {
        // Entries must not share bytes, as they do in a zip bomb.
        done = done
            .checked_add(entry.packed)
            .filter(|&done| done <= length)
            .ok_or_else(|| unpacker.damaged(Some(&entry.name), "it and those before it are longer than the archive"))?;
        unpack_entry(&mut file, entry, unpacker)?;
        read(done);
    }
    Ok(())
}

fn unpack_entry(file: &mut BufReader<File>, entry: &Entry, unpacker: &mut Unpacker) -> Result<(), DownloadError> {
    let damaged = |unpacker: &Unpacker, reason: &str| unpacker.damaged(Some(&entry.name), reason);
    let start = |file: &mut BufReader<File>| -> io::Result<Option<u64>> {
        file.seek(SeekFrom::Start(entry.place))?;
        let header = Fields(array::<30>(file)?);
        let mut name = vec![0; header.u16(26).into()];
        file.read_exact(&mut name)?;
        let start = entry.place + 30 + u64::from(header.u16(26)) + u64::from(header.u16(28));
        Ok((header.u32(0) == LOCAL && name == entry.name).then_some(start))
    };
    if entry.encrypted || !matches!(entry.method, 0 | 8) {
        return Err(damaged(unpacker, "it is encrypted, or packed in a way that is not supported"));
    }
    let start = start(file).map_err(|error| damaged(unpacker, &error.to_string()))?;
    let start = start.ok_or_else(|| damaged(unpacker, "the directory and the entry have different names"))?;
    file.seek(SeekFrom::Start(start)).map_err(|error| damaged(unpacker, &error.to_string()))?;

    let packed = file.by_ref().take(entry.packed);
    let mut data: Checked<Box<dyn Read + '_>> = match entry.method {
        0 => Checked { inner: Box::new(packed), crc: Crc::new(), end: false },
        _ => Checked { inner: Box::new(DeflateDecoder::new(packed)), crc: Crc::new(), end: false },
    };
    unpacker.entry(&entry.name, entry.kind, entry.size, &mut data)?;
    // Skipped entries were not read, so their checksum is unknown.
    if data.end && data.crc.sum() != entry.crc {
        return Err(damaged(unpacker, "its CRC-32 is wrong"));
    }
    Ok(())
}

/// A reader that computes the CRC-32.
struct Checked<R> {
    inner: R,
    crc: Crc,
    end: bool,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(block)?;
        self.crc.update(&block[..n]);
        self.end |= n == 0 && !block.is_empty();
        Ok(n)
    }
}

/// The entries of the archive's directory, at most as many as the limit allows.
fn directory(file: &mut BufReader<File>, length: u64, unpacker: &Unpacker) -> Result<Vec<Entry>, DownloadError> {
    let damaged = |error: io::Error| unpacker.damaged(None, &error.to_string());
    let end = end(file, length).map_err(damaged)?;
    let Some((count, size, place)) = end.filter(|&(_, size, place)| place.saturating_add(size) <= length) else {
        return Err(unpacker.damaged(None, "it has no directory at its end; it may be cut off, or no zip archive"));
    };
    unpacker.allow(count)?;
    if size > DIRECTORY {
        return Err(unpacker.damaged(None, &format!("its directory is longer than {DIRECTORY} bytes")));
    }
    file.seek(SeekFrom::Start(place)).map_err(damaged)?;
    let mut bytes = file.by_ref().take(size);
    let mut entries = Vec::new();
    for _ in 0..count {
        let entry = entry(&mut bytes).map_err(damaged)?;
        entries.push(entry.ok_or_else(|| unpacker.damaged(None, "its directory is damaged"))?);
    }
    match bytes.limit() {
        0 => Ok(entries),
        _ => Err(unpacker.damaged(None, "its directory has more entries than it says")),
    }
}

/// The number of entries, and the size and position of the directory, from the end record of the
/// archive.
fn end(file: &mut BufReader<File>, length: u64) -> io::Result<Option<(u64, u64, u64)>> {
    // The end record has 22 bytes and a comment.
    let tail_place = length.saturating_sub(22 + u64::from(u16::MAX));
    file.seek(SeekFrom::Start(tail_place))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let is_end = |&place: &usize| {
        let fields = Fields(&tail[place..]);
        fields.u32(0) == END && place + 22 + usize::from(fields.u16(20)) == tail.len()
    };
    let Some(place) = (0..tail.len().saturating_sub(21)).rev().find(is_end) else {
        return Ok(None);
    };
    let fields = Fields(&tail[place..]);
    let (disks, count, size, start) = (fields.u32(4), fields.u16(10), fields.u32(12), fields.u32(16));
    let small = count != u16::MAX && size != u32::MAX && start != u32::MAX;
    if small || place < 20 || Fields(&tail[place - 20..]).u32(0) != END64_PLACE {
        let whole = disks == 0 && fields.u16(8) == count;
        return Ok(whole.then_some((count.into(), size.into(), start.into())));
    }
    file.seek(SeekFrom::Start(Fields(&tail[place - 20..]).u64(8)))?;
    let fields = Fields(array::<56>(file)?);
    let whole = fields.u32(0) == END64 && fields.u64(16) == 0 && fields.u64(24) == fields.u64(32);
    Ok(whole.then_some((fields.u64(32), fields.u64(40), fields.u64(48))))
}

/// The next entry of the directory; none if there is something else.
fn entry(bytes: &mut impl Read) -> io::Result<Option<Entry>> {
    let fields = Fields(array::<46>(bytes)?);
    if fields.u32(0) != ENTRY {
        return Ok(None);
    }
    let mut name = vec![0; fields.u16(28).into()];
    let mut extra = vec![0; fields.u16(30).into()];
    let mut comment = vec![0; fields.u16(32).into()];
    for part in [&mut name, &mut extra, &mut comment] {
        bytes.read_exact(part)?;
    }
    let (mut packed, mut size, mut place) = (fields.u32(20).into(), fields.u32(24).into(), fields.u32(42).into());
    // Fields that overflow are stored in the extra field with 64 bits, in this order.
    let mut wide = extra_field(&extra, 1).unwrap_or_default().chunks_exact(8).map(|eight| Fields(eight).u64(0));
    for field in [&mut size, &mut packed, &mut place] {
        if *field == u64::from(u32::MAX) {
            *field = wide.next().unwrap_or(*field);
        }
    }
    let kind = kind(&name, fields.u16(4), fields.u32(38));
    let (encrypted, method, crc) = (fields.u16(8) & 1 != 0, fields.u16(10), fields.u32(16));
    Ok(Some(Entry { name, kind, encrypted, method, crc, packed, size, place }))
}

/// The extra field with this number.
fn extra_field(mut extra: &[u8], number: u16) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let end = 4 + usize::from(Fields(extra).u16(2));
        let field = extra.get(4..end)?;
        if Fields(extra).u16(0) == number {
            return Some(field);
        }
        extra = &extra[end..];
    }
    None
}

/// The kind of an entry: Unix-like systems store the file mode in the upper half of the attributes.
fn kind(name: &[u8], made_by: u16, attributes: u32) -> EntryKind {
    let (system, mode) = (made_by >> 8, (attributes >> 16) & 0o170_000);
    match mode {
        0o120_000 if matches!(system, 3 | 19) => EntryKind::Link,
        0 | 0o040_000 | 0o100_000 => match name.ends_with(b"/") || mode == 0o040_000 {
            true => EntryKind::Folder,
            false => EntryKind::File,
        },
        _ if matches!(system, 3 | 19) => EntryKind::Special,
        _ => EntryKind::File,
    }
}

fn array<const N: usize>(bytes: &mut impl Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    bytes.read_exact(&mut array)?;
    Ok(array)
}

/// Little-endian numbers at offsets of a record, which is always long enough here; otherwise they
/// are zero.
struct Fields<T>(T);

impl<T: AsRef<[u8]>> Fields<T> {
    fn number(&self, place: usize, bytes: usize) -> u64 {
        let field = self.0.as_ref().get(place..place + bytes).unwrap_or_default();
        field.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn u16(&self, place: usize) -> u16 {
        self.number(place, 2) as u16
    }

    fn u32(&self, place: usize) -> u32 {
        self.number(place, 4) as u32
    }

    fn u64(&self, place: usize) -> u64 {
        self.number(place, 8)
    }
}
