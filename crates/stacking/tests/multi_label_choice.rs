//! The combination that `kind = "auto"` chooses for clips with several labels, compared with Python
//! (golden/choice), and that no choice sees what it is scored on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::labels;
use earmark_stacking::{
    Choice, ChoiceRecord, Merits, Stack, StackError, StackFeatures, StackKind, StackSettings, Table, TrainingRows,
    score_multi_label,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/../../golden/choice/multi_label_{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn names(rows: usize) -> Vec<String> {
    (0..rows).map(|row| format!("{row}.wav")).collect()
}

/// The clips, and what Python has chosen.
#[derive(Deserialize)]
struct Case {
    settings: StackSettings,
    learners: Vec<Vec<Vec<f32>>>,
    statistics: Vec<Vec<f32>>,
    labels: Vec<Vec<usize>>,
    folds: Vec<usize>,
    weights: Vec<f32>,
    chosen: String,
    of_folds: Vec<OfFold>,
    candidates: Vec<OfCandidate>,
    out_of_fold: Vec<Vec<f32>>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct OfFold {
    fold: usize,
    chosen: String,
    best: String,
}

#[derive(Deserialize)]
struct OfCandidate {
    name: String,
    loss: f64,
    difference: [f64; 2],
    macro_average_precision: f64,
    lwlrap: f64,
}

impl Case {
    fn all() -> Vec<Self> {
        golden("nested")
    }

    fn classes(&self) -> Vec<String> {
        labels(self.learners[0][0].len())
    }

    fn features(&self) -> StackFeatures {
        let names = names(self.labels.len());
        let table = |rows: &Vec<Vec<f32>>| Table::new(names.clone(), self.classes(), rows.concat()).unwrap();
        let learners: Vec<(String, Table)> =
            self.learners.iter().enumerate().map(|(i, rows)| (format!("learner{i}"), table(rows))).collect();
        let learners: Vec<(&str, &Table)> = learners.iter().map(|(name, table)| (name.as_str(), table)).collect();
        let columns = (0..self.statistics[0].len()).map(|i| format!("s{i}")).collect();
        let statistics = Table::new(names.clone(), columns, self.statistics.concat()).unwrap();
        StackFeatures::new(&self.settings.columns(), &learners, Some(&statistics)).unwrap()
    }

    fn choose(&self) -> (Choice, ChoiceRecord) {
        let (features, classes) = (self.features(), self.classes());
        let Self { labels: truth, folds, weights, .. } = self;
        let rows = TrainingRows { features: &features.table, truth, folds, weights, classes: &classes };
        let choice = Choice::new(&features, &rows, &self.settings).unwrap();
        let record = choice.record.clone().unwrap();
        (choice, record)
    }
}

#[test]
fn chooses_and_predicts_as_the_reference() {
    for case in Case::all() {
        let (choice, record) = case.choose();
        assert_eq!(record.chosen, case.chosen);
        let of_folds = record.folds.iter();
        let of_folds: Vec<OfFold> =
            of_folds.map(|of| OfFold { fold: of.fold, chosen: of.chosen.clone(), best: of.best.clone() }).collect();
        assert_eq!(of_folds, case.of_folds);
        assert_eq!(record.candidates.len(), case.candidates.len());
        let classes = case.classes();
        let thresholds = vec![0.5; classes.len()];
        let stack = score_multi_label(&classes, &case.labels, &choice.out_of_fold, &thresholds).unwrap();
        for (ours, theirs) in record.candidates.iter().zip(&case.candidates) {
            assert_eq!(ours.name, theirs.name);
            let difference = [ours.difference.mean, ours.difference.standard_error];
            let pairs = [ours.loss, difference[0], difference[1]].into_iter();
            let pairs = pairs.zip([theirs.loss, theirs.difference[0], theirs.difference[1]]);
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5), "{}: {:?}", ours.name, pairs.collect::<Vec<_>>());
            let Merits::MultiLabel {
                macro_average_precision,
                macro_average_precision_interval,
                lwlrap,
                lwlrap_interval,
                stack_minus_macro_average_precision,
                stack_minus_lwlrap,
            } = ours.merits
            else {
                panic!("{ours:?}");
            };
            for (ours, theirs, interval, minus, of_stack) in [
                (
                    macro_average_precision,
                    theirs.macro_average_precision,
                    macro_average_precision_interval,
                    stack_minus_macro_average_precision,
                    stack.macro_average_precision,
                ),
                (lwlrap, theirs.lwlrap, lwlrap_interval, stack_minus_lwlrap, stack.lwlrap),
            ] {
                // Some probabilities are equal in one rounding and not in another.
                assert!((ours - theirs).abs() < 1e-3, "{}: {ours} {theirs}", record.chosen);
                assert!(interval.low < ours && ours < interval.high, "{interval:?}");
                assert!((ours + minus.value - of_stack).abs() < 1e-9 && minus.interval.low <= minus.interval.high);
            }
        }
        let expected = case.out_of_fold.concat();
        let distances = choice.out_of_fold.data().iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let largest = distances.fold(0.0, f32::max);
        assert!(largest < 1e-4, "{}: {largest}", case.chosen);
    }
}

#[derive(Deserialize)]
struct Weighted {
    classes: usize,
    x: Vec<Vec<f32>>,
    labels: Vec<Vec<usize>>,
    weights: Vec<f32>,
    expected: Vec<f64>,
}

#[test]
fn weights_are_those_of_ensemble_selection() {
    for case in golden::<Vec<Weighted>>("weighted_means") {
        let columns = (0..case.x[0].len()).map(|i| format!("f{i}")).collect();
        let features = Table::new(names(case.x.len()), columns, case.x.concat()).unwrap();
        let (classes, folds) = (labels(case.classes), vec![0; case.labels.len()]);
        let rows = TrainingRows {
            features: &features,
            truth: &case.labels,
            folds: &folds,
            weights: &case.weights,
            classes: &classes,
        };
        let settings = StackSettings { kind: StackKind::WeightedMean, ..StackSettings::default() };
        let Stack::WeightedMean(mean) = Stack::fit(&rows, &settings).unwrap() else { panic!("another kind") };
        for (ours, theirs) in mean.weights.iter().zip(&case.expected) {
            assert!((ours - theirs).abs() < 1e-9, "{:?}, not {:?}", mean.weights, case.expected);
        }
        let none = TrainingRows { weights: &vec![0.0; case.labels.len()], ..rows };
        assert!(matches!(Stack::fit(&none, &settings), Err(StackError::TooFew(_))));
    }
}

/// Neither the choice, its temperature, nor a fit sees the clips that it predicts.
#[test]
fn a_folds_own_labels_reach_neither_its_choice_nor_its_predictions() {
    for mut case in Case::all() {
        let classes = case.classes().len();
        let (before, record) = case.choose();
        let own: Vec<usize> = (0..case.labels.len()).filter(|&row| case.folds[row] == 2).collect();
        for &row in &own {
            case.labels[row] = (0..classes).filter(|class| !case.labels[row].contains(class)).collect();
            case.weights[row] = 0.1;
        }
        let (after, changed) = case.choose();
        assert_eq!(record.folds[2], changed.folds[2]);
        for &row in &own {
            assert_eq!(before.out_of_fold.row(row), after.out_of_fold.row(row), "row {row} has seen its own labels");
        }
        assert_ne!(before.out_of_fold, after.out_of_fold, "the other folds are fitted on the changed labels");
    }
}

#[test]
fn the_final_stack_is_the_chosen_candidate_with_its_temperature() {
    for case in Case::all() {
        let (choice, record) = case.choose();
        let features = case.features().selected(&choice.candidate.columns()).unwrap();
        let Case { labels: truth, folds, weights, .. } = &case;
        let classes = case.classes();
        let rows = TrainingRows { features: &features.table, truth, folds, weights, classes: &classes };
        let scaled = choice.fit(&rows).unwrap().predict(&features.table, &classes).unwrap();
        let plain = match choice.candidate.settings() {
            Some(settings) => Stack::fit(&rows, settings).unwrap().predict(&features.table, &classes).unwrap(),
            None => choice.of_candidate.clone(),
        };
        let log_odds = |probability: &f32| f64::from(*probability).ln() - (1.0 - f64::from(*probability)).ln();
        let pairs = scaled.data().iter().zip(plain.data()).map(|(scaled, plain)| (log_odds(scaled), log_odds(plain)));
        // Near 0 and 1, 32 bits have few log odds.
        let pairs: Vec<_> = pairs.filter(|(scaled, plain)| scaled.abs().max(plain.abs()) < 7.0).collect();
        assert!(pairs.len() * 2 > scaled.data().len());
        for (scaled, plain) in pairs {
            assert!((scaled * record.temperature - plain).abs() < 2e-3, "{scaled} {plain}");
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_excluded() {
    let mut case = Case::all().remove(0);
    let excluded = |case: &Case| case.choose().1.excluded.into_iter().map(|of| of.name).collect::<Vec<_>>();
    assert!(excluded(&case).is_empty());
    // A class in two folds alone: without both, nothing is left to fit on.
    for (labels, fold) in case.labels.iter_mut().zip(&case.folds).filter(|(_, fold)| **fold > 1) {
        labels.retain(|label| *label != 1);
        assert!(*fold < 4);
    }
    let all = excluded(&case);
    assert_eq!(all.len(), 6, "{all:?}");
    assert!(all.iter().all(|name| name.contains("logistic") || name.contains("XGBoost")), "{all:?}");
}

#[test]
fn the_record_is_read_as_it_was_written() {
    let (_, record) = Case::all().remove(0).choose();
    let json = serde_json::to_vec(&record).unwrap();
    assert_eq!(serde_json::from_slice::<ChoiceRecord>(&json).unwrap(), record);
}
