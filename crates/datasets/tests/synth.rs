//! The embedded data set: it has the same bytes on all machines, a valid layout, and plausible
//! sounds.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use earmark_audio::{Limits, decode};
use earmark_datasets::synth::{SynthOptions, SynthReport, write};
use earmark_datasets::{DatasetError, Manifest, OpenOptions, Splits, Task, open};
use earmark_files::sha256;

const SMALL: SynthOptions = SynthOptions { seed: 1, train_clips: 60, test_clips: 12, multi_label: false };

fn made(options: &SynthOptions) -> (tempfile::TempDir, SynthReport, Manifest) {
    let root = tempfile::tempdir().unwrap();
    let report = write(root.path(), options).unwrap();
    let manifest = open(root.path(), &OpenOptions::default()).unwrap();
    (root, report, manifest)
}

/// A checksum of all clips and tables.
fn checksum(root: &Path, manifest: &Manifest) -> String {
    let clips = manifest.train.iter().chain(&manifest.test).map(|item| item.path.clone());
    let files = [root.join("train.csv"), root.join("test.csv")].into_iter().chain(clips);
    let sums: Vec<String> = files.map(|file| sha256(&fs::read(file).unwrap())).collect();
    sha256(sums.concat().as_bytes())
}

#[test]
fn a_seed_gives_the_same_bytes_on_every_machine() {
    let (root, _, manifest) = made(&SMALL);
    // Pinned, to detect machines and versions that generate different bytes.
    assert_eq!(checksum(root.path(), &manifest), "388e5e643ad7fa0a41a9c7eddf0a5b31ddb78ce6a840599be159004946e0eb24");

    // A clip depends neither on the threads nor on the other clips of the data set.
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (_more_root, _, more) = one_thread.install(|| made(&SynthOptions { test_clips: 24, ..SMALL }));
    for (item, again) in manifest.train.iter().zip(&more.train) {
        assert_eq!((&item.name, &item.labels), (&again.name, &again.labels));
        assert_eq!(fs::read(&item.path).unwrap(), fs::read(&again.path).unwrap(), "{}", item.name);
    }
    let (other_root, _, other) = made(&SynthOptions { seed: 2, ..SMALL });
    assert_ne!(checksum(other_root.path(), &other), checksum(root.path(), &manifest));
}

#[test]
fn clips_are_sound_of_varied_length_and_loudness() {
    let (_root, report, manifest) = made(&SynthOptions { train_clips: 120, ..SMALL });
    let (mut seconds, mut peaks) = (Vec::new(), BTreeSet::new());
    for item in manifest.train.iter().chain(&manifest.test) {
        let clip = decode(&item.path, &Limits::default()).unwrap();
        assert_eq!(clip.sample_rate, 44_100);
        assert!((0.299..8.001).contains(&clip.seconds()), "{}: {} s", item.name, clip.seconds());
        let peak = clip.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((0.04..0.96).contains(&peak), "{}: peak {peak}", item.name);
        seconds.push(clip.seconds());
        peaks.insert((peak * 32_768.0) as u32);
    }
    assert!(peaks.len() > 100, "{} different peaks", peaks.len());
    assert!((seconds.iter().sum::<f64>() - report.seconds).abs() < 1e-6);
    let usual = seconds.iter().filter(|seconds| (1.0..=3.0).contains(*seconds)).count();
    assert!(usual * 10 > seconds.len() * 6, "{usual} of {} clips last 1 to 3 s", seconds.len());
    assert!(seconds.iter().any(|seconds| *seconds < 0.7) && seconds.iter().any(|seconds| *seconds > 4.0));
}

