//! Out-of-fold predictions never come from trees that learned from the row.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::labels;
use earmark_stacking::{Booster, Matrix, StackSettings, Table, fit_full, out_of_fold, score};

const CLASSES: usize = 4;
const COLUMNS: usize = 3;

/// Clips whose features tell the class, with some noise; folds go round.
struct Clips {
    features: Table,
    truth: Vec<usize>,
    folds: Vec<usize>,
    weights: Vec<f32>,
    settings: StackSettings,
}

/// Numbers from 0 to 1 by a linear congruential generator (Knuth's MMIX), random enough here.
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
    fn out_of_fold(&self) -> Table {
        out_of_fold(&self.features, &self.truth, &self.folds, &self.weights, &labels(CLASSES), &self.settings).unwrap()
    }

    fn accuracy(&self, predicted: &Table) -> f64 {
        score(&labels(CLASSES), &self.truth, predicted).unwrap().accuracy
    }

    /// The same clips with labels that say nothing of the sound.
    fn shuffled(mut self) -> Self {
        let mut uniform = uniform();
        for last in (1..self.truth.len()).rev() {
            self.truth.swap(last, (uniform() * (last + 1) as f32) as usize);
        }
        self
    }
}

#[test]
fn learns_what_can_be_learned_and_nothing_from_shuffled_labels() {
    let honest = clips(400);
    let accuracy = honest.accuracy(&honest.out_of_fold());
    assert!(accuracy > 0.9, "{accuracy}");
    let shuffled = clips(400).shuffled();
    let accuracy = shuffled.accuracy(&shuffled.out_of_fold());
    assert!((0.15..0.35).contains(&accuracy), "chance is 0.25, not {accuracy}");
    // Trees that learned from the rows themselves would have looked much better.
    let full = fit_full(&shuffled.features, &shuffled.truth, &shuffled.weights, &labels(CLASSES), &shuffled.settings);
    let leaked = shuffled.accuracy(&full.unwrap().predict(&shuffled.features, &labels(CLASSES)).unwrap());
    assert!(leaked > 0.6, "{leaked}");
}

#[test]
fn a_folds_own_labels_do_not_reach_its_predictions() {
    let mut clips = clips(100);
    let before = clips.out_of_fold();
    for i in (0..100).filter(|i| i % 5 == 3) {
        clips.truth[i] = (clips.truth[i] + 1) % CLASSES;
    }
    let after = clips.out_of_fold();
    for i in 0..100 {
        if i % 5 == 3 {
            assert_eq!(before.row(i), after.row(i), "row {i} has seen its own label");
        }
    }
    assert_ne!(before, after, "the other folds learn from the changed labels");
}

#[test]
fn each_row_is_predicted_by_the_trees_of_the_other_folds() {
    let mut clips = clips(60);
    // Any numbers in any order are folds.
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
fn says_which_class_a_fold_lacks() {
    let mut clips = clips(100);
    // All of class 2 in fold 4: nothing is left to learn it from when that is held out.
    for i in 0..100 {
        if clips.truth[i] == 2 {
            clips.folds[i] = 4;
        }
    }
    let call = |clips: &Clips, folds: &[usize]| {
        out_of_fold(&clips.features, &clips.truth, folds, &clips.weights, &labels(CLASSES), &clips.settings)
            .unwrap_err()
            .to_string()
    };
    let error = call(&clips, &clips.folds);
    assert_eq!(error, "no clip of class `class2` is left to learn from when fold 4 is held out");
    assert!(call(&clips, &[1; 100]).contains("at least two folds, not 1"));
    assert!(call(&clips, &[1; 99]).contains("100 rows of features, 100 labels, 99 folds"));
}

#[test]
fn unverified_clips_weigh_less() {
    let settings = StackSettings { unverified_weight: 0.6, ..StackSettings::default() };
    assert_eq!(settings.weights(&[true, false]), [1.0, 0.6]);
}
