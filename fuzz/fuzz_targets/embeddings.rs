//! Arbitrary bytes as a table of embeddings.

#![no_main]

#[path = "../checks/embeddings.rs"]
mod checks;

use std::sync::LazyLock;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir_in("/dev/shm").unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(FOLDER.path(), bytes);
});
