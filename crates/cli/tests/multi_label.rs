//! Clips with several labels, through the binary: data, training, level 2, scores, report, tags,
//! and settings that do not fit them.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::path::Path;

use common::{Place, TRAIN, csv, distance_of_tags_to_level2};
use serde_json::Value;

const SYNTH: &str = "synth --out data --seed 3 --train-clips 180 --test-clips 48 --multi-label";

const RECIPE: &str = r#"
seed = 1

[data]
folds = 3

[features.summary]
kind = "summary"
n_mels = 40

[features.logmel]
kind = "logmel"
hop_length = 512

[[learners]]
name = "kernel"
arch = "kernel"
features = "summary"

[[learners]]
name = "network"
arch = "resnet_nano"
features = "logmel"
loss = "bce"
normalization = "channel"
mixup = 0.3
label_smoothing = 0.05
epochs = 16
batch_size = 16
learning_rate = 0.004
optimizer = "adamw"
unverified_weight = 0.5

[stack]
kind = "mean"
"#;

/// A score of a model, out of fold or on the test clips.
fn score(results: &Value, model: &str, set: &str, score: &str) -> f64 {
    let models = results["systems"].as_array().unwrap();
    let model = models.iter().find(|of| of["name"] == model).unwrap();
    model[set][score].as_f64().unwrap_or_else(|| panic!("{set} {score}: {model}"))
}

#[test]
fn the_whole_road() {
    let place = Place::new("multi-label");
    place.run(SYNTH).done();
    let report = place.run("data check data --json").done().json();
    assert_eq!((&report["task"], &report["train"], &report["errors"]), (&"multi_label".into(), &180.into(), &0.into()));
    assert!(report["labels"].as_u64().unwrap() > 270, "{report}");
    place.write("recipe.toml", RECIPE);
    let shown = place.run(TRAIN).done().stdout;
    assert!(shown.contains("lwlrap") && shown.contains("threshold"), "{shown}");

    let results = place.json("run/results.json");
    for (model, set, least) in [
        ("kernel", "out_of_fold", 0.4),
        ("network", "out_of_fold", 0.3),
        ("stack", "out_of_fold", 0.45),
        ("stack", "test", 0.45),
    ] {
        let map = score(&results, model, set, "macro_average_precision");
        assert!(map > least, "{model} {set}: {map}");
        let interval = &results["systems"].as_array().unwrap().iter().find(|of| of["name"] == model).unwrap()[set];
        let interval = &interval["intervals"]["macro_average_precision"];
        assert!(interval["low"].as_f64() < Some(map) && interval["high"].as_f64() > Some(map), "{interval}");
    }
    for name in ["macro_average_precision", "lwlrap", "d_prime"] {
        assert_eq!(score(&results, "stack", "test", name), score(&results, "arithmetic mean", "test", name));
    }
    let again = place.run("evaluate run --json").done().json();
    assert_eq!(again, results);
    co_occurrences(&place, &results);
    let jobs = place.run("evaluate run --jobs --json").done().json();
    assert!(jobs.as_array().unwrap().iter().all(|job| job["lwlrap"].as_f64() > Some(0.2)), "{jobs}");

    // Folds keep no class for themselves, and labels are stored as documented.
    let (header, rows) = csv(&place.text("run/splits.csv"));
    let label = header.iter().position(|name| name == "label").unwrap();
    assert!(rows.iter().any(|row| row[label].split('\t').count() == 3), "{header:?}");
    let page = place.text("run/report.html");
    assert!(page.contains("Co-occurrence") && !page.contains("Confusion matrix"));
    for plot in ["co-occurrence", "precision-recall", "classes", "curves-network"] {
        assert!(place.path(&format!("run/report/{plot}.svg")).exists(), "{plot}");
    }

    tags(&place, &results);
    linear_model(&place, &results);
}

/// The clips of a label and those that are given it, by the thresholds.
fn co_occurrences(place: &Place, results: &Value) {
    assert!(!place.path("run/confusion.csv").exists());
    let stack = results["systems"].as_array().unwrap().last().unwrap();
    for (set, file) in [("out_of_fold", "run/co_occurrence.csv"), ("test", "run/co_occurrence_test.csv")] {
        let (header, rows) = csv(&place.text(file));
        let counts: Vec<Vec<f64>> =
            rows.iter().map(|row| row[1..].iter().map(|count| count.parse().unwrap()).collect()).collect();
        assert_eq!((header.len(), counts.len()), (13, 12));
        for (class, score) in stack[set]["per_class"].as_array().unwrap().iter().enumerate() {
            assert_eq!((&score["label"], &header[class + 1]), (&rows[class][0].as_str().into(), &rows[class][0]));
            let (clips, right) = (score["clips"].as_f64().unwrap(), counts[class][class]);
            // F1 = 2 right / (clips + given): a label is given to as many clips or more.
            let f1 = score["f1"].as_f64().unwrap();
            assert!(right <= clips && f1 <= 2.0 * right / (clips + right) + 1e-12, "{score}: {right}");
            assert!((f1 == 0.0) == (right == 0.0), "{score}: {right}");
        }
    }
}

