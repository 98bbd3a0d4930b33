//! Any bytes as a sound file.

#![no_main]

#[path = "../checks/decode.rs"]
mod checks;

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// A file in memory without a name, so that nothing is left of it, under the name that Linux gives
/// to an open file.
static FILE: LazyLock<std::fs::File> = LazyLock::new(|| tempfile::tempfile_in("/dev/shm").unwrap());

fuzz_target!(
    // The decoder catches panics of the library below it; libFuzzer's hook would end the process
    // before.
    init: std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))),
    |bytes: &[u8]| {
        checks::check(Path::new(&format!("/proc/self/fd/{}", FILE.as_raw_fd())), bytes);
    }
);
