//! Jobs on small synthetic features: an interrupted job ends like an uninterrupted one, and
//! settings have their effect.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use earmark_datasets::Task;
use earmark_features::{Features, FrontEnd, InputScaling};
use earmark_training::{Example, Job, LearnerSettings, Outcome, Progress, Split, TrainingError, set_threads};

const LABELS: [&str; 3] = ["fast", "middle", "slow"];

/// Clips whose class is the speed at which the level of all bands oscillates, with noise from a
/// small generator.
fn clips(count: usize) -> Vec<(String, Features, usize)> {
    let mut state = 1u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    let clip = |index: usize| {
        let (class, frames) = (index % 3, 20 + index % 25);
        let value = |at: usize| {
            let phase = (at / (3 * 64)) as f32 * [1.6, 0.8, 0.4][class];
            noise() * 2.0 + phase.sin()
        };
        let data = (0..3 * 64 * frames).map(value).collect();
        (format!("clip{index}"), Features { data, channels: 3, bins: 64, frames }, class)
    };
    (0..count).map(clip).collect()
}

fn learner(arch: &str, extra: &str) -> LearnerSettings {
    let settings = format!(
        r#"{{"name": "l", "arch": "{arch}", "features": "logmel", "crop_seconds": 0.3, "mixup": 3.0, "epochs": 4,
            "batch_size": 8, "learning_rate": 0.05 {extra}}}"#
    );
    serde_json::from_str(&settings).unwrap()
}

/// The answer to a job's progress reports.
type Answer<'a> = &'a dyn Fn(Progress) -> ControlFlow<()>;

const GO_ON: Answer = &|_| ControlFlow::Continue(());

fn run(learner: &LearnerSettings, folder: &Path, answer: Answer) -> Result<Outcome, TrainingError> {
    run_on(learner, folder, answer, &clips(65))
}

fn run_on(
    learner: &LearnerSettings,
    folder: &Path,
    answer: Answer,
    clips: &[(String, Features, usize)],
) -> Result<Outcome, TrainingError> {
    set_threads(1);
    let examples: Vec<Example> = clips
        .iter()
        .map(|(name, features, label)| Example {
            name,
            features: features.view(),
            labels: std::slice::from_ref(label),
            verified: true,
        })
        .collect();
    let labels = LABELS.map(str::to_owned);
    let job = Job {
        start: None,
        learner,
        front_end: &FrontEnd::logmel(),
        split: Split::Fold(0),
        train: examples[..57].to_vec(),
        predict: examples[57..].to_vec(),
        task: Task::SingleLabel,
        labels: &labels,
        seed: 7,
        device: "cpu",
        shared: None,
        folder,
    };
    job.run(&mut |progress| answer(progress))
}

/// Number of batches that a job has trained on; `None` while it predicts.
fn batches(progress: Progress) -> Option<usize> {
    match progress {
        Progress::Learning(now) => Some(now.batches),
        Progress::Predicting { .. } => None,
    }
}

/// Settings that add different data to a job's state.
const STATES: [&str; 3] = [
    "",
    r#", "checkpoint": "best", "nesterov": true, "normalization": "channel", "precision": "bf16""#,
    r#", "optimizer": "adamw", "ema_decay": 0.9, "sampling": "balanced", "label_smoothing": 0.1,
        "augmentation": {"crop_length_jitter": 0.5, "time_stretch": 0.3, "freq_warp": 0.2, "shift": true,
            "freq_masks": {"count": 2, "width": 0.2}, "time_masks": {"count": 1, "width": 0.3}}"#,
];

#[test]
fn a_killed_job_ends_with_the_same_bits() {
    for extra in STATES {
        let settings = learner("resnet_nano", extra);
        let whole = run(&settings, tempfile::tempdir().unwrap().path(), GO_ON).unwrap();
        let folder = tempfile::tempdir().unwrap();
        // In the first epoch (nothing is saved yet), in the middle of the third, at the last batch.
        for stop_at in [2, 18, 28] {
            let kill = |progress| {
                assert!(batches(progress) != Some(stop_at), "killed here");
                ControlFlow::Continue(())
            };
            let killed = catch_unwind(AssertUnwindSafe(|| run(&settings, folder.path(), &kill)));
            assert!(killed.is_err(), "the job did not come to batch {stop_at}");
        }
        let resumed = run(&settings, folder.path(), GO_ON).unwrap();
        assert_eq!(resumed.weights, whole.weights);
        assert_eq!(resumed.probabilities, whole.probabilities);
        assert_eq!(resumed.scaling, whole.scaling);
        let history = std::fs::read_to_string(folder.path().join("history.csv")).unwrap();
        assert_eq!(history.lines().count(), 5, "{history}");
    }
}

