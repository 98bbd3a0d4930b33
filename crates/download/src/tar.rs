//! Reading of tar archives compressed with gzip.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use earmark_files::FileError;
use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use crate::error::DownloadError;
use crate::unpacker::{EntryKind, Unpacker};

/// The maximum number of bytes between two files: headers, long names, padding. The reader keeps
/// long names in memory.
const BETWEEN: u64 = 1 << 20;

/// Passes every entry of a `.tar.gz` archive to `unpacker`.
pub(super) fn unpack(path: &Path, unpacker: &mut Unpacker, mut read: impl FnMut(u64)) -> Result<(), DownloadError> {
    let file = File::open(path).map_err(FileError::of("read", path))?;
    let packed = Cell::new(0);
    let allowance = Cell::new(BETWEEN);
    let counted = Counted { inner: BufReader::new(file), read: &packed };
    let mut archive = Archive::new(Metered { inner: MultiGzDecoder::new(counted), allowance: &allowance });

    let damaged = |unpacker: &Unpacker, error: io::Error| unpacker.damaged(None, &error.to_string());
    for entry in archive.entries().map_err(|error| damaged(unpacker, error))? {
        let mut entry = entry.map_err(|error| damaged(unpacker, error))?;
        let kind = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => EntryKind::File,
            EntryType::Directory => EntryKind::Folder,
            EntryType::Link | EntryType::Symlink => EntryKind::Link,
            // Metadata for all following entries, such as the commit that GitHub writes.
            EntryType::XGlobalHeader => EntryKind::Note,
            _ => EntryKind::Special,
        };
        let (name, size) = (entry.path_bytes().into_owned(), entry.size());
        // Skipped entries are read as well, so they count towards the allowance.
        allowance.set(size.min(unpacker.room()).saturating_add(BETWEEN));
        unpacker.entry(&name, kind, size, &mut entry)?;
        io::copy(&mut entry, &mut io::sink()).map_err(|error| damaged(unpacker, error))?;
        allowance.set(BETWEEN);
        read(packed.get());
    }
    // The gzip checksum is at the end of the stream, so read up to it.
    allowance.set(BETWEEN);
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| damaged(unpacker, error))?;
    Ok(())
}

/// A reader that counts the bytes read.
struct Counted<'a, R> {
    inner: R,
    read: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(block)?;
        self.read.set(self.read.get() + n as u64);
        Ok(n)
    }
}

/// A reader that fails when the allowance is exceeded.
struct Metered<'a, R> {
    inner: R,
    allowance: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(block)?;
        match self.allowance.get().checked_sub(n as u64) {
            Some(left) => self.allowance.set(left),
            None => return Err(io::Error::other("it has more bytes than its entries may have")),
        }
        Ok(n)
    }
}
