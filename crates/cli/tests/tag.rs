//! `earmark tag`, and the commands that do not need a run: features and nets. Output formats, exit
//! codes, and the tag-only binary.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Place, Ran, TRAIN, csv, from_environment, shared, tags_are_those_of_level2};

const TAG: &str = "tag --model run/bundle";
const BINARY: &str = env!("CARGO_BIN_EXE_earmark");

/// Test clips by name, sorted.
fn test_clips() -> Vec<String> {
    shared().tree("data/audio_test").into_keys().map(|name| format!("data/audio_test/{name}")).collect()
}

#[test]
fn tags_are_what_training_predicted() {
    tags_are_those_of_level2(shared(), Path::new(BINARY));
}

#[test]
fn the_tag_only_binary_tags_the_same() {
    let Some(binary) = from_environment("EARMARK_TAG_ONLY_BIN") else { return };
    tags_are_those_of_level2(shared(), &binary);
    Ran::of(shared().command_of(&binary, TRAIN), TRAIN).failed_naming(&["earmark-train"]);
    let Ok(linked) = Command::new("ldd").arg(&binary).output() else { return };
    let linked = String::from_utf8_lossy(&linked.stdout).to_lowercase();
    assert!(linked.contains("libc.so"), "{linked}");
    assert!(!linked.contains("torch") && !linked.contains("xgboost"), "{linked}");
}

#[test]
fn json_is_one_value_of_the_documented_form() {
    let clips = test_clips();
    let answers = shared().run(&format!("{TAG} --json {} {}", clips[1], clips[0])).done().json();
    let paths: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [&clips[1], &clips[0]], "files keep the order they are given in");
    for answer in answers.as_array().unwrap() {
        assert_eq!(answer.as_object().unwrap().len(), 2);
        let tags = answer["tags"].as_array().unwrap();
        assert_eq!(tags.len(), 3);
        assert!(tags.iter().all(|tag| tag.as_object().unwrap().len() == 2 && tag["label"].is_string()));
        assert!(tags.is_sorted_by(|a, b| a["score"].as_f64() >= b["score"].as_f64()));
    }
}

#[test]
fn csv_and_text_say_the_same_as_json() {
    let clip = &test_clips()[2];
    let json = shared().run(&format!("{TAG} --json {clip} --top 4")).done().json();
    let tags = json[0]["tags"].as_array().unwrap().clone();
    let (header, rows) = csv(&shared().run(&format!("{TAG} --csv {clip} --top 4")).done().stdout);
    assert_eq!(header, ["path", "label", "score"]);
    let text = shared().run(&format!("{TAG} {clip} --top 4")).done().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), rows.len(), lines[0]), (5, 4, clip.as_str()));
    for ((tag, row), line) in tags.iter().zip(&rows).zip(&lines[1..]) {
        assert_eq!((&row[0], tag["label"].as_str().unwrap()), (clip, row[1].as_str()));
        let score = tag["score"].as_f64().unwrap();
        assert!((row[2].parse::<f64>().unwrap() - score).abs() < 1e-7);
        assert!(line.ends_with(&row[1]) && line.contains(&format!("{:.1} %", score * 100.0)), "{line}");
    }
    let high = shared().run(&format!("{TAG} --csv {clip} --min-score 1")).done().stdout;
    assert_eq!(high, format!("path,label,score\n{clip},,\n"), "every file has a row");
}

#[test]
fn a_path_with_comma_and_quote_survives_csv() {
    let name = "a,\"b\".wav";
    let place = Place::new("tag-odd");
    place.write(&format!("odd/{name}"), shared().read(&test_clips()[0]));
    let tag = format!("tag --csv odd --model {}", shared().path("run/bundle").display());
    let (_, rows) = csv(&place.run(&tag).done().stdout);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0][0], format!("odd/{name}"));
}

#[test]
fn a_bad_file_costs_only_itself() {
    let place = Place::new("tag-bad");
    let good = shared().read(&test_clips()[0]);
    place.write("in/a.wav", &good);
    place.write("in/b.wav", "this is no sound");
    place.write("in/c.wav", &good[..good.len() / 2]);
    place.write("in/deep/d.wav", &good);
    place.write("in/notes.txt", "no sound, and not looked at");
    let tag = format!("tag --model {}", shared().path("run/bundle").display());
    for form in ["--json", "--csv", ""] {
        let ran = place.run(&format!("{tag} in missing.wav {form}"));
        let ran = ran.failed();
        assert!(!ran.stderr.contains("notes.txt"), "{ran}");
        let tagged = match form {
            "--json" => ran.json().as_array().unwrap().iter().map(|answer| answer["path"].to_string()).collect(),
            "--csv" => csv(&ran.stdout).1.into_iter().step_by(3).map(|row| row[0].clone()).collect(),
            _ => ran.stdout.lines().step_by(4).map(str::to_owned).collect::<Vec<_>>(),
        };
        let tagged: Vec<_> = tagged.iter().map(|path| path.trim_matches('"')).collect();
        assert_eq!(tagged, ["in/a.wav", "in/deep/d.wav"], "{ran}");
    }
}

