//! A file with a few corrected bytes in its header.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// A position, and four bytes that replace those in the file.
pub(crate) type Patch = (u64, [u8; 4]);

/// The file as the decoder reads it.
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) length: u64,
    pub(crate) position: u64,
    pub(crate) patches: Vec<Patch>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.file.read(buffer)?;
        for (at, bytes) in &self.patches {
            for (at, byte) in (*at..).zip(bytes) {
                let inside = at.checked_sub(self.position).and_then(|at| buffer[..read].get_mut(at as usize));
                if let Some(old) = inside {
                    *old = *byte;
                }
            }
        }
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}