#[test]
fn a_stopped_job_goes_on_at_the_next_batch_with_the_same_bits() {
    for extra in STATES {
        let settings = learner("resnet_nano", extra);
        let whole = tempfile::tempdir().unwrap();
        let unbroken = run(&settings, whole.path(), GO_ON).unwrap();
        let folder = tempfile::tempdir().unwrap();
        // An epoch has seven batches: the eighth would have a single clip, which is merged into the
        // seventh. Stops at the first batch, twice in one epoch, at the last batch of an epoch, and
        // at the last batch of all.
        for stop_at in [1, 9, 12, 14, 28] {
            let last = Cell::new(0);
            let stop = |progress| {
                let now = batches(progress).unwrap();
                assert!(last.get() == 0 || now == last.get() + 1);
                last.set(now);
                if now == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            assert!(matches!(run(&settings, folder.path(), &stop), Err(TrainingError::Stopped)));
            assert_eq!(last.get(), stop_at);
        }
        let clip = |progress| match progress {
            Progress::Predicting { windows, of } if (1..of).contains(&windows) => ControlFlow::Break(()),
            Progress::Predicting { .. } => ControlFlow::Continue(()),
            Progress::Learning(_) => panic!("all is learned"),
        };
        assert!(matches!(run(&settings, folder.path(), &clip), Err(TrainingError::Stopped)));
        let resumed = run(&settings, folder.path(), GO_ON).unwrap();
        assert_eq!(resumed.weights, unbroken.weights);
        assert_eq!(resumed.probabilities, unbroken.probabilities);
        assert_eq!(history(folder.path()), history(whole.path()));
        let arrays = std::fs::read_dir(folder.path()).unwrap().flatten();
        let arrays = arrays.filter(|entry| entry.file_name().to_string_lossy().ends_with("safetensors"));
        assert_eq!(arrays.count(), 1, "no state but the last is left");
    }
}

/// The contents of `history.csv` without the seconds.
fn history(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("history.csv")).unwrap();
    text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
}

