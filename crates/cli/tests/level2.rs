//! Level 2 through the binary: which networks predict, how the stack is fitted, and rows that do
//! not belong together.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::path::Path;

use common::{Place, RECIPE, SYNTH, TRAIN, TRAIN_ALONE, clips, csv, probabilities, shared, tags_are_those_of_level2};
use earmark_files::sha256;

const BINARY: &str = env!("CARGO_BIN_EXE_earmark");

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

/// With `test_from = "folds"` no network is trained on all clips; the networks of the folds predict
/// together.
#[test]
fn networks_of_the_folds_predict_and_tag_together() {
    let place = Place::with_data("level2-folds");
    place.copy_from(shared(), "run/cache");
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

/// Changes the predictions of a job, and updates the checksum in its record.
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
    let repair = || whole.iter().for_each(|(name, bytes)| place.write(&format!("run/jobs/a/fold1/{name}"), bytes));
    place.remove("run/jobs/a/fold1");
    place.run("stack run").failed();
    repair();
    let header_alone = |text: String| text.lines().next().unwrap().to_owned() + "\n";
    rewrite(&place, "a/fold1", header_alone);
    place.run("stack run").failed();
    repair();
    rewrite(&place, "a/fold1", |text| text[..text.trim_end().rfind('\n').unwrap() + 1].to_owned());
    place.run("stack run").failed();
    repair();
    let row = place.text("run/jobs/a/fold0/predictions.csv").lines().last().unwrap().to_owned();
    rewrite(&place, "a/fold1", |text| format!("{text}{row}\n"));
    place.run("stack run").failed();
    repair();
    place.run("stack run").done();
}

#[test]
fn rows_of_two_runs() {
    let other = Place::new("level2-other");
    other.copy_from(shared(), "data");
    let place = place("level2-mixed");
    let job = format!("{TRAIN_ALONE} --job a/fold0 --cache cache");
    let swap = |from: &Place| {
        place.remove("run/jobs/a/fold0");
        for (name, bytes) in from.tree("run/jobs/a/fold0") {
            place.write(&format!("run/jobs/a/fold0/{name}"), bytes);
        }
    };
    // Other settings of the learner, on the same clips and folds.
    other.write("recipe.toml", RECIPE.replace("mixup = 3.0", "mixup = 2.0"));
    other.run(&job).done();
    swap(&other);
    place.run("stack run").failed();
    // Another seed draws other folds.
    other.remove("run");
    other.write("recipe.toml", RECIPE.replace("seed = 7", "seed = 8"));
    other.run(&job).done();
    swap(&other);
    place.run("stack run").failed();
    // Other verified labels and another [data]; folds and labels are the same.
    other.write("recipe.toml", RECIPE);
    for (what, spoil) in [("verified", ",1\n"), ("limits", "")] {
        println!("{what}");
        other.remove("run");
        if spoil.is_empty() {
            other.write("recipe.toml", RECIPE.replace("folds = 2", "folds = 2\ncache_precision = \"f16\""));
        } else {
            let table = other.text("data/train.csv");
            other.write("data/train.csv", table.replacen(spoil, ",0\n", 1));
        }
        other.run(&job).done();
        swap(&other);
        place.run("stack run").failed();
        other.remove("data");
        other.copy_from(shared(), "data");
    }
    swap(shared());
    // Only the predictions, without their record.
    place.write("run/jobs/a/fold0/predictions.csv", other.read("run/jobs/a/fold0/predictions.csv"));
    place.run("stack run").failed();
    swap(shared());
    place.run("stack run").done();
}

/// Makes the records of jobs like those of older runs, without the checksums of their inputs.
fn forget_origins(place: &Place) {
    for (job, bytes) in place.tree("run/jobs") {
        if job.ends_with("job.json") {
            let mut mark: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            mark.as_object_mut().unwrap().remove("origin").unwrap();
            place.write(&format!("run/jobs/{job}"), mark.to_string());
        }
    }
}

