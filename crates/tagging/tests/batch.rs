//! Tagging many files in parallel: results are in the order of the input, and a bad file does not
//! affect others.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundles;

use std::path::PathBuf;

use bundles::{clip, open, write};
use earmark_audio::write_wav;
use earmark_tagging::{Parallelism, Tagger};

#[test]
fn files_come_in_order_and_as_they_would_alone() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let file = |index: usize| folder.path().join(format!("{index}.wav"));
    // The first file is the longest, so that others wait for it; every fifth cannot be tagged.
    let paths: Vec<PathBuf> = (0..20).map(file).collect();
    for (index, path) in paths.iter().enumerate() {
        match index % 5 {
            3 => std::fs::write(path, "no sound").unwrap(),
            _ => write_wav(path, &clip(if index == 0 { 6.0 } else { 0.1 + 0.05 * index as f64 }, 16_000)).unwrap(),
        }
    }
    let one = open(folder.path()).unwrap();
    let alone: Vec<_> = paths.iter().map(|path| one.tag_file(path).ok()).collect();
    assert_eq!(alone.iter().filter(|tagged| tagged.is_none()).count(), 4);
    for parallelism in
        [Parallelism::split(1, 20), Parallelism::split(4, 20), Parallelism { files: 2, threads_per_file: 2 }]
    {
        let tagger = Tagger::open(folder.path(), parallelism).unwrap();
        let mut tagged = Vec::new();
        let done = tagger.tag_files(&paths, |index, result| {
            assert_eq!(index, tagged.len());
            tagged.push(result.ok());
            Ok::<(), ()>(())
        });
        assert_eq!(done, Ok(()));
        for (index, (ours, alone)) in tagged.iter().zip(&alone).enumerate() {
            // With several threads per file, the order of additions may differ.
            let same = match (ours, alone) {
                (Some(ours), Some(alone)) => {
                    let pairs = ours.tags.iter().zip(&alone.tags);
                    pairs.into_iter().all(|(a, b)| a.label == b.label && (a.score - b.score).abs() < 1e-5)
                }
                (ours, alone) => ours == alone,
            };
            assert!(same, "{parallelism:?}, file {index}: {ours:?}, alone {alone:?}");
        }
        assert_eq!(tagged.len(), paths.len());
    }
}

#[test]
fn whoever_has_enough_ends_the_work() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false);
    let paths = vec![folder.path().join("missing.wav"); 5_000];
    let tagger = Tagger::open(folder.path(), Parallelism::split(3, paths.len())).unwrap();
    let mut given = 0;
    let done = tagger.tag_files(&paths, |index, result| {
        assert!(result.is_err());
        given += 1;
        if index == 2_500 { Err("enough") } else { Ok(()) }
    });
    assert_eq!((done, given), (Err("enough"), 2_501));
    assert_eq!(tagger.tag_files(&[], |_, _| Err("no file, no call")), Ok(()));
}

#[test]
fn threads_go_to_files_first() {
    let of = |threads, files| Parallelism::split(threads, files);
    assert_eq!(of(4, 0), Parallelism { files: 1, threads_per_file: 4 });
    assert_eq!(of(4, 1), Parallelism { files: 1, threads_per_file: 4 });
    assert_eq!(of(4, 3), Parallelism { files: 3, threads_per_file: 1 });
    assert!(of(0, 1_000_000).files >= 1 && of(0, 1_000_000).threads_per_file == 1);
}
