//! Arbitrary bytes as a sound file.

#![no_main]

#[path = "../checks/decode.rs"]
mod checks;

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// An unnamed file in memory, which leaves nothing behind. It is opened by the path that Linux
/// gives to an open file.
static FILE: LazyLock<std::fs::File> = LazyLock::new(|| tempfile::tempfile_in("/dev/shm").unwrap());

fuzz_target!(
    // The decoder catches panics of the library that it uses; libFuzzer's hook would end the
    // process first.
    init: std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))),
    |bytes: &[u8]| {
        checks::check(Path::new(&format!("/proc/self/fd/{}", FILE.as_raw_fd())), bytes);
    }
);
