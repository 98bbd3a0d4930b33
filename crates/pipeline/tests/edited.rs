//! Runs whose files were edited after jobs were trained, and what a run's own recipe contains.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{RECIPE, Workspace};
use earmark_pipeline::{
    CancelToken, Event, JobSelection, Note, PipelineError, Recipe, Silent, TrainOptions, evaluate, plan, stack, train,
};

/// The error of the plan, which must be that of the training; both come before any stage, such as
/// decoding.
#[track_caller]
fn early_error(options: &TrainOptions) -> PipelineError {
    let stages = AtomicUsize::new(0);
    let observer = |event: &Event<'_>| {
        if matches!(event, Event::StageStarted(..)) {
            stages.fetch_add(1, Ordering::Relaxed);
        }
    };
    let planned = plan(options, &observer).unwrap_err();
    let trained = train(options, &observer, &CancelToken::new()).unwrap_err();
    assert_eq!(planned.line(), trained.line());
    assert_eq!(stages.into_inner(), 0, "{planned}");
    planned
}

#[test]
fn a_plan_fails_as_the_training_does_if_settings_differ() {
    let workspace = Workspace::new("edited");
    workspace.finish();
    let given = workspace.options(1);
    assert!(plan(&given, &Silent).unwrap().jobs.iter().all(|job| job.done));
    let own = TrainOptions { recipe: None, ..given.clone() };

    // The recipe that is given differs from that of the run.
    workspace.write("recipe.toml", RECIPE.replacen("epochs = 2", "epochs = 3", 1).replacen("seed = 7", "seed = 8", 1));
    let error = early_error(&given);
    let PipelineError::OtherRecipe { differences, .. } = &error else { panic!("{error}") };
    for key in ["learners.a.epochs: 2 in the run, 3 in the recipe", "seed: 7 in the run, 8 in the recipe"] {
        assert!(differences.contains(key), "{differences}");
    }
    workspace.write("recipe.toml", RECIPE);

    // The recipe of the run differs from the one that its jobs were trained with.
    let file = workspace.run().join("recipe.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (before, b) = text.split_once("name = \"b\"").unwrap();
    fs::write(&file, format!("{before}name = \"b\"{}", b.replacen("epochs = 2", "epochs = 4", 1))).unwrap();
    let error = early_error(&own);
    let PipelineError::OtherSettings { jobs, differences, .. } = &error else { panic!("{error}") };
    assert_eq!(jobs, &["b/fold0", "b/fold1", "b/full"]);
    assert_eq!(differences, "learners.b.epochs: 2 when they were trained, 4 now");
    fs::write(&file, &text).unwrap();

    // So do the labels.
    let labels = workspace.run().join("labels.txt");
    let before = fs::read(&labels).unwrap();
    fs::write(&labels, "Dog\nCat\n").unwrap();
    let error = early_error(&own);
    assert!(matches!(&error, PipelineError::OtherSettings { jobs, differences, .. }
        if jobs.len() == 6 && differences.contains("labels.txt")));
    fs::write(&labels, before).unwrap();

    // A job without its weights is not done, and the plan says so.
    let weights = workspace.run().join("jobs/a/fold1/weights.safetensors");
    let before = fs::read(&weights).unwrap();
    fs::remove_file(&weights).unwrap();
    let error = plan(&own, &Silent).unwrap_err();
    assert!(matches!(error.root(), PipelineError::Damaged(_)), "{error}");
    fs::write(&weights, before).unwrap();
    assert!(plan(&own, &Silent).unwrap().jobs.iter().all(|job| job.done));
}

#[test]
fn what_a_run_lost_is_named_before_anything_is_decoded() {
    let workspace = Workspace::new("lost");
    workspace.finish();
    let given = workspace.options(1);
    let own = TrainOptions { recipe: None, ..given.clone() };
    for name in ["recipe.toml", "labels.txt", "splits.csv", "run.json"] {
        let path = workspace.run().join(name);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let errors = [early_error(&given), early_error(&own), stack(&workspace.run()).unwrap_err()];
        for error in errors.into_iter().chain([evaluate(&workspace.run()).unwrap_err()]) {
            assert!(matches!(&error, PipelineError::Lost { file, .. } if *file == path), "{name}: {error}");
        }
        fs::write(&path, bytes).unwrap();
    }
    workspace.assert_same();
}