#[test]
fn labels_that_changed() {
    let place = place("level2-labels");
    let labels = place.text("run/labels.txt");
    let mut turned: Vec<&str> = labels.lines().collect();
    turned.rotate_left(1);
    place.write("run/labels.txt", turned.join("\n") + "\n");
    place.run("stack run").failed();
    // A job of before marks had the sums is found out by its columns.
    forget_origins(&place);
    place.run("stack run").failed();
    place.write("run/labels.txt", labels);
    place.run("stack run").done();
}

/// Writes the settings of level 2 into the run's recipe.
fn set_stack(place: &Place, settings: &str) {
    let recipe = place.text("run/recipe.toml");
    let before = &recipe[..recipe.find("[stack]").unwrap()];
    place.write("run/recipe.toml", format!("{before}[stack]\nrounds = 5\n{settings}\n"));
}

#[test]
fn a_stack_of_other_settings_is_not_taken_for_this_one() {
    let place = place("level2-stale");
    place.copy_from(shared(), "data");
    place.write("recipe.toml", RECIPE);
    let report = || {
        place.run("report run").done();
        place.text("run/report.html")
    };
    assert!(report().contains("Ablation") && !report().contains("The stack is not shown"));
    set_stack(&place, "kind = 'mean'");
    let reason = "run/level2 was made with a different run/recipe.toml";
    place.run("evaluate run").failed();
    place.run("predict run --out s.csv").failed();
    place.run(&TRAIN.replace("--out run", "--out other --verified-by run")).failed();
    assert!(report().contains(&format!("The stack is not shown: {reason}")));
    assert!(!place.path("s.csv").exists() && !report().contains("gain of the trees"));
    place.run("stack run").done();
    place.run("evaluate run").done();
    assert!(!report().contains("The stack is not shown"));
    // Labels of training clips must not change; those of test clips may become known later.
    let splits = place.text("run/splits.csv");
    place.write("run/splits.csv", splits.replacen(",true,", ",false,", 1));
    place.run("evaluate run").failed();
    place.write("run/splits.csv", &splits);
    // Which networks predict the test clips is stored in the jobs.
    set_stack(&place, "test_from = 'folds'");
    place.run("stack run").failed();
}

/// Settings, the file of the fitted stack, the columns of level 2, and the rows of `ablation.csv`.
const KINDS: [(&str, &str, usize, &[&str]); 10] = [
    ("", "booster.json", 24 + 256, &["-", "a", "b", "mfcc_statistics"]),
    ("features = ['probabilities']", "booster.json", 24, &["-", "a", "b"]),
    (
        "features = ['mfcc_statistics', 'log_probabilities', 'probabilities']",
        "booster.json",
        256 + 48,
        &["-", "a", "b", "mfcc_statistics"],
    ),
    ("kind = 'logistic'", "logistic.json", 24 + 256, &["-", "a", "b", "mfcc_statistics"]),
    ("kind = 'logistic'\nfeatures = ['log_probabilities']", "logistic.json", 24, &["-", "a", "b"]),
    (
        "kind = 'logistic'\nfeatures = ['log_probabilities', 'mfcc_statistics']\nc = 0.01",
        "logistic.json",
        24 + 256,
        &["-", "a", "b", "mfcc_statistics"],
    ),
    ("kind = 'logistic'\nfeatures = ['mfcc_statistics']", "logistic.json", 256, &["-", "a", "b"]),
    ("kind = 'mean'", "", 24, &["-", "a", "b"]),
    ("kind = 'geometric_mean'", "", 24, &["-", "a", "b"]),
    ("kind = 'weighted_mean'", "weights.json", 24, &["-", "a", "b"]),
];

