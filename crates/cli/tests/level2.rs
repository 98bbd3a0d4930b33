//! Level 2 through the binary: which networks predict, how the stack is made, and rows that do not belong together.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::path::Path;
use std::sync::OnceLock;

use common::{Place, RECIPE, TRAIN, clips, probabilities, tags_are_those_of_level2};
use earmark_files::sha256;

const BINARY: &str = env!("CARGO_BIN_EXE_earmark");

/// One finished run for all tests; none of them changes it.
fn shared() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| Place::with_run("level2"))
}

/// A place with a copy of the shared run, without its cache.
fn place(name: &str) -> Place {
    let place = Place::new(name);
    for (name, bytes) in shared().tree("run") {
        if !name.starts_with("cache/") {
            place.write(&format!("run/{name}"), bytes);
        }
    }
    place
}

/// With `test_from = "folds"` no network learns from all clips; those of the folds predict together.
#[test]
fn networks_of_the_folds_predict_and_tag_together() {
    let place = Place::new("level2-folds");
    place.copy_from(shared(), "data");
    place.write("recipe.toml", RECIPE.replace("[stack]", "[stack]\ntest_from = \"folds\""));
    place.run(TRAIN).done();
    assert!(!place.path("run/jobs/a/full").exists());
    for learner in ["a", "b"] {
        let of_fold = |fold: usize| {
            let table = place.text(&format!("run/jobs/{learner}/fold{fold}/predictions.csv"));
            probabilities(&table).1
        };
        let (first, second) = (of_fold(0), of_fold(1));
        let (_, mean) = probabilities(&place.text(&format!("run/test/{learner}.csv")));
        assert!(mean.keys().eq(clips(&place, "run", "test").keys()));
        for (name, row) in mean {
            for (class, mean) in row.into_iter().enumerate() {
                assert!((mean - (first[&name][class] + second[&name][class]) / 2.0).abs() < 1e-6);
            }
        }
        // A fold's own clips are predicted by its network alone.
        let (_, held_out) = probabilities(&place.text(&format!("run/oof/{learner}.csv")));
        for (name, (_, fold)) in clips(&place, "run", "train") {
            let (own, other) = if fold == "0" { (&first, &second) } else { (&second, &first) };
            assert!(held_out[&name] == own[&name] && !other.contains_key(&name), "{name}");
        }
    }
    let networks: Vec<String> =
        place.tree("run/bundle").into_keys().filter(|name| name.starts_with("learner-")).collect();
    let expected = ["a-fold0", "a-fold1", "b-fold0", "b-fold1"].map(|name| format!("learner-{name}.onnx"));
    assert_eq!(networks, expected);
    tags_are_those_of_level2(&place, Path::new(BINARY));
}

/// Changes a job's predictions, with its mark made anew.
fn rewrite(place: &Place, job: &str, change: impl Fn(String) -> String) {
    let file = format!("run/jobs/{job}/predictions.csv");
    let (old, new) = (place.text(&file), change(place.text(&file)));
    let mark = place.text(&format!("run/jobs/{job}/job.json"));
    let sums = [&old, &new].map(|text| sha256(text.as_bytes()));
    assert!(mark.contains(&sums[0]));
    place.write(&format!("run/jobs/{job}/job.json"), mark.replace(&sums[0], &sums[1]));
    place.write(&file, new);
}

#[test]
fn a_learner_without_all_its_rows() {
    let place = place("level2-rows");
    let whole = place.tree("run/jobs/a/fold1");
    let mend = || whole.iter().for_each(|(name, bytes)| place.write(&format!("run/jobs/a/fold1/{name}"), bytes));
    place.remove("run/jobs/a/fold1");
    place.run("stack run").failed(&["the job a/fold1 is not done", "earmark train"]);
    mend();
    let file = "run/jobs/a/fold1/predictions.csv";
    let header_alone = |text: String| text.lines().next().unwrap().to_owned() + "\n";
    rewrite(&place, "a/fold1", header_alone);
    place.run("stack run").failed(&[file, "does not fit run/splits.csv", "no row of `"]);
    mend();
    rewrite(&place, "a/fold1", |text| text[..text.trim_end().rfind('\n').unwrap() + 1].to_owned());
    place.run("stack run").failed(&[file, "does not fit run/splits.csv", "no row of `"]);
    mend();
    let row = place.text("run/jobs/a/fold0/predictions.csv").lines().last().unwrap().to_owned();
    rewrite(&place, "a/fold1", |text| format!("{text}{row}\n"));
    place.run("stack run").failed(&[file, "does not fit run/splits.csv", "clips instead of"]);
    mend();
    place.run("stack run").done();
}

#[test]
fn rows_of_two_runs() {
    let other = Place::new("level2-other");
    other.copy_from(shared(), "data");
    let place = place("level2-mixed");
    let job = format!("{TRAIN} --job a/fold0");
    let swap = |from: &Place| {
        place.remove("run/jobs/a/fold0");
        for (name, bytes) in from.tree("run/jobs/a/fold0") {
            place.write(&format!("run/jobs/a/fold0/{name}"), bytes);
        }
    };
    let folder = "run/jobs/a/fold0 is of another run";
    // Other settings of the learner, on the same clips and folds.
    other.write("recipe.toml", RECIPE.replace("mixup = 3.0", "mixup = 2.0"));
    other.run(&job).done();
    swap(&other);
    place.run("stack run").failed(&[folder, "another run/recipe.toml"]);
    // Another seed draws other folds.
    other.remove("run");
    other.write("recipe.toml", RECIPE.replace("seed = 7", "seed = 8"));
    other.run(&job).done();
    swap(&other);
    place.run("stack run").failed(&[folder, "another run/splits.csv", "another run/recipe.toml"]);
    swap(shared());
    // Predictions alone, without their mark.
    place.write("run/jobs/a/fold0/predictions.csv", other.read("run/jobs/a/fold0/predictions.csv"));
    place.run("stack run").failed(&["run/jobs/a/fold0/predictions.csv is damaged", "its SHA-256 differs"]);
    swap(shared());
    place.run("stack run").done();
}

#[test]
fn labels_that_changed() {
    let place = place("level2-labels");
    let labels = place.text("run/labels.txt");
    let mut turned: Vec<&str> = labels.lines().collect();
    turned.rotate_left(1);
    place.write("run/labels.txt", turned.join("\n") + "\n");
    place.run("stack run").failed(&["run/jobs/a/fold0", "another run/labels.txt"]);
    // A job of before marks had the sums is found out by its columns.
    for (job, bytes) in shared().tree("run/jobs") {
        if job.ends_with("job.json") {
            let mut mark: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            mark.as_object_mut().unwrap().remove("origin").unwrap();
            place.write(&format!("run/jobs/{job}"), mark.to_string());
        }
    }
    place.run("stack run").failed(&["the classes of run/jobs/a/fold0/predictions.csv", "run/labels.txt"]);
    place.write("run/labels.txt", labels);
    place.run("stack run").done();
}