#[test]
fn a_recipe_of_earmark_s_own_needs_no_file() {
    let workspace = Workspace::new("shipped");
    let planned = |recipe: &str, file: Option<&str>| {
        let notes = Mutex::new(Vec::new());
        let observer = |event: &Event<'_>| {
            if let Event::Note(note) = event {
                notes.lock().unwrap().push((*note).clone());
            }
        };
        let recipe = file.map_or(recipe.into(), |file| workspace.path(file));
        let mut options = TrainOptions { recipe: Some(recipe), ..workspace.options(1) };
        options.selection = JobSelection::One("none/full".to_owned());
        (plan(&options, &observer).unwrap_err(), notes.into_inner().unwrap())
    };
    for name in ["best", "best.toml"] {
        let (error, notes) = planned(name, None);
        // It has too many folds for the data.
        assert!(matches!(error.root(), PipelineError::Dataset(_)), "{error}");
        assert_eq!(notes, [Note::ShippedRecipe { name: "best" }]);
    }
    for (recipe, file) in [("fastest.toml", None), ("", Some("fast.toml"))] {
        let (error, _) = planned(recipe, file);
        let PipelineError::NoRecipe { shipped, .. } = &error else { panic!("{error}") };
        assert!(shipped.contains(&"fast.toml".to_owned()), "{error}");
    }
}

#[test]
fn the_recipe_of_a_run_has_all_settings_that_apply_and_no_others() {
    let workspace = Workspace::new("complete");
    let kernels = ["kernel", "linear"].map(|arch| {
        format!("[[learners]]\nname = \"{arch}\"\narch = \"{arch}\"\nfeatures = \"summary\"\nunverified_weight = 0.5\n")
    });
    let text = format!("{RECIPE}\n[features.summary]\nkind = \"summary\"\n{}", kernels.concat());
    workspace.write("recipe.toml", &text);
    let mut options = workspace.options(1);
    options.selection = JobSelection::One("linear/fold0".to_owned());
    train(&options, &Silent, &CancelToken::new()).unwrap();
    let stored = fs::read_to_string(workspace.run().join("recipe.toml")).unwrap();
    let table: toml::Table = stored.parse().unwrap();
    let learner = |at: usize| table["learners"][at].as_table().unwrap();
    let network = learner(0);
    assert_eq!((network["freeze"].as_str(), network["dropout"].as_float()), (Some("none"), Some(0.0)));
    assert_eq!((network["loss"].as_str(), network["mixup"].as_float()), (Some("cross_entropy"), Some(3.0)));
    assert!(!network.contains_key("kernel") && !network.contains_key("linear"));
    let keys = |at: usize| learner(at).keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(keys(2), ["name", "arch", "features", "unverified_weight", "kernel"]);
    assert_eq!(keys(3), ["name", "arch", "features", "unverified_weight", "linear"]);
    assert_eq!(learner(2)["kernel"], toml::Value::Table("alpha = 0.03\ngamma = 0.7".parse().unwrap()));
    assert!(table["gpu"].as_table().is_some_and(|gpu| gpu.contains_key("tf32")));
    // It is the recipe that was given, and the run can be continued with either.
    let [given, stored] = [text, stored].map(|text| Recipe::parse(&text).unwrap().with_defaults_of(2));
    assert_eq!(toml::to_string(&given).unwrap(), toml::to_string(&stored).unwrap());
    for recipe in [options.recipe.clone(), None] {
        let done = train(&TrainOptions { recipe, ..options.clone() }, &Silent, &CancelToken::new());
        assert!(done.unwrap().results.is_none());
    }
}