#[test]
fn every_kind_tags_as_it_was_judged() {
    let place = place("level2-kinds");
    place.copy_from(shared(), "data/audio_test");
    for (settings, learned, columns, without) in KINDS {
        println!("{settings}");
        set_stack(&place, settings);
        let results = place.run("stack run --json").done().json();
        tags_are_those_of_level2(&place, Path::new(BINARY));
        let files: Vec<String> = place.tree("run/level2").into_keys().filter(|name| name != "lock").collect();
        let mut expected = vec![
            "features.csv",
            "train_scores.json",
            "manifest.json",
            "oof.csv",
            "test.csv",
            "test_features.csv",
            "ablation.csv",
        ];
        expected.extend((!learned.is_empty()).then_some([learned, "importance.csv"]).into_iter().flatten());
        expected.sort_unstable();
        assert_eq!(files, expected, "{settings}");

        let (features, _) = csv(&place.text("run/level2/features.csv"));
        assert_eq!(features.len() - 1, columns, "{settings}");
        let (header, rows) = csv(&place.text("run/level2/ablation.csv"));
        assert_eq!(header, ["without", "map_at_3", "accuracy", "macro_average_precision"]);
        assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), without, "{settings}");
        let stack = &results["systems"][4]["out_of_fold"];
        for (column, key) in [(1, "map_at_3"), (2, "accuracy"), (3, "macro_average_precision")] {
            assert_eq!(rows[0][column].parse::<f64>().unwrap(), stack[key].as_f64().unwrap(), "{settings} {key}");
        }
        if learned.is_empty() {
            // The mean without one of two learners is the other one.
            let other = &results["systems"][1]["out_of_fold"]["map_at_3"];
            assert_eq!(rows[1][1].parse::<f64>().unwrap(), other.as_f64().unwrap());
            let same = if settings.contains("geometric") { 3 } else { 2 };
            assert_eq!(results["systems"][same]["out_of_fold"], results["systems"][4]["out_of_fold"]);
            continue;
        }
        let (header, rows) = csv(&place.text("run/level2/importance.csv"));
        assert_eq!(header, ["feature", "learner", "gain", "weight", "cover"]);
        assert!(rows.iter().map(|row| &row[0]).eq(&features[1..]), "{settings}");
        for row in &rows {
            let of = ["a", "b"]
                .into_iter()
                .find(|learner| row[0].trim_start_matches("log ").starts_with(&format!("{learner}/")));
            assert_eq!(row[1], of.unwrap_or("mfcc_statistics"), "{row:?}");
            assert!(
                row[2].parse::<f64>().unwrap() >= 0.0 && row[3].is_empty() == (learned != "booster.json"),
                "{row:?}"
            );
        }
        assert!(rows.iter().any(|row| row[2].parse::<f64>().unwrap() > 0.0));
    }
}

/// Kernels are fitted in a moment, so that there can be enough folds for all candidates.
const KERNELS: &str = r#"
seed = 7
[data]
folds = 4
[features.summary]
kind = "summary"
n_mels = 40
[[learners]]
name = "near"
arch = "kernel"
features = "summary"
[[learners]]
name = "far"
arch = "kernel"
features = "summary"
kernel = { gamma = 0.1, alpha = 0.5 }
[stack]
kind = "auto"
rounds = 5
"#;

#[test]
fn auto_chooses_and_tags_as_it_was_judged() {
    let place = Place::new("level2-auto");
    place.run(&SYNTH.replace("--train-clips 60", "--train-clips 240")).done();
    place.write("recipe.toml", KERNELS);
    let results = place.run(&format!("{TRAIN} --json")).done().json();
    tags_are_those_of_level2(&place, Path::new(BINARY));
    let choice = place.json("run/level2/choice.json");
    let candidates: Vec<_> = choice["candidates"].as_array().unwrap().iter().map(|of| of["name"].clone()).collect();
    assert_eq!((candidates.len(), &choice["excluded"]), (11, &serde_json::json!([])), "{candidates:?}");
    assert!(candidates.contains(&choice["chosen"]));
    let folds = choice["folds"].as_array().unwrap();
    assert!(folds.len() == 4 && folds.iter().all(|fold| candidates.contains(&fold["chosen"])), "{folds:?}");
    // The candidates that are models of the results, too, have the same scores.
    for model in results["systems"].as_array().unwrap() {
        for of in choice["candidates"].as_array().unwrap().iter().filter(|of| of["name"] == model["name"]) {
            for key in ["map_at_3", "accuracy"] {
                assert!((of[key].as_f64().unwrap() - model["out_of_fold"][key].as_f64().unwrap()).abs() < 1e-12);
            }
        }
    }
    let again = |settings: &str| {
        set_stack(&place, settings);
        place.run("stack run").done();
        tags_are_those_of_level2(&place, Path::new(BINARY));
    };
    let before = place.read("run/level2/oof.csv");
    again("kind = 'weighted_mean'");
    assert!(!place.path("run/level2/choice.json").exists() && place.path("run/level2/weights.json").exists());
    again("kind = 'auto'");
    assert!(place.read("run/level2/oof.csv") == before && place.json("run/level2/choice.json") == choice);
    // A choice of another stack is noticed.
    place.write("run/level2/choice.json", place.text("run/level2/choice.json").replace("near", "far"));
    place.run("evaluate run").failed();
}

