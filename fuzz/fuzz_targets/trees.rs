//! Arbitrary bytes as XGBoost's trees.

#![no_main]

#[path = "../checks/trees.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(bytes);
});
