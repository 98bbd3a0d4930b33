//! Recordings with known events: reproducible, as loud as wanted, and with events where the table
//! has them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use earmark_audio::{Clip, Limits, decode, write_wav};
use earmark_datasets::synth::recordings::{
    ClipSet, EVENTS, Noise, RecordingOptions, RecordingsError, RecordingsReport, write_recordings,
};
use earmark_datasets::synth::{SynthOptions, write};
use earmark_datasets::{Manifest, OpenOptions, open};
use earmark_files::sha256;
use regex::Regex;

/// An embedded data set, whose folds are the first digits of the names.
fn data() -> (tempfile::TempDir, Manifest) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &SynthOptions { seed: 4, train_clips: 60, test_clips: 12, multi_label: false }).unwrap();
    let options = OpenOptions { folds_from: Some(Regex::new("^[0-7]|^.").unwrap()), ..OpenOptions::default() };
    let manifest = open(root.path(), &options).unwrap();
    (root, manifest)
}

fn options() -> RecordingOptions {
    RecordingOptions { seed: 1, recordings: 3, seconds: 30.0, ..RecordingOptions::default() }
}

struct Row {
    path: String,
    label: String,
    start: usize,
    end: usize,
    clip: String,
}

/// The rows of the table that have an event, with times in samples, and the recordings of the
/// others.
fn rows(folder: &Path) -> (Vec<Row>, Vec<String>) {
    let mut reader = csv::Reader::from_path(folder.join(EVENTS)).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["path", "label", "start", "end", "clip"]);
    let (mut rows, mut empty) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.unwrap();
        if record.iter().skip(1).all(str::is_empty) {
            empty.push(record[0].to_owned());
            continue;
        }
        let sample = |text: &str| {
            let exact = text.parse::<f64>().unwrap() * 44_100.0;
            assert!((exact - exact.round()).abs() < 1e-6, "{text} s is no whole number of samples");
            exact.round() as usize
        };
        let [path, label, clip] = [0, 1, 4].map(|column| record[column].to_owned());
        rows.push(Row { path, label, clip, start: sample(&record[2]), end: sample(&record[3]) });
    }
    (rows, empty)
}

fn made(data: &Manifest, options: &RecordingOptions) -> (tempfile::TempDir, RecordingsReport) {
    let out = tempfile::tempdir().unwrap();
    let report = write_recordings(data, out.path(), options).unwrap();
    (out, report)
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), sha256(&fs::read(entry.path()).unwrap()))).collect()
}

fn level(samples: &[f32]) -> f64 {
    let power = samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * power.log10()
}

#[test]
fn a_seed_gives_the_same_bytes() {
    let (_root, data) = data();
    let (first, report) = made(&data, &options());
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (second, again) = one_thread.install(|| made(&data, &options()));
    assert_eq!((files(first.path()), report), (files(second.path()), again));
    let all: String = files(first.path()).into_iter().filter(|(name, _)| name != "README.md").map(|of| of.1).collect();
    // Pinned, to detect machines and versions that give different bytes.
    assert_eq!(sha256(all.as_bytes()), "e5201c52282f6eea332210ddec307cd5b161b503dc844e4b36865bea3eec65e1");

    let (more, _) = made(&data, &RecordingOptions { recordings: 5, ..options() });
    let (few, many) = (files(first.path()), files(more.path()));
    assert_eq!(many.len(), few.len() + 2);
    assert!(few.iter().filter(|(name, _)| name.ends_with(".wav")).all(|(name, sum)| many[name] == *sum));
    let (other, _) = made(&data, &RecordingOptions { seed: 2, ..options() });
    assert!(files(other.path()).iter().all(|(name, sum)| few[name] != *sum));
}

