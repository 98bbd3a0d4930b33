//! Bad input: each fault is reported with file, line or key and the reason; exit code 1, nothing
//! half-written, no panic. Damage of files that Earmark itself has written is tested in
//! `damage.rs`, invalid recipes and tables in the tests of `earmark-pipeline`.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use common::{Place, RECIPE, Ran, TRAIN, TRAIN_ALONE, clips, csv, float_wav, probabilities, wav};

/// A data set that a test may damage, and an intact copy of it, `good`.
fn place(name: &str) -> Place {
    let place = Place::with_data(name);
    place.copy("data", "good");
    place
}

/// The run must have failed, and left no file but features of good clips.
#[track_caller]
fn fails(place: &Place, words: &str) {
    let ran = place.run(words).failed();
    let mut left = place.tree("run");
    left.retain(|name, _| !name.starts_with("cache/"));
    assert!(left.is_empty() && ran.stdout.is_empty(), "left behind: {:?}\n{ran}", left.keys());
}

/// The name of the training or test clip in line `line` of its table (the first is line 2).
fn name(place: &Place, set: &str, line: usize) -> String {
    csv(&place.text(&format!("good/{set}.csv"))).1[line - 2][0].clone()
}

#[test]
fn a_folder_with_other_files_is_no_place_for_a_run() {
    let place = Place::with_data("faults-place");
    place.write("holiday/photos.txt", "sea");
    place.run(&TRAIN.replace("--out run", "--out holiday")).failed();
    assert_eq!(place.tree("holiday").len(), 1);
    // The leftovers of a run that ended before it began are ignored.
    place.write("run/cache/.earmark-left", "");
    place.write("run/lock", "");
    place.run(TRAIN).done();
}

#[test]
fn copies_with_two_labels_are_a_warning() {
    let place = Place::with_data("faults-labels");
    let rows = csv(&place.text("data/train.csv")).1;
    let other = rows.iter().find(|row| row[1] != rows[0][1]).unwrap();
    place.write(&format!("data/audio_train/{}", other[0]), place.read(&format!("data/audio_train/{}", rows[0][0])));
    let ran = place.run(&format!("{TRAIN_ALONE} --job a/fold0")).done();
    assert!(ran.stderr.contains("warning: 1 training clip is a copy of a clip with another label"), "{ran}");
}

/// Clips that cannot be decoded.
fn bad_clips(good: &[u8]) -> [(&'static str, Vec<u8>); 8] {
    let tone: Vec<f32> = (0..20_000).map(|i| (i as f32 * 0.1).sin()).collect();
    let with = |value: f32| {
        let mut samples = tone.clone();
        samples[4410] = value;
        float_wav(&samples)
    };
    [
        ("text", b"The quick brown fox jumps over the lazy dog.\n".repeat(40)),
        ("nothing at all", Vec::new()),
        ("truncated", good[..good.len() / 2].to_vec()),
        ("cut in its header", good[..30].to_vec()),
        ("an empty WAV of 44 bytes", wav(1, 16, &[])),
        ("not a number", with(f32::NAN)),
        ("infinite", with(f32::INFINITY)),
        ("minus infinite", with(f32::NEG_INFINITY)),
    ]
}

#[test]
fn clips_that_cannot_be_decoded_stop_a_run_and_are_listed_together() {
    let place = place("faults-clips");
    let good = place.read(&format!("data/audio_train/{}", name(&place, "train", 2)));
    let bad = bad_clips(&good);
    for (line, (_, bytes)) in bad.iter().enumerate() {
        place.write(&format!("data/audio_train/{}", name(&place, "train", line + 2)), bytes);
    }
    fails(&place, TRAIN);
    for (what, bytes) in bad {
        place.write("bad.wav", bytes);
        for kind in ["logmel", "stats"] {
            eprintln!("{what}");
            place.run(&format!("features bad.wav --kind {kind} --out x.npy")).failed();
        }
    }
    assert!(!place.path("x.npy").exists());
}

#[test]
fn the_recipe_may_say_that_damaged_clips_are_skipped_or_silent() {
    let place = place("faults-policy");
    let (one, two) = (name(&place, "train", 5), name(&place, "test", 3));
    let paths = [format!("data/audio_train/{one}"), format!("data/audio_test/{two}")];
    // Two different formats, because copies would cause another warning.
    place.write(&paths[0], wav(1, 16, &[]));
    place.write(&paths[1], wav(3, 32, &[]));
    for (policy, outcome, train, test) in [("skip", "skipped", 59, 11), ("silence", "replaced by silence", 60, 12)] {
        place.write("recipe.toml", RECIPE.replace("[data]", &format!("[data]\non_decode_error = \"{policy}\"")));
        place.remove("run");
        let ran = place.run(TRAIN).done();
        let warnings: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warnings.len(), 2, "{ran}");
        for (path, warning) in paths.iter().zip(&warnings) {
            assert!(warning.contains(path) && warning.contains("no samples") && warning.ends_with(outcome), "{ran}");
        }
        for (set, rows, clip) in [("train", train, &one), ("test", test, &two)] {
            assert_eq!(clips(&place, "run", set).len(), rows);
            let file = if set == "train" { "run/level2/oof.csv" } else { "run/level2/test.csv" };
            let (_, table) = probabilities(&place.text(file));
            assert_eq!((table.len(), table.contains_key(clip)), (rows, policy == "silence"), "{policy}: {file}");
        }
    }
}

