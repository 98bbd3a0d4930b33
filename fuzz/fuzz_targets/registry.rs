//! Arbitrary bytes as a registry of data sets.

#![no_main]

#[path = "../checks/registry.rs"]
mod checks;

use std::sync::LazyLock;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir_in("/dev/shm").unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(&FOLDER.path().join("registry.toml"), bytes);
});
