//! `check` finds every kind of problem, in the affected files and in no others.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{tree, write};
use earmark_audio::{Clip, write_wav};
use earmark_datasets::check::{CheckReport, CheckSettings, Lengths, ProblemKind, Severity, check, ignored};
use earmark_datasets::{DatasetError, OpenOptions, Task, open};

use Severity::{Error, Warning};

const TABLE: &str = "fname,label,fold,group\n\
    bell/1.wav,Bell,1,a\nbell/2.wav,Bell,2,b\nbark/1.wav,Bark,1,c\nbark/2.wav,Bark,2,d\nbark/3.wav,Bark,2,d\n";

/// Noise of this length, different for each seed.
fn noise(seed: u64, samples: u64) -> Vec<f32> {
    let hash = |n: u64| (n + seed * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..samples).map(|n| hash(n) as f32 / (1 << 24) as f32 - 0.5).collect()
}

fn wav(path: &Path, samples: Vec<f32>, sample_rate: u32) {
    write_wav(path, &Clip { samples, sample_rate }).unwrap();
}

/// Five good clips in two classes and two folds, in one table.
fn good() -> tempfile::TempDir {
    let root = tree(&[("clips.csv", TABLE), ("notes.txt", "")]);
    for (seed, row) in TABLE.lines().skip(1).enumerate() {
        let samples = noise(seed as u64, 8_000 + 1_000 * seed as u64);
        wav(&root.path().join(row.split(',').next().unwrap()), samples, if seed == 0 { 44_100 } else { 16_000 });
    }
    root
}

fn report(root: &tempfile::TempDir) -> CheckReport {
    check(&root.path().join("clips.csv"), &OpenOptions::default(), &CheckSettings::default(), |_, _| ()).unwrap()
}

/// Severity, kind and files of every problem, with paths relative to the data set's folder.
fn problems(root: &Path, report: &CheckReport) -> Vec<(Severity, ProblemKind, Vec<String>)> {
    let below = |file: &String| Path::new(file).strip_prefix(root).unwrap().display().to_string();
    let found = report
        .problems
        .iter()
        .map(|problem| (problem.severity, problem.kind, problem.files.iter().map(below).collect()));
    found.collect()
}

#[test]
fn a_good_data_set_has_numbers_and_no_problems() {
    let root = good();
    let seen = std::sync::Mutex::new(Vec::new());
    let report =
        check(&root.path().join("clips.csv"), &OpenOptions::default(), &CheckSettings::default(), |done, of| {
            seen.lock().unwrap().push((done, of));
        });
    let report = report.unwrap();
    assert_eq!((report.train, report.test, report.errors, report.warnings), (5, 0, 0, 0), "{:?}", report.problems);
    let classes: Vec<_> = report.classes.iter().map(|class| (class.label.as_str(), class.train, class.test)).collect();
    assert_eq!(classes, [("Bark", 3, 0), ("Bell", 2, 0)]);
    let seconds = [(10_000 + 11_000 + 12_000) as f64 / 16_000.0, 8_000.0 / 44_100.0 + 9_000.0 / 16_000.0];
    assert_eq!([report.classes[0].seconds, report.classes[1].seconds], seconds);
    assert_eq!((report.folds.as_slice(), report.groups), (&[2, 3][..], Some(4)));
    let Lengths { total, shortest, median, longest } = report.lengths.unwrap();
    assert_eq!((shortest, median, longest), (8_000.0 / 44_100.0, 0.625, 0.75));
    assert!((total - seconds.iter().sum::<f64>()).abs() < 1e-12);
    assert_eq!(report.sample_rates.into_iter().collect::<Vec<_>>(), [(16_000, 4), (44_100, 1)]);
    assert_eq!(report.channels.into_iter().collect::<Vec<_>>(), [(1, 5)]);
    let mut seen = seen.into_inner().unwrap();
    seen.sort();
    assert_eq!(seen, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
}

/// A name, a change to the good data set, and the expected problems.
type Case = (&'static str, fn(&Path), &'static [(Severity, ProblemKind, &'static [&'static str])]);

