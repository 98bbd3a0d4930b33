//! The whole pipeline through the binary: synth, train, stack, evaluate, predict. The next steps
//! are in `tag.rs`.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::collections::BTreeSet;

use common::{Place, clips, csv, probabilities, shared};

const SYSTEMS: [&str; 5] = ["a", "b", "arithmetic mean", "geometric mean", "stack"];

#[test]
fn synth_is_decided_by_its_seed() {
    let place = Place::new("end-to-end-synth");
    for (out, seed) in [("one", 5), ("same", 5), ("other", 6)] {
        place.run(&format!("synth --out {out} --seed {seed} --train-clips 60 --test-clips 4")).done();
    }
    let [one, same, other] = ["one", "same", "other"].map(|out| place.tree(out));
    assert!(one == same, "the same seed gave other bytes");
    for part in ["audio_train/", "audio_test/"] {
        let changed = one.iter().filter(|(name, bytes)| name.starts_with(part) && other.get(*name) != Some(bytes));
        assert_eq!(changed.count(), one.keys().filter(|name| name.starts_with(part)).count(), "{part}");
    }
    assert_eq!(one.keys().filter(|name| name.ends_with(".wav")).count(), 64);
    let (header, rows) = csv(&place.text("one/train.csv"));
    assert_eq!(header, ["fname", "label", "manually_verified"]);
    assert_eq!(rows.iter().map(|row| &row[1]).collect::<BTreeSet<_>>().len(), 12);
}