#[test]
fn events_are_where_the_table_has_them_and_as_loud_as_wanted() {
    let (_root, data) = data();
    for (noise, snr) in [(Noise::White, 15.0), (Noise::Pink, 6.0)] {
        let options = RecordingOptions { noise, snr, max_overlap: 1, events_per_minute: 6.0, ..options() };
        let (out, report) = made(&data, &options);
        let (rows, _) = rows(out.path());
        assert_eq!((report.events, report.recordings, report.seconds), (rows.len(), 3, 90.0));
        assert!(rows.len() > 4, "{}", rows.len());
        for name in ["recording-1.wav", "recording-2.wav", "recording-3.wav"] {
            let clip = decode(&out.path().join(name), &Limits::default()).unwrap();
            assert_eq!((clip.samples.len(), clip.sample_rate), (30 * 44_100, 44_100));
            let events: Vec<&Row> = rows.iter().filter(|row| row.path == name).collect();
            let mut outside = clip.samples.clone();
            events.iter().for_each(|row| outside[row.start..row.end].fill(f32::NAN));
            outside.retain(|sample| !sample.is_nan());
            let (background, peak) = (level(&outside), clip.samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs())));
            // A recording with a high peak is scaled down.
            let as_wanted = if peak < 0.89 { (background + 40.0).abs() < 0.3 } else { background < -40.0 };
            assert!(as_wanted && peak < 0.8915, "{name}, {noise:?}: {background} dB, peak {peak}");
            let mut last = 0;
            for row in events {
                assert!(last <= row.start, "sorted, and never two at once");
                last = row.end;
                // The noise adds its power to that of the event.
                let above = level(&clip.samples[row.start..row.end]) - background;
                let expected = 10.0 * (1.0 + 10_f64.powf(snr / 10.0)).log10();
                assert!((above - expected).abs() < 0.5, "{} of {name}: {above} dB, not {expected}", row.label);
                // The sound begins and ends there: within 50 ms it is above the noise.
                for edge in [row.start..row.start + 2205, row.end - 2205..row.end] {
                    let above = level(&clip.samples[edge]) - background;
                    assert!(snr < 15.0 || above > 0.0, "{} of {name}: {above} dB at its edge", row.label);
                }
            }
        }
    }
}

#[test]
fn classes_and_clips_have_their_turns() {
    let (_root, data) = data();
    let (out, report) = made(&data, &RecordingOptions { recordings: 20, ..options() });
    let (rows, _) = rows(out.path());
    let mut of_class: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *of_class.entry(&row.label).or_default() += 1;
        let clip = data.train.iter().find(|clip| clip.name == row.clip).unwrap();
        assert_eq!(data.labels[clip.label().unwrap()], row.label);
    }
    let (least, most) = (of_class.values().min().unwrap(), of_class.values().max().unwrap());
    assert!(of_class.len() == 12 && most - least <= 2, "{of_class:?}");
    assert!(rows.len() > 70 && rows.len() < 140, "10 a minute in 10 minutes: {}", rows.len());
    assert!(report.clips >= 55, "all 60 clips had their turn: {}", report.clips);
}

#[test]
fn only_clips_of_the_named_folds_or_the_test_set_are_laid() {
    let (_root, data) = data();
    let folds = |name: &str| data.train.iter().find(|clip| clip.name == name).and_then(|clip| clip.fold);
    let (out, _) = made(&data, &RecordingOptions { clips: ClipSet::Folds(vec![0, 2]), recordings: 6, ..options() });
    let found = rows(out.path()).0;
    assert!(found.iter().all(|row| [Some(0), Some(2)].contains(&folds(&row.clip))));
    assert!([0, 2].iter().all(|fold| found.iter().any(|row| folds(&row.clip) == Some(*fold))));
    let (out, _) = made(&data, &RecordingOptions { clips: ClipSet::Test, ..options() });
    assert!(rows(out.path()).0.iter().all(|row| data.test.iter().any(|clip| clip.name == row.clip)));
}

#[test]
fn a_recording_without_events_has_a_row_and_events_without_place_are_counted() {
    let (_root, data) = data();
    let (out, report) = made(&data, &RecordingOptions { events_per_minute: 0.0, ..options() });
    let (found, empty) = rows(out.path());
    assert_eq!((found.len(), report.events), (0, 0));
    assert_eq!(empty, ["recording-1.wav", "recording-2.wav", "recording-3.wav"]);

    let full = RecordingOptions { events_per_minute: 300.0, max_overlap: 1, ..options() };
    let (out, report) = made(&data, &full);
    assert!(report.without_place > report.events, "{report:?}");
    assert_eq!(rows(out.path()).0.len(), report.events);
    // Loud events do not leave the range of a WAV file.
    let loud = RecordingOptions { snr: 60.0, ..options() };
    let clip = decode(&made(&data, &loud).0.path().join("recording-1.wav"), &Limits::default()).unwrap();
    let peak = clip.samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
    assert!((peak - 0.891).abs() < 0.001, "{peak}");
}