#[test]
fn every_normalization_has_its_documented_effect() {
    let outcome = |extra: &str, clips: &[(String, Features, usize)]| {
        let folder = tempfile::tempdir().unwrap();
        let settings = learner("resnet_nano", &format!(r#", "precision": "f32"{extra}"#));
        // A tiny learning rate, because training would amplify rounding errors.
        run_on(&LearnerSettings { learning_rate: 1e-6, ..settings }, folder.path(), GO_ON, clips).unwrap()
    };
    let original = clips(65);
    // Each clip gets another level and another offset.
    let mut other = original.clone();
    for (index, (_, features, _)) in other.iter_mut().enumerate() {
        let (gain, offset) = (1.0 + (index % 7) as f32 / 4.0, (index % 5) as f32 - 2.0);
        features.data.iter_mut().for_each(|value| *value = *value * gain + offset);
    }
    let greatest_change = |extra: &str| {
        let (a, b) = (outcome(extra, &original).probabilities, outcome(extra, &other).probabilities);
        a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    let by_clip = greatest_change(r#", "normalization": "clip""#);
    assert!(by_clip < 1e-3, "level and offset of a clip do not matter: {by_clip}");
    let by_channel = greatest_change(r#", "normalization": "channel""#);
    assert!(by_channel > 0.01, "they do where all clips share one scaling: {by_channel}");
    // A given scaling has the same effect as a measured one.
    let measured = outcome(r#", "normalization": "channel""#, &original);
    let InputScaling::Fixed(scaling) = &measured.scaling else { panic!("{:?}", measured.scaling) };
    let given = format!(r#", "normalization": {}"#, serde_json::to_string(scaling).unwrap());
    assert_eq!(outcome(&given, &original).probabilities, measured.probabilities);
}

#[test]
fn another_recipe_does_not_take_over_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    run(&learner("resnet_nano", ""), folder.path(), GO_ON).unwrap();
    let other = LearnerSettings { mixup: 0.0, ..learner("resnet_nano", "") };
    assert!(matches!(run(&other, folder.path(), GO_ON), Err(TrainingError::OtherJob { .. })));
}

#[test]
fn clips_that_do_not_count_do_not_change_the_scaling() {
    let scaling = |unverified_weight: f32, gain: f32| {
        let mut clips = clips(12);
        clips[3].1.data.iter_mut().for_each(|value| *value *= gain);
        let examples: Vec<Example> = clips
            .iter()
            .enumerate()
            .map(|(at, (name, features, label))| Example {
                name,
                features: features.view(),
                labels: std::slice::from_ref(label),
                verified: at != 3,
            })
            .collect();
        let extra = format!(r#", "normalization": "channel", "unverified_weight": {unverified_weight}"#);
        let learner = LearnerSettings { epochs: 1, ..learner("resnet_nano", &extra) };
        outcome_of(&learner, &examples).scaling
    };
    assert_eq!(scaling(0.0, 100.0), scaling(0.0, 1.0), "a clip of weight 0 is omitted");
    assert_ne!(scaling(0.5, 100.0), scaling(0.5, 1.0), "any other clip counts");
}

fn outcome_of(learner: &LearnerSettings, examples: &[Example]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let job = Job {
        start: None,
        learner,
        front_end: &FrontEnd::logmel(),
        split: Split::Fold(0),
        train: examples.to_vec(),
        predict: examples[..1].to_vec(),
        task: Task::SingleLabel,
        labels: &LABELS.map(str::to_owned),
        seed: 7,
        device: "cpu",
        shared: None,
        folder: folder.path(),
    };
    job.run(&mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn a_setting_out_of_its_range_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = learner("resnet_nano", "");
    let cases = [
        (LearnerSettings { learning_rate: -1.0, ..good.clone() }, "learning_rate", "-1"),
        (LearnerSettings { batch_size: 0, ..good.clone() }, "batch_size", "0"),
        (LearnerSettings { name: "../l".to_owned(), ..good.clone() }, "name", "\"../l\""),
        (LearnerSettings { mixup: f32::NAN, ..good.clone() }, "mixup", "NaN"),
        (LearnerSettings { ema_decay: 1.0, ..good.clone() }, "ema_decay", "1"),
        (learner("resnet_nano", r#", "class_weight": {"fast": 1, "slow": 0}"#), "class_weight", "{ \"slow\" = 0 }"),
        (learner("resnet_nano", r#", "augmentation": {"time_stretch": -0.1}"#), "augmentation.time_stretch", "-0.1"),
        (
            learner("resnet_nano", r#", "augmentation": {"time_masks": {"count": 2, "width": 1.5}}"#),
            "augmentation.time_masks",
            "count 2, width 1.5",
        ),
        (
            learner("resnet_nano", r#", "normalization": {"mean": [0.0], "deviation": [1.0]}"#),
            "normalization",
            "{ mean = [0.0], deviation = [1.0] }",
        ),
        (
            learner("resnet_nano", r#", "normalization": {"mean": [0, 0, 0], "deviation": [1, 0, 1]}"#),
            "normalization",
            "{ mean = [0.0, 0.0, 0.0], deviation = [1.0, 0.0, 1.0] }",
        ),
    ];
    for (settings, expected_key, expected_value) in cases {
        let error = run(&settings, folder.path(), GO_ON).unwrap_err();
        let TrainingError::Setting { key, value, .. } = &error else { panic!("{error}") };
        assert_eq!((*key, value.as_str()), (expected_key, expected_value));
    }
    let error = run(&LearnerSettings { batch_size: 0, ..good }, folder.path(), GO_ON).unwrap_err();
    assert!(error.to_string().starts_with("learner l: `batch_size` = 0 "), "{error}");
}

#[test]
fn class_weights_weigh_the_loss() {
    let outcome = |extra: &str| {
        let folder = tempfile::tempdir().unwrap();
        let weights = run(&learner("resnet_nano", extra), folder.path(), GO_ON).unwrap().weights;
        assert!(weights.is_finite());
        weights
    };
    let plain = outcome("");
    assert!(plain == outcome(r#", "class_weight": {"slow": 1.0}"#), "a weight of 1 changes no bit");
    assert!(plain != outcome(r#", "class_weight": {"slow": 2.0}"#));
    // All classes have the same number of clips.
    assert!(plain == outcome(r#", "class_weight": "balanced""#));
}

#[test]
fn classes_that_have_a_weight_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    for arch in ["resnet_nano", "linear"] {
        let text = r#"{"name": "l", "features": "f", "class_weight": {"Slwo": 2.0, "slow": 3.0, "fsat": 2.0}}"#;
        let mut settings: serde_json::Value = serde_json::from_str(text).unwrap();
        settings["arch"] = arch.into();
        let settings: LearnerSettings = serde_json::from_value(settings).unwrap();
        let error = settings.check_classes(&LABELS.map(str::to_owned)).unwrap_err();
        let TrainingError::UnknownClasses { learner, classes } = &error else { panic!("{error}") };
        let named: Vec<_> = classes.iter().map(|(class, nearest)| (class.as_str(), nearest[0].as_str())).collect();
        assert_eq!((learner.as_str(), &named[..]), ("l", &[("Slwo", "slow"), ("fsat", "fast")][..]));
    }
    let unknown = learner("resnet_nano", r#", "class_weight": {"loud": 2.0}"#);
    let error = run(&unknown, folder.path(), GO_ON).unwrap_err();
    assert!(matches!(&error, TrainingError::UnknownClasses { classes, .. } if classes[0].0 == "loud"), "{error}");
}

#[test]
fn a_setting_that_does_not_apply_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let learner = learner("resnet_nano", r#", "kernel": {}"#);
    let error = run(&learner, folder.path(), GO_ON).unwrap_err();
    assert!(matches!(&error, TrainingError::NotApplicable { key, .. } if key == "kernel"), "{error}");
    let frozen = r#""freeze": "body", "pretrained": "w.pt", "body_learning_rate": 0.1"#;
    let without_weights = [r#""freeze": "batch_norm""#, r#""body_learning_rate": 0.1"#, frozen];
    for (setting, expected) in without_weights.into_iter().zip(["freeze", "body_learning_rate", "body_learning_rate"]) {
        let error = self::learner("resnet_nano", &format!(", {setting}")).validate().unwrap_err();
        assert!(matches!(&error, TrainingError::NotApplicable { key, .. } if key == expected), "{error}");
    }
    let wave: FrontEnd = serde_json::from_str(r#"{"kind": "wave"}"#).unwrap();
    for augmentation in [r#"{"freq_warp": 0.1}"#, r#"{"freq_masks": {"count": 1, "width": 0.1}}"#] {
        let settings = LearnerSettings {
            augmentation: serde_json::from_str(augmentation).unwrap(),
            kernel: None,
            arch: "wave_resnet_nano".to_owned(),
            ..learner.clone()
        };
        let error = settings.check_input(&wave).unwrap_err();
        assert!(matches!(error, TrainingError::NotApplicable { .. }), "{augmentation}: {error}");
    }
}

#[test]
fn networks_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = run(&learner("resnet_nan", ""), folder.path(), GO_ON);
    assert!(matches!(unknown, Err(TrainingError::Architecture { .. })), "{unknown:?}");
    // Only the shortest crops are too short for cnn14.
    let short = run(&learner("cnn14_nano", r#", "augmentation": {"crop_length_jitter": 1.0}"#), folder.path(), GO_ON);
    assert!(matches!(short, Err(TrainingError::Shape { .. })), "{short:?}");
}

#[test]
fn a_loss_that_becomes_infinite_ends_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let wild = LearnerSettings { learning_rate: 100.0, weight_decay: 0.9, epochs: 60, ..learner("resnet_nano", "") };
    let error = run(&wild, folder.path(), GO_ON).unwrap_err();
    assert!(matches!(&error, TrainingError::Diverged { clips, .. } if clips.len() == 8), "{error}");
}
