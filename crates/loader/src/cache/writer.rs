//! Writes an entry to disk in blocks.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use earmark_files::{AtomicFile, FileError};
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::entry::{Extent, HEADER, Header, Precision};

/// Bytes written at once.
const BLOCK: usize = 1 << 16;

/// A complete entry that does not have its final name yet.
pub(super) struct CompleteEntry {
    pub file: AtomicFile,
    /// The same file, which stays open after the rename.
    pub open: File,
    pub header: Header,
}

/// Writes the values of an entry as they arrive; without [`EntryWriter::finish`], the file is
/// removed.
pub(super) struct EntryWriter {
    file: AtomicFile,
    precision: Precision,
    checksum: crc32fast::Hasher,
    block: Vec<u8>,
    values: u64,
    singles: Vec<f32>,
    halves: Vec<f16>,
}

impl EntryWriter {
    pub(super) fn create(path: &Path, precision: Precision) -> Result<Self, FileError> {
        let mut file = AtomicFile::create(path)?;
        file.lock();
        // A placeholder for the header, whose contents are known only at the end.
        let mut writer = EntryWriter {
            file,
            precision,
            checksum: crc32fast::Hasher::new(),
            block: Vec::with_capacity(BLOCK),
            values: 0,
            singles: Vec::new(),
            halves: Vec::new(),
        };
        writer.put(&[0; HEADER])?;
        Ok(writer)
    }

    /// Writes the next values.
    pub(super) fn write(&mut self, values: &[f32]) -> Result<(), FileError> {
        self.values += values.len() as u64;
        match self.precision {
            Precision::Single => self.block.extend_from_slice(bytemuck::cast_slice(values)),
            Precision::Half => {
                // Round to the nearest half, ties to even; larger values are clamped to the largest
                // half instead of becoming infinite.
                let largest = f16::MAX.to_f32();
                self.singles.clear();
                self.singles.extend(values.iter().map(|value| value.clamp(-largest, largest)));
                self.halves.resize(values.len(), f16::ZERO);
                self.halves.convert_from_f32_slice(&self.singles);
                self.block.extend_from_slice(bytemuck::cast_slice(&self.halves));
            }
        }
        if self.block.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    /// Writes the header before the values; the file is then ready to be renamed. It is not synced:
    /// a reader checks every byte, so an entry that a power failure damages is recomputed.
    pub(super) fn finish(
        mut self,
        (channels, bins): (usize, usize),
        key: &str,
        sound: Extent,
    ) -> Result<CompleteEntry, FileError> {
        self.flush()?;
        let mut digits = [0; 64];
        digits.copy_from_slice(key.as_bytes());
        let header = Header {
            precision: self.precision,
            channels: channels as u32,
            bins: bins as u32,
            frames: self.values / (channels * bins).max(1) as u64,
            key: digits,
            checksum: self.checksum.finalize(),
            sound,
        };
        let path = self.file.path().to_owned();
        let file = self.file.file();
        let kept = file.rewind().and_then(|()| file.write_all(&header.to_bytes())).and_then(|()| file.try_clone());
        let kept = kept.map_err(FileError::of("write", &path))?;
        Ok(CompleteEntry { file: self.file, open: kept, header })
    }

    fn flush(&mut self) -> Result<(), FileError> {
        let block = std::mem::take(&mut self.block);
        self.checksum.update(&block);
        self.put(&block)?;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.file.path().to_owned();
        self.file.file().write_all(bytes).map_err(FileError::of("write", &path))
    }
}
