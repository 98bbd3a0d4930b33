//! The committed seeds of the fuzz target `weights`, under the same conditions.
#![cfg(feature = "pth")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/weights.rs"]
mod checks;

use std::path::{Path, PathBuf};
use std::time::Instant;

#[test]
fn every_seed_is_weights_or_an_error() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/weights");
    let seeds = std::fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path());
    // Inputs that the fuzzer found on this machine have no extension.
    let seeds: Vec<PathBuf> = seeds.filter(|path| path.extension().is_some()).collect();
    let place = tempfile::tempdir().unwrap();
    let mut good = 0;
    for seed in &seeds {
        let start = Instant::now();
        let is_good = checks::check(&place.path().join("weights"), &std::fs::read(seed).unwrap());
        eprintln!("{}: {is_good}, {:.3} s", seed.display(), start.elapsed().as_secs_f64());
        good += usize::from(is_good);
    }
    assert!(good >= 8, "only {good} of {} seeds are weights", seeds.len());
}
