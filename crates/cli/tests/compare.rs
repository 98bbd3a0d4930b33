//! `earmark compare` through the binary: two runs on the same clips, and runs that cannot be
//! compared.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use common::{Place, TRAIN, csv};
use serde_json::Value;

/// A learner that is trained within a second.
const RECIPE: &str = r#"
seed = 3

[data]
folds = 2

[features.summary]
kind = "summary"
n_mels = 40

[[learners]]
name = "k"
arch = "kernel"
features = "summary"

[stack]
kind = "mean"
"#;

/// Trains a run `out` of a recipe on `data`.
fn train(place: &Place, recipe: &str, data: &str, out: &str) {
    place.write("recipe.toml", recipe);
    let words = TRAIN.replace("--data data --out run", &format!("--data {data} --out {out}"));
    place.run(&format!("{words} --cache cache")).done();
}

/// The scores of a set by name, without those of the classes.
fn scores(set: &Value) -> Vec<(&str, &Value)> {
    let scores = set["scores"].as_array().unwrap().iter();
    scores.map(|score| (score["score"].as_str().unwrap(), score)).collect()
}

fn close(a: &Value, b: f64) {
    assert!((a.as_f64().unwrap() - b).abs() < 1e-12, "{a}, not {b}");
}

#[test]
fn two_runs_on_the_same_clips() {
    let place = Place::with_data("compare");
    train(&place, RECIPE, "data", "a");
    // Class weights and a much larger penalty.
    let other = "arch = \"kernel\"\nclass_weight = \"balanced\"\nkernel = { alpha = 30.0, gamma = 0.7 }";
    train(&place, &RECIPE.replace("arch = \"kernel\"", other), "data", "b");
    let compared = place.run("compare a b --json").done().json();
    assert_eq!((&compared["runs"], &compared["model"]), (&serde_json::json!(["a", "b"]), &"stack".into()));
    let results = ["a/results.json", "b/results.json"].map(|name| place.json(name));
    let stacks = results.each_ref().map(|results| results["systems"].as_array().unwrap().last().unwrap());
    let mut different = 0;
    for (set, clips) in [("out_of_fold", 60), ("test", 12)] {
        let of_set = &compared[set];
        assert_eq!(of_set["clips"], clips);
        for (name, score) in scores(of_set) {
            let [a, b] = stacks.map(|stack| stack[set][name].as_f64().unwrap());
            close(&score["a"], a);
            close(&score["b"], b);
            close(&score["difference"], b - a);
            let [low, high] = ["low", "high"].map(|end| score["interval"][end].as_f64().unwrap());
            assert!(low <= b - a && b - a <= high, "{score}");
            different += usize::from(a != b);
        }
        for (class, row) in of_set["per_class"].as_array().unwrap().iter().enumerate() {
            let known = stacks.map(|stack| &stack[set]["per_class"][class]);
            assert_eq!((&row["label"], &row["clips"]), (&known[0]["label"], &known[0]["clips"]));
            let ours = &row["scores"][1];
            assert_eq!(ours["score"], "average_precision");
            if !known[0]["average_precision"].is_null() {
                close(&ours["a"], known[0]["average_precision"].as_f64().unwrap());
                close(&ours["b"], known[1]["average_precision"].as_f64().unwrap());
            }
        }
    }
    assert!(different >= 4, "{compared}");
    // The recall of the classes is the diagonal of the confusion matrix.
    let (_, matrix) = csv(&place.text("a/confusion.csv"));
    for (class, row) in matrix.iter().enumerate() {
        let counts: Vec<f64> = row[1..].iter().map(|count| count.parse().unwrap()).collect();
        let recall = &compared["out_of_fold"]["per_class"][class]["scores"][0];
        assert_eq!(recall["score"], "recall");
        close(&recall["a"], counts[class] / counts.iter().sum::<f64>());
    }

    let shown = place.run("compare a b").done().stdout;
    for text in ["out of fold, 60 clips", "test, 12 clips", "B minus A", "mAP@3", "recall A", "2000 bootstrap"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    // The mean of one learner is the learner.
    let learner = place.run("compare a b --model k --json").done().json();
    assert_eq!(learner["out_of_fold"], compared["out_of_fold"]);
    let same = place.run("compare a a --json").done().json();
    assert!(scores(&same["out_of_fold"]).iter().all(|(_, score)| score["difference"] == 0.0), "{same}");
    place.run("compare a b --model x").failed();
    place.run("compare a data").failed();
    place.remove("b/level2");
    place.run("compare a b").failed();
}

#[test]
fn runs_that_cannot_be_compared() {
    let place = Place::with_data("compare-other");
    train(&place, RECIPE, "data", "a");
    let table = place.text("data/train.csv");
    let lines: Vec<&str> = table.lines().collect();

    // Without the last two clips.
    place.copy("data", "fewer");
    place.write("fewer/train.csv", lines[..lines.len() - 2].join("\n") + "\n");
    train(&place, RECIPE, "fewer", "b");
    place.run("compare a b").failed();
    place.run("compare b a").failed();
    let common = place.run("compare a b --common --json").done().json();
    assert_eq!((&common["out_of_fold"]["clips"], &common["only"]), (&58.into(), &serde_json::json!([2, 0])));
    assert!(place.run("compare b a --common").done().stdout.contains("0 clips that only A has, 2 that only B has"));

    // No clip has the same name, which --common does not change.
    place.copy("data", "others");
    for name in ["train.csv", "test.csv"] {
        place.write(&format!("others/{name}"), place.text(&format!("data/{name}")).replace(".wav,", "-2.wav,"));
    }
    for set in ["audio_train", "audio_test"] {
        place.remove(&format!("others/{set}"));
        for (name, bytes) in place.tree(&format!("data/{set}")) {
            place.write(&format!("others/{set}/{}", name.replace(".wav", "-2.wav")), bytes);
        }
    }
    train(&place, RECIPE, "others", "f");
    place.run("compare a f").failed();
    place.run("compare a f --common").failed();

    // One clip has another label.
    let label = |line: &str| line.split(',').nth(1).unwrap().to_owned();
    let first = label(lines[1]);
    let other = lines[1..].iter().map(|line| label(line)).find(|other| *other != first).unwrap();
    place.copy("data", "relabelled");
    place.write("relabelled/train.csv", table.replacen(&format!(",{first},"), &format!(",{other},"), 1));
    train(&place, RECIPE, "relabelled", "c");
    place.run("compare a c").failed();
    place.run("compare a c --common").failed();

    // A class has another name.
    place.copy("data", "renamed");
    for name in ["train.csv", "test.csv"] {
        place.write(&format!("renamed/{name}"), place.text(&format!("data/{name}")).replace(&first, "Other"));
    }
    train(&place, RECIPE, "renamed", "d");
    place.run("compare a d").failed();

    // Clips that may have several labels.
    place.copy("data", "several");
    place.write("several/train.csv", table.replacen(&format!(",{first},"), &format!(",{first};{other},"), 1));
    train(&place, RECIPE, "several --label-separator ;", "e");
    place.run("compare a e").failed();
}
