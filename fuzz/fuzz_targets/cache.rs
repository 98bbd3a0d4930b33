//! Any bytes in the place of an entry of the feature cache.

#![no_main]

#[path = "../checks/cache.rs"]
mod checks;

use std::sync::LazyLock;

/// A folder for each process: two may run at a time. One that libFuzzer ends cannot remove its own,
/// of some kilobytes.
static PLACE: LazyLock<checks::Place> = LazyLock::new(|| {
    let folder = std::path::PathBuf::from(format!("/dev/shm/earmark-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    checks::Place::new(&folder)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    PLACE.check(bytes);
});
