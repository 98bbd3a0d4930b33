//! `earmark tag --timeline` and `--events`, and every form of the output.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use common::{Place, Ran, csv, shared};
use serde_json::Value;

/// A place with sounds: a clip of the tests' data three times in a row, the same alone, and a file
/// that is no sound.
fn place(name: &str) -> Place {
    let place = Place::new(name);
    let name = shared().tree("data/audio_test").into_keys().next().unwrap();
    let clip = earmark_audio::decode(&shared().path(&format!("data/audio_test/{name}")), &Default::default()).unwrap();
    place.write("in/deep/long.wav", common::float_wav(&clip.samples.repeat(3)));
    place.write("in/one.wav", common::float_wav(&clip.samples));
    place.write("in/bad.wav", "this is no sound");
    place
}

/// Runs `earmark tag` with the shared bundle on the folder `in`, where one file is no sound.
fn tag(place: &Place, options: &str) -> Ran {
    let model = shared().path("run/bundle");
    place.run(&format!("tag in --model {} {options}", model.display())).failed_naming(&["bad.wav"])
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn a_timeline_has_the_documented_form() {
    let place = place("tag-timeline");
    let files = tag(&place, "--timeline --window 0.5 --hop 0.25 --top 2 --json").json();
    let files = files.as_array().unwrap();
    let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["in/deep/long.wav", "in/one.wav"]);
    for file in files {
        assert_eq!(file.as_object().unwrap().len(), 2);
        let windows = file["windows"].as_array().unwrap();
        assert_eq!(seconds(&windows[0]["start"]), 0.0);
        assert!(windows.is_sorted_by(|a, b| seconds(&a["start"]) < seconds(&b["start"])));
        for window in windows {
            assert!((seconds(&window["end"]) - seconds(&window["start"]) - 0.5).abs() < 1e-9);
            let tags = window["tags"].as_array().unwrap();
            assert!(tags.len() == 2 && tags[0]["score"].as_f64() >= tags[1]["score"].as_f64());
        }
    }
    let lines = tag(&place, "--timeline --window 0.5 --hop 0.25 --top 2 --ndjson").stdout;
    let of_lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&of_lines, files);
    let (header, rows) = csv(&tag(&place, "--timeline --window 0.5 --hop 0.25 --top 2 --csv").stdout);
    assert_eq!(header, ["path", "start", "end", "label", "score"]);
    let tags = |file: &Value| 2 * file["windows"].as_array().unwrap().len();
    assert_eq!(rows.len(), files.iter().map(tags).sum::<usize>());
    let (_, alone) = csv(&tag(&place, "--timeline --window 0.5 --hop 0.25 --top 2 --csv --threads 1").stdout);
    assert_eq!(rows, alone, "threads make no difference");
}

#[test]
fn events_have_the_documented_form_in_every_format() {
    let place = place("tag-events");
    let options = "--events --window 0.5 --on 0.2 --off 0.1";
    let files = tag(&place, &format!("{options} --json")).json();
    let files = files.as_array().unwrap();
    let of_file = |file: &Value| -> Vec<(String, f64, f64)> {
        let events = file["events"].as_array().unwrap().iter();
        events
            .map(|of| (of["label"].as_str().unwrap().to_owned(), seconds(&of["start"]), seconds(&of["end"])))
            .collect()
    };
    let all: Vec<_> = files.iter().flat_map(of_file).collect();
    assert!(!all.is_empty() && all.iter().all(|(_, start, end)| start < end), "{all:?}");
    for file in files {
        assert!(of_file(file).is_sorted_by(|a, b| a.1 <= b.1));
    }
    let (header, rows) = csv(&tag(&place, &format!("{options} --csv")).stdout);
    assert_eq!(header, ["path", "label", "start", "end", "score"]);
    let number = |text: &str| text.parse::<f64>().unwrap();
    let of_rows: Vec<_> = rows.iter().map(|row| (row[1].clone(), number(&row[2]), number(&row[3]))).collect();
    assert_eq!(of_rows, all);
    let raven = tag(&place, &format!("{options} --raven")).stdout;
    assert_eq!(raven.lines().count(), 1 + all.len());
    assert!(raven.lines().all(|line| line.split('\t').count() == 11), "{raven}");

    // A file for each sound, in the place that it has in its folder.
    tag(&place, &format!("{options} --audacity --output-dir labels"));
    let written: Vec<_> = place.tree("labels").into_keys().collect();
    assert_eq!(written, ["deep/long.wav.txt", "one.wav.txt"]);
    for (file, name) in files.iter().zip(&written) {
        let text = String::from_utf8(place.read(&format!("labels/{name}"))).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split('\t').collect::<Vec<_>>()).collect();
        for (line, (label, start, end)) in lines.iter().zip(of_file(file)) {
            assert!((number(line[0]) - start).abs() < 1e-6 && (number(line[1]) - end).abs() < 1e-6);
            assert_eq!(line[2], label);
        }
        assert_eq!(lines.len(), of_file(file).len());
    }
    tag(&place, &format!("{options} --json --output events.json"));
    assert_eq!(&place.json("events.json"), &Value::from(files.clone()));

    // Every file has a row, also without events.
    let (_, none) = csv(&tag(&place, "--events --on 1 --min-length 60 --csv").stdout);
    assert_eq!(none, [["in/deep/long.wav", "", "", "", ""], ["in/one.wav", "", "", "", ""]]);
}

