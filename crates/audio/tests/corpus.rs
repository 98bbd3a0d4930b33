//! The committed seeds of the fuzz target `decode`, under the same conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/decode.rs"]
mod checks;

use std::path::{Path, PathBuf};

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/decode")
}

#[test]
fn every_seed_decodes_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let seeds = std::fs::read_dir(seeds()).unwrap().map(|seed| seed.unwrap().path());
    // What the fuzzer found on this machine has no extension.
    let seeds: Vec<PathBuf> = seeds.filter(|path| path.extension().is_some()).collect();
    let sound = seeds.iter().filter(|path| {
        eprintln!("{}", path.display());
        checks::check(&folder.path().join("seed"), &std::fs::read(path).unwrap())
    });
    let sound = sound.count();
    assert!(sound >= 20, "only {sound} of {} seeds decode", seeds.len());
}

#[test]
fn mending_leaves_a_whole_file_as_it_is() {
    let seed = |name: &str| std::fs::read(seeds().join(name)).unwrap();
    for name in ["vorbis.ogg", "vorbis_stereo.ogg", "flac.ogg", "chain.ogg"] {
        let mut bytes = seed(name);
        checks::mend_ogg(&mut bytes);
        assert!(bytes == seed(name), "{name}");
    }
    for name in ["s16.flac", "s24_stereo.flac", "frames.flac"] {
        let mut bytes = seed(name);
        checks::mend_flac(&mut bytes);
        assert!(bytes[42..] == seed(name)[42..], "{name}");
    }
}
