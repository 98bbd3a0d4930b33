//! Out-of-fold predictions never come from a stack fitted on the row.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::labels;
use earmark_stacking::{
    Booster, FeatureKind, Matrix, Stack, StackError, StackFeatures, StackKind, StackSettings, Table, TrainingRows,
    check_folds, most_probable, out_of_fold, score,
};
use serde::Deserialize;

const CLASSES: usize = 4;
const COLUMNS: usize = 3;

/// Clips whose features depend on the class, with some noise; folds alternate.
#[derive(Clone)]
struct Clips {
    features: Table,
    truth: Vec<usize>,
    folds: Vec<usize>,
    weights: Vec<f32>,
    settings: StackSettings,
}

/// Numbers from 0 to 1 by a linear congruential generator (Knuth's MMIX), which is random enough
/// here.
fn uniform() -> impl FnMut() -> f32 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    }
}

fn clips(rows: usize) -> Clips {
    let mut uniform = uniform();
    let truth: Vec<usize> = (0..rows).map(|i| (i / 5) % CLASSES).collect();
    let data = truth.iter().flat_map(|&class| {
        let centre = [class as f32, (class % 2) as f32, 0.0];
        centre.map(|centre| centre + uniform() - 0.5)
    });
    let columns = (0..COLUMNS).map(|i| format!("f{i}")).collect();
    let features = Table::new((0..rows).map(|i| format!("{i}.wav")).collect(), columns, data.collect()).unwrap();
    let settings = StackSettings { rounds: 20, ..StackSettings::default() };
    Clips { features, truth, folds: (0..rows).map(|i| i % 5).collect(), weights: vec![1.0; rows], settings }
}

impl Clips {
    fn with<T>(&self, work: impl FnOnce(&TrainingRows<'_>, &StackSettings) -> T) -> T {
        let Clips { features, truth, folds, weights, settings } = self;
        work(&TrainingRows { features, truth, folds, weights, classes: &labels(CLASSES) }, settings)
    }

    fn out_of_fold(&self) -> Table {
        self.with(out_of_fold).unwrap()
    }

    fn accuracy(&self, predicted: &Table) -> f64 {
        score(&labels(CLASSES), &self.truth, predicted).unwrap().accuracy
    }

    /// The same clips with labels that are independent of the features.
    fn shuffled(mut self) -> Self {
        let mut uniform = uniform();
        for last in (1..self.truth.len()).rev() {
            self.truth.swap(last, (uniform() * (last + 1) as f32) as usize);
        }
        self
    }
}

/// Every kind that is fitted, and early stopping.
fn kinds() -> Vec<(&'static str, StackSettings)> {
    let default = || StackSettings { rounds: 20, ..StackSettings::default() };
    vec![
        ("xgboost", default()),
        ("early stopping", StackSettings { early_stopping_rounds: 2, rounds: 60, ..default() }),
        ("two threads", StackSettings { early_stopping_rounds: 2, threads: 2, ..default() }),
        ("logistic", StackSettings { kind: StackKind::Logistic, ..default() }),
        ("calibrated", StackSettings { kind: StackKind::Logistic, temperature_scaling: true, c: 0.01, ..default() }),
    ]
}

#[test]
fn learns_what_can_be_learned_and_nothing_from_shuffled_labels() {
    for (name, settings) in kinds() {
        let honest = Clips { settings: settings.clone(), ..clips(400) };
        let accuracy = honest.accuracy(&honest.out_of_fold());
        assert!(accuracy > 0.8, "{name}: {accuracy}");
        let shuffled = Clips { settings, ..clips(400).shuffled() };
        let accuracy = shuffled.accuracy(&shuffled.out_of_fold());
        assert!((0.15..0.35).contains(&accuracy), "{name}: chance is 0.25, not {accuracy}");
        if name == "xgboost" {
            // Trees fitted on the same rows would have a much higher accuracy.
            let full = shuffled.with(Stack::fit).unwrap();
            let leaked = shuffled.accuracy(&full.predict(&shuffled.features, &labels(CLASSES)).unwrap());
            assert!(leaked > 0.6, "{leaked}");
        }
    }
}

/// Held-out rows do not influence the model that predicts them: neither trees nor their number,
/// neither coefficients nor scaling.
#[test]
fn a_folds_own_labels_do_not_reach_its_predictions() {
    for (name, settings) in kinds() {
        let mut clips = Clips { settings, ..clips(100) };
        let before = clips.out_of_fold();
        let judged: Vec<usize> = (0..100).filter(|i| i % 5 == 3).collect();
        for &i in &judged {
            clips.truth[i] = (clips.truth[i] + 1) % CLASSES;
            clips.weights[i] = 0.5;
        }
        let after = clips.out_of_fold();
        for &i in &judged {
            assert_eq!(before.row(i), after.row(i), "{name}: row {i} has seen its own label");
        }
        assert_ne!(before, after, "{name}: the other folds are trained on the changed labels");
        // Nor do their features influence the predictions of other rows of the same fold.
        let mut data = clips.features.data().to_vec();
        data[3 * COLUMNS] += 100.0;
        let (names, columns) = (clips.features.names().to_vec(), clips.features.columns().to_vec());
        clips.features = Table::new(names, columns, data).unwrap();
        let moved = clips.out_of_fold();
        for &i in judged.iter().filter(|&&i| i != 3) {
            assert_eq!(after.row(i), moved.row(i), "{name}: row {i} has seen row 3");
        }
    }
}

/// Learners that memorize their training rows, on features without information: level 2 must not
/// trust them.
#[test]
fn two_levels_on_shuffled_labels_are_chance() {
    let clips = clips(400).shuffled();
    let nearest = |row: usize, columns: &[usize]| {
        let others = (0..400).filter(|&other| clips.folds[other] != clips.folds[row]);
        let distance = |other: usize| -> f32 {
            columns.iter().map(|&c| (clips.features.row(row)[c] - clips.features.row(other)[c]).powi(2)).sum()
        };
        let nearest = others.min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
        (0..CLASSES).map(|class| if class == clips.truth[nearest] { 0.97 } else { 0.01 }).collect::<Vec<f32>>()
    };
    let names = clips.features.names().to_vec();
    let learner = |columns: &[usize]| {
        let rows = (0..400).flat_map(|row| nearest(row, columns)).collect();
        Table::new(names.clone(), labels(CLASSES), rows).unwrap()
    };
    let (one, two) = (learner(&[0, 1, 2]), learner(&[2, 0]));
    let kinds_of = [FeatureKind::Probabilities, FeatureKind::LogProbabilities, FeatureKind::MfccStatistics];
    let features = StackFeatures::new(&kinds_of, &[("one", &one), ("two", &two)], Some(&clips.features)).unwrap().table;
    for (name, settings) in kinds() {
        let stacked = Clips { features: features.clone(), settings, ..clips.clone() };
        let accuracy = stacked.accuracy(&stacked.out_of_fold());
        assert!((0.15..0.35).contains(&accuracy), "{name}: chance is 0.25, not {accuracy}");
    }
}

/// Rows that Python has stacked, the settings, and its out-of-fold predictions.
#[derive(Deserialize)]
struct Golden {
    settings: StackSettings,
    x: Vec<Vec<f32>>,
    labels: Vec<usize>,
    folds: Vec<usize>,
    weights: Vec<f32>,
    out_of_fold: Vec<Vec<f32>>,
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = format!("{}/../../golden/stacking/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn stack(&self, settings: &StackSettings) -> Table {
        let names = (0..self.x.len()).map(|i| format!("{i}.wav")).collect();
        let columns = (0..self.x[0].len()).map(|i| format!("f{i}")).collect();
        let features = Table::new(names, columns, self.x.concat()).unwrap();
        let Self { labels: truth, folds, weights, .. } = self;
        let classes = labels(self.out_of_fold[0].len());
        out_of_fold(&TrainingRows { features: &features, truth, folds, weights, classes: &classes }, settings).unwrap()
    }

