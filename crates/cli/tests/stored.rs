//! Existing runs: of earlier and later versions, and runs to which a learner is added later.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use common::{Place, RECIPE, TRAIN};

/// A run of November 2026, before runs had a format. The repository does not contain its cache and
/// pictures.
const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stored/development");
/// The command that trained it.
const AGAIN: &str = "train --recipe given.toml --data data --out run --jobs 1 --threads 1";

/// Copies all files of a stored folder into a place.
fn restore(place: &Place, folder: &Path, to: &str) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{to}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            restore(place, &entry.path(), &format!("{name}/"));
        } else {
            place.write(&name, std::fs::read(entry.path()).unwrap());
        }
    }
}

/// The time at which the weights of each job were written.
fn trained(place: &Place) -> BTreeMap<String, SystemTime> {
    let files = place.tree("run/jobs").into_keys().filter(|name| name.ends_with("weights.safetensors"));
    let at = |name: &String| place.path("run/jobs").join(name).metadata().unwrap().modified().unwrap();
    files.map(|name| (name.clone(), at(&name))).collect()
}

fn stored(name: &str) -> Place {
    let place = Place::with_data(name);
    restore(&place, Path::new(STORED), "");
    place
}

#[test]
fn a_run_of_before_formats_goes_on() {
    let place = stored("stored-again");
    let before = trained(&place);
    assert_eq!(before.len(), 3);
    place.run(AGAIN).done();
    assert_eq!(trained(&place), before, "nothing is trained again");
    assert!(!place.path("run/run.json").exists(), "it stays what it is");
    // A key that the recipe does not set has the default of that time: bands up to half the sample
    // rate.
    let config = place.json("run/bundle/config.json");
    assert!(config["learners"][0]["features"]["fmax"].is_null(), "{config}");
    // If one job is missing, only that one is trained, and its predictions are the same.
    let predictions = place.text("run/jobs/kernel/fold1/predictions.csv");
    place.remove("run/jobs/kernel/fold1");
    place.run(AGAIN).done();
    let now = trained(&place);
    assert_eq!((now["kernel/fold0/weights.safetensors"], now["kernel/full/weights.safetensors"]), {
        (before["kernel/fold0/weights.safetensors"], before["kernel/full/weights.safetensors"])
    });
    let (_, then) = common::probabilities(&predictions);
    let (_, again) = common::probabilities(&place.text("run/jobs/kernel/fold1/predictions.csv"));
    for (clip, row) in then {
        for (a, b) in row.iter().zip(&again[&clip]) {
            assert!((a - b).abs() < 1e-4, "{clip}: {a}, then {b}");
        }
    }
}

/// Lines of the stored recipe, with the former and the current names.
const RENAMED: [(&str, &str); 8] = [
    ("damaged = \"error\"", "on_decode_error = \"fail\""),
    ("weight_average =", "ema_decay ="),
    ("ridge =", "alpha ="),
    ("\nlength =", "\ncrop_length_jitter ="),
    ("\nstretch =", "\ntime_stretch ="),
    ("\nwarp =", "\nfreq_warp ="),
    ("frequency_masks]", "freq_masks]"),
    ("calibrate =", "temperature_scaling ="),
];

#[test]
fn a_recipe_has_the_values_that_it_had() {
    // A new run on the same recipe has every key of the stored one with its value, except those of
    // networks, which do not apply to its kernel machine.
    let place = stored("stored-keys");
    let mut stored = place.text("run/recipe.toml");
    for (former, now) in RENAMED {
        stored = stored.replace(former, now);
    }
    place.run(&AGAIN.replace("--out run", "--out new")).done();
    let now = place.text("new/recipe.toml");
    let (start, rest) = stored.split_once("[[learners]]").unwrap();
    let (learner, end) = rest.split_once("\n[statistics]").unwrap();
    for line in start.lines().chain(end.lines()).chain(learner.lines().take(4)) {
        assert!(now.lines().any(|of_now| of_now == line), "{line}\n{now}");
    }
    for line in ["unverified_weight = 1.0", "alpha = 0.03", "gamma = 0.7"] {
        assert!(now.contains(line), "{line}\n{now}");
    }
    assert!(!now.contains("epochs") && !now.contains("momentum"), "{now}");
    assert_eq!(place.json("new/run.json")["format"], 2);
}

