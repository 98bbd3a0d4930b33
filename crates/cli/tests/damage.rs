//! Folders that cannot be written to, full disks, and damaged files of runs and bundles.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::process::Command;

use common::{Place, RECIPE, Ran, Running, TRAIN, TRAIN_ALONE, shared};

/// A place with copies of the shared run's folders, to be damaged.
fn place(name: &str, folders: &[&str]) -> Place {
    let place = Place::new(name);
    place.write("recipe.toml", RECIPE);
    for folder in folders {
        for (name, bytes) in shared().tree(folder) {
            place.write(&format!("{folder}/{name}"), bytes);
        }
    }
    place
}

/// Changes one bit of a file.
fn flip(place: &Place, file: &str, at: usize, bit: u8) {
    let mut bytes = place.read(file);
    bytes[at] ^= bit;
    place.write(file, bytes);
}

#[test]
fn a_file_where_a_folder_should_be() {
    let place = place("damage-file", &["data"]);
    place.write("file", "mine");
    let bundle = shared().path("run");
    for words in [
        TRAIN.replace("--out run", "--out file"),
        TRAIN.replace("--out run", "--out file/run"),
        "synth --out file".to_owned(),
        "nets export resnet_nano --out file/m.onnx".to_owned(),
        format!("predict {} --out file/s.csv", bundle.display()),
        format!(
            "features data/audio_test/{} --kind wave --out file/x.npy",
            shared().tree("data/audio_test").keys().next().unwrap()
        ),
    ] {
        let ran = place.run(&words).failed();
        assert_eq!(ran.stderr.matches("os error").count(), 1, "the reason is said once: {ran}");
        assert_eq!(place.text("file"), "mine");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_without_the_right_to_write() {
    use std::os::unix::fs::PermissionsExt;
    let place = place("damage-rights", &["data"]);
    std::fs::create_dir(place.path("closed")).unwrap();
    std::fs::set_permissions(place.path("closed"), std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(place.path("closed/probe"), "").is_ok() {
        // The superuser can write anywhere.
        place.remove("closed/probe");
        return;
    }
    place.run(&TRAIN.replace("--out run", "--out closed")).failed_naming(&["closed", "denied"]);
    place.run(&TRAIN.replace("--out run", "--out closed/run")).failed_naming(&["closed/run", "denied"]);
    place.run("synth --out closed").failed_naming(&["closed", "denied"]);
}

#[test]
fn a_file_that_a_run_lost_is_named_with_what_to_do() {
    let place = place("damage-lost", &["data", "run"]);
    for file in ["recipe.toml", "labels.txt", "splits.csv", "run.json"] {
        let path = format!("run/{file}");
        let bytes = place.read(&path);
        place.remove(&path);
        for words in ["train --data data --out run", "stack run"] {
            place.run(words).failed();
        }
        place.write(&path, bytes);
    }
    place.remove("run/data.json");
    place.run("report run").warned();
}

/// A limit on the file size simulates a full disk: writing fails in the middle of a file.
#[cfg(unix)]
fn limited(place: &Place, words: &str, kilobytes: u32) -> Ran {
    let shell = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kilobytes * 2);
    let mut command = Command::new("sh");
    command.current_dir(place.path("")).args(["-c", &shell, env!("CARGO_BIN_EXE_earmark")]);
    command.args(words.split_whitespace());
    Ran::of(command, words)
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_a_run_that_can_go_on_later() {
    let place = place("damage-full", &["data", "run/cache"]);
    let other = format!("{TRAIN} --cache other");
    limited(&place, &other, 4).failed_naming(&["cannot write other/"]);
    assert!(place.tree("other").is_empty(), "{:?}", place.tree("other").keys());
    for (kilobytes, file) in [
        (4, "run/splits.csv"),
        (32, "run/statistics.csv"),
        (600, "/checkpoint-00001.safetensors"),
        (1300, "/checkpoint-00001"),
    ] {
        let ran = limited(&place, TRAIN, kilobytes).failed_naming(&["run/", file]);
        assert!(ran.stderr.matches("error: ").count() <= 2, "the jobs that would meet it too are omitted: {ran}");
        let mut tree = place.tree("run");
        tree.retain(|name, _| !name.starts_with("cache/"));
        assert!(tree.values().all(|bytes| bytes.len() <= kilobytes as usize * 1024), "{kilobytes} KiB is the limit");
        assert!(!tree.keys().any(|name| name.contains(".earmark-") || name.ends_with("weights.safetensors")));
    }
    place.run(TRAIN).done();
    for (name, bytes) in shared().tree("run") {
        let same = common::has_times(&name) || place.read(&format!("run/{name}")) == bytes;
        assert!(same, "{name} differs from that of a run that met no full disk");
    }
    // The bundle is replaced file by file: what a full disk leaves of it is either whole or none.
    limited(&place, "stack run", 600).failed();
    let tagged = place.run("tag data/audio_test --model run/bundle");
    assert!(tagged.code == Some(0) || tagged.stderr.contains("not a usable bundle"), "{tagged}");
    place.run("stack run").done();
    place.run("tag data/audio_test --model run/bundle").done();

    limited(&place, "nets export resnet_nano --out m.onnx", 100).failed();
    limited(&place, "synth --out s --train-clips 60", 10).failed_naming(&["cannot write s/audio_t"]);
    assert!(!place.path("m.onnx").exists() && !place.path("s/train.csv").exists());
    place.run(common::SYNTH.replace("data", "s").as_str()).done();
}

#[test]
fn a_flipped_bit_in_any_file_of_a_bundle() {
    let place = place("damage-bundle", &["run/bundle"]);
    place.write(
        "a.wav",
        shared().read(&format!("data/audio_test/{}", shared().tree("data/audio_test").keys().next().unwrap())),
    );
    let files = place.tree("run/bundle");
    assert_eq!(files.len(), 6);
    let tag = "tag a.wav --model run/bundle";
    for (file, whole) in &files {
        let path = format!("run/bundle/{file}");
        for at in [0, whole.len() / 2, whole.len() - 1] {
            flip(&place, &path, at, 1);
            let ran = place.run(tag).failed_naming(&["run/bundle/"]);
            // A changed list of sums accuses the file whose sum it is.
            assert!(file == "SHA256SUMS" || ran.stderr.contains(file) && ran.stderr.contains("damaged"), "{ran}");
            assert_eq!(ran.stdout, "");
            place.write(&path, whole);
        }
        place.remove(&path);
        place.run(tag).failed_naming(&["run/bundle", file]);
        place.write(&path, whole);
    }
    place.run(tag).done();
}

#[test]
fn a_bundle_of_another_form() {
    let place = place("damage-form", &["run/bundle"]);
    place.write("a.wav", common::float_wav(&[0.1; 22_050]));
    let sha256 = |bytes: &[u8]| earmark_files::sha256(bytes);
    let config = place.text("run/bundle/config.json");
    for (from, to) in [
        ("\"format\": 2", "\"format\": 99"),
        ("\"activation\"", "\"activatoin\""),
        ("learner-a.onnx", "../learner-a.onnx"),
        ("\"sr\": 22050", "\"sr\": 0"),
        ("\"labels\": [", "\"labels\": [\"More\","),
    ] {
        assert!(config.contains(from), "{from}");
        let changed = config.replacen(from, to, 1);
        let sums = place.text("run/bundle/SHA256SUMS");
        place.write("run/bundle/SHA256SUMS", sums.replace(&sha256(config.as_bytes()), &sha256(changed.as_bytes())));
        place.write("run/bundle/config.json", &changed);
        place.run("tag a.wav --model run/bundle").failed();
        place.write("run/bundle/config.json", &config);
        place.write("run/bundle/SHA256SUMS", sums);
    }
    place.run("tag a.wav --model run/bundle").done();
}

#[test]
fn a_flipped_bit_in_what_a_job_left() {
    let place = place("damage-job", &["data", "run"]);
    for file in ["weights.safetensors", "predictions.csv", "job.json"] {
        let path = format!("run/jobs/a/full/{file}");
        let whole = place.read(&path);
        flip(&place, &path, whole.len() / 2, 0x80);
        for words in [TRAIN, "stack run"] {
            place.run(words).failed_naming(&[&path, "is damaged", "remove run/jobs/a/full "]);
        }
        place.write(&path, whole);
    }
    place.remove("run/jobs/a/full");
    place.run(TRAIN).done();
    assert!(place.read("run/bundle/learner-a.onnx") == shared().read("run/bundle/learner-a.onnx"));
}

#[test]
fn tables_that_were_damaged_later() {
    let place = place("damage-tables", &["run"]);
    for (words, file) in [
        ("stack run", "splits.csv"),
        ("stack run", "labels.txt"),
        ("stack run", "recipe.toml"),
        ("stack run", "statistics.csv"),
        ("stack run", "statistics.json"),
        ("evaluate run", "labels.txt"),
        ("evaluate run", "oof/a.csv"),
        ("evaluate run", "test/b.csv"),
        ("predict run --out s.csv", "level2/test.csv"),
        ("evaluate run", "level2/manifest.json"),
    ] {
        let path = format!("run/{file}");
        let whole = place.text(&path);
        // In the middle of a line, not at its end.
        let cut = whole.len() / 2 - usize::from(whole.as_bytes()[whole.len() / 2 - 1] == b'\n');
        place.write(&path, &whole[..cut]);
        place.run(words).failed();
        place.write(&path, whole);
    }
    assert!(!place.path("s.csv").exists());
    place.run("evaluate run").done();
    place.remove("run/level2/manifest.json");
    place.run("evaluate run").failed();
    // In runs of older formats, which may have no manifest, only the format of a table is checked.
    place.write("run/run.json", place.text("run/run.json").replace("\"format\": 2", "\"format\": 1"));
    let whole = place.text("run/oof/a.csv");
    place.write("run/oof/a.csv", &whole[..whole.len() - 9]);
    place.run("evaluate run").failed();
}

#[test]
fn a_damaged_checkpoint() {
    let place = place("damage-checkpoint", &["data"]);
    // The job must not end before it is killed.
    place.write("recipe.toml", RECIPE.replace("epochs = 2", "epochs = 100000"));
    let words = format!("{TRAIN_ALONE} --job a/fold0");
    let mut running = Running::start(&place, &words);
    running.wait_until(|| place.epochs("a/fold0") > 0);
    drop(running);
    let index = place.json("run/jobs/a/fold0/checkpoint.json");
    for file in ["checkpoint.json", index["file"].as_str().unwrap()] {
        let path = format!("run/jobs/a/fold0/{file}");
        let whole = place.read(&path);
        flip(&place, &path, whole.len() / 2, 0x80);
        place.run(&words).failed_naming(&["job a/fold0", &path, "is damaged"]);
        place.write(&path, whole);
    }
}

#[test]
fn a_run_of_another_recipe_or_other_data() {
    let place = place("damage-other", &["data", "run"]);
    let before = place.tree("run");
    place.write("recipe.toml", RECIPE.replace("mixup = 3.0", "mixup = 2.0"));
    place.run(TRAIN).failed();
    place.write("recipe.toml", RECIPE);
    let table = place.text("data/train.csv");
    let without_last = &table[..table.trim_end().rfind('\n').unwrap() + 1];
    place.write("data/train.csv", without_last);
    place.run(TRAIN).failed();
    // A clip that was exchanged under its old name.
    place.write("data/train.csv", &table);
    let clip =
        |line: usize| format!("data/audio_train/{}", table.lines().nth(line).unwrap().split(',').next().unwrap());
    place.write(&clip(1), place.read(&clip(2)));
    place.run(TRAIN).failed();
    assert!(place.tree("run") == before, "the run was changed");
}
