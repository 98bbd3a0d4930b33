//! How threads are distributed over files.

use std::path::PathBuf;
use std::thread;

/// How many files are processed at once, and with how many threads each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parallelism {
    /// Files processed at once. Each has its own copy of the models in memory.
    pub files: usize,
    /// Threads of ONNX Runtime that work on one file.
    pub threads_per_file: usize,
}

impl Parallelism {
    /// [`Parallelism::split`] for these files, of which a large one counts as many, one for each
    /// megabyte, because it is cut into pieces.
    pub fn of_files(threads: usize, paths: &[PathBuf]) -> Self {
        const MEGABYTE: u64 = 1 << 20;
        let pieces = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len() / MEGABYTE) as usize;
        // Enough for any number of threads.
        let pieces = if paths.len() < 1_000 { paths.iter().map(pieces).sum() } else { 0 };
        Self::split(threads, paths.len() + pieces)
    }

    /// Distributes `threads` threads (0: one per core) over `files` files: one file per thread, and
    /// the remaining threads within the files.
    ///
    /// ```
    /// use earmark_tagging::Parallelism;
    /// assert_eq!(Parallelism::split(8, 100), Parallelism { files: 8, threads_per_file: 1 });
    /// assert_eq!(Parallelism::split(8, 3), Parallelism { files: 3, threads_per_file: 2 });
    /// ```
    pub fn split(threads: usize, files: usize) -> Self {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let files = files.clamp(1, threads);
        Self { files, threads_per_file: threads / files }
    }
}