    fn distance(&self, ours: &Table) -> f32 {
        ours.data().iter().zip(self.out_of_fold.concat()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }
}

/// Compares with scikit-learn's models, whose margins are multiplied by the factor that SciPy finds
/// on the inner folds.
#[test]
fn is_calibrated_as_by_scipy() {
    let golden = Golden::read("calibrated");
    let calibrated = golden.stack(&golden.settings);
    let plain = golden.stack(&StackSettings { temperature_scaling: false, ..golden.settings.clone() });
    let distances = (golden.distance(&calibrated), golden.distance(&plain));
    assert!(distances.0 <= 1e-5 && distances.1 > 0.1, "{distances:?}");
    for (a, b) in calibrated.rows().zip(plain.rows()) {
        assert_eq!(most_probable(a), most_probable(b), "the order of classes stays");
    }
}

/// Compares with Python's xgboost: early stopping on each inner fold, the mean number of rounds,
/// and the resulting trees.
#[test]
fn stops_where_python_stops() {
    let golden = Golden::read("early_stopping");
    let stopped = golden.distance(&golden.stack(&golden.settings));
    let whole = golden.distance(&golden.stack(&StackSettings { early_stopping_rounds: 0, ..golden.settings.clone() }));
    assert!(stopped <= 1e-5, "{stopped}");
    assert!(whole > 1e-2, "without early stopping nothing differs: {whole}");
}

#[test]
fn a_mean_is_that_of_the_learners() {
    let learner = |share: f32| {
        let rows = (0..10).flat_map(|i| if i % 2 == 0 { [share, 1.0 - share] } else { [1.0 - share, share] });
        Table::new((0..10).map(|i| format!("{i}.wav")).collect(), labels(2), rows.collect()).unwrap()
    };
    let (a, b) = (learner(0.9), learner(0.5));
    let features = StackFeatures::new(&[FeatureKind::Probabilities], &[("a", &a), ("b", &b)], None).unwrap();
    let StackFeatures { table: features, layout, .. } = features;
    let (truth, folds): (Vec<usize>, Vec<usize>) = ((0..10).map(|i| i % 2).collect(), (0..10).map(|i| i / 5).collect());
    let rows =
        TrainingRows { features: &features, truth: &truth, folds: &folds, weights: &[1.0; 10], classes: &labels(2) };
    for (kind, first) in [(StackKind::Mean, 0.7), (StackKind::GeometricMean, 0.75)] {
        let settings = StackSettings { kind, ..StackSettings::default() };
        let predicted = out_of_fold(&rows, &settings).unwrap();
        assert!((predicted.row(0)[0] - first).abs() < 1e-6, "{kind:?}: {:?}", predicted.row(0));
        let stack = Stack::fit(&rows, &settings).unwrap();
        assert_eq!(stack.predict(&features, &labels(2)).unwrap(), predicted);
        assert!(stack.file().unwrap().is_none() && stack.importance(&layout).unwrap().is_none());
        assert!(matches!(stack.predict(&features, &labels(3)), Err(StackError::Shape(_))));
    }
}

#[test]
fn each_row_is_predicted_by_the_trees_of_the_other_folds() {
    let mut clips = clips(60);
    // Folds may be any numbers in any order.
    clips.folds = (0..60).map(|i| [7, 2, 40][(i / 3) % 3]).collect();
    let predicted = clips.out_of_fold();
    assert_eq!(predicted.names(), clips.features.names());
    for fold in [2, 7, 40] {
        let (held_out, rest): (Vec<usize>, Vec<usize>) = (0..60).partition(|&i| clips.folds[i] == fold);
        let x: Vec<f32> = rest.iter().flat_map(|&i| clips.features.row(i).to_vec()).collect();
        let truth: Vec<usize> = rest.iter().map(|&i| clips.truth[i]).collect();
        let weights = vec![1.0; rest.len()];
        let x = Matrix::new(&x, COLUMNS).unwrap();
        let booster = Booster::fit(x, &truth, &weights, &labels(CLASSES), &clips.settings).unwrap();
        for i in held_out {
            let row = Matrix::new(clips.features.row(i), COLUMNS).unwrap();
            assert_eq!(booster.probabilities(row).unwrap(), predicted.row(i), "row {i}");
        }
    }
}

#[test]
fn the_error_names_the_class_that_a_fold_lacks() {
    let mut clips = clips(100);
    // All clips of class 2 are in fold 4: none is left to train on when fold 4 is held out.
    for i in 0..100 {
        if clips.truth[i] == 2 {
            clips.folds[i] = 4;
        }
    }
    let call = |folds: &[usize], settings: &StackSettings| {
        let Clips { features, truth, weights, .. } = &clips;
        let rows = TrainingRows { features, truth, folds, weights, classes: &labels(CLASSES) };
        let error = out_of_fold(&rows, settings).unwrap_err();
        if folds.len() == truth.len() {
            // The same error is reported early, without the features.
            let early = check_folds(truth, folds, weights, &labels(CLASSES), settings).unwrap_err();
            assert_eq!(early.to_string(), error.to_string());
        }
        error
    };
    let lacks = |error: StackError, held_out: &[usize]| {
        let is =
            matches!(&error, StackError::ClassWithoutRows { class, folds } if class == "class2" && folds == held_out);
        assert!(is, "{error:?}");
    };
    lacks(call(&clips.folds, &clips.settings), &[4]);
    assert!(matches!(call(&[1; 100], &clips.settings), StackError::TooFew(_)));
    assert!(matches!(call(&[1; 99], &clips.settings), StackError::Shape(_)));
    let stopping = StackSettings { early_stopping_rounds: 5, ..clips.settings.clone() };
    let two: Vec<usize> = (0..100).map(|i| i % 2).collect();
    assert!(matches!(call(&two, &stopping), StackError::TooFew(why) if why.contains("early_stopping_rounds")));
    let calibrated = StackSettings { kind: StackKind::Logistic, temperature_scaling: true, ..clips.settings.clone() };
    assert!(matches!(call(&two, &calibrated), StackError::TooFew(why) if why.contains("temperature_scaling")));
    // A class in two folds: one is held out, the other determines when to stop.
    let thin: Vec<usize> = (0..100).map(|i| if clips.truth[i] == 2 { 3 + i % 2 } else { i % 5 }).collect();
    let error = call(&thin, &stopping);
    assert_eq!(call(&thin, &calibrated).to_string(), error.to_string());
    lacks(error, &[3, 4]);
}

#[test]
fn unverified_clips_weigh_less() {
    let settings = StackSettings { unverified_weight: 0.6, ..StackSettings::default() };
    assert_eq!(settings.weights(&[true, false]), [1.0, 0.6]);
}