/// Tags with the bundle as it was judged, and gives the labels that reach their thresholds.
fn tags(place: &Place, results: &Value) {
    tags_are_close(place);
    let config = place.json("run/bundle/config.json");
    let per_class = results["systems"].as_array().unwrap().last().unwrap()["out_of_fold"]["per_class"].clone();
    let thresholds: Vec<&Value> = per_class.as_array().unwrap().iter().map(|class| &class["threshold"]).collect();
    assert_eq!(config["activation"], "sigmoid");
    assert!(config["thresholds"].as_array().unwrap().iter().eq(thresholds), "{config}");

    let all = place.run("tag data/test --model run/bundle --all --json").done().json();
    let given = place.run("tag data/test --model run/bundle --json").done().json();
    let reaches = |tag: &Value| tag["score"].as_f64() >= tag["threshold"].as_f64();
    let (mut most, mut none) = (0, 0);
    for (all, given) in all.as_array().unwrap().iter().zip(given.as_array().unwrap()) {
        let tags = all["tags"].as_array().unwrap();
        assert_eq!(tags.len(), 12);
        let reached: Vec<&Value> = tags.iter().filter(|tag| reaches(tag)).collect();
        assert!(given["tags"].as_array().unwrap().iter().eq(reached.iter().copied()), "{given}");
        most = most.max(reached.len());
        none += usize::from(reached.is_empty());
    }
    assert!(most >= 2 && none < 12, "{most} {none}");
    let lines = place.run("tag data/test --model run/bundle --top 1").done().stdout;
    assert_eq!(lines.lines().count(), 48 + 48 - none, "{lines}");

    place.run("predict run --out s.csv --probabilities p.csv").done();
    assert_eq!(place.read("s.csv"), place.read("p.csv"));
    assert_eq!(csv(&place.text("s.csv")).0.len(), 13);
}

/// Platt's factors multiply the rounding difference between libtorch and ONNX Runtime.
fn tags_are_close(place: &Place) {
    let distance = distance_of_tags_to_level2(place, Path::new(env!("CARGO_BIN_EXE_earmark")));
    assert!(distance < 5e-5, "a tag is {distance:.2e} from level 2");
}

/// A logistic regression of each class on the MFCC statistics is level 2 without any learner: it is
/// shown beside the networks, and is clearly worse.
fn linear_model(place: &Place, before: &Value) {
    for (name, bytes) in place.tree("run").into_iter().filter(|(name, _)| !name.starts_with("cache/")) {
        place.write(&format!("before/{name}"), bytes);
    }
    let recipe = place.text("run/recipe.toml");
    let linear = recipe.replace("kind = \"mean\"", "kind = \"logistic\"");
    let (head, features) = linear.split_once("\nfeatures = [").unwrap();
    let (_, tail) = features.split_once("]\n").unwrap();
    place.write("run/recipe.toml", format!("{head}\nfeatures = [\"mfcc_statistics\"]\n{tail}"));
    place.run("stack run").done();
    let results = place.json("run/results.json");
    for set in ["out_of_fold", "test"] {
        let map = |model| score(&results, model, set, "macro_average_precision");
        let (linear, kernel, network) = (map("stack"), map("kernel"), map("network"));
        assert_eq!(kernel, score(before, "kernel", set, "macro_average_precision"));
        assert!(linear + 0.05 < kernel && linear + 0.02 < network, "{set}: {linear} {kernel} {network}");
    }
    let compared = place.run("compare before run --json").done().json();
    assert_eq!(compared["task"], "multi_label");
    for set in ["out_of_fold", "test"] {
        for (score_, at) in [("macro_average_precision", 0), ("micro_average_precision", 1), ("lwlrap", 2)] {
            let ours = &compared[set]["scores"][at];
            let expected = score(&results, "stack", set, score_) - score(before, "stack", set, score_);
            assert_eq!(ours["score"], score_);
            assert!((ours["difference"].as_f64().unwrap() - expected).abs() < 1e-12, "{ours}, not {expected}");
        }
        assert!(compared[set]["scores"][0]["interval"]["high"].as_f64() < Some(0.0), "{compared}");
    }
    let shown = place.run("evaluate run").done().stdout;
    assert!(["stack  ", "kernel  ", "network  "].iter().all(|model| shown.contains(model)), "{shown}");
    tags_are_close(place);
    assert!(place.path("run/level2/logistic.json").exists() && place.path("run/level2/importance.csv").exists());
}

#[test]
fn what_does_not_fit_several_labels() {
    let place = Place::new("multi-label-faults");
    place.run(&SYNTH.replace("180", "60").replace("48", "12")).done();
    place.run("synth --out single --train-clips 60 --test-clips 12").done();
    let with = |recipe: String, data: &str| {
        place.write("recipe.toml", recipe);
        place.run(&format!("train --recipe recipe.toml --out run --data {data}")).failed()
    };
    with(RECIPE.replace("loss = \"bce\"", ""), "data");
    with(RECIPE.to_owned(), "single");
    with(RECIPE.replace("kind = \"mean\"", "kind = \"xgboost\""), "data");
    with(RECIPE.to_owned(), "single --label-separator ;");
    with(RECIPE.to_owned(), "data --label-columns Bark,Cat");
    with(RECIPE.to_owned(), "data --verified-by single");
    with(RECIPE.replace("arch = \"kernel\"", "arch = \"kernel\"\nloss = \"bce\""), "data");
    assert!(!place.path("run").exists());
}
