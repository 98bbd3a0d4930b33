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
        let ran = place.run(&words).failed(&["cannot", "file"]);
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
    place.run(&TRAIN.replace("--out run", "--out closed")).failed(&["cannot write closed", "denied"]);
    place
        .run(&TRAIN.replace("--out run", "--out closed/run"))
        .failed(&["cannot create the folder closed/run", "denied"]);
    place.run("synth --out closed").failed(&["closed", "denied"]);
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
    limited(&place, &other, 4).failed(&["cannot write other/", "File too large"]);
    assert!(place.tree("other").is_empty(), "{:?}", place.tree("other").keys());
    for (kilobytes, file) in [
        (4, "run/splits.csv"),
        (32, "run/statistics.csv"),
        (600, "/checkpoint-00001.safetensors"),
        (1300, "/checkpoint-00001"),
    ] {
        let ran = limited(&place, TRAIN, kilobytes).failed(&["cannot write run/", file, "File too large"]);
        assert!(ran.stderr.matches("error: ").count() <= 2, "the jobs that would meet it too are omitted: {ran}");
        let mut tree = place.tree("run");
        tree.retain(|name, _| !name.starts_with("cache/"));
        assert!(tree.values().all(|bytes| bytes.len() <= kilobytes as usize * 1024), "{kilobytes} KiB is the limit");
        assert!(!tree.keys().any(|name| name.contains(".earmark-") || name.ends_with("weights.safetensors")));
    }
    place.run(TRAIN).done();
    for (name, bytes) in shared().tree("run") {
        let same = common::tells_of_the_moment(&name) || place.read(&format!("run/{name}")) == bytes;
        assert!(same, "{name} differs from that of a run that met no full disk");
    }
    // The bundle is replaced file by file. A full disk leaves either a whole bundle or none.
    limited(&place, "stack run", 600).failed(&["cannot write run/", "File too large"]);
    let tagged = place.run("tag data/audio_test --model run/bundle");
    assert!(tagged.code == Some(0) || tagged.stderr.contains("not a usable bundle"), "{tagged}");
    place.run("stack run").done();
    place.run("tag data/audio_test --model run/bundle").done();

    limited(&place, "nets export resnet_nano --out m.onnx", 100).failed(&["cannot write m.onnx", "File too large"]);
    limited(&place, "synth --out s --train-clips 60", 10).failed(&["cannot write s/audio_train/", "File too large"]);
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
            let ran = place.run(tag).failed(&["run/bundle/"]);
            // A change in the list of checksums is reported as damage of the file with that
            // checksum.
            assert!(file == "SHA256SUMS" || ran.stderr.contains(file) && ran.stderr.contains("damaged"), "{ran}");
            assert_eq!(ran.stdout, "");
            place.write(&path, whole);
        }
        place.remove(&path);
        place.run(tag).failed(&["run/bundle", file]);
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
    for (from, to, reason) in [
        ("\"format\": 1", "\"format\": 99", "its format is 99"),
        ("\"activation\"", "\"activatoin\"", "activatoin"),
        ("learner-a.onnx", "../learner-a.onnx", "../learner-a.onnx"),
        ("\"sr\": 22050", "\"sr\": 0", "sr"),
        ("\"labels\": [", "\"labels\": [\"More\",", "learner-a.onnx does not fit"),
    ] {
        assert!(config.contains(from), "{from}");
        let changed = config.replacen(from, to, 1);
        let sums = place.text("run/bundle/SHA256SUMS");
        place.write("run/bundle/SHA256SUMS", sums.replace(&sha256(config.as_bytes()), &sha256(changed.as_bytes())));
        place.write("run/bundle/config.json", &changed);
        place.run("tag a.wav --model run/bundle").failed(&[reason]);
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
            place.run(words).failed(&[&path, "is damaged", "remove run/jobs/a/full to train it again"]);
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
    for (words, file, reasons) in [
        ("stack run", "splits.csv", ["run/splits.csv is damaged", "line"]),
        ("stack run", "labels.txt", ["run/labels.txt", "run/jobs/a/fold0"]),
        ("stack run", "recipe.toml", ["error: ", "run/recipe.toml"]),
        ("stack run", "statistics.csv", ["run/statistics.csv is damaged", "`earmark train` writes it again"]),
        ("stack run", "statistics.json", ["run/statistics.json is damaged", "`earmark train` writes it again"]),
        ("evaluate run", "labels.txt", ["run/level2 was made with another run/labels.txt", "`earmark stack run`"]),
        ("evaluate run", "oof/a.csv", ["run/oof/a.csv is missing, damaged", "`earmark stack run` makes it again"]),
        ("evaluate run", "test/b.csv", ["run/test/b.csv is missing, damaged", "`earmark stack run` makes it again"]),
        (
            "predict run --out s.csv",
            "level2/test.csv",
            ["run/level2/test.csv is missing, damaged", "`earmark stack run`"],
        ),
        (
            "evaluate run",
            "level2/manifest.json",
            ["run/level2/manifest.json is damaged", "`earmark stack run` makes it again"],
        ),
    ] {
        let path = format!("run/{file}");
        let whole = place.text(&path);
        // In the middle of a line, not at its end.
        let cut = whole.len() / 2 - usize::from(whole.as_bytes()[whole.len() / 2 - 1] == b'\n');
        place.write(&path, &whole[..cut]);
        place.run(words).failed(&reasons);
        place.write(&path, whole);
    }
    assert!(!place.path("s.csv").exists());
    place.run("evaluate run").done();
    // Without a manifest, only the format of a table is checked, as in older runs.
    place.remove("run/level2/manifest.json");
    let whole = place.text("run/oof/a.csv");
    place.write("run/oof/a.csv", &whole[..whole.len() - 9]);
    place.run("evaluate run").failed(&["run/oof/a.csv, line", "cut off"]);
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
        place.run(&words).failed(&["job a/fold0", &path, "is damaged", "remove the folder run/jobs/a/fold0"]);
        place.write(&path, whole);
    }
}

#[test]
fn a_run_of_another_recipe_or_other_data() {
    let place = place("damage-other", &["data", "run"]);
    let before = place.tree("run");
    place.write("recipe.toml", RECIPE.replace("mixup = 3.0", "mixup = 2.0"));
    place.run(TRAIN).failed(&["the recipe differs", "run: learners.a.mixup is 2.0 here, 3.0 there"]);
    place.write("recipe.toml", RECIPE);
    let table = place.text("data/train.csv");
    let without_last = &table[..table.trim_end().rfind('\n').unwrap() + 1];
    place.write("data/train.csv", without_last);
    place.run(TRAIN).failed(&["the data differ", " is gone"]);
    // A clip that was replaced by another one of the same name.
    place.write("data/train.csv", &table);
    let clip =
        |line: usize| format!("data/audio_train/{}", table.lines().nth(line).unwrap().split(',').next().unwrap());
    place.write(&clip(1), place.read(&clip(2)));
    place.run(TRAIN).failed(&["the data differ", ": its file has changed"]);
    assert!(place.tree("run") == before, "the run was changed");
}
