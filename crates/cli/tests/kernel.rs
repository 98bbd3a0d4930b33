//! A kernel machine next to a network, through the binary: training, scores, tagging, and invalid
//! settings.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::path::Path;

use common::{Place, RECIPE, SYNTH, TRAIN, TRAIN_ALONE, csv, distance_of_tags_to_level2, tags_are_those_of_level2};
use earmark_nets::Weights;

/// [`RECIPE`] with a kernel `k` that has these extra lines instead of the network `b`.
fn recipe(lines: &str) -> String {
    let (first, rest) = RECIPE.split_once("[[learners]]\nname = \"b\"").unwrap();
    let (_, stack) = rest.split_once("[stack]").unwrap();
    let features = "[features.summary]\nkind = \"summary\"\nn_mels = 40\n\n[features.logmel]";
    let first = first.replace("[features.logmel]", features);
    format!("{first}[[learners]]\nname = \"k\"\narch = \"kernel\"\nfeatures = \"summary\"\n{lines}\n[stack]{stack}")
}

#[test]
fn a_kernel_learns_at_once_and_tags_as_it_was_judged() {
    let place = Place::with_data("kernel");
    place.write("recipe.toml", recipe("unverified_weight = 0.5"));
    let plan = place.run(&format!("{TRAIN} --plan --json")).done().json();
    let jobs = plan["jobs"].as_array().unwrap();
    assert!(jobs.iter().any(|job| job["learner"] == "k" && job["epochs"] == 1 && job["seconds"].as_f64() > Some(0.0)));
    place.run(TRAIN).done();
    tags_are_those_of_level2(&place, Path::new(env!("CARGO_BIN_EXE_earmark")));

    // The leave-one-out accuracy must be far above chance, which is one in twelve.
    let (header, rows) = csv(&place.text("run/jobs/k/full/history.csv"));
    let accuracy = header.iter().position(|name| name == "accuracy").unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0][accuracy].parse::<f64>().unwrap() > 0.3, "{rows:?}");
    let results = place.json("run/results.json");
    let of_kernel = results["systems"].as_array().unwrap().iter().find(|system| system["name"] == "k");
    assert!(of_kernel.unwrap()["out_of_fold"]["accuracy"].as_f64().unwrap() > 0.3, "{results}");
    let jobs = place.run("evaluate run --jobs --json").done().json();
    let full = jobs.as_array().unwrap().iter().find(|job| job["learner"] == "k" && job["split"] == "full").unwrap();
    assert_eq!(full["parameters"], parameters(&place, 60), "{full}");

    let page = place.text("run/report.html");
    assert!(page.contains("Kernels and linear models are fitted at once and have no curve"));
    assert!(place.path("run/report/curves-a.svg").exists() && !place.path("run/report/curves-k.svg").exists());

    let before = place.tree("run/jobs");
    place.run(TRAIN).done();
    assert_eq!(place.tree("run/jobs"), before);
    // Training it again gives identical results.
    place.remove("run/jobs/k");
    place.run(TRAIN).done();
    let same = |name: &str| place.read(&format!("run/jobs/k/full/{name}")) == before[&format!("k/full/{name}")];
    assert!(same("weights.safetensors") && same("predictions.csv"));
}

