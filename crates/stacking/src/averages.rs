//! Plain averages of learners' probabilities: the baseline for the stack.

use crate::table::same_names;
use crate::{Result, StackError, Table};

/// Logarithms clamp probabilities to at least this: a single confident learner must not veto all
/// others.
pub(crate) const FLOOR: f64 = 1e-12;

/// A kind of average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mean {
    Arithmetic,
    /// Normalized to sum to 1.
    Geometric,
    /// Geometric in the odds of each class.
    Odds,
}

/// Element-wise mean of the tables.
///
/// # Errors
/// No tables, or tables with different clips or columns.
pub fn arithmetic(tables: &[&Table]) -> Result<Table> {
    average(tables, Mean::Arithmetic)
}

/// Geometric mean of the tables, with each row then divided by its sum; probabilities are clamped
/// to at least 1e-12.
///
/// # Errors
/// No tables, or tables with different clips or columns.
pub fn geometric(tables: &[&Table]) -> Result<Table> {
    average(tables, Mean::Geometric)
}

/// The geometric mean for classes that do not exclude each other: the logistic function of the mean
/// of the tables' log odds, for each class by itself. Probabilities and their complements are
/// clamped to at least 1e-12.
///
/// # Errors
/// No tables, or tables with different clips or columns.
pub fn geometric_odds(tables: &[&Table]) -> Result<Table> {
    average(tables, Mean::Odds)
}

fn average(tables: &[&Table], mean: Mean) -> Result<Table> {
    let names = same_names(tables)?;
    let columns = tables[0].columns();
    if let Some(other) = tables.iter().find(|table| table.columns() != columns) {
        let reason = format!("the tables' columns differ: {columns:?} and {:?}", other.columns());
        return Err(StackError::Mismatch(reason));
    }
    let row = |i: usize| tables.iter().flat_map(|table| table.row(i)).copied().collect::<Vec<f32>>();
    let data = (0..names.len()).flat_map(|i| of_blocks(&row(i), columns.len(), mean)).collect();
    Table::new(names.to_vec(), columns.to_vec(), data)
}

/// The mean of a row's blocks: one block per learner, with `classes` values each.
pub(crate) fn of_blocks(row: &[f32], classes: usize, mean: Mean) -> Vec<f32> {
    let learners = (row.len() / classes.max(1)) as f64;
    let of_class = |class: usize| row.iter().skip(class).step_by(classes).map(|&value| f64::from(value));
    let averaged: Vec<f64> = match mean {
        Mean::Arithmetic => (0..classes).map(|class| of_class(class).sum::<f64>() / learners).collect(),
        Mean::Geometric => {
            let logarithms = |class| of_class(class).map(|value| value.max(FLOOR).ln()).sum::<f64>();
            let means: Vec<f64> = (0..classes).map(|class| (logarithms(class) / learners).exp()).collect();
            let sum: f64 = means.iter().sum();
            means.into_iter().map(|value| value / sum).collect()
        }
        Mean::Odds => {
            let log_odds = |value: f64| value.max(FLOOR).ln() - (1.0 - value).max(FLOOR).ln();
            let mean = |class| of_class(class).map(log_odds).sum::<f64>() / learners;
            (0..classes).map(|class| 1.0 / (1.0 + (-mean(class)).exp())).collect()
        }
    };
    averaged.into_iter().map(|value| value as f32).collect()
}
