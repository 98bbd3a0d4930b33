//! Any bytes in the place of an entry of the feature cache.

#![no_main]

#[path = "../checks/cache.rs"]
mod checks;

use std::sync::LazyLock;

/// One folder for all runs: a process that libFuzzer ends cannot remove its own.
static PLACE: LazyLock<checks::Place> = LazyLock::new(|| {
    let folder = std::path::Path::new("/dev/shm/earmark-fuzz");
    std::fs::create_dir_all(folder).unwrap();
    checks::Place::new(folder)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    PLACE.check(bytes);
});
