//! The committed seeds of a fuzz target.

use std::path::{Path, PathBuf};

/// Returns for how many seeds of `target` a check succeeds, and how many seeds there are.
pub fn good(target: &str, check: impl Fn(&[u8]) -> bool) -> (usize, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let seeds = std::fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path());
    // Files that the fuzzer found locally have no extension.
    let seeds: Vec<PathBuf> = seeds.filter(|path| path.extension().is_some()).collect();
    let good = seeds.iter().filter(|path| {
        eprintln!("{}", path.display());
        check(&std::fs::read(path).unwrap())
    });
    (good.count(), seeds.len())
}