#[test]
fn confusions_are_counted_by_true_and_predicted_class() {
    let labels: Vec<String> = shared().text("run/labels.txt").lines().map(str::to_owned).collect();
    let results = shared().json("run/results.json");
    for (set, name, of_set) in [("train", "oof", "out_of_fold"), ("test", "test", "test")] {
        let mut expected = vec![vec![0; labels.len()]; labels.len()];
        let (columns, rows) = probabilities(&shared().text(&format!("run/level2/{name}.csv")));
        assert_eq!(columns, labels);
        for (clip, (label, _)) in clips(shared(), "run", set) {
            let row = &rows[&clip];
            let best = (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
            expected[labels.iter().position(|other| *other == label).unwrap()][best] += 1;
        }
        let file = if set == "train" { "run/confusion.csv" } else { "run/confusion_test.csv" };
        let (header, matrix) = csv(&shared().text(file));
        assert_eq!((header[0].as_str(), &header[1..]), ("true_label", &labels[..]));
        for ((row, label), expected) in matrix.iter().zip(&labels).zip(&expected) {
            assert_eq!(&row[0], label);
            assert_eq!(row[1..], expected.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        let right: usize = (0..labels.len()).map(|class| expected[class][class]).sum();
        let all: usize = expected.iter().flatten().sum();
        let accuracy = results["systems"].as_array().unwrap().last().unwrap()[of_set]["accuracy"].as_f64().unwrap();
        assert!((accuracy - right as f64 / all as f64).abs() < 1e-12, "{set}");
    }
}

#[test]
fn a_run_has_every_file_and_no_other() {
    let mut expected = BTreeSet::new();
    let files = [
        "recipe.toml",
        "labels.txt",
        "splits.csv",
        "statistics.csv",
        "results.json",
        "confusion.csv",
        "confusion_test.csv",
        "data.json",
        "report.html",
        "run.json",
        "log.jsonl",
        "lock",
    ];
    expected.extend(files.map(str::to_owned));
    expected.insert("statistics.json".to_owned());
    for learner in ["a", "b"] {
        for split in ["fold0", "fold1", "full"] {
            let files =
                ["weights.safetensors", "predictions.csv", "history.csv", "job.json", "events.out.tfevents.earmark"];
            expected.extend(files.map(|file| format!("jobs/{learner}/{split}/{file}")));
        }
        expected.extend([format!("oof/{learner}.csv"), format!("test/{learner}.csv")]);
    }
    let files = ["features.csv", "test_features.csv", "booster.json", "oof.csv", "test.csv", "lock"];
    expected.extend(
        ["importance.csv", "ablation.csv", "train_scores.json", "manifest.json"].map(|file| format!("level2/{file}")),
    );
    expected.extend(files.map(|file| format!("level2/{file}")));
    let files = ["learner-a.onnx", "learner-b.onnx", "stack.onnx", "config.json", "SHA256SUMS", "README.md"];
    expected.extend(files.map(|file| format!("bundle/{file}")));
    let plots =
        ["classes", "confusion", "curves-a", "curves-b", "reliability", "systems", "importance", "importance-learners"];
    expected.extend(plots.map(|plot| format!("report/{plot}.svg")));
    let (cache, mut found): (BTreeSet<String>, BTreeSet<String>) =
        shared().tree("run").into_keys().partition(|name| name.starts_with("cache/"));
    // There is one file per wrong prediction.
    found.retain(|name| !name.starts_with("report/hardest-"));
    assert_eq!(found, expected);
    assert_eq!(cache.len(), 2 * (60 + 12), "features and statistics of each clip");

    let labels = shared().text("run/labels.txt");
    let given = csv(&shared().text("data/train.csv")).1.into_iter().map(|row| row[1].clone());
    assert_eq!(labels.lines().collect::<Vec<_>>(), given.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    assert_eq!(csv(&shared().text("run/jobs/a/full/history.csv")).1.len(), 2, "one row an epoch");
}

#[test]
fn results_have_every_system() {
    let results = shared().json("run/results.json");
    let systems = results["systems"].as_array().unwrap();
    let names: Vec<_> = systems.iter().map(|system| system["name"].as_str().unwrap()).collect();
    assert_eq!(names, SYSTEMS);
    for system in systems {
        for (set, clips) in [("out_of_fold", 60), ("test", 12)] {
            let scores = &system[set];
            for key in ["map_at_3", "accuracy", "macro_average_precision"] {
                let value = scores[key].as_f64().unwrap();
                assert!((0.0..=1.0).contains(&value), "{} {set} {key} {value}", system["name"]);
            }
            assert!(scores["map_at_3"].as_f64() >= scores["accuracy"].as_f64(), "mAP@3 counts more than accuracy");
            let classes = scores["per_class"].as_array().unwrap();
            assert_eq!(classes.len(), 12);
            assert_eq!(classes.iter().map(|class| class["clips"].as_u64().unwrap()).sum::<u64>(), clips);
            for key in ["map_at_3", "accuracy", "macro_average_precision"] {
                let [low, high] = ["low", "high"].map(|end| scores["intervals"][key][end].as_f64().unwrap());
                let value = scores[key].as_f64().unwrap();
                // A resample without a class shifts the macro mean away from that of all clips.
                assert!(low <= high && (key.starts_with("macro") || (low..=high).contains(&value)), "{key}: {scores}");
            }
            for key in ["macro_roc_auc", "expected_calibration_error"] {
                assert!((0.0..=1.0).contains(&scores[key].as_f64().unwrap()), "{key}: {scores}");
            }
            let precision = |class: &serde_json::Value| class["average_precision"].as_f64();
            assert!(classes.iter().all(|class| precision(class).is_some() == (class["clips"] != 0)));
        }
    }
}

/// The accuracy in the results is that of the tables that the run stores.
#[test]
fn results_are_those_of_the_tables() {
    let results = shared().json("run/results.json");
    for (system, set, key, file) in [
        (0, "train", "out_of_fold", "oof/a.csv"),
        (1, "test", "test", "test/b.csv"),
        (4, "train", "out_of_fold", "level2/oof.csv"),
        (4, "test", "test", "level2/test.csv"),
    ] {
        let (labels, table) = probabilities(&shared().text(&format!("run/{file}")));
        let clips = clips(shared(), "run", set);
        let best = |row: &[f64]| (0..row.len()).rev().max_by(|&x, &y| row[x].total_cmp(&row[y])).unwrap();
        let right = clips.iter().filter(|(name, (label, _))| labels[best(&table[*name])] == *label).count();
        let stated = results["systems"][system][key]["accuracy"].as_f64().unwrap();
        assert!((right as f64 / clips.len() as f64 - stated).abs() < 1e-9, "{file}: {right} right, {stated} stated");
    }
}

#[test]
fn every_job_is_judged_by_itself() {
    let jobs = shared().run("evaluate run --jobs --json").done().json();
    let jobs = jobs.as_array().unwrap();
    let text = |job: &serde_json::Value, key: &str| job[key].as_str().unwrap().to_owned();
    let names: Vec<String> = jobs.iter().map(|job| text(job, "learner") + "/" + &text(job, "split")).collect();
    assert_eq!(names, ["a/fold0", "a/fold1", "a/full", "b/fold0", "b/fold1", "b/full"]);
    let table = shared().run("evaluate run --jobs").done().stdout;
    assert!(names.iter().all(|name| table.lines().any(|line| line.starts_with(name))), "{table}");
    let number = |job: &serde_json::Value, key: &str| job[key].as_f64().unwrap();
    assert!(jobs.iter().all(|job| number(job, "epochs") == 2.0 && number(job, "crops_per_second") > 0.0));
    // Both folds together make the out-of-fold table, and `full` predicts the test clips.
    let systems = shared().json("run/results.json");
    let right = |job: &serde_json::Value| number(job, "accuracy") * number(job, "clips");
    let stated = systems["systems"][0]["out_of_fold"]["accuracy"].as_f64().unwrap();
    assert!((right(&jobs[0]) + right(&jobs[1]) - 60.0 * stated).abs() < 1e-9);
    assert_eq!(jobs[2]["clips"], 12);
    assert_eq!(jobs[2]["map_at_3"], systems["systems"][0]["test"]["map_at_3"]);

    // A run with one finished job; the labels of its test clips are unknown.
    let place = Place::new("end-to-end-jobs");
    let splits = shared().text("run/splits.csv");
    let unknown: Vec<String> = splits
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            if fields[1] == "test" { [&fields[..2], &[""], &fields[3..]].concat().join(",") } else { line.to_owned() }
        })
        .collect();
    place.write("run/splits.csv", unknown.join("\n") + "\n");
    for file in ["run.json", "recipe.toml", "labels.txt"] {
        place.write(&format!("run/{file}"), shared().read(&format!("run/{file}")));
    }
    place.run("evaluate run --jobs").failed();
    for file in ["weights.safetensors", "predictions.csv", "history.csv", "job.json"] {
        let file = format!("run/jobs/b/full/{file}");
        place.write(&file, shared().read(&file));
    }
    let jobs = place.run("evaluate run --jobs --json").done().json();
    assert_eq!(
        (jobs.as_array().unwrap().len(), &jobs[0]["clips"], &jobs[0]["accuracy"]),
        (1, &0.into(), &serde_json::Value::Null)
    );
}

#[test]
fn tables_hold_each_clip_once_and_rows_sum_to_one() {
    let labels = shared().text("run/labels.txt");
    for (set, files) in [
        ("train", ["oof/a.csv", "oof/b.csv", "level2/oof.csv"]),
        ("test", ["test/a.csv", "test/b.csv", "level2/test.csv"]),
    ] {
        let expected = clips(shared(), "run", set);
        let given = csv(&shared().text(&format!("data/{set}.csv"))).1;
        assert_eq!(given.len(), expected.len());
        assert!(given.iter().all(|row| expected.contains_key(&row[0])));
        for file in files {
            let (columns, rows) = probabilities(&shared().text(&format!("run/{file}")));
            assert_eq!(columns, labels.lines().collect::<Vec<_>>(), "{file}");
            assert!(rows.keys().eq(expected.keys()), "{file}: other clips than splits.csv has");
            for (clip, row) in rows {
                let sum: f64 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-4 && row.iter().all(|p| (0.0..=1.0).contains(p)), "{file} {clip} {sum}");
            }
        }
    }
    let expected = clips(shared(), "run", "train");
    for (learner, fold) in [("a", "0"), ("a", "1"), ("b", "0"), ("b", "1")] {
        let (_, rows) = probabilities(&shared().text(&format!("run/jobs/{learner}/fold{fold}/predictions.csv")));
        let held_out = expected.iter().filter(|(_, (_, of))| of == fold).map(|(name, _)| name);
        assert!(rows.keys().eq(held_out), "{learner}/fold{fold} predicts its own fold and no other");
    }
}

#[test]
fn level2_sees_probabilities_and_statistics() {
    let (columns, rows) = probabilities(&shared().text("run/level2/features.csv"));
    let labels = shared().text("run/labels.txt");
    let of = |learner: &str| labels.lines().map(|label| format!("{learner}/{label}")).collect::<Vec<_>>();
    assert_eq!(columns[..12], of("a"));
    assert_eq!(columns[12..24], of("b"));
    assert_eq!(columns.len(), 24 + 256);
    let (_, oof) = probabilities(&shared().text("run/oof/b.csv"));
    assert!(oof.iter().all(|(name, row)| rows[name][12..24] == row[..]));
    let booster = shared().json("run/level2/booster.json");
    let model = &booster["learner"]["gradient_booster"]["model"]["gbtree_model_param"];
    assert_eq!(model["num_trees"], "60", "five rounds of twelve trees");
}

#[test]
fn evaluate_prints_the_results() {
    let printed = shared().run("evaluate run --json").done();
    assert_eq!(printed.json(), shared().json("run/results.json"));
    let table = shared().run("evaluate run").done().stdout;
    for word in SYSTEMS.into_iter().chain(["mAP@3", "accuracy", "Siren"]) {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
}

#[test]
fn stack_once_more_gives_the_same() {
    let place = Place::new("end-to-end-stack");
    for (name, bytes) in shared().tree("run") {
        // Without the files of level 2: they are computed again from those of level 1.
        if !["level2/", "bundle/", "oof/", "test/", "results"].iter().any(|part| name.starts_with(part)) {
            place.write(&format!("run/{name}"), bytes);
        }
    }
    let printed = place.run("stack run --json").done();
    assert_eq!(printed.json(), shared().json("run/results.json"));
    for (name, bytes) in shared().tree("run") {
        assert!(place.read(&format!("run/{name}")) == bytes, "{name} differs");
    }
}

#[test]
fn train_once_more_does_nothing_anew_and_is_quiet_in_a_pipe() {
    let place = Place::new("end-to-end-again");
    for folder in ["data", "run"] {
        for (name, bytes) in shared().tree(folder) {
            place.write(&format!("{folder}/{name}"), bytes);
        }
    }
    place.write("recipe.toml", common::RECIPE);
    let time = |place: &Place| std::fs::metadata(place.path("run/jobs/a/full/weights.safetensors")).unwrap().modified();
    let before = time(&place).unwrap();
    let printed = place.run(&format!("{} --json", common::TRAIN)).done();
    assert_eq!(printed.json(), shared().json("run/results.json"));
    assert_eq!(printed.stderr, "report: run/report.html\nbundle: run/bundle\n");
    assert_eq!(time(&place).unwrap(), before);
    let files = |place: &Place| {
        let mut files = place.tree("run");
        files.remove("data.json");
        files.remove("log.jsonl");
        files
    };
    assert!(files(&place) == files(shared()), "the run changed");
}

#[test]
fn runs_share_a_cache_whose_damage_is_repaired() {
    let place = Place::new("end-to-end-cache");
    for folder in ["data", "run/cache"] {
        for (name, bytes) in shared().tree(folder) {
            place.write(&format!("{folder}/{name}"), bytes);
        }
    }
    place.write("recipe.toml", common::RECIPE);
    let whole = place.tree("run/cache");
    // One thread, like each of the two concurrent jobs before: another order of summation changes
    // bits.
    let job = format!("{} --job a/fold1", common::TRAIN_ALONE);
    let (name, mut bytes) = whole.iter().next().map(|(name, bytes)| (name.clone(), bytes.clone())).unwrap();
    bytes[200] ^= 1;
    place.write(&format!("run/cache/{name}"), &bytes);
    // In another folder than the first run.
    let ran = place.run(&job.replace("--out run", "--out other --cache run/cache")).done();
    for said in [&format!("run/cache/{name} was computed again"), "in run/cache (1 computed, 143 from the cache)"] {
        assert!(ran.stderr.contains(said), "not said: {said}\n{ran}");
    }
    assert!(place.tree("run/cache") == whole && !place.path("other/cache").exists());
    let weights = "jobs/a/fold1/weights.safetensors";
    assert!(place.read(&format!("other/{weights}")) == shared().read(&format!("run/{weights}")));
    // Half the space, and hardly any change of the results.
    place.write("recipe.toml", common::RECIPE.replace("[data]", "[data]\ncache_precision = \"f16\""));
    place.run(&job.replace("--out run", "--out half")).done();
    let bytes = |folder: &str| place.tree(folder).values().map(Vec::len).sum::<usize>() as f64;
    let share = bytes("half/cache") / bytes("run/cache");
    assert!((0.5..0.55).contains(&share), "{share}");
    place.write("recipe.toml", common::RECIPE.replace("[data]", "[data]\nlimits = { max_seconds = 1.0 }"));
    place.run(&job.replace("--out run", "--out short")).failed();
}

#[test]
fn one_job_is_one_job() {
    let place = Place::new("end-to-end-job");
    place.write("recipe.toml", common::RECIPE);
    for (name, bytes) in shared().tree("data") {
        place.write(&format!("data/{name}"), bytes);
    }
    place.run(&format!("{} --job b/fold1", common::TRAIN_ALONE)).done();
    let jobs: Vec<String> = place.tree("run/jobs").into_keys().collect();
    assert!(jobs.iter().all(|name| name.starts_with("b/fold1/")) && jobs.len() == 5, "{jobs:?}");
    assert!(!place.path("run/bundle").exists());
    place.run("stack run").failed();
}

/// The stack is compared with the learner that is best out of fold, and with the mean.
#[test]
fn differences_are_those_of_the_scores() {
    let results = shared().json("run/results.json");
    let of = |name: &str, set: &str, key: &str| {
        let system = results["systems"].as_array().unwrap().iter().find(|system| system["name"] == name).unwrap();
        system[set][key].as_f64().unwrap()
    };
    let [a, b] = ["a", "b"].map(|name| of(name, "out_of_fold", "map_at_3"));
    let best = if a > b { "a" } else { "b" };
    for (i, against) in [best, "arithmetic mean"].into_iter().enumerate() {
        let comparison = &results["differences"][i];
        assert_eq!((&comparison["system"], &comparison["against"]), (&"stack".into(), &against.into()));
        for set in ["out_of_fold", "test"] {
            for key in ["map_at_3", "accuracy"] {
                let difference = |part: &str| comparison[set][key][part].as_f64().unwrap();
                assert!((difference("value") - (of("stack", set, key) - of(against, set, key))).abs() < 1e-9);
                let end = |end: &str| comparison[set][key]["interval"][end].as_f64().unwrap();
                assert!((end("low")..=end("high")).contains(&difference("value")), "{comparison}");
            }
        }
    }
    assert_eq!(results["differences"].as_array().unwrap().len(), 2);
    let table = shared().run("evaluate run").done().stdout;
    assert!(table.contains(&format!("stack minus {best}")) && table.contains("95 % confidence intervals"), "{table}");
}

#[test]
fn predict_writes_the_form_of_kaggle() {
    let place = Place::new("end-to-end-predict");
    place.run(&format!("predict {} --out a/submission.csv", shared().path("run").display())).done();
    let (header, rows) = csv(&place.text("a/submission.csv"));
    assert_eq!(header, ["fname", "label"]);
    let (labels, table) = probabilities(&shared().text("run/level2/test.csv"));
    assert_eq!(rows.len(), table.len());
    for row in rows {
        let of = |label: &str| table[&row[0]][labels.iter().position(|other| other == label).unwrap()];
        let scores: Vec<f64> = row[1].split(' ').map(of).collect();
        assert_eq!(scores.len(), 3);
        assert!(scores.is_sorted_by(|a, b| a >= b));
        assert!(table[&row[0]].iter().filter(|score| **score > scores[2]).count() <= 2, "{row:?}");
    }
}

#[test]
fn predict_writes_any_systems_probabilities() {
    let place = Place::new("end-to-end-probabilities");
    for (name, bytes) in shared().tree("run") {
        if ["run.json", "recipe.toml", "labels.txt", "splits.csv", "oof/", "test/", "level2/"]
            .iter()
            .any(|part| name.starts_with(part))
        {
            place.write(&format!("run/{name}"), bytes);
        }
    }
    place.run("predict run --probabilities p.csv --system b").done();
    assert_eq!(place.text("p.csv"), place.text("run/test/b.csv"));
    // Both at once, and both get the same scores.
    place.run("predict run --out s.csv --probabilities p.csv").done();
    assert_eq!(place.text("p.csv"), place.text("run/level2/test.csv"));
    let truth = shared().path("data/test.csv").display().to_string();
    let stated = &shared().json("run/results.json")["systems"][4]["test"];
    for file in ["s.csv", "p.csv"] {
        let report = place.run(&format!("evaluate --submission {file} --truth {truth} --json")).done().json();
        for key in ["map_at_3", "accuracy"] {
            let (got, stated) = (report["sets"][0][key].as_f64().unwrap(), stated[key].as_f64().unwrap());
            assert!((got - stated).abs() < 1e-9, "{file} {key}: {got}, {stated} stated");
        }
    }
    let mut command = place.command("predict run --out mean.csv --system");
    let ran = common::Ran::of(
        {
            command.arg("arithmetic mean");
            command
        },
        "predict of the mean",
    )
    .done();
    assert!(ran.stdout.is_empty() && place.text("mean.csv").starts_with("fname,label\n"));
    place.run("predict run --out x.csv --system c").failed();
    assert_eq!(place.run("predict run").code, Some(2), "there is nothing to write");

    place.run("predict run --out run/splits.csv").failed();
    place.run("predict run --out run/my.csv").done();
    let names: BTreeSet<String> =
        shared().tree("run").into_keys().map(|file| file.split('/').next().unwrap().to_owned()).collect();
    for name in names {
        let file = if shared().path(&format!("run/{name}")).is_dir() { format!("{name}/x.csv") } else { name };
        std::fs::create_dir_all(place.path(&format!("run/{file}")).parent().unwrap()).unwrap();
        place.run(&format!("predict run --out run/{file}")).failed_naming(&[&file]);
    }

    // Two classes with spaces in their names, in a run that has nothing else. Its level 2 has no
    // manifest, as in old runs, so that the tables are not verified.
    place.remove("run/level2/manifest.json");
    place.write("run/run.json", "{\"format\": 1}");
    for name in ["test/a", "test/b", "level2/test"] {
        place.write(&format!("run/{name}.csv"), "fname,Dog bark,Rain\nx.wav,0.4,0.6\ny.wav,0.5,0.5\n");
    }
    place.run("predict run --out two.csv").done();
    assert_eq!(place.text("two.csv"), "fname,label\nx.wav,Rain Dog_bark\ny.wav,Dog_bark Rain\n");
    for name in ["test/a", "test/b", "level2/test"] {
        place.write(&format!("run/{name}.csv"), "fname,Dog bark,Dog_bark\nx.wav,0.4,0.6\n");
    }
    place.run("predict run --out same.csv --probabilities same-p.csv").failed();
    assert!(!place.path("same-p.csv").exists());
    for name in ["test/a", "test/b", "level2/test"] {
        place.write(&format!("run/{name}.csv"), "fname,Dog,Rain\n");
    }
    place.run("predict run --out none.csv").failed();
    assert!(!place.path("none.csv").exists());
}
