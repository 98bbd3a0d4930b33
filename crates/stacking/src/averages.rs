//! Plain averages of learners' probabilities: what the stack has to beat.

use crate::table::same_names;
use crate::{Result, StackError, Table};

/// Probabilities below this count as this in the geometric mean: one sure learner must not veto all others.
const FLOOR: f64 = 1e-12;

/// Mean of the tables, number by number.
///
/// # Errors
/// No table, or tables of other clips or columns.
pub fn arithmetic(tables: &[&Table]) -> Result<Table> {
    average(tables, |values| values.iter().sum::<f64>() / values.len() as f64, |_| {})
}

/// Geometric mean of the tables, each row then divided by its sum; probabilities are floored at 1e-12.
///
/// # Errors
/// No table, or tables of other clips or columns.
pub fn geometric(tables: &[&Table]) -> Result<Table> {
    let mean = |values: &[f64]| {
        let logarithms: f64 = values.iter().map(|value| value.max(FLOOR).ln()).sum();
        (logarithms / values.len() as f64).exp()
    };
    average(tables, mean, |row| {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    })
}

fn average(tables: &[&Table], mean: impl Fn(&[f64]) -> f64, finish: impl Fn(&mut [f64])) -> Result<Table> {
    let names = same_names(tables)?;
    let columns = tables[0].columns();
    if let Some(other) = tables.iter().find(|table| table.columns() != columns) {
        let reason = format!("the tables' columns differ: {columns:?} and {:?}", other.columns());
        return Err(StackError::Table(reason));
    }
    let mut data = Vec::with_capacity(names.len() * columns.len());
    for i in 0..names.len() {
        let across = |j: usize| tables.iter().map(|table| f64::from(table.row(i)[j])).collect::<Vec<_>>();
        let mut row: Vec<f64> = (0..columns.len()).map(|j| mean(&across(j))).collect();
        finish(&mut row);
        data.extend(row.iter().map(|&value| value as f32));
    }
    Table::new(names.to_vec(), columns.to_vec(), data)
}
