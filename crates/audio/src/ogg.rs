//! The pages of an Ogg file: whether the last stream is complete. Source: RFC 3533, 6.
//!
//! The decoder does not detect that a chain of streams is truncated within the headers of its last
//! stream.

use std::fs::File;
use std::io::{BufReader, Read, Result, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The length of the fixed part of a page header.
const HEAD: u64 = 27;

/// Whether the last page is complete and ends its stream. Data after the pages is ignored.
pub(crate) fn is_whole(file: &mut File, length: u64) -> Result<bool> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut position, mut ended) = (0, false);
    while position < length {
        let mut head = Vec::new();
        reader.by_ref().take(HEAD).read_to_end(&mut head)?;
        if !head.starts_with(b"OggS") {
            break;
        }
        let Some(segments) = head.get(HEAD as usize - 1) else { return Ok(false) };
        let mut table = Vec::new();
        reader.by_ref().take(u64::from(*segments)).read_to_end(&mut table)?;
        let body: i64 = table.iter().map(|length| i64::from(*length)).sum();
        position += HEAD + u64::from(*segments) + body as u64;
        ended = head[5] & 4 != 0 && position <= length;
        reader.seek_relative(body)?;
    }
    Ok(ended)
}

/// A source of pages that notes whether the last page read so far is complete and ends its stream.
pub(crate) struct Watched<R> {
    reader: R,
    is_whole: Arc<AtomicBool>,
    /// The header of a page, as far as it was read.
    head: Vec<u8>,
    /// Bytes of the page's body that were not read.
    body: usize,
    /// Whether the page ends its stream.
    ends: bool,
}

impl<R> Watched<R> {
    /// `is_whole` is kept up to date.
    pub(crate) fn new(reader: R, is_whole: Arc<AtomicBool>) -> Self {
        Self { reader, is_whole, head: Vec::new(), body: 0, ends: false }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        // Data after the pages is ignored.
        while !bytes.is_empty() && self.is_page() {
            let inside = self.body.min(bytes.len());
            self.body -= inside;
            let (next, later) = bytes.split_at(if inside > 0 { inside } else { 1 });
            bytes = later;
            if inside == 0 {
                self.head.extend_from_slice(next);
                self.end_head();
            }
        }
        let between_pages = self.head.is_empty() || !self.is_page();
        self.is_whole.store(self.ends && self.body == 0 && between_pages, Ordering::Relaxed);
    }

    /// Whether what was read of the header may be one.
    fn is_page(&self) -> bool {
        let start = &b"OggS"[..self.head.len().min(4)];
        self.head.starts_with(start)
    }

    /// Begins the body if the header is complete.
    fn end_head(&mut self) {
        let Some((fixed, table)) = self.head.split_at_checked(HEAD as usize) else { return };
        if let [.., segments] = fixed
            && table.len() == usize::from(*segments)
        {
            self.body = table.iter().map(|length| usize::from(*length)).sum();
            self.ends = fixed[5] & 4 != 0;
            self.head.clear();
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.reader.read(buffer)?;
        self.take(&buffer[..read]);
        Ok(read)
    }
}
