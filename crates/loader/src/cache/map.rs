//! Maps files into memory; the only `unsafe` code of this crate.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use memmap2::{Mmap, MmapOptions};

/// The limit on mappings if the system does not report one.
const MAPPINGS: usize = 32_000;

/// The limit on files mapped at once, counted over all caches that share it.
#[derive(Debug)]
pub(super) struct MapBudget(AtomicUsize);

impl MapBudget {
    pub(super) fn new(mappings: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(mappings)))
    }

    /// The budget of this process: half of the system's limit, because memory and threads need
    /// mappings too.
    pub(super) fn of_process() -> Arc<Self> {
        static BUDGET: LazyLock<Arc<MapBudget>> = LazyLock::new(|| {
            let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
            MapBudget::new(half_of(&limit))
        });
        BUDGET.clone()
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Half of Linux's limit, as read from `/proc`.
fn half_of(limit: &str) -> usize {
    limit.trim().parse().map_or(MAPPINGS, |limit: usize| limit / 2)
}

/// A file's bytes, mapped.
#[derive(Debug)]
pub(super) struct Mapping {
    bytes: Mmap,
    budget: Arc<MapBudget>,
}

/// Maps the first `length` bytes of a file for reading, if the budget allows. The file may be
/// closed afterwards.
#[expect(unsafe_code, reason = "a mapped file changes when somebody writes into it, which no type can forbid")]
pub(super) fn map(file: &File, length: usize, budget: &Arc<MapBudget>) -> io::Result<Mapping> {
    if !budget.take() {
        return Err(io::Error::other("there are too many mappings"));
    }
    // SAFETY: The bytes must not change while they are mapped. No process writes into an entry or
    // replaces it: an entry is renamed when it is complete, and only if no file has that name. Only
    // an entry with a wrong checksum is removed, and no process can have mapped it. A user who
    // edits, truncates or (on a network file system) removes a cache file under a running program
    // breaks this, as with the program's own executable.
    let mapped = unsafe { MmapOptions::new().len(length).map(file) };
    match mapped {
        Ok(bytes) => Ok(Mapping { bytes, budget: budget.clone() }),
        Err(error) => {
            budget.0.fetch_add(1, Ordering::Relaxed);
            Err(error)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.budget.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_mapped_than_the_budget() {
        let budget = MapBudget::new(5);
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let mut mapped: Vec<_> = std::iter::from_fn(|| map(&file, 4096, &budget).ok()).collect();
        assert_eq!(mapped.len(), 5);
        mapped.pop();
        mapped.push(map(&file, 4096, &budget).unwrap());
        assert!(map(&file, 4096, &budget).is_err());
    }

    #[test]
    fn half_of_a_process_mappings_stay_free() {
        assert_eq!(["65530\n", "1048576", "", "many"].map(half_of), [32_765, 524_288, MAPPINGS, MAPPINGS]);
    }
}