/// A test clip's file name.
fn test_clip(place: &Place) -> String {
    place.tree("data/audio_test").into_keys().next().unwrap()
}

#[test]
fn folds_are_drawn_of_the_clips_that_are_left() {
    let place = place("faults-left");
    place.write("recipe.toml", RECIPE.replace("[data]", "[data]\ndamaged = \"skip\""));
    let job = format!("{TRAIN_ALONE} --job a/fold0 --cache cache");
    place.run(&job).done();
    let drawn = clips(&place, "run", "train");
    let (label, _) = drawn.values().next().unwrap().clone();
    let of_label = |fold: &'static str| {
        let label = label.clone();
        move |(_, (own, of)): &(&String, &(String, String))| *own == label && of == fold
    };
    // Drawn folds keep copies together. Folds of the data set cannot, which causes a warning, as
    // does a copy among the test clips, or an audio file that no table lists.
    place.write("data/audio_train/more/own.wav", b"");
    let of_fold = |fold: &str| drawn.iter().rfind(|(_, (_, of))| of == fold).unwrap().0;
    let (one, other) = (of_fold("0"), of_fold("1"));
    let copies = [format!("data/audio_train/{other}"), format!("data/audio_test/{}", test_clip(&place))];
    let before = copies.each_ref().map(|copy| place.read(copy));
    // One copy of the file, and one of the sound in another format.
    let original = place.read(&format!("data/audio_train/{one}"));
    let samples = original[44..].chunks(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0);
    place.write(&copies[0], float_wav(&samples.collect::<Vec<_>>()));
    place.write(&copies[1], &original);
    place.remove("run");
    let printed = place.run(&job).done().stderr;
    let together = clips(&place, "run", "train");
    assert_eq!(together[one].1, together[other].1, "{together:?}");
    assert!(!printed.contains("in another fold"), "{printed}");
    assert!(printed.contains("warning: 1 test clip is a copy of a training clip"), "{printed}");
    assert!(printed.contains("warning: ignoring 1 audio file that is in no class folder and in no CSV"), "{printed}");
    place.remove("run");
    let of_first = drawn.iter().filter(|(_, (_, of))| of == "0").map(|(name, _)| name.trim_end_matches(".wav"));
    let given = format!(r"(?:{})(\.wav)|wav", of_first.collect::<Vec<_>>().join("|"));
    let recipe = place.text("recipe.toml");
    place.write("recipe.toml", recipe.replace("folds = 2", &format!("folds_from = '{given}'")));
    let printed = place.run(&job).done().stderr;
    assert!(printed.contains("warning: 1 training clip is a copy of a clip in another fold"), "{printed}");
    place.write("recipe.toml", recipe);
    for (copy, bytes) in copies.iter().zip(before) {
        place.write(copy, bytes);
    }
    // No clip of a class in one fold can be decoded; the two or three in the other fold are left.
    for (clip, _) in drawn.iter().filter(of_label("1")) {
        place.write(&format!("data/audio_train/{clip}"), wav(1, 16, &[]));
    }
    place.remove("run");
    place.run(&job).done();
    let left = clips(&place, "run", "train");
    assert!(left.len() < drawn.len());
    for fold in ["0", "1"] {
        assert!(left.iter().any(|clip| of_label(fold)(&clip)), "{label} in fold {fold}: {left:?}");
    }
    // One clip is not enough for two folds.
    for (clip, _) in left.iter().filter(of_label("1")) {
        place.write(&format!("data/audio_train/{clip}"), wav(1, 16, &[]));
    }
    for (clip, _) in left.iter().filter(of_label("0")).skip(1) {
        place.write(&format!("data/audio_train/{clip}"), wav(1, 16, &[]));
    }
    place.remove("run");
    place.run(&job).failed();
}

