//! Consistency of the rules: `open` and `Splits` reject exactly what `check` reports as an error.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::path::PathBuf;

use common::tree;
use earmark_audio::{Clip, write_wav};
use earmark_datasets::check::{CheckSettings, ProblemKind, Severity, check};
use earmark_datasets::{
    ClipEntry, DatasetError, LabelFault, Manifest, OpenOptions, Splits, Task, open, random, violations,
};
use rand::RngExt;

/// Every layout with this label, as a CSV field, a JSON string or a folder's name.
fn layouts(label: &str) -> Vec<(&'static str, tempfile::TempDir)> {
    let field = format!("\"{}\"", label.replace('"', "\"\""));
    let json = serde_json::json!(label).to_string();
    let table = |header: &str, rows: &str| format!("{header}\n{}", rows.replace("LABEL", &field));
    let clips = |folder: &str| ["a.wav", "b.wav"].map(|name| format!("{folder}{name}")).to_vec();
    let with = |file: &str, text: String, clips: Vec<String>| {
        let clips: Vec<(&str, &str)> = clips.iter().map(|clip| (clip.as_str(), "")).collect();
        tree(&[&[(file, text.as_str())][..], &clips].concat())
    };
    let folders = |root: &str| {
        let clips = [format!("{root}{label}/a.wav"), format!("{root}Bark/b.wav")];
        tree(&clips.each_ref().map(|clip| (clip.as_str(), "")))
    };
    vec![
        ("table", with("train.csv", table("fname,label", "a.wav,LABEL\nb.wav,Bark\n"), clips("audio_train/"))),
        (
            "ESC-50",
            with("meta/esc50.csv", table("filename,fold,category", "a.wav,1,LABEL\nb.wav,2,Bark\n"), clips("audio/")),
        ),
        (
            "UrbanSound8K",
            with(
                "metadata/UrbanSound8K.csv",
                table("slice_file_name,fsID,fold,class", "a.wav,1,1,LABEL\nb.wav,2,1,Bark\n"),
                clips("audio/fold1/"),
            ),
        ),
        ("metadata.csv", with("metadata.csv", table("file_name,label", "a.wav,LABEL\nb.wav,Bark\n"), clips(""))),
        (
            "metadata.jsonl",
            with(
                "metadata.jsonl",
                format!(
                    "{{\"file_name\": \"a.wav\", \"label\": \
                     {json}}}\n{{\"file_name\": \"b.wav\", \"label\": \"Bark\"}}\n"
                ),
                clips(""),
            ),
        ),
        ("class folders", folders("")),
        ("split and class folders", folders("train/")),
    ]
}

#[test]
fn no_layout_lets_an_impossible_label_pass() {
    for (label, fault) in [
        ("Be\nll", LabelFault::ControlCharacter),
        ("Be\tll", LabelFault::ControlCharacter),
        ("\u{1b}[31mBell", LabelFault::ControlCharacter),
        ("fname", LabelFault::Reserved),
        ("B\u{fffd}ll", LabelFault::NotUnicode),
    ] {
        for (layout, root) in layouts(label) {
            let error = open(root.path(), &OpenOptions::default()).unwrap_err();
            let DatasetError::Label { label: found, fault: why, .. } = &error else { panic!("{layout}: {error}") };
            assert_eq!((found.as_str(), *why), (label, fault), "{layout}");
            assert!(!error.to_string().contains(char::is_control), "{layout}: the message is one line: {error}");
            let report = check(root.path(), &OpenOptions::default(), &CheckSettings::default(), |_, _| ()).unwrap();
            let of_label = |problem: &&earmark_datasets::check::Problem| problem.kind == ProblemKind::Label;
            let found: Vec<_> = report.problems.iter().filter(of_label).collect();
            assert_eq!((found.len(), found[0].severity), (1, Severity::Error), "{layout}: {:?}", report.problems);
        }
    }
    for (layout, root) in layouts("Bell & \"Whistle\", é") {
        let manifest = open(root.path(), &OpenOptions::default()).unwrap_or_else(|error| panic!("{layout}: {error}"));
        assert_eq!(manifest.labels, ["Bark", "Bell & \"Whistle\", é"], "{layout}");
    }
}