#[test]
fn each_fault_is_found_where_it_is() {
    let cases: &[Case] = &[
        (
            "removed",
            |root| fs::remove_file(root.join("bell/2.wav")).unwrap(),
            &[(Error, ProblemKind::MissingFile, &["bell/2.wav"])],
        ),
        (
            "no sound",
            |root| write(&root.join("bell/2.wav"), "no sound"),
            &[(Error, ProblemKind::Damaged, &["bell/2.wav"])],
        ),
        ("no bytes", |root| write(&root.join("bell/2.wav"), ""), &[(Error, ProblemKind::Empty, &["bell/2.wav"])]),
        ("cut", |root| cut(&root.join("bark/2.wav")), &[(Error, ProblemKind::Damaged, &["bark/2.wav"])]),
        (
            "no samples",
            |root| wav(&root.join("bark/2.wav"), vec![], 8_000),
            &[(Error, ProblemKind::Empty, &["bark/2.wav"])],
        ),
        // Two silent clips of the same length are not duplicates.
        (
            "silent",
            |root| ["bell/1.wav", "bark/2.wav"].iter().for_each(|name| wav(&root.join(name), vec![2e-5; 9_000], 8_000)),
            &[(Warning, ProblemKind::Silent, &["bark/2.wav"]), (Warning, ProblemKind::Silent, &["bell/1.wav"])],
        ),
        ("clipped", |root| clipped(root, "bell/1.wav", 3.0), &[(Warning, ProblemKind::Clipped, &["bell/1.wav"])]),
        ("loud", |root| clipped(root, "bell/1.wav", 1.0), &[]),
        (
            "copied within a fold",
            |root| copy(root, "bell/1.wav", "bark/1.wav"),
            &[(Error, ProblemKind::TwoLabels, &["bell/1.wav", "bark/1.wav"])],
        ),
        (
            "copied to another fold",
            |root| copy(root, "bell/1.wav", "bell/2.wav"),
            &[(Error, ProblemKind::TwoFolds, &["bell/1.wav", "bell/2.wav"])],
        ),
        (
            "copied within a group",
            |root| copy(root, "bark/2.wav", "bark/3.wav"),
            &[(Warning, ProblemKind::Duplicate, &["bark/2.wav", "bark/3.wav"])],
        ),
        (
            "the same samples, stereo, in float",
            |root| stereo(&root.join("bark/2.wav"), &root.join("bark/3.wav")),
            &[(Warning, ProblemKind::Duplicate, &["bark/2.wav", "bark/3.wav"])],
        ),
        (
            "torn group",
            |root| edit(root, "bark/3.wav,Bark,2,d", "bark/3.wav,Bark,1,d"),
            &[(Error, ProblemKind::TwoFolds, &["bark/2.wav", "bark/3.wav"])],
        ),
        (
            "labels that look alike",
            |root| edit(root, "bell/2.wav,Bell,2,b\nbark/1.wav,Bark", "bell/2.wav,Bell,2,b\nbark/1.wav,bark"),
            &[(Error, ProblemKind::Manifest, &[]), (Warning, ProblemKind::Label, &[])],
        ),
        (
            "class in one fold",
            |root| edit(root, "bell/2.wav,Bell,2", "bell/2.wav,Bell,1"),
            &[(Error, ProblemKind::Manifest, &[])],
        ),
        (
            "names twice",
            |root| edit(root, "bark/3.wav", "bark/2.wav"),
            &[
                (Error, ProblemKind::Manifest, &[]),
                (Warning, ProblemKind::Duplicate, &["bark/2.wav", "bark/2.wav"]),
                (Warning, ProblemKind::NotListed, &["bark/3.wav"]),
            ],
        ),
        (
            "drawn folds",
            |root| write(&root.join("clips.csv"), TABLE.replace("fold", "other").replace(",2,d", ",2,c")),
            &[(Error, ProblemKind::FewClips, &[])],
        ),
        (
            "files beside",
            |root| {
                ["bell/x.wav", "deep/er/y.FLAC", "bell/z.opus", ".hidden/h.wav"]
                    .iter()
                    .for_each(|name| write(&root.join(name), ""))
            },
            &[
                (Warning, ProblemKind::NotListed, &["bell/x.wav"]),
                (Warning, ProblemKind::NotListed, &["deep/er/y.FLAC"]),
                (Warning, ProblemKind::OtherFormat, &["bell/z.opus"]),
            ],
        ),
        ("by a longer way", |root| edit(root, "bark/2.wav", "bell/../bark/./2.wav"), &[]),
    ];
    for (name, harm, expected) in cases {
        let root = good();
        harm(root.path());
        let report = report(&root);
        let expected = expected.iter().map(|(severity, kind, files)| {
            (*severity, *kind, files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>())
        });
        let expected: Vec<_> = expected.collect();
        assert_eq!(problems(root.path(), &report), expected, "{name}: {:?}", report.problems);
        let errors = expected.iter().filter(|(severity, ..)| *severity == Error).count();
        assert_eq!((report.errors, report.warnings), (errors, expected.len() - errors), "{name}");
        assert!(report.problems.iter().all(|problem| !problem.message.is_empty()));
        // The count that training reports without decoding.
        if let Ok(manifest) = open(&root.path().join("clips.csv"), &OpenOptions::default()) {
            let listed = report.problems.iter().filter(|problem| problem.kind == ProblemKind::NotListed);
            let files: usize = listed.map(|problem| problem.files.len()).sum();
            assert_eq!(ignored(&manifest, root.path()).files, files, "{name}");
        }
    }
}