#[test]
fn a_folder_without_files_costs_only_itself() {
    let place = Place::new("tag-folders");
    place.write("in/a.wav", shared().read(&test_clips()[0]));
    std::fs::create_dir_all(place.path("in/empty")).unwrap();
    std::fs::create_dir_all(place.path("empty")).unwrap();
    let tag = format!("tag --csv --top 1 --model {}", shared().path("run/bundle").display());
    let tagged = |ran: &Ran| csv(&ran.stdout).1.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let ran = place.run(&format!("{tag} empty in"));
    let ran = ran.failed();
    assert_eq!(tagged(&ran), ["in/a.wav"]);
    place.run(&format!("{tag} in")).done();

    let locked = place.path("in/locked");
    std::fs::create_dir(&locked).unwrap();
    let rights = |mode| std::fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    rights(0o000);
    // No folder is closed to root, so run the command as another user.
    let ran = if std::fs::read_dir(&locked).is_ok() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", BINARY]).current_dir(place.path(""));
        command.args(format!("{tag} in").split_whitespace());
        Ran::of(command, "tag in, by nobody")
    } else {
        place.run(&format!("{tag} in"))
    };
    rights(0o755);
    let ran = ran.failed();
    assert_eq!(tagged(&ran), ["in/a.wav"]);
}

#[test]
fn a_killed_batch_keeps_what_it_has_done() {
    let clips = test_clips().join(" ");
    let mut command = shared().command(&format!("{TAG} --json {}", vec![clips; 200].join(" ")));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    for _ in 0..3 {
        while stdout.read_line(&mut text).unwrap() > 0 && !text.ends_with("\n  ]},\n") {}
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    let whole = text.strip_suffix(",\n").unwrap().to_owned() + "]";
    let answers: serde_json::Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 3);
    assert_eq!(shared().run(&format!("{TAG} --json missing.wav")).stdout, "[]\n");
}

#[test]
fn silence_is_tagged_with_a_warning() {
    let place = Place::new("tag-silent");
    place.write("silent.wav", common::float_wav(&[0.0; 44_100]));
    place.write("one.wav", common::float_wav(&[0.5]));
    let model = shared().path("run/bundle");
    let ran = place.run(&format!("tag silent.wav one.wav --json --model {}", model.display())).done();
    let warnings = "warning: silent.wav: the file is silent (peak 0)\nwarning: one.wav: the file is 1 sample long\n";
    assert_eq!(ran.stderr, warnings);
    assert!(ran.json().as_array().unwrap().iter().all(|file| file["tags"].as_array().unwrap().len() == 3), "{ran}");
}

#[test]
fn any_number_of_threads_gives_the_same_tags() {
    let tag = |threads: &str| shared().run(&format!("{TAG} --csv --top 12 data/audio_test {threads}")).done().stdout;
    let alone = tag("--threads 1");
    for threads in ["", "--threads 0", "--threads 2", "--threads 3"] {
        assert!(tag(threads) == alone, "{threads}");
    }
    let ran = shared().run(&format!("{TAG} --threads 100000 data/audio_test"));
    assert!(ran.stderr.contains("100000 is not in 0..="), "{ran}");
}

