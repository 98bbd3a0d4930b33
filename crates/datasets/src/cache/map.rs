//! A file's bytes as memory: the one place of this crate with `unsafe`.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::{Mmap, MmapOptions};

/// Of the 65,530 mappings that Linux allows a process, one half: memory and threads need theirs.
const MAPPINGS: usize = 32_000;

static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// A file's bytes, mapped.
#[derive(Debug)]
pub(super) struct Mapping(Mmap);

/// Maps the first `length` bytes of a file for reading, if this process has mappings left. The file may be closed
/// afterwards.
#[expect(unsafe_code, reason = "a mapped file changes when somebody writes into it, which no type can forbid")]
pub(super) fn map(file: &File, length: usize) -> io::Result<Mapping> {
    if MAPPED.load(Ordering::Relaxed) >= MAPPINGS {
        return Err(io::Error::other("there are too many mappings"));
    }
    // SAFETY: The bytes must not change while they are mapped. Nobody writes into an entry: it gets its name when it is
    // whole, and another one takes its place by renaming, which leaves the mapped file as it is. Whoever edits or cuts
    // a cache's file under a running program breaks that, as with a program's own file.
    let bytes = unsafe { MmapOptions::new().len(length).map(file)? };
    MAPPED.fetch_add(1, Ordering::Relaxed);
    Ok(Mapping(bytes))
}

impl Drop for Mapping {
    fn drop(&mut self) {
        MAPPED.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_process_mappings_stay_free() {
        let limit: usize = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let mapped: Vec<_> = std::iter::from_fn(|| map(&file, 4096).ok()).collect();
        assert!(mapped.len() > MAPPINGS / 2 && mapped.len() <= MAPPINGS && 2 * mapped.len() <= limit);
        drop(mapped);
        assert!(map(&file, 4096).is_ok());
    }
}