#[test]
fn a_run_of_a_newer_format_is_refused_with_the_version_that_reads_it() {
    let place = stored("stored-newer");
    place.write("run/run.json", r#"{"format": 3, "earmark": "0.9.3", "what": "nobody knows"}"#);
    let before = place.tree("run");
    for words in [AGAIN, "stack run", "evaluate run", "report run", "predict run --out s.csv"] {
        place.run(words).failed();
    }
    assert!(place.tree("run") == before, "the run was changed");
}

#[test]
fn a_learner_that_is_added_is_trained_alone() {
    let place = Place::with_run("stored-added");
    let (before, run) = (trained(&place), place.tree("run"));
    let added = r#"
[features.summary]
kind = "summary"

[[learners]]
name = "c"
arch = "kernel"
features = "summary"
"#;
    place.write("recipe.toml", format!("{RECIPE}{added}"));
    place.run(TRAIN).done();
    let now = trained(&place);
    assert_eq!(now.len(), before.len() + 3);
    assert!(before.iter().all(|(name, at)| now[name] == *at), "the others are not trained again");
    let (header, _) = common::csv(&place.text("run/level2/features.csv"));
    assert!(header.iter().any(|column| column.starts_with("c/")), "{header:?}");
    assert_eq!(place.json("run/bundle/config.json")["learners"].as_array().unwrap().len(), 3);
    // The result is the same as if all learners had been trained together.
    for learner in ["a", "b"] {
        let table = format!("oof/{learner}.csv");
        assert_eq!(place.read(&format!("run/{table}")), run[&table]);
    }
    let after = place.tree("run");
    place.run(TRAIN).done();
    assert_eq!(place.read("run/level2/oof.csv"), after["level2/oof.csv"]);
    // The run has a learner that the recipe does not have.
    place.write("recipe.toml", RECIPE);
    place.run(TRAIN).failed();
    // One that never was whole can be taken back.
    let wild = added.replace("name = \"c\"", "name = \"wild\"").replace("arch = \"kernel\"", "arch = \"resnet_nano\"");
    let wild = wild.replace(
        "features = \"summary\"",
        "features = \"logmel\"\nepochs = 9\nbatch_size = \
        16\nlearning_rate = 100.0\nweight_decay = 0.9\nmomentum = 0.99\n",
    );
    let with_c = format!("{RECIPE}{added}");
    place.write("recipe.toml", format!("{with_c}{}", &wild[wild.find("[[").unwrap()..]));
    place.run(TRAIN).failed_naming(&["job wild/"]);
    place.write("recipe.toml", with_c);
    place.run(TRAIN).done();
    assert_eq!(place.read("run/level2/oof.csv"), after["level2/oof.csv"]);
    place.run("evaluate run").done();
}

#[test]
fn a_recipe_in_the_folder_is_no_run() {
    let place = stored("stored-recipe");
    place.remove("run");
    place.write("run/recipe.toml", place.read("given.toml"));
    let words = AGAIN.replace("given.toml", "run/recipe.toml");
    place.run(&words).failed();
    assert_eq!(place.read("run/recipe.toml"), place.read("given.toml"));
}

#[test]
fn of_two_recipes_that_begin_one_run_at_once_one_wins() {
    let place = Place::with_data("stored-race");
    place.write("other.toml", RECIPE.replace("seed = 7", "seed = 8"));
    let begin = |recipe: &str| {
        let mut command = place.command(&TRAIN.replace("recipe.toml", recipe));
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let [one, other] = ["recipe.toml", "other.toml"].map(begin);
    let ended = [one, other].map(|child| child.wait_with_output().unwrap());
    let codes = [0, 1].map(|at: usize| ended[at].status.code());
    assert!(codes == [Some(0), Some(1)] || codes == [Some(1), Some(0)], "{ended:?}");
    let winner = if codes[0] == Some(0) { "recipe.toml" } else { "other.toml" };
    place.run(&TRAIN.replace("recipe.toml", winner)).done();
    place.run("evaluate run --jobs").done();
}

#[test]
fn what_a_job_lost_is_named_with_what_to_do() {
    let place = Place::with_run("stored-lost");
    for file in ["weights.safetensors", "predictions.csv"] {
        let path = format!("run/jobs/a/fold0/{file}");
        let bytes = place.read(&path);
        place.remove(&path);
        place.run(TRAIN).failed();
        place.write(&path, bytes);
    }
    place.run(TRAIN).done();
}

#[test]
fn what_tensorboard_cannot_show_costs_no_job() {
    let place = stored("stored-events");
    place.remove("run/jobs/kernel/fold0");
    std::fs::create_dir_all(place.path("run/jobs/kernel/fold0/events.out.tfevents.earmark")).unwrap();
    place.run(AGAIN).done();
}

#[test]
fn a_report_that_cannot_be_written_costs_no_results() {
    let place = Place::with_run("stored-report");
    place.remove("run/report.html");
    std::fs::create_dir(place.path("run/report.html")).unwrap();
    let ran = place.run("stack run --json").warned();
    assert!(ran.json()["systems"].as_array().is_some_and(|systems| systems.len() == 5), "{ran}");
}
