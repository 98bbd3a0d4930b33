//! The combination that `kind = "auto"` chooses, and that no choice sees what it is scored on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::labels;
use earmark_stacking::{
    Choice, ChoiceRecord, FeatureKind, Merits, Stack, StackError, StackFeatures, StackKind, StackSettings, Table,
    TrainingRows, score,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/../../golden/choice/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn names(rows: usize) -> Vec<String> {
    (0..rows).map(|row| format!("{row}.wav")).collect()
}

/// Learners, statistics and clips.
#[derive(Clone, Deserialize)]
struct Clips {
    settings: StackSettings,
    learners: Vec<Vec<Vec<f32>>>,
    statistics: Vec<Vec<f32>>,
    labels: Vec<usize>,
    folds: Vec<usize>,
    weights: Vec<f32>,
}

impl Clips {
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

    fn try_choose(&self) -> Result<Choice, StackError> {
        let (features, classes) = (self.features(), self.classes());
        let Self { labels: truth, folds, weights, .. } = self;
        let rows = TrainingRows { features: &features.table, truth, folds, weights, classes: &classes };
        Choice::new(&features, &rows, &self.settings)
    }

    fn choose(&self) -> (Choice, ChoiceRecord) {
        let choice = self.try_choose().unwrap();
        let record = choice.record.clone().unwrap();
        (choice, record)
    }
}

/// The clips, and what Python has chosen.
#[derive(Deserialize)]
struct Nested {
    #[serde(flatten)]
    clips: Clips,
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
}

fn cases() -> Vec<Nested> {
    golden("nested")
}

#[test]
fn chooses_and_predicts_as_the_reference() {
    for case in cases() {
        let (choice, record) = case.clips.choose();
        assert_eq!(record.chosen, case.chosen);
        assert!(record.reason.contains(&case.chosen), "{}", record.reason);
        let of_folds = record.folds.iter();
        let of_folds: Vec<OfFold> =
            of_folds.map(|of| OfFold { fold: of.fold, chosen: of.chosen.clone(), best: of.best.clone() }).collect();
        assert_eq!(of_folds, case.of_folds);
        assert_eq!(record.candidates.len(), case.candidates.len());
        for (ours, theirs) in record.candidates.iter().zip(&case.candidates) {
            assert_eq!(ours.name, theirs.name);
            let difference = [ours.difference.mean, ours.difference.standard_error];
            let pairs = [ours.loss, difference[0], difference[1]].into_iter();
            let pairs = pairs.zip([theirs.loss, theirs.difference[0], theirs.difference[1]]);
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5), "{}: {:?}", ours.name, pairs.collect::<Vec<_>>());
        }
        let scores = score(&case.clips.classes(), &case.clips.labels, &choice.out_of_fold).unwrap();
        for of in &record.candidates {
            let Merits::SingleLabel { map3, accuracy, stack_minus_map3, stack_minus_accuracy, .. } = of.merits else {
                panic!("{of:?}");
            };
            assert!((accuracy + stack_minus_accuracy.mean - scores.accuracy).abs() < 1e-9);
            assert!((map3 + stack_minus_map3.mean - scores.map3).abs() < 1e-9);
        }
        let expected = case.out_of_fold.concat();
        let distances = choice.out_of_fold.data().iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let largest = distances.fold(0.0, f32::max);
        assert!(largest < 1e-4, "{}: {largest}", case.chosen);
    }
}

#[derive(Deserialize)]
struct Weighted {
    x: Vec<Vec<f32>>,
    labels: Vec<usize>,
    weights: Vec<f32>,
    expected: Vec<f64>,
}

#[test]
fn weights_are_those_of_ensemble_selection() {
    for case in golden::<Vec<Weighted>>("weighted_means") {
        let columns = (0..case.x[0].len()).map(|i| format!("f{i}")).collect();
        let features = Table::new(names(case.x.len()), columns, case.x.concat()).unwrap();
        let (classes, folds) = (labels(3), vec![0; case.labels.len()]);
        let rows = TrainingRows {
            features: &features,
            truth: &case.labels,
            folds: &folds,
            weights: &case.weights,
            classes: &classes,
        };
        let settings = StackSettings { kind: StackKind::WeightedMean, ..StackSettings::default() };
        let stack = Stack::fit(&rows, &settings).unwrap();
        let Stack::WeightedMean(mean) = &stack else { panic!("another kind") };
        for (ours, theirs) in mean.weights.iter().zip(&case.expected) {
            assert!((ours - theirs).abs() < 1e-9, "{:?}, not {:?}", mean.weights, case.expected);
        }
        let predicted = stack.predict(&features, &classes).unwrap();
        let first: f64 = (0..mean.weights.len()).map(|i| mean.weights[i] * f64::from(case.x[0][3 * i])).sum();
        assert!((f64::from(predicted.row(0)[0]) - first).abs() < 1e-6);
        let none = TrainingRows { weights: &vec![0.0; case.labels.len()], ..rows };
        assert!(matches!(Stack::fit(&none, &settings), Err(StackError::TooFew(_))));
    }
}

/// Neither the choice, its temperature, nor a fit sees the clips that it predicts.
#[test]
fn a_folds_own_labels_reach_neither_its_choice_nor_its_predictions() {
    for case in cases() {
        let mut clips = case.clips;
        let (before, record) = clips.choose();
        let own: Vec<usize> = (0..clips.labels.len()).filter(|&row| clips.folds[row] == 2).collect();
        for &row in &own {
            clips.labels[row] = (clips.labels[row] + 1) % clips.learners[0][0].len();
            clips.weights[row] = 0.1;
        }
        let (after, changed) = clips.choose();
        assert_eq!(record.folds[2], changed.folds[2]);
        for &row in &own {
            assert_eq!(before.out_of_fold.row(row), after.out_of_fold.row(row), "row {row} has seen its own label");
        }
        assert_ne!(before.out_of_fold, after.out_of_fold, "the other folds are fitted on the changed labels");
    }
}

