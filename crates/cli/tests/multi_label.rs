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
    for plot in ["co-occurrence", "precision-recall", "classes", "curves-network", "reliability"] {
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

/// Learners that are fitted in seconds.
const QUICK: &str = r#"
seed = 1

[data]
folds = 4

[features.summary]
kind = "summary"
n_mels = 40

[features.fast]
kind = "summary"
n_fft = 512
hop_length = 256

[[learners]]
name = "kernel"
arch = "kernel"
features = "summary"

[[learners]]
name = "linear"
arch = "linear"
features = "fast"

[stack]
kind = "auto"
rounds = 15
"#;

/// Level 2 chooses by itself; then each kind in turn, with its files, ablation and bundle.
#[test]
fn every_kind_of_level_2() {
    let place = Place::new("multi-label-level2");
    place.run(SYNTH).done();
    place.write("recipe.toml", QUICK);
    place.run(TRAIN).done();
    let choice = place.json("run/level2/choice.json");
    let candidates = choice["candidates"].as_array().unwrap();
    assert_eq!((candidates.len(), choice["folds"].as_array().unwrap().len()), (11, 4), "{choice}");
    assert_eq!(choice["excluded"].as_array().unwrap().len(), 0, "{choice}");
    for candidate in candidates {
        let interval = &candidate["macro_average_precision_interval"];
        let of = candidate["macro_average_precision"].as_f64();
        assert!(interval["low"].as_f64() < of && of < interval["high"].as_f64(), "{candidate}");
    }
    let chosen = candidates.iter().find(|of| of["name"] == choice["chosen"]).unwrap();
    let results = place.json("run/results.json");
    let nested = score(&results, "stack", "out_of_fold", "macro_average_precision");
    let minus = chosen["stack_minus_macro_average_precision"]["value"].as_f64().unwrap();
    assert!((chosen["macro_average_precision"].as_f64().unwrap() + minus - nested).abs() < 1e-9);
    ablation(&place, &["-"]);
    tags_are_close(&place);
    let page = place.text("run/report.html");
    for section in ["Choice of the combination", "Calibration", "Hardest clips", "Ablation", "binary cross-entropy"] {
        assert!(page.contains(section), "{section}");
    }

    let kinds = [
        ("weighted_mean", ["rounds = 15", "rounds = 15"], "weights.json"),
        ("logistic", ["temperature_scaling = false", "temperature_scaling = true"], "logistic.json"),
        ("xgboost", ["early_stopping_rounds = 0", "early_stopping_rounds = 3"], "booster.json"),
    ];
    let recipe = place.text("run/recipe.toml");
    for (kind, [default, setting], file) in kinds {
        assert!(recipe.contains(default), "{recipe}");
        let kind_of = recipe.replace("kind = \"auto\"", &format!("kind = \"{kind}\""));
        place.write("run/recipe.toml", kind_of.replace(default, setting));
        place.run("stack run").done();
        assert!(place.path(&format!("run/level2/{file}")).exists() && !place.path("run/level2/choice.json").exists());
        assert!(place.path("run/level2/importance.csv").exists(), "{kind}");
        let statistics = if kind == "weighted_mean" { None } else { Some("mfcc_statistics") };
        ablation(&place, &["-", "kernel", "linear"].into_iter().chain(statistics).collect::<Vec<_>>());
        let results = place.json("run/results.json");
        let map = score(&results, "stack", "out_of_fold", "macro_average_precision");
        assert!(map > 0.4, "{kind}: {map}");
        tags_are_close(&place);
    }
    submission(&place);
    verified_by(&place);
}

/// The rows of the ablation, at least those named; the first has the scores of the stack itself.
#[track_caller]
fn ablation(place: &Place, names: &[&str]) {
    let (header, rows) = csv(&place.text("run/level2/ablation.csv"));
    assert_eq!(header, ["without", "macro_average_precision", "micro_average_precision", "lwlrap"]);
    let found: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert!(names.iter().all(|name| found.contains(name)), "{found:?}");
    let numbers = rows.iter().flat_map(|row| &row[1..]).map(|number| number.parse::<f64>().unwrap());
    assert!(numbers.into_iter().all(|score| score > 0.0 && score < 1.0));
    if !place.path("run/level2/choice.json").exists() {
        let own = score(&place.json("run/results.json"), "stack", "out_of_fold", "lwlrap");
        assert!((rows[0][3].parse::<f64>().unwrap() - own).abs() < 1e-9);
    }
}

/// The test clips' predictions, scored as a submission, have the scores of the run.
fn submission(place: &Place) {
    place.run("predict run --out s.csv").done();
    let truth = "--truth data/test_post_competition.csv";
    let scores = place.run(&format!("evaluate --submission s.csv {truth} --json")).done().json();
    let sets = scores["sets"].as_array().unwrap();
    let usages: Vec<&str> = sets.iter().map(|set| set["usage"].as_str().unwrap()).collect();
    assert_eq!(usages, ["all", "Public", "Private"]);
    let results = place.json("run/results.json");
    for name in ["macro_average_precision", "micro_average_precision", "lwlrap", "macro_roc_auc", "coverage_error"] {
        let (all, expected) = (sets[0][name].as_f64().unwrap(), score(&results, "stack", "test", name));
        assert!((all - expected).abs() < 1e-9, "{name}: {all} {expected}");
        assert_eq!(sets[0]["clips"], 48);
    }
    let shown = place.run(&format!("evaluate --submission s.csv {truth}")).done().stdout;
    assert!(["lwlrap", "macro F1", "Private", "thresholds"].iter().all(|word| shown.contains(word)), "{shown}");
    place.write("labels.csv", "fname,label\nx.wav,Bark\n");
    place.run(&format!("evaluate --submission labels.csv {truth}")).failed();
    let unknown = place.text("data/test_post_competition.csv").replacen('"', "\"Yodel,", 1);
    place.write("truth.csv", unknown);
    place.run("evaluate --submission s.csv --truth truth.csv").failed();
}

/// An unverified clip whose labels the run predicts counts as verified.
fn verified_by(place: &Place) {
    let recipe = QUICK.replace("kind = \"auto\"", "kind = \"mean\"\nunverified_weight = 0.3");
    place.write("recipe.toml", recipe);
    let ran = place.run("train --recipe recipe.toml --data data --out second --verified-by run").done();
    assert!(place.path("second/verified.json").exists(), "{ran}");
    let verified = |run: &str| -> std::collections::BTreeMap<String, (String, bool)> {
        let (_, rows) = csv(&place.text(&format!("{run}/splits.csv")));
        let train = rows.into_iter().filter(|row| row[1] == "train");
        train.map(|row| (row[0].clone(), (row[2].clone(), row[3] == "true"))).collect()
    };
    // The labels that the stack of the first run gives at its thresholds.
    let config = place.json("run/bundle/config.json");
    let thresholds: Vec<f64> =
        config["thresholds"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    let (classes, table) = common::probabilities(&place.text("run/level2/oof.csv"));
    let (before, after) = (verified("run"), verified("second"));
    let mut counts = [0; 2];
    for (name, (labels, was)) in before {
        let given = table[&name].iter().zip(&thresholds).zip(&classes);
        let given = given.filter(|((value, threshold), _)| (**value as f32) >= **threshold as f32);
        let agrees = given.map(|(_, class)| class.as_str()).eq(labels.split('\t'));
        assert_eq!(after[&name].1, was || agrees, "{name}");
        if !was {
            counts[usize::from(agrees)] += 1;
        }
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
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
    with(include_str!("../../../recipes/fast.toml").to_owned(), "data");
    with(RECIPE.to_owned(), "single --label-separator ;");
    with(RECIPE.to_owned(), "data --label-columns Bark,Cat");
    place.write("single.toml", QUICK.replace("kind = \"auto\"", "kind = \"mean\""));
    place.run("train --recipe single.toml --data single --out of-one-label").done();
    with(RECIPE.to_owned(), "data --verified-by of-one-label");
    with(RECIPE.replace("arch = \"kernel\"", "arch = \"kernel\"\nloss = \"bce\""), "data");
    assert!(!place.path("run").exists());
}
