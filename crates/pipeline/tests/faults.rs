//! Invalid tables and recipes: training fails before it writes anything, and the error names the
//! file, the line or the key, and the reason.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::fs;

use common::{RECIPE, Workspace};
use earmark_pipeline::{CancelToken, Silent, train};

/// Asserts that training fails for these reasons and writes nothing.
#[track_caller]
fn fails(workspace: &Workspace, reasons: &[&str]) {
    let error = train(&workspace.options(1), &Silent, &CancelToken::new()).unwrap_err().line();
    for reason in reasons {
        assert!(error.contains(reason), "not reported: {reason}\n{error}");
    }
    assert!(!workspace.run().exists(), "{error}");
}

/// Replaces a text that must occur in the file.
fn edit(workspace: &Workspace, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(workspace.path(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    workspace.write(file, text.replacen(from, to, 1));
}

/// The rows of a table without its header, each with the name of its clip.
fn rows(workspace: &Workspace, file: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(workspace.path(file)).unwrap();
    text.lines().skip(1).map(|row| (row.split(',').next().unwrap().to_owned(), row.to_owned())).collect()
}

#[test]
fn missing_files_are_listed_together() {
    let place = Workspace::with_data("missing");
    let (train, test) = (rows(&place, "data/train.csv"), rows(&place, "data/test.csv"));
    let train = |row: usize| format!("data/audio_train/{}", train[row].0);
    let missing = [train(0), train(2), format!("data/audio_test/{}", test[0].0)];
    missing.iter().for_each(|file| fs::remove_file(place.path(file)).unwrap());
    fails(&place, &["3 audio files are missing", &missing[0], &missing[1], &missing[2]]);
}

#[test]
fn tables_with_faults() {
    let place = Workspace::with_data("tables");
    let (train_csv, test_csv) = ("data/train.csv", "data/test.csv");
    let (train, test) = (rows(&place, train_csv), rows(&place, test_csv));
    let [(first, first_row), (second, _), ..] = &train[..] else { panic!("{train:?}") };
    let (test, test_row) = &test[0];
    let label = first_row.split(',').nth(1).unwrap();
    let all_rows: String = train.iter().map(|(_, row)| format!("{row}\n")).collect();
    // A file, a text in it, its replacement, and the expected reasons.
    let cases: [(&str, &str, &str, &[&str]); 8] = [
        // A label that no training clip has.
        (test_csv, test_row, &format!("{test},Yodel,Public"), &["data/test.csv, line 2", "\"Yodel\" is unknown"]),
        // A clip that has two rows, or is also a test clip.
        (train_csv, second, first, &["data/train.csv, line 3", "data/train.csv, line 2", first, "used before"]),
        (test_csv, test, first, &["data/test.csv, line 2", "data/train.csv, line 2", "used before"]),
        (
            "recipe.toml",
            "folds = 2",
            "folds = 50",
            &["the classes \"", "have fewer clips than the 50 folds: set `[data] folds = "],
        ),
        // A label that only one clip has.
        (
            train_csv,
            first_row,
            &format!("{first},Yodel,1"),
            &["class \"Yodel\" has 1 clip, fewer than the 2 that cross-validation needs: add clips"],
        ),
        (train_csv, "label", "lable", &["data/train.csv, line 1", "no column label", "lable"]),
        (
            train_csv,
            first_row,
            &format!("{first},{label},maybe"),
            &["data/train.csv, line 2", "manually_verified is \"maybe\""],
        ),
        (train_csv, &all_rows, "", &["no training clips"]),
    ];
    for (file, from, to, reasons) in cases {
        println!("{from:.80} -> {to}");
        let whole = fs::read(place.path(file)).unwrap();
        edit(&place, file, from, to);
        fails(&place, reasons);
        place.write(file, whole);
    }
}

#[test]
fn recipes_with_faults() {
    let place = Workspace::with_data("recipes");
    let edits = [
        ("seed = 7", "sede = 7", "unknown field `sede`"),
        ("folds = 2", "folds = 1", "data.folds = 1 is out of range"),
        ("folds = 2", "fold = 2", "unknown field `fold`"),
        ("folds = 2", "groups_from = \"(\"", "data.groups_from"),
        ("folds = 2", "folds_from = \"[\"", "data.folds_from"),
        ("folds = 2", "damaged = \"ignore\"", "unknown variant `ignore`"),
        ("epochs = 2", "epochs = 0", "learner a: `epochs` = 0 is out of range"),
        ("epochs = 2", "epochs = -1", "epochs = -1"),
        ("epochs = 2", "epochs = \"two\"", "epochs = \"two\""),
        ("mixup = 3.0", "mixup = -3.0", "learner a: `mixup` = -3 is out of range"),
        ("mixup = 3.0", "mixup = nan", "learner a: `mixup` = NaN is out of range"),
        ("batch_size = 16", "batch_size = 1", "`batch_size` = 1 is out of range"),
        ("learning_rate = 0.02", "learning_rate = inf", "`learning_rate` = inf is out of range"),
        ("crop_seconds = 0.5", "crop_seconds = 0", "`crop_seconds` = 0 is out of range"),
        ("hop_seconds = 1.0", "hop = 1.0", "unknown field `hop`"),
        ("name = \"b\"", "name = \"a\"", "two learners are named \"a\""),
        ("name = \"b\"", "name = \"../b\"", "`name` = \"../b\""),
        ("arch = \"resnet_nano\"", "arch = \"resnet_nana\"", "resnet_nano"),
        ("features = \"logmel\"", "features = \"mel\"", "features = \"mel\""),
        ("kind = \"logmel\"", "kind = \"logmel\"\nhop_length = 0", "hop_length"),
        ("kind = \"logmel\"", "kind = \"logmel\"\nfmin = 20000.0", "fmin"),
        ("kind = \"logmel\"", "kind = \"loudness\"", "loudness"),
        ("rounds = 5", "rounds = 0", "rounds"),
        ("rounds = 5", "max_depth = 99", "max_depth"),
        ("[stack]", "[stack", "line 31"),
        ("seed = 7", "seed = 7\nseed = 8", "duplicate key"),
    ];
    for (from, to, reason) in edits {
        assert!(RECIPE.contains(from), "{from}");
        place.write("recipe.toml", RECIPE.replacen(from, to, 1));
        fails(&place, &["recipe.toml", reason]);
    }
    place.write("recipe.toml", RECIPE.replacen("folds = 2", "groups_from = '^rec'", 1));
    fails(&place, &["data/train.csv, line 2", "gives no group: `^rec`"]);
    place.write("recipe.toml", [0xff, 0xfe, 0x00]);
    fails(&place, &["cannot read", "recipe.toml", "UTF-8"]);
    fs::remove_file(place.path("recipe.toml")).unwrap();
    fails(&place, &["there is no recipe", "recipe.toml", "fast.toml, medium.toml"]);
}

/// [`RECIPE`] with a kernel `k` that has these extra lines instead of the network `b`.
fn with_kernel(lines: &str) -> String {
    let (first, rest) = RECIPE.split_once("[[learners]]\nname = \"b\"").unwrap();
    let (_, stack) = rest.split_once("[stack]").unwrap();
    let first = first.replace("[features.logmel]", "[features.summary]\nkind = \"summary\"\n\n[features.logmel]");
    format!("{first}[[learners]]\nname = \"k\"\narch = \"kernel\"\nfeatures = \"summary\"\n{lines}\n[stack]{stack}")
}

#[test]
fn keys_that_do_not_fit_a_kernel() {
    let place = Workspace::with_data("kernels");
    let network = |from: &str, to: &str| with_kernel("").replacen(from, to, 1);
    let cases = [
        (with_kernel("epochs = 3"), "learner k: remove `epochs`: it does not apply to arch = \"kernel\""),
        (with_kernel("mixup = 3.0\ndropout = 0.1"), "learner k: remove `dropout`, `mixup`: they do not apply to arch"),
        (with_kernel("freeze = \"body\""), "learner k: remove `freeze`"),
        (with_kernel("linear = { c = 1.0 }"), "learner k: remove `linear`: it applies only to arch"),
        (with_kernel("checkpoint = \"best\""), "learner k: remove `checkpoint`"),
        (with_kernel("crop_seconds = nan"), "learner k: remove `crop_seconds`"),
        (with_kernel("").replace("\"kernel\"", "\"Kernel\""), "Kernel"),
        (with_kernel("kernel = { alpha = 0.0 }"), "learner k: `kernel.alpha` = 0 is out of range"),
        (with_kernel("kernel = { rigde = 0.1 }"), "rigde"),
        (with_kernel("pretrained = \"imagenet\""), "learner k: remove `pretrained`"),
        (
            with_kernel("").replace("features = \"summary\"", "features = \"logmel\""),
            "kernel needs features of whole clips",
        ),
        (
            network("features = \"logmel\"", "features = \"summary\""),
            "learner a: resnet_nano cannot use features of whole clips",
        ),
        (network("epochs = 2\n", ""), "learner a: `epochs` = 0 is out of range"),
        (network("epochs = 2\n", "epochs = 2\nkernel = {}\n"), "learner a: remove `kernel`: it applies only to arch"),
    ];
    for (text, reason) in cases {
        place.write("recipe.toml", text);
        fails(&place, &["recipe.toml", reason]);
    }
}