#[test]
fn earlier_recordings_are_replaced_and_other_files_stay() {
    let (_root, data) = data();
    let (out, _) = made(&data, &RecordingOptions { recordings: 12, ..options() });
    fs::write(out.path().join("mine.txt"), "mine").unwrap();
    write_recordings(&data, out.path(), &options()).unwrap();
    let (fresh, _) = made(&data, &options());
    let mut found = files(out.path());
    assert!(found.remove("mine.txt").is_some());
    assert_eq!(found, files(fresh.path()));

    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join(EVENTS), "mine").unwrap();
    let error = write_recordings(&data, other.path(), &options()).unwrap_err();
    assert!(matches!(error, RecordingsError::NotEmpty { .. }), "{error}");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
}

#[test]
fn bad_settings_are_refused() {
    let (_root, data) = data();
    let wrong = [
        ("recordings", RecordingOptions { recordings: 0, ..options() }),
        ("seconds", RecordingOptions { seconds: 0.5, ..options() }),
        ("seconds", RecordingOptions { seconds: f64::NAN, ..options() }),
        ("events_per_minute", RecordingOptions { events_per_minute: -1.0, ..options() }),
        ("snr", RecordingOptions { snr: f64::INFINITY, ..options() }),
        ("max_overlap", RecordingOptions { max_overlap: 0, ..options() }),
    ];
    let out = tempfile::tempdir().unwrap();
    let failed = |data: &Manifest, options: &RecordingOptions| write_recordings(data, out.path(), options).unwrap_err();
    for (wrong, options) in wrong {
        let error = failed(&data, &options);
        assert!(matches!(error, RecordingsError::Setting { key, .. } if key == wrong), "{wrong}: {error}");
    }
    let last = data.train.iter().filter_map(|clip| clip.fold).max().unwrap();
    let error = failed(&data, &RecordingOptions { clips: ClipSet::Folds(vec![0, last + 1]), ..options() });
    assert!(matches!(error, RecordingsError::NoSuchFold { .. }), "{error}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn data_without_what_is_needed_are_refused() {
    let (root, mut data) = data();
    let failed = |data: &Manifest, clips: ClipSet| {
        let out = tempfile::tempdir().unwrap();
        let error = write_recordings(data, out.path(), &RecordingOptions { clips, ..options() }).unwrap_err();
        assert!(!out.path().join(EVENTS).exists());
        error
    };
    let silent = root.path().join("silent.wav");
    write_wav(&silent, &Clip { samples: vec![0.25; 44_100], sample_rate: 44_100 }).unwrap();
    let long = root.path().join("long.wav");
    let tone = (0..31 * 44_100).map(|n| 0.5 * (0.05 * n as f32).sin()).collect();
    write_wav(&long, &Clip { samples: tone, sample_rate: 44_100 }).unwrap();
    let damaged = root.path().join("damaged.wav");
    fs::write(&damaged, "RIFF").unwrap();
    for path in [&silent, &long, &damaged] {
        let mut data = data.clone();
        data.train.iter_mut().for_each(|clip| clip.path = path.clone());
        match failed(&data, ClipSet::Train) {
            RecordingsError::Silent { path: found } => assert_eq!((found, path), (silent.clone(), &silent)),
            RecordingsError::TooLong { path: found, sound, .. } => {
                assert_eq!((found, path, sound), (long.clone(), &long, 31.0));
            }
            error => assert!(matches!(error, RecordingsError::Audio(_)) && path == &damaged, "{error}"),
        }
    }
    data.test.clear();
    assert!(matches!(failed(&data, ClipSet::Test), RecordingsError::NoClips { set: "test" }));
    data.train.iter_mut().for_each(|clip| clip.fold = None);
    assert!(matches!(failed(&data, ClipSet::Folds(vec![0])), RecordingsError::NoFolds));
    data.train[3].labels.clear();
    assert!(matches!(failed(&data, ClipSet::Train), RecordingsError::NoLabel { .. }));
    data.task = earmark_datasets::Task::MultiLabel;
    assert!(matches!(failed(&data, ClipSet::Train), RecordingsError::SeveralLabels));
}
