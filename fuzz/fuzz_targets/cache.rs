//! Arbitrary bytes as an entry of the feature cache.

#![no_main]

#[path = "../checks/cache.rs"]
mod checks;

use std::sync::LazyLock;

/// A folder for each process, because several may run at once. A process that libFuzzer kills
/// leaves its folder of a few kilobytes.
static PLACE: LazyLock<checks::Place> = LazyLock::new(|| {
    let folder = std::path::PathBuf::from(format!("/dev/shm/earmark-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    checks::Place::new(&folder)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    PLACE.check(bytes);
});