#[test]
fn a_tenth_of_the_unverified_labels_is_wrong() {
    for (train_clips, unverified) in [(60, 40), (100, 60), (360, 220)] {
        let (_root, report, manifest) = made(&SynthOptions { train_clips, test_clips: 24, seed: 5, ..SMALL });
        assert_eq!(report.labels, manifest.labels);
        assert!(report.labels.len() >= 12);
        assert_eq!((manifest.train.len(), manifest.test.len()), (train_clips, 24));
        assert_eq!(report.verified, train_clips - unverified);
        assert_eq!(manifest.train.iter().filter(|item| !item.verified).count(), unverified);
        assert_eq!(report.wrong.len(), unverified / 10);
        let doubtful = |name: &String| manifest.train.iter().any(|item| item.name == *name && !item.verified);
        assert!(report.wrong.iter().all(doubtful));
        // Every class occurs equally often in the test set, because its labels are all correct.
        let count = |class| manifest.test.iter().filter(|item| item.labels == [class]).count();
        assert!((0..report.labels.len()).all(|class| count(class) == 2));
    }
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("train.csv"), "mine").unwrap();
    let error = write(root.path(), &SMALL).unwrap_err();
    assert!(matches!(error, DatasetError::NotEmpty { .. }), "{error}");
    assert_eq!(fs::read_to_string(root.path().join("train.csv")).unwrap(), "mine");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);

    let (own, ..) = made(&SMALL);
    write(own.path(), &SynthOptions { seed: 9, ..SMALL }).unwrap();
    // No clip of the earlier data set is left, but files with other names are.
    fs::write(own.path().join("audio_train/mine.wav"), "mine").unwrap();
    write(own.path(), &SMALL).unwrap();
    let clips = fs::read_dir(own.path().join("audio_train")).unwrap().count();
    assert_eq!(clips, SMALL.train_clips + 1);
}

#[test]
fn too_few_clips_are_an_error() {
    let root = tempfile::tempdir().unwrap();
    let error = write(root.path(), &SynthOptions { train_clips: 59, ..SMALL }).unwrap_err();
    assert!(matches!(error, DatasetError::Setting { key: "train_clips", .. }), "{error}");
}

const MULTI_LABEL: SynthOptions = SynthOptions { multi_label: true, ..SMALL };

#[test]
fn mixtures_have_one_to_three_labels() {
    let (root, report, manifest) = made(&SynthOptions { train_clips: 200, test_clips: 100, ..MULTI_LABEL });
    assert_eq!((manifest.task, &report.labels), (Task::MultiLabel, &manifest.labels));
    assert_eq!((manifest.train.len(), manifest.test.len(), manifest.excluded), (200, 100, 0));
    let of = |n: usize| manifest.train.iter().filter(|item| item.labels.len() == n).count();
    assert!(of(1) > 40 && of(2) > 40 && of(3) > 30 && of(1) + of(2) + of(3) == 200, "{} {} {}", of(1), of(2), of(3));
    assert_eq!(manifest.train.iter().filter(|item| item.verified).count(), report.verified);
    assert_eq!((report.verified, report.wrong.len()), (80, 12));
    let doubtful = |name: &String| manifest.train.iter().any(|item| item.name == *name && !item.verified);
    assert!(report.wrong.iter().all(doubtful));
    assert!(
        manifest.train.iter().all(|item| item.verified == item.path.starts_with(root.path().join("train_curated")))
    );
    Splits::stratified(&manifest, 5, 1).unwrap();
}

#[test]
fn a_seed_gives_the_same_mixtures_on_every_machine() {
    let (root, _, manifest) = made(&MULTI_LABEL);
    let tables =
        ["train_curated.csv", "train_noisy.csv", "test_post_competition.csv"].map(|name| root.path().join(name));
    let clips = manifest.train.iter().chain(&manifest.test).map(|item| item.path.clone());
    let sums: Vec<String> = tables.into_iter().chain(clips).map(|file| sha256(&fs::read(file).unwrap())).collect();
    // Pinned, as above.
    assert_eq!(sha256(sums.concat().as_bytes()), "2fb8575adb4c6eaf5c43817457f64dfa61ac064d09265c71c46870946e099e28");
}

#[test]
fn each_kind_replaces_the_other() {
    let (root, ..) = made(&MULTI_LABEL);
    let listing = || {
        let names = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<BTreeSet<String>>()
    };
    let mixtures = listing();
    let keep = root.path().join("train_noisy/mine.wav");
    fs::write(&keep, "mine").unwrap();
    write(root.path(), &SMALL).unwrap();
    let expected = ["README.md", "audio_test", "audio_train", "test.csv", "train.csv", "train_noisy"];
    assert!(keep.is_file() && listing().into_iter().eq(expected));
    fs::remove_file(keep).unwrap();
    write(root.path(), &MULTI_LABEL).unwrap();
    assert_eq!(listing(), mixtures);
}