#[test]
fn arguments_with_faults() {
    let place = place("faults-arguments");
    place.write("empty/notes.txt", "no sound");
    for (from, to) in [
        ("--data data", "--data nowhere"),
        ("--data data", "--data empty"),
        ("--data data", "--data recipe.toml"),
        ("--data data", "--data data --audio-dir data"),
        ("--data data", "--data data --folds-from ("),
        ("--data data", r"--data data --folds-from ^fold(\d)"),
        ("--data data", "--data data --groups-from ("),
        ("--data data", r"--data data --groups-from ^rec(\d)"),
        ("--data data", "--data data --name-column file"),
        ("--data data", "--data data --label-column class"),
        ("--data data", "--data data --fold-column part"),
        ("--data data", "--data data --group-column source"),
        ("--data data", "--data data --where manually_verified=2"),
        ("--jobs 2", "--jobs 2 --job c/fold0"),
        ("--jobs 2", "--jobs 2 --job a/fold2"),
        ("--out run", "--out data"),
    ] {
        fails(&place, &TRAIN.replace(from, to));
    }
    place.run(&format!("{TRAIN} --device tpu")).failed();
    let ran: Ran = place.run(&TRAIN.replace("--jobs 2", "--jobs 1 --device cuda:99")).failed_naming(&["cuda:99"]);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "one fault of the machine is reported once: {ran}");
    place.run("stack data").failed();
    place.run("evaluate nowhere").failed();
    place.run("predict data --out x.csv").failed();
    for hub in ["", "not a url", "huggingface.co", "https://", "ftp://host"] {
        let mut train = place.command(TRAIN);
        train.args(["--hub", hub]);
        let ran = Ran::of(train, hub);
        assert!(ran.code == Some(2) && ran.stderr.contains("https:// or http://"), "{ran}");
    }
    let ran = place.run(&TRAIN.replace("--threads 2", "--threads 1000000"));
    assert!(ran.code == Some(2) && ran.stderr.contains("1000000 is not in 0..="), "{ran}");
    let ran = place.run(&TRAIN.replace("--jobs 2", "--jobs 1000000"));
    assert!(ran.code == Some(2) && ran.stderr.contains("1000000 is not in 0..="), "{ran}");
    // A mistyped folder is an error and is not created.
    for words in [
        TRAIN.replace("--out run", "--out ../no-such-folder/run"),
        TRAIN.replace("--jobs", "--cache ../no-such-folder/cache --jobs"),
        "predict run --out ../no-such-folder/x.csv".to_owned(),
        "predict run --out x.csv --probabilities ../no-such-folder/x.csv".to_owned(),
        "synth --out ../no-such-folder/data".to_owned(),
        "features data/audio_train/x.wav --kind wave --out ../no-such-folder/x.npy".to_owned(),
        "nets export resnet_nano --out ../no-such-folder/x.onnx".to_owned(),
        "data download esc10 --to ../no-such-folder/esc10".to_owned(),
    ] {
        place.run(&words).failed();
    }
    assert!(!place.path("../no-such-folder").exists());
    place.run("predict run --out x.csv --probabilities x.csv").failed();
    place.run("predict run --out x.csv --probabilities ./x.csv").failed();
    place.run("report run --data nowhere").failed();
    place.run("synth --out s --train-clips 3").failed();
    place.run("synth --out empty").failed();
    assert!(["x.csv", "x.onnx", "s"].iter().all(|name| !place.path(name).exists()));
}

/// `earmark nets list | head -1` succeeds; a full disk is a failure.
#[cfg(target_os = "linux")]
#[test]
fn only_a_closed_stdout_is_no_failure() {
    let place = Place::new("faults-stdout");
    let words = "nets list";
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let closed = place.command(words).stdout(writer).output().unwrap();
    assert!(closed.status.success() && closed.stderr.is_empty(), "{closed:?}");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let full = place.command(words).stdout(full).output().unwrap();
    assert_eq!(full.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&full.stderr).starts_with("error: cannot write to standard output: "), "{full:?}");
}
