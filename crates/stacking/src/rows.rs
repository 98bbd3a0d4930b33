//! The training clips of level 2, and subsets of them.

use std::collections::BTreeSet;

use crate::link::Link;
use crate::{Label, Matrix, Result, StackError, StackKind, StackSettings, Table};

/// The training clips; each field has one entry per row of `features`. `T` is `usize` if each clip
/// has one label, and `Vec<usize>` if clips may have several.
#[derive(Debug)]
pub struct TrainingRows<'a, T = usize> {
    /// The features of level 2.
    pub features: &'a Table,
    /// The labels of each, indices into `classes`.
    pub truth: &'a [T],
    /// The fold of each, the same as for the learners; any numbers.
    pub folds: &'a [usize],
    /// The weight of each, 0 or more.
    pub weights: &'a [f32],
    /// The classes.
    pub classes: &'a [String],
}

impl<T> Clone for TrainingRows<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for TrainingRows<'_, T> {}

/// A copied subset of the rows.
pub(crate) struct Subset<T> {
    /// Their indices among all rows.
    pub places: Vec<usize>,
    pub values: Vec<f32>,
    pub columns: usize,
    pub labels: Vec<T>,
    pub weights: Vec<f32>,
}

impl<T: Label> TrainingRows<'_, T> {
    /// Fails if the lengths differ.
    pub(crate) fn check(&self) -> Result<()> {
        let rows = self.features.names().len();
        let (truth, folds, weights) = (self.truth.len(), self.folds.len(), self.weights.len());
        if [truth, folds, weights].iter().any(|&length| length != rows) {
            let reason = format!("{rows} rows of features, {truth} labels, {folds} folds, {weights} weights");
            return Err(StackError::Shape(reason));
        }
        Ok(())
    }

    /// The folds except `without`.
    pub(crate) fn folds(&self, without: &[usize]) -> Vec<usize> {
        let folds: BTreeSet<usize> = self.folds.iter().copied().collect();
        folds.into_iter().filter(|fold| !without.contains(fold)).collect()
    }

    /// The names of the rows of `folds`, in their order.
    pub(crate) fn names_of(&self, folds: &[usize]) -> Vec<String> {
        let names = self.features.names().iter().zip(self.folds);
        names.filter(|(_, fold)| folds.contains(fold)).map(|(name, _)| name.clone()).collect()
    }

    /// The weights of the rows, 0 in one fold.
    pub(crate) fn weights_without(&self, without: Option<usize>) -> Vec<f32> {
        let weight = |(&weight, &fold): (&f32, &usize)| if Some(fold) == without { 0.0 } else { weight };
        self.weights.iter().zip(self.folds).map(weight).collect()
    }

    /// The rows of the folds for which `wanted` holds.
    pub(crate) fn pick(&self, wanted: impl Fn(usize) -> bool) -> Subset<T> {
        let places: Vec<usize> = (0..self.folds.len()).filter(|&row| wanted(self.folds[row])).collect();
        Subset {
            values: places.iter().flat_map(|&row| self.features.row(row)).copied().collect(),
            columns: self.features.columns().len(),
            labels: places.iter().map(|&row| self.truth[row].clone()).collect(),
            weights: places.iter().map(|&row| self.weights[row]).collect(),
            places,
        }
    }
}

impl<T> Subset<T> {
    pub fn x(&self) -> Result<Matrix<'_>> {
        Matrix::new(&self.values, self.columns)
    }
}

/// Fails if level 2 could not be fitted on clips with these labels, folds and weights, so that the
/// error is reported before networks are trained. Each slice has one entry per clip.
///
/// # Errors
/// As [`crate::out_of_fold`] and [`crate::Stack::fit`] for rows with the same labels, folds and
/// weights.
pub fn check_folds<T: Label>(
    truth: &[T],
    folds: &[usize],
    weights: &[f32],
    classes: &[String],
    settings: &StackSettings,
) -> Result<()> {
    let all: BTreeSet<usize> = folds.iter().copied().collect();
    enough_folds(all.len())?;
    // The candidates of `auto` include the means, which need no fit.
    if settings.kind.is_mean() || settings.kind == StackKind::Auto {
        return Ok(());
    }
    let rest = |without: &[usize]| {
        let kept: Vec<usize> = (0..truth.len()).filter(|&row| !without.contains(&folds[row])).collect();
        let labels: Vec<T> = kept.iter().map(|&row| truth[row].clone()).collect();
        let weights: Vec<f32> = kept.iter().map(|&row| weights[row]).collect();
        check_labels(kept.len(), &labels, &weights, classes).map_err(|error| with_held_out(error, without))
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

/// Fails if no fold is left to train on when one is held out.
pub(crate) fn enough_folds(folds: usize) -> Result<()> {
    match folds {
        0 | 1 => Err(StackError::TooFew(format!("the stack needs at least two folds, not {folds}"))),
        _ => Ok(()),
    }
}

/// The error of too few folds for a setting of [`StackSettings::inner`].
pub(crate) fn too_few_folds(setting: &str) -> StackError {
    let reason = format!("`{setting}` needs at least three folds: to score, to tune it on, to train on");
    StackError::TooFew(reason)
}

/// Adds the folds that were held out to the error of a fit.
pub(crate) fn with_held_out(error: StackError, without: &[usize]) -> StackError {
    match error {
        StackError::ClassWithoutRows { class, folds } if folds.is_empty() => {
            StackError::ClassWithoutRows { class, folds: without.to_vec() }
        }
        other => other,
    }
}

/// Fails if no model can be trained on these labels and weights.
pub(crate) fn check_labels<T: Label>(rows: usize, labels: &[T], weights: &[f32], classes: &[String]) -> Result<()> {
    check_clips(rows, labels, weights, classes)?;
    let mut with = vec![0; classes.len()];
    let used = || labels.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    used().flat_map(|(labels, _)| labels.classes()).for_each(|&class| with[class] += 1);
    let missing = |class: String| Err(StackError::ClassWithoutRows { class, folds: Vec::new() });
    for (class, &with) in classes.iter().zip(&with) {
        if with == 0 {
            return missing(class.clone());
        }
        if T::LINK == Link::Sigmoid && with == used().count() {
            return missing(others(class));
        }
    }
    Ok(())
}

/// The name of what a class is judged against if clips may have several labels.
pub(crate) fn others(class: &str) -> String {
    format!("any but {class}")
}

/// Fails if these are not the labels and weights of clips; classes may have no clips.
pub(crate) fn check_clips<T: Label>(rows: usize, labels: &[T], weights: &[f32], classes: &[String]) -> Result<()> {
    if labels.len() != rows || weights.len() != rows {
        let reason = format!("{rows} rows of features, {} labels, {} weights", labels.len(), weights.len());
        return Err(StackError::Shape(reason));
    }
    let (least, what) = match T::LINK {
        Link::Softmax => (2, "the stack needs at least two classes"),
        Link::Sigmoid => (1, "the stack needs at least one class"),
    };
    if classes.len() < least {
        return Err(StackError::TooFew(what.to_owned()));
    }
    if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
        return Err(StackError::Clip(format!("the weight of a clip is {weight}; it must be 0 or more")));
    }
    if let Some(label) = labels.iter().flat_map(T::classes).find(|&&label| label >= classes.len()) {
        return Err(StackError::Clip(format!("label {label} is out of range: {} classes", classes.len())));
    }
    Ok(())
}