fn copy(root: &Path, from: &str, to: &str) {
    fs::copy(root.join(from), root.join(to)).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn edit(root: &Path, from: &str, to: &str) {
    write(&root.join("clips.csv"), TABLE.replace(from, to));
}

/// Writes a low tone of this amplitude, clipped at full scale.
fn clipped(root: &Path, name: &str, amplitude: f32) {
    let samples = (0..20_000).map(|n| (amplitude * (n as f32 * 0.01).sin()).clamp(-1.0, 1.0)).collect();
    wav(&root.join(name), samples, 44_100);
}

/// Converts a 16-bit mono WAV file to two channels of 32-bit floats.
fn stereo(from: &Path, to: &Path) {
    let bytes = fs::read(from).unwrap();
    let samples: Vec<f32> =
        bytes[44..].chunks(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect();
    let data: Vec<u8> = samples.iter().flat_map(|sample| [sample.to_le_bytes(); 2].concat()).collect();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x03\0\x02\0");
    wav.extend([16_000u32, 16_000 * 8].map(u32::to_le_bytes).concat());
    wav.extend(b"\x08\0\x20\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    fs::write(to, wav).unwrap();
}

#[test]
fn what_class_folders_ignore_is_reported() {
    let root = tree(&[("docs/a.txt", ""), ("rock/deep/1.wav", ""), ("loose.wav", "")]);
    for (seed, name) in ["punk/1.wav", "punk/2.wav", "jazz/1.wav", "rock/deep/1.wav"].iter().enumerate() {
        wav(&root.path().join(name), noise(seed as u64, 4_000), 8_000);
    }
    let report = check(root.path(), &OpenOptions::default(), &CheckSettings::default(), |_, _| ()).unwrap();
    assert_eq!((report.train, report.errors), (3, 1));
    let kinds: Vec<_> =
        problems(root.path(), &report).into_iter().map(|(_, kind, files)| (kind, files.concat())).collect();
    let expected = [
        (ProblemKind::FewClips, ""),
        (ProblemKind::NotListed, "loose.wav"),
        (ProblemKind::NotListed, "rock/deep/1.wav"),
        (ProblemKind::NoClips, "docs"),
        (ProblemKind::NoClips, "rock"),
    ];
    assert_eq!(kinds, expected.map(|(kind, files)| (kind, files.to_owned())));
}

#[test]
fn what_is_learned_from_must_not_be_predicted() {
    let root = tree(&[
        ("train.csv", "fname,label,freesound_id\na.wav,Bell,1\nb.wav,Bark,2\n"),
        (
            "test.csv",
            "fname,label,usage,freesound_id\nx.wav,Bell,Public,1\ny.wav,None,Ignored,7\nz.wav,Bell,Private,8\n",
        ),
        ("sample_submission.csv", "fname,label\nx.wav,Bell\nw.wav,Bell\n"),
    ]);
    for (seed, name) in ["train/a", "train/b", "test/x", "test/y", "test/z", "test/w"].iter().enumerate() {
        wav(&root.path().join(format!("audio_{name}.wav")), noise(seed as u64, 4_000), 8_000);
    }
    fs::copy(root.path().join("audio_train/a.wav"), root.path().join("audio_test/z.wav")).unwrap();
    let report = check(root.path(), &OpenOptions::default(), &CheckSettings::default(), |_, _| ()).unwrap();
    let found: Vec<_> =
        problems(root.path(), &report).into_iter().filter(|(_, kind, _)| *kind != ProblemKind::FewClips).collect();
    // y and w are listed in the tables, but not used.
    assert_eq!((report.train, report.test, report.excluded), (2, 2, 2));
    assert_eq!(
        found,
        [
            (Error, ProblemKind::TrainAndTest, vec!["audio_train/a.wav".to_owned(), "audio_test/z.wav".to_owned()]),
            (Warning, ProblemKind::TrainAndTest, vec!["audio_train/a.wav".to_owned(), "audio_test/x.wav".to_owned()]),
        ]
    );
}

#[test]
fn urbansound8k_may_tear_recordings() {
    let root = tree(&[(
        "metadata/UrbanSound8K.csv",
        "slice_file_name,fsID,fold,class\na.wav,1,1,siren\nb.wav,1,2,siren\nc.wav,2,1,drilling\nd.wav,3,2,drilling\n",
    )]);
    for (seed, name) in ["fold1/a", "fold2/b", "fold1/c", "fold2/d"].iter().enumerate() {
        wav(&root.path().join(format!("audio/{name}.wav")), noise(seed as u64, 4_000), 8_000);
    }
    let report = check(root.path(), &OpenOptions::default(), &CheckSettings::default(), |_, _| ()).unwrap();
    let torn = vec!["audio/fold1/a.wav".to_owned(), "audio/fold2/b.wav".to_owned()];
    assert_eq!(problems(root.path(), &report), [(Warning, ProblemKind::TwoFolds, torn)]);
}

#[test]
fn several_labels_per_clip() {
    let root = good();
    write(&root.path().join("clips.csv"), TABLE.replace("bark/1.wav,Bark", "bark/1.wav,Bark;Bell"));
    let options = OpenOptions { label_separator: Some(";".to_owned()), ..OpenOptions::default() };
    let checked = || check(&root.path().join("clips.csv"), &options, &CheckSettings::default(), |_, _| ()).unwrap();
    let report = checked();
    assert_eq!((report.task, report.labels, report.errors, report.warnings), (Task::MultiLabel, 6, 0, 0));
    let classes: Vec<_> = report.classes.iter().map(|class| (class.label.as_str(), class.train)).collect();
    assert_eq!(classes, [("Bark", 3), ("Bell", 3)]);
    assert!(report.to_string().contains("1.20 per training clip"), "{report}");
    // The same sound must have the same labels, not only one in common.
    copy(root.path(), "bell/1.wav", "bark/1.wav");
    let report = checked();
    let problem = report.problems.iter().find(|problem| problem.kind == ProblemKind::TwoLabels).unwrap();
    assert!(problem.message.contains("Bark + Bell"), "{problem:?}");
}

#[test]
fn a_report_is_json() {
    let root = good();
    fs::remove_file(root.path().join("bell/2.wav")).unwrap();
    let json = serde_json::to_value(report(&root)).unwrap();
    assert_eq!(
        (&json["train"], &json["classes"][0]["label"], &json["sample_rates"]["44100"]),
        (&5.into(), &"Bark".into(), &1.into())
    );
    let problem = &json["problems"][0];
    assert_eq!((&problem["severity"], &problem["kind"]), (&"error".into(), &"missing_file".into()));
    assert!(problem["files"][0].as_str().unwrap().ends_with("bell/2.wav"));
}

#[test]
fn what_cannot_be_read_at_all_is_an_error() {
    let root = tree(&[("a/clips.csv", "fname,label\na.wav\n"), ("b/notes.txt", "")]);
    let check =
        |name: &str| check(&root.path().join(name), &OpenOptions::default(), &CheckSettings::default(), |_, _| ());
    assert!(matches!(check("a/clips.csv"), Err(DatasetError::Table { .. })));
    assert!(matches!(check("b"), Err(DatasetError::UnknownLayout { .. })));
    assert!(matches!(check("c"), Err(DatasetError::NotFound { .. })));
}

/// A cycle of links, and a dangling link.
#[cfg(unix)]
#[test]
fn links_are_walked_once() {
    use std::os::unix::fs::symlink;
    let root = good();
    symlink(root.path(), root.path().join("bell/again")).unwrap();
    symlink(root.path().join("gone"), root.path().join("bell/nowhere.wav")).unwrap();
    assert_eq!(problems(root.path(), &report(&root)), []);
}

#[test]
fn esc10_has_nothing_to_fix() {
    let Some(root) = std::env::var_os("EARMARK_ESC10") else {
        assert!(std::env::var_os("CI").is_none(), "EARMARK_ESC10 must be set in continuous integration");
        eprintln!("EARMARK_ESC10 is not set: skipped");
        return;
    };
    let report = check(Path::new(&root), &OpenOptions::default(), &CheckSettings::default(), |_, _| ()).unwrap();
    for problem in &report.problems {
        eprintln!("{problem:?}");
    }
    assert_eq!((report.train, report.errors, report.folds), (400, 0, vec![80; 5]));
    assert!(report.classes.iter().all(|class| class.train == 40));
    assert_eq!((report.sample_rates[&44_100], report.channels[&1]), (400, 400));
}