/// Two folds suffice for the learners and the means, which need no fit.
#[test]
fn auto_leaves_out_what_needs_more_folds() {
    let place = place("level2-auto-two");
    place.copy_from(shared(), "data/audio_test");
    set_stack(&place, "kind = 'auto'");
    place.run("stack run").done();
    tags_are_those_of_level2(&place, Path::new(BINARY));
    let choice = place.json("run/level2/choice.json");
    let names = |key: &str| -> Vec<String> {
        choice[key].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("candidates"), ["arithmetic mean", "geometric mean", "a", "b"]);
    assert_eq!(names("excluded").len(), 7);
}

/// Anything that prevents the stack from being fitted is reported before any clip is decoded or
/// trained on.
#[test]
fn what_level_2_could_not_do_is_an_early_error() {
    let place = Place::new("level2-early");
    place.copy_from(shared(), "data");
    let table = place.text("data/train.csv");
    for settings in ["early_stopping_rounds = 3", "unverified_weight = 0.0"] {
        place.write("recipe.toml", RECIPE.replace("[stack]", &format!("[stack]\n{settings}")));
        let unverify = |line: &str| if line.contains(",Bark,") { line.replace(",1", ",0") } else { line.to_owned() };
        let lines: Vec<String> = table.lines().map(unverify).collect();
        place.write("data/train.csv", lines.join("\n") + "\n");
        place.run(TRAIN).failed();
        assert!(!place.path("run").exists());
    }
}

