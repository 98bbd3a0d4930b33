//! Arbitrary bytes as an archive.

#![no_main]

#[path = "../checks/archives.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(bytes);
});
