//! A file that is read on while it grows.

use std::fs::{File, Metadata};
use std::io::{Read, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::queue::Queue;

/// How often an end is looked at again.
const EVERY: Duration = Duration::from_millis(50);

/// A file that ends only where it is replaced or truncated, or, if that is wanted, removed; or when
/// nobody listens any more.
pub struct Following {
    file: File,
    path: PathBuf,
    position: u64,
    ends_if_removed: bool,
    queue: Arc<Queue>,
}

impl Following {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path, ends_if_removed: bool, queue: Arc<Queue>) -> Result<Self> {
        Ok(Self { file: File::open(path)?, path: path.to_owned(), position: 0, ends_if_removed, queue })
    }

    /// When the file was created, which is when its sound began; now if the system does not know.
    pub fn created(&self) -> SystemTime {
        let now = SystemTime::now();
        let created = self.file.metadata().and_then(|metadata| metadata.created());
        created.ok().filter(|created| *created < now).unwrap_or(now)
    }

    /// Whether nothing more is written to the file, as far as can be known.
    fn has_ended(&self) -> Result<bool> {
        let own = self.file.metadata()?;
        Ok(match std::fs::metadata(&self.path) {
            _ if own.len() < self.position => true,
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
            self.position += read as u64;
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

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}