#[test]
fn another_run_verifies_labels() {
    let place = place("level2-verified");
    place.copy_from(shared(), "data");
    let again = TRAIN.replace("--out run", "--out again");
    place.write("recipe.toml", RECIPE);
    let printed = place
        .run(&format!("{} --verified-by run --job a/full", TRAIN_ALONE.replace("--out run", "--out again")))
        .done()
        .stderr;
    let (classes, said) = probabilities(&place.text("run/level2/oof.csv"));
    let verified = |run: &str| -> Vec<(String, String, bool)> {
        let rows = csv(&place.text(&format!("{run}/splits.csv"))).1.into_iter().filter(|row| row[1] == "train");
        rows.map(|row| (row[0].clone(), row[2].clone(), row[3] == "true")).collect()
    };
    let (mut agreed, mut doubted) = (0, 0);
    for ((name, label, before), (_, _, after)) in verified("run").into_iter().zip(verified("again")) {
        let row = &said[&name];
        let best = (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        let agrees = classes[best] == label;
        assert_eq!(after, before || agrees, "{name}");
        (agreed, doubted) = (agreed + usize::from(!before && agrees), doubted + usize::from(!before && !agrees));
    }
    assert!(agreed > 0 && doubted > 0, "{agreed} {doubted}");
    let noted = place.json("again/verified.json");
    assert_eq!(noted["out_of_fold_sha256"], sha256(&place.read("run/level2/oof.csv")), "{noted}");
    assert!(noted["run"].as_str().unwrap().ends_with("level2-verified/run"), "{noted}");
    assert!(printed.contains(&format!("verified by run: {agreed} labels; unverified: {doubted}")), "{printed}");
    for (run, noted) in [("again", true), ("run", false)] {
        place.run(&format!("report {run}")).done();
        assert_eq!(place.text(&format!("{run}/report.html")).contains("slightly optimistic"), noted);
    }
    // Without it, or by what is no run, it is another run.
    place.run(&again).failed();
    place.run(&format!("{again} --verified-by data")).failed();
    place.run(&format!("{again} --verified-by again")).failed();
}

#[test]
fn what_level_2_cannot_do_is_an_error() {
    let place = place("level2-cannot");
    let statistics = place.text("run/statistics.csv");
    for settings in ["features = ['mfcc']", "statistics = true", "early_stopping_rounds = 3"] {
        set_stack(&place, settings);
        place.run("stack run").failed();
    }
    set_stack(&place, "");
    place.write("run/statistics.csv", &statistics[..statistics.trim_end().rfind('\n').unwrap() + 1]);
    place.run("stack run").failed();
    // Whole, and marked, but of other sounds under the same names.
    let mark = place.text("run/statistics.json");
    let clips = place.json("run/statistics.json")["clips"].as_str().unwrap().to_owned();
    place.write("run/statistics.csv", &statistics);
    place.write("run/statistics.json", mark.replace(&clips, &sha256(b"others")));
    place.run("stack run").failed();
    place.write("run/statistics.json", mark);
    forget_origins(&place);
    // One fold has all clips of a class: none are left when that fold is held out.
    let splits = place.text("run/splits.csv");
    let label = place.text("run/labels.txt").lines().next().unwrap().to_owned();
    let of_label = |line: &&str| line.contains(&format!(",train,{label},"));
    let unverified: Vec<String> = splits
        .lines()
        .map(|line| match line {
            line if of_label(&line) && line.split(',').nth(4) == Some("0") => line.replace(",true,", ",false,"),
            line => line.replace(",false,", ",true,"),
        })
        .collect();
    place.write("run/splits.csv", unverified.join("\n") + "\n");
    set_stack(&place, "unverified_weight = 0.0");
    place.run("stack run").failed();
}

/// The labels are independent of the sounds, and every clip is duplicated: a model that was trained
/// on the copy would predict the label correctly.
#[test]
fn shuffled_labels_give_chance_though_every_clip_has_a_copy() {
    let place = Place::new("level2-chance");
    place.copy_from(shared(), "data");
    let (header, mut rows) = csv(&place.text("data/train.csv"));
    // 7 is coprime to 60: each clip gets the label of a distant clip.
    let labels: Vec<String> = (0..rows.len()).map(|i| rows[(i * 7 + 11) % rows.len()][1].clone()).collect();
    rows.iter_mut().zip(labels).for_each(|(row, label)| row[1] = label);
    let mut table = header.join(",") + "\n";
    for row in rows {
        place.write(&format!("data/audio_train/copy-{}", row[0]), place.read(&format!("data/audio_train/{}", row[0])));
        table += &format!("{0}\ncopy-{0}\n", row.join(","));
    }
    place.write("data/train.csv", table);
    let recipe = RECIPE.replace("epochs = 2", "epochs = 1").replace("rounds = 5", "rounds = 40");
    let accuracy = |recipe: &str| {
        place.write("recipe.toml", recipe);
        place.remove("run");
        let results = place.run(&format!("{TRAIN} --cache cache --json")).done().json();
        let of = |system: &serde_json::Value| system["out_of_fold"]["accuracy"].as_f64().unwrap();
        results["systems"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let honest = accuracy(&recipe);
    // Chance is 1/12, with a standard deviation of 0.036 for 60 different clips.
    assert!(honest.iter().all(|accuracy| *accuracy < 0.2), "{honest:?}");
    let torn = accuracy(&recipe.replace("folds = 2", "folds_from = '^(copy)?'"));
    assert!(torn[4] > 0.5, "a stack that has seen the copies knows the labels: {torn:?}");
    println!("kept together {honest:?}, torn {torn:?}");
}