/// Labels that are independent of everything: the nested score is chance, although the best of many
/// candidates is better than that on the clips that it was chosen by.
#[test]
fn the_nested_score_does_not_profit_from_many_candidates() {
    for case in cases() {
        let mut clips = case.clips;
        let classes = clips.learners[0][0].len();
        let rows = clips.labels.len();
        // Multiplication by a number without a common factor shuffles the rows.
        clips.labels = (0..rows).map(|row| (row * 37 % rows) * 11 / 7 % classes).collect();
        let (choice, _) = clips.choose();
        let accuracy = score(&clips.classes(), &clips.labels, &choice.out_of_fold).unwrap().accuracy;
        let chance = 1.0 / classes as f64;
        let deviation = (chance * (1.0 - chance) / rows as f64).sqrt();
        assert!((accuracy - chance).abs() < 3.0 * deviation, "{accuracy} instead of {chance}");
    }
}

#[test]
fn the_final_stack_is_the_chosen_candidate_with_its_temperature() {
    for case in cases() {
        let (choice, record) = case.clips.choose();
        let features = case.clips.features().selected(&choice.candidate.columns()).unwrap();
        let Clips { labels: truth, folds, weights, .. } = &case.clips;
        let classes = case.clips.classes();
        let rows = TrainingRows { features: &features.table, truth, folds, weights, classes: &classes };
        let stack = choice.fit(&rows).unwrap();
        let table = stack.predict(&features.table, &classes).unwrap();
        let plain = match choice.candidate.settings() {
            Some(settings) => Stack::fit(&rows, settings).unwrap().predict(&features.table, &classes).unwrap(),
            None => choice.of_candidate.clone(),
        };
        for (scaled, plain) in table.rows().zip(plain.rows()) {
            let of = |row: &[f32]| f64::from((row[1] / row[0]).ln());
            assert!((of(scaled) * record.temperature - of(plain)).abs() < 1e-3, "{scaled:?} {plain:?}");
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_excluded() {
    let mut clips = cases().remove(0).clips;
    let excluded = |clips: &Clips| {
        let (_, record) = clips.choose();
        record.excluded.into_iter().map(|of| of.name).collect::<Vec<_>>()
    };
    assert!(excluded(&clips).is_empty());
    // A class in two folds alone: without both, nothing is left to fit on.
    for (row, fold) in clips.folds.iter_mut().enumerate().filter(|(row, _)| clips.labels[*row] == 1) {
        *fold = row % 2;
    }
    let fitted = ["logistic regression, c = 0.001", "logistic regression, c = 0.01", "logistic regression, c = 0.1"];
    let fitted: Vec<&str> =
        fitted.into_iter().chain(["logistic regression, c = 1", "XGBoost", "XGBoost with MFCC statistics"]).collect();
    assert_eq!(excluded(&clips), fitted);
    // Two folds: each is predicted by what is best on the other, and weights cannot be judged.
    clips.folds.iter_mut().for_each(|fold| *fold %= 2);
    assert_eq!(excluded(&clips), [&["weighted mean"], fitted.as_slice()].concat());
    clips.folds.fill(0);
    assert!(matches!(clips.try_choose(), Err(StackError::TooFew(_))));
}

#[test]
fn the_settings_decide_which_candidates_there_are() {
    let all = |settings: StackSettings, learners: usize| {
        let mut clips = cases().remove(1).clips;
        clips.learners.truncate(learners);
        clips.settings = StackSettings { kind: StackKind::Auto, rounds: 2, ..settings };
        let (_, record) = clips.choose();
        record.candidates.into_iter().map(|of| of.name).collect::<Vec<_>>()
    };
    let without = StackSettings { features: vec![FeatureKind::LogProbabilities], c: 1e-4, ..StackSettings::default() };
    assert_eq!(
        all(without, 2),
        [
            "arithmetic mean",
            "geometric mean",
            "learner0",
            "learner1",
            "weighted mean",
            "logistic regression, c = 0.000001",
            "logistic regression, c = 0.00001",
            "logistic regression, c = 0.0001",
            "XGBoost"
        ]
    );
    // One learner is its own mean.
    let statistics = StackSettings { features: vec![FeatureKind::MfccStatistics], ..StackSettings::default() };
    assert_eq!(all(statistics, 1), ["learner0", "XGBoost with MFCC statistics"]);
    let mut clips = cases().remove(0).clips;
    clips.settings.c = 1e9;
    assert!(matches!(clips.try_choose(), Err(StackError::Setting { key: "c", .. })));
    clips.settings.c = 1.0;
    clips.labels[0] = 99;
    assert!(matches!(clips.try_choose(), Err(StackError::Clip(_))));
}

#[test]
fn auto_is_no_kind_to_fit() {
    let clips = cases().remove(0).clips;
    let (features, classes) = (clips.features(), clips.classes());
    let Clips { labels: truth, folds, weights, .. } = &clips;
    let rows = TrainingRows { features: &features.table, truth, folds, weights, classes: &classes };
    assert!(matches!(Stack::fit(&rows, &clips.settings), Err(StackError::Setting { key: "kind", .. })));
}
