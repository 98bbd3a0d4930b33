//! The committed seeds of the fuzz target `manifest`, under the same conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/manifest.rs"]
mod manifest;

use std::path::{Path, PathBuf};

/// Of how many seeds a check says that they are good; and how many there are.
fn good(target: &str, check: impl Fn(&[u8]) -> bool) -> (usize, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let seeds = std::fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path());
    // What the fuzzer found on this machine has no extension.
    let seeds: Vec<PathBuf> = seeds.filter(|path| path.extension().is_some()).collect();
    let good = seeds.iter().filter(|path| {
        eprintln!("{}", path.display());
        check(&std::fs::read(path).unwrap())
    });
    (good.count(), seeds.len())
}

#[test]
fn every_seed_is_a_data_set_or_says_why_not() {
    let (good, all) = good("manifest", manifest::check);
    assert!(good >= 12, "only {good} of {all} seeds open");
}
