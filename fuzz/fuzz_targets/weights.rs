//! Arbitrary bytes as a file of weights.

#![no_main]

#[path = "../checks/weights.rs"]
mod checks;

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::LazyLock;

/// An unnamed file in memory, which leaves nothing behind. It is opened by the path that Linux
/// gives to an open file.
static FILE: LazyLock<std::fs::File> = LazyLock::new(|| tempfile::tempfile_in("/dev/shm").unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(Path::new(&format!("/proc/self/fd/{}", FILE.as_raw_fd())), bytes);
});
