//! How threads are spent on files.

use std::thread;

/// How many files are worked on at once, and by how many threads each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parallelism {
    /// Files at once. Each has the models in memory for itself.
    pub files: usize,
    /// Threads of ONNX Runtime that work on one file.
    pub threads_per_file: usize,
}

impl Parallelism {
    /// How `threads` threads (0: one per core) are best spent on so many files: a file each, and
    /// what is left over inside the files.
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