#[test]
fn only_wanted_labels_are_written() {
    let place = place("tag-class");
    let files = tag(&place, "--all --json").json();
    let tags = files[0]["tags"].as_array().unwrap().clone();
    let label = tags[3]["label"].as_str().unwrap();
    let one = tag(&place, &format!("--class {label} --json")).json();
    assert_eq!(one[0]["tags"].as_array().unwrap(), &tags[3..4]);
    let events = tag(&place, &format!("--events --on 0.01 --class {label} --csv")).stdout;
    assert!(csv(&events).1.iter().all(|row| row[1] == label || row[1].is_empty()), "{events}");
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let place = place("tag-unfit");
    let model = shared().path("run/bundle");
    let run = |options: &str| place.run(&format!("tag in/one.wav --model {} {options}", model.display()));
    for (options, words) in [
        ("--audacity", "--timeline or --events"),
        ("--window 2", "--timeline or --events"),
        ("--class nothing", "no such label"),
        ("--timeline --events", "--events"),
        ("--on 0.5", "--events"),
        ("--json --csv", "--csv"),
        ("--events --top 3", "--top"),
        ("--output a --output-dir b", "--output-dir"),
        ("--output -", "standard output"),
        ("--timeline --window 0", "window"),
        ("--timeline --window 61", "window"),
        ("--timeline --window 1 --hop 2", "hop"),
        ("--events --on 0", "on"),
        ("--events --on 0.2 --off 0.5", "off"),
        ("--events --median=-1", "median"),
    ] {
        let ran = run(options);
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{ran}");
    }
    for options in ["--json --output /missing/folder/x.json", "--json --output-dir /missing/folder/x"] {
        run(options).failed_naming(&["missing"]);
    }
    let ran = place.run(&format!("tag in/one.wav in/deep/long.wav --events --audacity --model {}", model.display()));
    ran.failed_naming(&["--output-dir"]);
    // Two sounds of one name in different folders.
    place.write("other/one.wav", place.read("in/one.wav"));
    let ran = place.run(&format!("tag in other --json --output-dir out --model {}", model.display()));
    assert!(ran.code == Some(2) && ran.stderr.contains("in/one.wav and other/one.wav"), "{ran}");
}

/// Runs a command with this standard input, a pipe.
#[cfg(unix)]
fn piped(place: &Place, words: &str, input: &str) -> Ran {
    let binary = env!("CARGO_BIN_EXE_earmark");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("cat {input} | {binary} {words}")]).current_dir(place.path(""));
    Ran::of(command, words)
}

#[test]
#[cfg(unix)]
fn standard_input_is_a_sound_of_any_format() {
    let place = place("tag-stdin");
    let model = shared().path("run/bundle");
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/audio");
    for name in ["s16.flac", "vorbis.ogg", "lame.mp3", "aac.m4a", "s16.aiff", "s24_stereo.wav"] {
        std::fs::copy(golden.join(name), place.path(name)).unwrap();
        let words = |path: &str| format!("tag {path} --all --json --model {}", model.display());
        let of_file = place.run(&words(name)).done().json();
        let of_pipe = piped(&place, &words("-"), name).done().json();
        assert_eq!((&of_pipe[0]["path"], &of_pipe[0]["tags"]), (&Value::from("-"), &of_file[0]["tags"]), "{name}");
    }
    let words =
        |path: &str, options: &str| format!("tag {path} --events --on 0.2 {options} --model {}", model.display());
    let of_file = place.run(&words("in/deep/long.wav", "--json")).done().json();
    let of_pipe = piped(&place, &words("-", "--json --output-dir out"), "in/deep/long.wav").done();
    assert_eq!(place.json("out/-.json")[0]["events"], of_file[0]["events"], "{of_pipe}");
    // The samples alone, with a header before them that is silence for a moment.
    let wav = place.read("in/deep/long.wav");
    place.write("long.raw", &wav[44..]);
    let raw = "--raw 44100,1,f32le --json";
    for ran in [place.run(&words("long.raw", raw)), piped(&place, &words("-", raw), "long.raw")] {
        assert_eq!(ran.done().json()[0]["events"], of_file[0]["events"]);
    }
    let ran = piped(&place, &words("-", "--csv --output out.csv --resume"), "long.raw");
    assert!(ran.code == Some(2) && ran.stderr.contains("standard input"), "{ran}");
    piped(&place, &words("-", "--json"), "/dev/null").failed_naming(&["- is not an audio file", "0 bytes"]);
    piped(&place, &words("-", "--json"), "in/bad.wav").failed_naming(&["- is not an audio file"]);
    place.run(&words("long.raw", "--json")).failed_naming(&["long.raw is not an audio file"]);
    place.write("odd.raw", &wav[44..44 + 4_001]);
    place.run(&words("odd.raw", raw)).failed_naming(&["odd.raw is damaged", "1 of 4 bytes"]);
}

#[test]
fn patterns_are_expanded() {
    let place = place("tag-patterns");
    let model = shared().path("run/bundle");
    place.write("in/a[1].wav", place.read("in/one.wav"));
    let run = |patterns: &str| place.run(&format!("tag {patterns} --csv --model {}", model.display()));
    let tagged = |ran: &Ran| {
        let mut paths: Vec<_> = csv(&ran.stdout).1.into_iter().map(|row| row[0].clone()).collect();
        paths.dedup();
        paths
    };
    assert_eq!(tagged(&run("in/**/[lo]*.wav").done()), ["in/deep/long.wav", "in/one.wav"]);
    assert_eq!(tagged(&run("in/d??p").done()), ["in/deep/long.wav"], "a folder");
    assert_eq!(tagged(&run("in/a[1].wav").done()), ["in/a[1].wav"], "a file of this name");
    let ran = run("in/*.flac in/one.wav");
    assert_eq!(tagged(&ran), ["in/one.wav"]);
    ran.failed_naming(&["in/*.flac: no path matches this pattern", "1 pattern matched nothing"]);
    run("in/***.wav").failed_naming(&["in/***.wav: it is no pattern"]);
}
