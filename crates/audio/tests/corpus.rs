//! Runs the committed seeds of the fuzz target `decode` under the same conditions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../fuzz/checks/decode.rs"]
mod checks;

use std::path::{Path, PathBuf};

use earmark_audio::{AudioError, Limits, decode};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/decode")
}

#[test]
fn every_seed_decodes_or_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let seeds = std::fs::read_dir(seeds()).unwrap().map(|seed| seed.unwrap().path());
    // Inputs that the fuzzer found on this machine have no extension; skip them.
    let seeds: Vec<PathBuf> = seeds.filter(|path| path.extension().is_some()).collect();
    let sound = seeds.iter().filter(|path| {
        eprintln!("{}", path.display());
        let bytes = std::fs::read(path).unwrap();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let sound = checks::check(&folder.path().join("seed"), &bytes);
        let largest = MEMORY.peak_usage().saturating_sub(before);
        assert!(largest < 256 << 20, "{} MB", largest >> 20);
        sound
    });
    let sound = sound.count();
    assert!(sound >= 20, "only {sound} of {} seeds decode", seeds.len());
}

#[test]
fn mending_leaves_a_whole_file_as_it_is() {
    let seed = |name: &str| std::fs::read(seeds().join(name)).unwrap();
    for name in ["vorbis.ogg", "vorbis_stereo.ogg", "flac.ogg", "chain.ogg"] {
        let mut bytes = seed(name);
        checks::repair_ogg(&mut bytes);
        assert!(bytes == seed(name), "{name}");
    }
    for name in ["s16.flac", "s24_stereo.flac", "frames.flac"] {
        let mut bytes = seed(name);
        checks::repair_flac(&mut bytes);
        assert!(bytes[42..] == seed(name)[42..], "{name}");
    }
}

#[test]
fn a_run_of_four_thousand_million_packets_in_m4a_is_damaged() {
    for (name, reason) in [
        ("endless_run.m4a", "its fragments announce 4278190080 packets, it has 2187 bytes"),
        ("endless_run_later.m4a", "the mark of MP4 stands in it, and not at its start"),
        ("endless_run_inside.m4a", "missing moov atom"),
    ] {
        let error = decode(&seeds().join(name), &Limits::default()).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
    }
}

#[test]
fn boxes_of_m4a_may_reach_to_the_end_or_keep_room() {
    let samples = |name: &str| decode(&seeds().join(name), &Limits::default()).unwrap().samples;
    for name in ["open_end.m4a", "room_first.m4a"] {
        assert!(samples(name) == samples("fragments.m4a"), "{name}");
    }
}

#[test]
fn an_m4a_of_too_many_boxes_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.m4a");
    std::fs::write(&path, [b"\0\0\0\x08ftyp", &b"\0\0\0\x08free".repeat(499_999)[..]].concat()).unwrap();
    let error = decode(&path, &Limits::default()).unwrap_err();
    assert!(matches!(&error, AudioError::Damaged { reason, .. } if reason.contains("500000")), "{error}");
}