#[test]
fn a_reader_who_goes_away_is_no_failure() {
    let clips = test_clips().join(" ");
    let many = format!("{TAG} {clips} {clips} {clips}");
    for words in [many, "nets list --json".to_owned(), "evaluate run".to_owned()] {
        let mut command = shared().command(&words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The pipe is closed immediately, after at most one line, so later output has no reader.
        if words.starts_with("tag") {
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert!(line.ends_with(".wav\n"), "{line}");
        }
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{words}");
    }
}

/// Warnings and errors must not end the command if nobody reads stderr.
#[test]
fn a_closed_stderr_is_no_panic() {
    let words = format!("{TAG} missing.wav {}", test_clips()[0]);
    let mut child = shared().command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains(" %  "), "the good file is tagged all the same");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    for words in ["nets list", "nets list --json", "evaluate run"] {
        let mut command = shared().command(words);
        command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {stderr}");
        assert!(stderr.contains("standard output") && stderr.contains("No space left"), "{words}: {stderr}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for words in [
        "",
        "tagg",
        "tag",
        "tag --model run/bundle",
        "tag a.wav --model run/bundle --json --csv",
        "tag a.wav --model run/bundle --top 0",
        "tag a.wav --model run/bundle --top x",
        "tag a.wav --model run/bundle --min-score nan",
        "tag a.wav --model run/bundle --min-score inf",
        "tag a.wav --model run/bundle --min-score -0.1",
        "tag a.wav --model run/bundle --min-score 1.1",
        "tag a.wav --model run/bundle --threads 100000",
        "synth",
        "synth --out d --seed -1",
        "features a.wav --kind mel --out a.npy",
        "nets export resnet_nano",
        "train --recipe r.toml --data d",
        "train --recipe r.toml --data d --out r --jobs many",
        "evaluate",
        "predict run",
    ] {
        let ran = shared().run(words);
        assert!(ran.code == Some(2) && ran.stdout.is_empty() && ran.stderr.contains("--help"), "{ran}");
    }
    for words in ["--help", "tag --help", "--version"] {
        assert!(!shared().run(words).done().stdout.is_empty());
    }
}

#[test]
fn features_have_the_stated_shapes() {
    let place = Place::new("tag-features");
    let samples: Vec<f32> = (0..44_100).map(|i| (i as f32 * 0.05).sin() * 0.5).collect();
    place.write("a.wav", common::float_wav(&samples));
    // One second: 22,050 samples with a hop of 220, the first and the last frame centered on its
    // ends.
    for (kind, shape) in
        [("wave", "(1, 44100)"), ("logmel", "(3, 64, 101)"), ("mfcc", "(3, 64, 101)"), ("stats", "(256,)")]
    {
        place.run(&format!("features a.wav --kind {kind} --out out/{kind}.npy")).done();
        let npy = place.read(&format!("out/{kind}.npy"));
        assert_eq!(npy[..8], *b"\x93NUMPY\x01\x00", "{kind}");
        let length = usize::from(u16::from_le_bytes([npy[8], npy[9]]));
        let header = String::from_utf8(npy[10..10 + length].to_vec()).unwrap();
        assert!(header.contains("'<f4'") && header.contains(&format!("'shape': {shape}")), "{kind}: {header}");
        let numbers = shape.trim_matches(['(', ')']).split(',').filter_map(|side| side.trim().parse::<usize>().ok());
        assert_eq!(npy.len(), 10 + length + 4 * numbers.product::<usize>(), "{kind}");
        assert!(npy[10 + length..].chunks(4).all(|b| f32::from_le_bytes(b.try_into().unwrap()).is_finite()), "{kind}");
    }
}

#[test]
fn features_of_a_long_clip_are_those_of_the_whole() {
    let place = Place::new("tag-long");
    // Several blocks of frames, and a different sample rate than that of the features.
    let samples: Vec<f32> = (0..32_000 * 25).map(|i| (i as f32 * i as f32 * 1e-6).sin() * 0.5).collect();
    let clip = earmark_audio::Clip { samples, sample_rate: 32_000 };
    earmark_audio::write_wav(&place.path("long.wav"), &clip).unwrap();
    let clip = earmark_audio::decode(&place.path("long.wav"), &Default::default()).unwrap();
    for (kind, set) in [
        ("wave", &[][..]),
        ("logmel", &["n_mels=40", "deltas=false"]),
        ("mfcc", &["sr=16000", "n_mfcc=13", "window=hamming"]),
    ] {
        let mut settings = serde_json::json!({"kind": kind});
        for pair in set {
            let (key, value) = pair.split_once('=').unwrap();
            settings[key] = serde_json::from_str(value).unwrap_or(value.into());
        }
        let set: Vec<String> = set.iter().map(|pair| format!("--set {pair}")).collect();
        place.run(&format!("features long.wav --kind {kind} {} --out x.npy", set.join(" "))).done();
        let front_end: earmark_features::FrontEnd = serde_json::from_value(settings).unwrap();
        let clip = earmark_audio::resample(&clip, front_end.sample_rate()).unwrap();
        let features = front_end.extractor().unwrap().extract(&clip.samples).unwrap();
        assert!(features.frames > 1024, "{}", features.frames);
        let rows: Vec<u8> = features.rows().iter().flat_map(|value| value.to_le_bytes()).collect();
        assert!(place.read("x.npy")[128..] == rows, "{kind}");
    }
    place.run("features long.wav --kind stats --out ./long.wav").failed();
    place.run("features long.wav --kind stats --set set=all --set n_mfcc=20 --out s.npy").done();
    assert_eq!(place.read("s.npy").len(), 128 + 4 * 7 * 20);
    for words in [
        "--set n_mel=40",
        "--set n_mels=0",
        "--set n_mels",
        "--set n_fft=512 --set n_mels=many",
        "--set ref=min",
        "--set n_mels=40 --set n_mels=41",
        "--max-seconds 24",
        "--max-seconds 0",
        "--max-sample-rate 22050",
        "--min-sample-rate 96000",
        "--max-channels 0",
        "--max-samples 1000",
    ] {
        place.remove("x.npy");
        place.run(&format!("features long.wav --kind logmel {words} --out x.npy")).failed();
        assert!(!place.path("x.npy").exists());
    }
}

#[test]
fn nothing_is_written_about_the_user() {
    let place = Place::new("tag-home");
    place.write("sound.wav", shared().read(&test_clips()[0]));
    let home = place.path("home");
    std::fs::create_dir_all(&home).unwrap();
    let mut tag = place.command(&format!("tag sound.wav --json --model {}", shared().path("run/bundle").display()));
    for variable in ["HOME", "TMPDIR", "XDG_CACHE_HOME"] {
        tag.env(variable, &home);
    }
    assert!(tag.output().unwrap().status.success());
    assert_eq!(place.tree("home").into_keys().collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_folder_in_a_circle_is_tagged_once_and_without_hidden_files() {
    let place = Place::new("tag-circle");
    let sound = shared().read(&test_clips()[0]);
    std::fs::create_dir_all(place.path("sounds/deep")).unwrap();
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff.wav");
    std::fs::write(place.path("sounds").join(odd), &sound).unwrap();
    place.write("sounds/deep/a.wav", &sound);
    place.write("sounds/._a.wav", b"no sound");
    for link in ["sounds/first", "sounds/deep/second"] {
        std::os::unix::fs::symlink(place.path("sounds"), place.path(link)).unwrap();
    }
    let model = shared().path("run/bundle");
    let tagged = place.run(&format!("tag sounds --json --model {}", model.display())).done().json();
    let paths: Vec<&str> = tagged.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(paths[0].ends_with("deep/a.wav") && paths[1].ends_with("\\xff.wav"), "{paths:?}");
}

#[test]
fn a_sound_beyond_the_limits_is_not_tagged() {
    let clip = &test_clips()[0];
    let tag = |words: &str| shared().run(&format!("tag {clip} --model run/bundle {words}"));
    tag("--max-seconds 60 --max-channels 1 --max-sample-rate 44100").done();
    tag("--max-seconds 0.1").failed_naming(&[clip, "--max-seconds"]);
    tag("--max-sample-rate 8000").failed_naming(&[clip, "8000 Hz"]);
    tag("--max-seconds 0").failed_naming(&["max_seconds"]);
}

#[test]
fn networks_are_listed_and_exported() {
    let listed = shared().run("nets list --json").done().json();
    let table = shared().run("nets list").done().stdout;
    // The smallest network of each family. The tests of `earmark-tagging` export and run all of
    // them.
    let mut smallest: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for network in listed.as_array().unwrap() {
        let name = network["name"].as_str().unwrap();
        assert!(network["flops"].as_u64().unwrap() > 0, "{network}");
        assert!(table.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} is not in\n{table}");
        let parameters = network["parameters"].as_u64().unwrap();
        assert!(name != "resnet50" || parameters == 25_557_032, "{parameters} instead of torchvision's");
        let of_family = smallest.entry(network["family"].as_str().unwrap()).or_insert((parameters, name));
        *of_family = (*of_family).min((parameters, name));
    }
    let place = Place::new("tag-nets");
    for (parameters, name) in smallest.into_values() {
        place.run(&format!("nets export {name} --out {name}.onnx")).done();
        let size = std::fs::metadata(place.path(&format!("{name}.onnx"))).unwrap().len();
        assert!((4 * parameters..5 * parameters + 200_000).contains(&size), "{name}: {size} bytes");
        place.remove(&format!("{name}.onnx"));
    }
    let weights = shared().path("run/jobs/a/full/weights.safetensors");
    place.run(&format!("nets export resnet_nano --weights {} --out m.onnx", weights.display())).done();
    assert!(place.read("m.onnx") == shared().read("run/bundle/learner-a.onnx"), "the weights' 12 classes are taken");
}
