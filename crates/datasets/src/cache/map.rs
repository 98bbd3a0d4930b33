//! A file's bytes as memory: the one place of this crate with `unsafe`.

use std::fs::File;
use std::io;

use memmap2::{Mmap, MmapOptions};

/// Maps the first `length` bytes of a file for reading. The file may be closed afterwards.
#[expect(unsafe_code, reason = "a mapped file changes when somebody writes into it, which no type can forbid")]
pub(super) fn map(file: &File, length: usize) -> io::Result<Mmap> {
    // SAFETY: The bytes must not change while they are mapped. Nobody writes into an entry: it gets its name when it is
    // whole, and another one takes its place by renaming, which leaves the mapped file as it is. Whoever edits or cuts
    // a cache's file under a running program breaks that, as with a program's own file.
    unsafe { MmapOptions::new().len(length).map(file) }
}
