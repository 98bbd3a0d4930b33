//! A file that is read on while it grows.

use std::fs::{File, Metadata};
use std::io::{Read, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::queue::Queue;

/// How often an end is looked at again.
const EVERY: Duration = Duration::from_millis(50);

/// A file that ends only where it is replaced or truncated, or, if that is wanted, removed; or when
/// nobody listens any more.
pub struct Following {
    pub file: File,
    pub path: PathBuf,
    /// Bytes read.
    pub position: Arc<AtomicU64>,
    pub ends_if_removed: bool,
    pub queue: Arc<Queue>,
}

impl Following {
    /// Whether nothing more is written to the file, as far as can be known.
    fn has_ended(&self) -> Result<bool> {
        let own = self.file.metadata()?;
        Ok(match std::fs::metadata(&self.path) {
            _ if own.len() < self.position.load(Ordering::Relaxed) => true,
            Ok(now) => !is_same(&own, &now),
            // A new file may not be there yet.
            Err(_) => self.ends_if_removed,
        })
    }
}

impl Read for Following {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut is_last = false;
        loop {
            let read = self.file.read(buffer)?;
            self.position.fetch_add(read as u64, Ordering::Relaxed);
            if read > 0 || buffer.is_empty() || is_last {
                return Ok(read);
            }
            // What was written before the file was replaced is read first.
            is_last = self.queue.is_closed() || self.has_ended()?;
            if !is_last {
                std::thread::sleep(EVERY);
            }
        }
    }
}

/// Whether two files are one.
#[cfg(unix)]
pub fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether two files are one.
#[cfg(not(unix))]
pub fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}