#[cfg(unix)]
#[test]
fn folders_that_would_become_one_class_are_named() {
    let root = tree(&[("Dog/a.wav", ""), ("Dog /b.wav", ""), ("Rain/c.wav", "")]);
    let error = open(root.path(), &OpenOptions::default()).unwrap_err();
    let DatasetError::FoldersOfOneClass { label, first, second } = &error else { panic!("{error}") };
    assert_eq!((label.as_str(), first, second), ("Dog", &root.path().join("Dog"), &root.path().join("Dog ")));
    // Names that are not valid UTF-8 would all be merged into one class.
    use std::os::unix::ffi::OsStrExt;
    let root = tree(&[("Dog/a.wav", ""), ("Rain/c.wav", "")]);
    let folder = root.path().join(std::ffi::OsStr::from_bytes(b"B\xe9ll"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("b.wav"), "").unwrap();
    let error = open(root.path(), &OpenOptions::default()).unwrap_err();
    assert!(matches!(error, DatasetError::Label { fault: LabelFault::NotUnicode, .. }), "{error}");
}

/// A random data set with a few labels, folds and groups.
fn drawn(seed: u64) -> Manifest {
    let mut random = random::stream(seed, &[random::key("rules")]);
    let (classes, clips) = (random.random_range(2..4_usize), random.random_range(2..14_usize));
    let (given, grouped) = (random.random_range(0..3), random.random_range(0..3));
    let mut item = |clip: usize| ClipEntry {
        name: format!("{clip}.wav"),
        path: PathBuf::from(format!("{clip}.wav")),
        labels: vec![if clip < classes { clip } else { random.random_range(0..classes) }],
        verified: true,
        fold: (given == 0 || given == 1 && random.random_range(0..20) > 0).then(|| random.random_range(0..3)),
        group: (grouped == 0).then(|| random.random_range(0..9).to_string()),
        usage: None,
    };
    let train = (0..clips).map(&mut item).collect();
    let labels = (0..classes).map(|class| format!("class {class}")).collect();
    let groups_span_folds = seed.is_multiple_of(2);
    Manifest { labels, task: Task::SingleLabel, train, test: Vec::new(), excluded: 0, groups_span_folds }
}

#[test]
fn rules_and_folds_agree() {
    let (mut refused, mut used) = (0, 0);
    for seed in 0..4_000 {
        let manifest = drawn(seed);
        for folds in [2, 3] {
            let broken: Vec<_> = violations(&manifest, folds);
            let error = broken.iter().find(|found| found.severity == Severity::Error);
            match Splits::of_data(&manifest, folds, 0) {
                Ok(_) => {
                    assert!(error.is_none(), "{error:?} of {manifest:?}");
                    used += 1;
                }
                Err(refusal) => {
                    let error = error.unwrap_or_else(|| panic!("{refusal} of {manifest:?}"));
                    assert_eq!(error.reason.to_string(), refusal.to_string());
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 500 && used > 500, "{refused} refused, {used} used");
}

#[test]
fn the_number_of_folds_decides_by_the_same_rule() {
    let root = tree(&[]);
    for clip in 0..6_u16 {
        let path = root.path().join(["Bell", "Bark"][usize::from(clip % 2)]).join(format!("{clip}.wav"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let samples = (0..4_000).map(|at| (f32::from(clip + 1) * at as f32 * 0.01).sin() * 0.5).collect();
        write_wav(&path, &Clip { samples, sample_rate: 8_000 }).unwrap();
    }
    let manifest = open(root.path(), &OpenOptions::default()).unwrap();
    for (folds, errors) in [(2, 0), (3, 0), (4, 1), (5, 1)] {
        let settings = CheckSettings { folds, ..CheckSettings::default() };
        let report = check(root.path(), &OpenOptions::default(), &settings, |_, _| ()).unwrap();
        assert_eq!((report.errors, report.warnings), (errors, 0), "{:?}", report.problems);
        assert_eq!(Splits::stratified(&manifest, folds, 0).is_err(), errors > 0);
    }
}