#[test]
fn a_calibrated_stack_answers_the_same_and_tags_as_it_was_judged() {
    let (place, binary) = (Place::new("kernel-calibrated"), Path::new(env!("CARGO_BIN_EXE_earmark")));
    place.run(&SYNTH.replace("--train-clips 60", "--train-clips 240")).done();
    place.write(
        "recipe.toml",
        "seed = 7\n[data]\nfolds = 3\n[features.summary]\nkind = \"summary\"\nn_mels = 40\n[[learners]]\n\
             name = \"k\"\narch = \"kernel\"\nfeatures = \"summary\"\n[stack]\nkind = \"logistic\"\n\
             features = [\"probabilities\"]\nc = 0.01\n",
    );
    place.run(TRAIN).done();
    let (_, plain) = csv(&place.text("run/level2/oof.csv"));
    let recipe = place.text("run/recipe.toml");
    assert!(recipe.contains("temperature_scaling = false"), "{recipe}");
    place.write("run/recipe.toml", recipe.replace("temperature_scaling = false", "temperature_scaling = true"));
    tags_are_those_of_level2(&place, binary);
    place.run("stack run").done();
    // After temperature scaling, the margins grow 10 times as fast as a probability of the learner,
    // and so does the rounding difference between libtorch and ONNX Runtime, 1e-6.
    let distance = distance_of_tags_to_level2(&place, binary);
    assert!(distance < 2e-5, "a tag is {distance:.2e} from level 2");
    let (_, calibrated) = csv(&place.text("run/level2/oof.csv"));
    let best = |row: &[String]| {
        let values: Vec<f64> = row[1..].iter().map(|value| value.parse().unwrap()).collect();
        let best = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap();
        (best, values[best])
    };
    let sure = |rows: &[Vec<String>]| rows.iter().map(|row| best(row).1).sum::<f64>() / rows.len() as f64;
    assert!(plain.iter().zip(&calibrated).all(|(a, b)| a[0] == b[0] && best(a).0 == best(b).0));
    // With such strong regularization, the model's confidence is far below its accuracy.
    let results = place.json("run/results.json");
    let stack = results["systems"].as_array().unwrap().last().unwrap();
    let accuracy = stack["out_of_fold"]["accuracy"].as_f64().unwrap();
    let (before, after) = (sure(&plain), sure(&calibrated));
    assert!((after - accuracy).abs() < (before - accuracy).abs() / 2.0, "{before} {after} {accuracy}");
    assert!(place.text("run/report.html").contains("Why the stack is not better: it was fitted on 240 clips"));
}

/// The number of trained parameters of a kernel with this many centers: 40 bands and 20
/// coefficients summarized in ten ways, 14 groups and 20 coefficients in eight octaves, and each
/// pair of groups.
fn parameters(place: &Place, centres: usize) -> usize {
    let features = 10 * 60 + 8 * 34 + 14 * 13 / 2;
    let classes = place.text("run/labels.txt").lines().count();
    features * centres + (centres + 1) * classes
}

#[test]
fn unverified_clips_can_be_left_out() {
    let place = Place::with_data("kernel-verified");
    place.write("recipe.toml", recipe("unverified_weight = 0.0\nkernel = { alpha = 0.1, gamma = 1.0 }"));
    place.run(&format!("{TRAIN_ALONE} --job k/full")).done();
    let verified = csv(&place.text("data/train.csv")).1.iter().filter(|row| row[2] == "1").count();
    let weights = Weights::from_safetensors(&place.read("run/jobs/k/full/weights.safetensors")).unwrap();
    assert_eq!(earmark_nets::kernel::centres(&weights), Some(verified));
    assert!(verified > 10 && verified < 60, "{verified}");
    let plan = place.run(&format!("{TRAIN_ALONE} --job k/full --plan --json")).done().json();
    assert_eq!(plan["jobs"][0]["clips"], verified, "{plan}");
    // If no clip is verified, none is left.
    let none: Vec<String> = place.text("data/train.csv").lines().map(|line| line.replace(",1", ",0")).collect();
    place.write("data/train.csv", none.join("\n") + "\n");
    for plan in ["", " --plan"] {
        place.run(&format!("{} --out other{plan}", TRAIN.replace(" --out run", ""))).failed();
    }
}

#[test]
fn class_weights_that_cannot_be() {
    let place = Place::with_data("kernel-class-weight");
    for setting in ["{ flut = 2.0 }", "{ Flute = 0.0 }", "\"balance\""] {
        place.write("recipe.toml", recipe(&format!("class_weight = {setting}")));
        place.run(TRAIN).failed();
    }
    assert!(!place.path("run/splits.csv").exists());
}

/// If the learners have different features, a job only computes those of its learner.
#[test]
fn a_job_computes_the_features_that_it_needs() {
    let place = Place::with_data("kernel-features");
    place.write("recipe.toml", recipe(""));
    for (part, cache) in [("--shard 1/6", "of-shard"), ("--job a/full", "of-a"), ("--job k/full", "of-k")] {
        place.run(&format!("{TRAIN_ALONE} {part} --cache {cache}")).done();
        assert_eq!(place.tree(cache).len(), 2 * (60 + 12), "{part}: statistics and one front end");
    }
    place.run(&format!("{TRAIN} --cache of-k")).done();
    assert_eq!(place.tree("of-k").len(), 3 * (60 + 12), "statistics and both front ends");
}
