//! The training clips as level 2 sees them, and picked ones of them.

use std::collections::BTreeSet;

use crate::{Kind, Matrix, Result, StackError, StackSettings, Table};

/// The training clips, one entry a row of `features` in each.
#[derive(Clone, Copy, Debug)]
pub struct TrainingRows<'a> {
    /// What level 2 is trained on.
    pub features: &'a Table,
    /// The class of each, an index into `classes`.
    pub truth: &'a [usize],
    /// The fold of each, the learners' own; any numbers.
    pub folds: &'a [usize],
    /// How much each counts, 0 or more.
    pub weights: &'a [f32],
    /// The classes.
    pub classes: &'a [String],
}

/// Rows that were picked, copied.
pub(crate) struct Rows {
    /// Where they stand among all rows.
    pub places: Vec<usize>,
    pub values: Vec<f32>,
    pub columns: usize,
    pub labels: Vec<usize>,
    pub weights: Vec<f32>,
}

impl TrainingRows<'_> {
    /// Fails where the lengths differ.
    pub(crate) fn check(&self) -> Result<()> {
        let rows = self.features.names().len();
        let (truth, folds, weights) = (self.truth.len(), self.folds.len(), self.weights.len());
        if [truth, folds, weights].iter().any(|&length| length != rows) {
            let reason = format!("{rows} rows of features, {truth} labels, {folds} folds, {weights} weights");
            return Err(StackError::Table(reason));
        }
        Ok(())
    }

    /// The folds but those `without`.
    pub(crate) fn folds(&self, without: &[usize]) -> Vec<usize> {
        let folds: BTreeSet<usize> = self.folds.iter().copied().collect();
        folds.into_iter().filter(|fold| !without.contains(fold)).collect()
    }

    /// The rows of the folds that are `wanted`.
    pub(crate) fn pick(&self, wanted: impl Fn(usize) -> bool) -> Rows {
        let places: Vec<usize> = (0..self.folds.len()).filter(|&row| wanted(self.folds[row])).collect();
        Rows {
            values: places.iter().flat_map(|&row| self.features.row(row)).copied().collect(),
            columns: self.features.columns().len(),
            labels: places.iter().map(|&row| self.truth[row]).collect(),
            weights: places.iter().map(|&row| self.weights[row]).collect(),
            places,
        }
    }
}

impl Rows {
    pub fn x(&self) -> Result<Matrix<'_>> {
        Matrix::new(&self.values, self.columns)
    }
}

/// Fails where level 2 could not be fitted on clips of these labels, folds and weights, one entry a
/// clip in each: so that it is reported before networks are trained.
///
/// # Errors
/// As [`crate::out_of_fold`] and [`crate::Stack::fit`] of rows with the same labels, folds and
/// weights.
pub fn check_folds(
    truth: &[usize],
    folds: &[usize],
    weights: &[f32],
    classes: &[String],
    settings: &StackSettings,
) -> Result<()> {
    let all: BTreeSet<usize> = folds.iter().copied().collect();
    enough_folds(all.len())?;
    if matches!(settings.kind, Kind::Mean | Kind::GeometricMean) {
        return Ok(());
    }
    let rest = |without: &[usize]| {
        let kept: Vec<usize> = (0..truth.len()).filter(|&row| !without.contains(&folds[row])).collect();
        let labels: Vec<usize> = kept.iter().map(|&row| truth[row]).collect();
        let weights: Vec<f32> = kept.iter().map(|&row| weights[row]).collect();
        check_labels(kept.len(), &labels, &weights, classes).map_err(|error| told_with(error, without))
    };
    let inner = settings.inner();
    if let Some(setting) = inner.filter(|_| all.len() < 3) {
        return Err(too_few_folds(setting));
    }
    let counts = |fold: usize| folds.iter().zip(weights).any(|(&of, &weight)| of == fold && weight > 0.0);
    for without in std::iter::once(Vec::new()).chain(all.iter().map(|&fold| vec![fold])) {
        rest(&without)?;
        for &fold in all.iter().filter(|&&fold| inner.is_some() && !without.contains(&fold) && counts(fold)) {
            rest(&[&without[..], &[fold]].concat())?;
        }
    }
    Ok(())
}

/// Fails where nothing is left to train on when each fold in turn is judged.
pub(crate) fn enough_folds(folds: usize) -> Result<()> {
    match folds {
        0 | 1 => Err(StackError::Table(format!("the stack needs at least two folds, not {folds}"))),
        _ => Ok(()),
    }
}

/// There are too few folds for a [`StackSettings::inner`] one.
pub(crate) fn too_few_folds(setting: &str) -> StackError {
    let reason = format!("`{setting}` needs at least three folds: to judge by, to set it by, to train on");
    StackError::Table(reason)
}

/// An error of one fit, with the folds that were held out of it.
pub(crate) fn told_with(error: StackError, without: &[usize]) -> StackError {
    match error {
        StackError::ClassWithoutRows { class, folds } if folds.is_empty() => {
            StackError::ClassWithoutRows { class, folds: without.to_vec() }
        }
        other => other,
    }
}

/// Fails where no model can be trained on such labels and weights.
pub(crate) fn check_labels(rows: usize, labels: &[usize], weights: &[f32], classes: &[String]) -> Result<()> {
    let wrong = |reason: String| Err(StackError::Table(reason));
    if labels.len() != rows || weights.len() != rows {
        return wrong(format!("{rows} rows of features, {} labels, {} weights", labels.len(), weights.len()));
    }
    if classes.len() < 2 {
        return wrong("the stack needs at least two classes".to_owned());
    }
    if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
        return wrong(format!("a clip weighs {weight}: a weight is 0 or more"));
    }
    let mut present = vec![false; classes.len()];
    for (&label, &weight) in labels.iter().zip(weights) {
        match present.get_mut(label) {
            Some(present) => *present |= weight > 0.0,
            None => return wrong(format!("label {label} where there are {} classes", classes.len())),
        }
    }
    match present.iter().position(|present| !present) {
        Some(class) => Err(StackError::ClassWithoutRows { class: classes[class].clone(), folds: Vec::new() }),
        None => Ok(()),
    }
}
