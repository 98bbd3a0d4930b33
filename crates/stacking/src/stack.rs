//! The stack's own predictions: always of rows that its trees did not learn from.

use std::collections::BTreeSet;

use crate::{Booster, Matrix, Result, StackError, StackSettings, Table};

/// Predicts each row by trees that learned from the other folds' rows alone.
///
/// # Shape
/// `truth` (index into `classes`), `folds` (the learners' own, any numbers) and `weights`: one a row of `features`.
/// The result has the rows of `features` in their order and the columns `classes`.
///
/// # Errors
/// Lengths that differ, fewer than two folds, a class that only one fold has, and all of [`Booster::fit`].
pub fn out_of_fold(
    features: &Table,
    truth: &[usize],
    folds: &[usize],
    weights: &[f32],
    classes: &[String],
    settings: &StackSettings,
) -> Result<Table> {
    let rows = features.names().len();
    if [truth.len(), folds.len(), weights.len()].iter().any(|&length| length != rows) {
        let (truth, folds, weights) = (truth.len(), folds.len(), weights.len());
        let reason = format!("{rows} rows of features, {truth} labels, {folds} folds, {weights} weights");
        return Err(StackError::Table(reason));
    }
    let distinct: BTreeSet<usize> = folds.iter().copied().collect();
    if distinct.len() < 2 {
        return Err(StackError::Table(format!("the stack needs at least two folds, not {}", distinct.len())));
    }
    let mut predicted = vec![0.0; rows * classes.len()];
    for fold in distinct {
        let (held_out, rest): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&row| folds[row] == fold);
        let values = |rows: &[usize]| rows.iter().flat_map(|&row| features.row(row)).copied().collect::<Vec<f32>>();
        let (rest_values, held_out_values) = (values(&rest), values(&held_out));
        let labels: Vec<usize> = rest.iter().map(|&row| truth[row]).collect();
        let rest_weights: Vec<f32> = rest.iter().map(|&row| weights[row]).collect();
        let columns = features.columns().len();
        let booster = Booster::fit(Matrix::new(&rest_values, columns)?, &labels, &rest_weights, classes, settings)
            .map_err(|error| in_fold(error, fold))?;
        let probabilities = booster.probabilities(Matrix::new(&held_out_values, columns)?)?;
        for (row, probabilities) in held_out.iter().zip(probabilities.chunks_exact(classes.len())) {
            predicted[row * classes.len()..][..classes.len()].copy_from_slice(probabilities);
        }
    }
    Table::new(features.names().to_vec(), classes.to_vec(), predicted)
}

/// Learns from all rows: the trees of the bundle and of the test clips.
///
/// # Errors
/// Those of [`Booster::fit`].
pub fn fit_full(
    features: &Table,
    truth: &[usize],
    weights: &[f32],
    classes: &[String],
    settings: &StackSettings,
) -> Result<Booster> {
    Booster::fit(features.into(), truth, weights, classes, settings)
}

fn in_fold(error: StackError, fold: usize) -> StackError {
    match error {
        StackError::ClassWithoutRows { class, .. } => StackError::ClassWithoutRows { class, fold: Some(fold) },
        other => other,
    }
}
