//! The stack: fitting, and predictions for rows that it was not fitted on.

use rayon::prelude::*;

use crate::averages::{Mean, of_blocks};
use crate::importance::{Importance, of_logistic, of_weighted_mean};
use crate::link::Link;
use crate::one_vs_rest;
use crate::parallel::in_order;
use crate::rows::{Subset, TrainingRows, enough_folds, too_few_folds, with_held_out};
use crate::temperature::{best_factor, scaled};
use crate::weighted::learners;
use crate::{
    Booster, Label, Layout, Logistic, Result, StackError, StackKind, StackSettings, Table, WeightedMean, onnx,
};

/// Level 2 of any kind, ready to predict.
pub enum Stack {
    /// Boosted trees.
    Xgboost(Booster),
    /// Logistic regression: multinomial, or of each class against all others.
    Logistic(Logistic, Link),
    /// The mean of the learners' probabilities.
    Mean,
    /// Their geometric mean, normalized to sum to 1, or that of the odds of each class.
    GeometricMean(Link),
    /// Their weighted mean, or one learner alone.
    WeightedMean(WeightedMean),
    /// A stack whose probabilities are scaled: their logarithms, or log odds, are multiplied by a
    /// factor.
    Scaled(Box<Stack>, f64, Link),
}

impl Stack {
    /// Fits on all rows: the result is the stack for the bundle and the test clips.
    ///
    /// # Errors
    /// Lengths that differ, a setting out of range (also [`StackKind::Auto`], which
    /// [`Choice`](crate::Choice) resolves), a class without a row of positive weight, fewer
    /// than two folds with early stopping or temperature scaling, and all errors of
    /// [`Booster::fit`] and [`Logistic::fit`].
    pub fn fit<T: Label>(rows: &TrainingRows<'_, T>, settings: &StackSettings) -> Result<Stack> {
        rows.check()?;
        fit(rows, &[], settings)
    }

    /// The probability of each class, as a table with the columns `classes`.
    ///
    /// # Errors
    /// The number of columns or classes differs from those that it was fitted on, or XGBoost fails.
    pub fn predict(&self, features: &Table, classes: &[String]) -> Result<Table> {
        let values = match self {
            Stack::Xgboost(booster) => return booster.predict(features, classes),
            Stack::Logistic(logistic, link) => logistic.probabilities(features.into(), classes.len(), *link)?,
            Stack::Mean => averages(features, classes, Mean::Arithmetic)?,
            Stack::GeometricMean(link) => averages(features, classes, geometric(*link))?,
            Stack::WeightedMean(mean) => mean.probabilities(features, classes.len())?,
            Stack::Scaled(stack, factor, link) => {
                scaled(stack.predict(features, classes)?.data(), classes.len(), *factor, *link)
            }
        };
        Table::new(features.names().to_vec(), classes.to_vec(), values)
    }

    /// The stack with its probabilities scaled by a factor.
    pub(crate) fn times(self, factor: f64, link: Link) -> Stack {
        match self {
            // The same, without a logarithm.
            Stack::Logistic(logistic, link) => Stack::Logistic(logistic.times(factor), link),
            other => Stack::Scaled(Box::new(other), factor, link),
        }
    }

    /// The fitted model as a file: its name and its contents. `None` for a mean without
    /// weights, which has no parameters.
    ///
    /// # Errors
    /// Numbers that JSON cannot represent.
    pub fn file(&self) -> Result<Option<(&'static str, Vec<u8>)>> {
        Ok(match self {
            Stack::Xgboost(booster) => Some(("booster.json", booster.to_json().to_vec())),
            Stack::Logistic(logistic, _) => Some(("logistic.json", logistic.to_json()?)),
            Stack::WeightedMean(mean) => Some(("weights.json", mean.to_json()?)),
            Stack::Mean | Stack::GeometricMean(_) => None,
            Stack::Scaled(stack, ..) => stack.file()?,
        })
    }

    /// The importance of each of the columns of `layout`, in their order; `None` for a mean without
    /// weights.
    ///
    /// # Errors
    /// The JSON of the booster is damaged.
    pub fn importance(&self, layout: &Layout) -> Result<Option<Vec<Importance>>> {
        Ok(match self {
            Stack::Xgboost(booster) => Some(booster.importance()?),
            Stack::Logistic(logistic, _) => Some(of_logistic(logistic)),
            Stack::WeightedMean(mean) => Some(of_weighted_mean(mean, layout.classes)),
            Stack::Mean | Stack::GeometricMean(_) => None,
            Stack::Scaled(stack, ..) => stack.importance(layout)?,
        })
    }

    /// The stack as ONNX, for tagging: input `x`, `f32[N, learners * classes + statistics]` (the
    /// learners' probabilities, then the statistics if `layout` uses them), output `probabilities`,
    /// `f32[N, classes]`.
    ///
    /// # Errors
    /// The columns of the layout differ from those that it was fitted on.
    pub fn to_onnx(&self, layout: &Layout) -> Result<Vec<u8>> {
        self.graph(layout)?.file(layout)
    }

    fn graph(&self, layout: &Layout) -> Result<onnx::Graph> {
        match self {
            Stack::Xgboost(booster) => onnx::trees(booster.to_json(), layout),
            Stack::Logistic(logistic, link) => onnx::linear(logistic, *link, layout),
            Stack::Mean => onnx::mean(Mean::Arithmetic, &equal(layout), layout),
            Stack::GeometricMean(link) => onnx::mean(geometric(*link), &equal(layout), layout),
            Stack::WeightedMean(mean) => onnx::mean(Mean::Arithmetic, &mean.weights, layout),
            Stack::Scaled(stack, factor, link) => Ok(stack.graph(layout)?.scaled(*factor, *link)),
        }
    }
}

/// The weights of a plain mean.
fn equal(layout: &Layout) -> Vec<f64> {
    vec![1.0 / layout.learners as f64; layout.learners]
}

/// Predicts each row by a stack that is fitted only on the rows of the other folds, including the
/// number of rounds and the scaling.
///
/// The result has the rows of `features` in their order and the columns `classes`.
///
/// # Errors
/// Fewer than two folds (three with early stopping or temperature scaling), a class that occurs in
/// only one fold, and all errors of [`Stack::fit`].
pub fn out_of_fold<T: Label>(rows: &TrainingRows<'_, T>, settings: &StackSettings) -> Result<Table> {
    rows.check()?;
    let folds = rows.folds(&[]);
    enough_folds(folds.len())?;
    let parts = each(&folds, settings, |fold| held_out(rows, &[fold], &fit(rows, &[fold], settings)?))?;
    Table::vstack(&parts.iter().collect::<Vec<_>>())?.reordered(rows.features.names())
}

/// The predictions of a stack for the rows of the folds `without`, in their order.
pub(crate) fn held_out<T: Label>(rows: &TrainingRows<'_, T>, without: &[usize], stack: &Stack) -> Result<Table> {
    stack.predict(&rows.features.reordered(&rows.names_of(without))?, rows.classes)
}

/// Fits on the rows of all folds except `without`.
pub(crate) fn fit<T: Label>(rows: &TrainingRows<'_, T>, without: &[usize], settings: &StackSettings) -> Result<Stack> {
    settings.validate()?;
    let learned = || {
        let picked = rows.pick(|fold| !without.contains(&fold));
        let x = picked.x()?;
        match settings.kind {
            StackKind::Xgboost => {
                let settings = StackSettings { rounds: rounds(rows, without, settings)?, ..settings.clone() };
                Booster::fit(x, &picked.labels, &picked.weights, rows.classes, &settings).map(Stack::Xgboost)
            }
            StackKind::Logistic => {
                let model = logistic(&picked, rows.classes, settings)?;
                Ok(Stack::Logistic(model.times(temperature(rows, without, settings)?), T::LINK))
            }
            StackKind::Mean => Ok(Stack::Mean),
            StackKind::GeometricMean => Ok(Stack::GeometricMean(T::LINK)),
            StackKind::WeightedMean => WeightedMean::fit(&picked, rows.classes).map(Stack::WeightedMean),
            StackKind::Auto => {
                let allowed = "a kind that can be fitted: `auto` only chooses one";
                Err(StackError::Setting { key: "kind", value: "auto".to_owned(), allowed })
            }
        }
    };
    learned().map_err(|error| with_held_out(error, without))
}

/// The number of rounds for trees that are trained on all folds except `without`: the mean of the
/// best numbers when each of these folds is held out, so that rows outside these folds have no
/// influence.
fn rounds<T: Label>(rows: &TrainingRows<'_, T>, without: &[usize], settings: &StackSettings) -> Result<u32> {
    if settings.early_stopping_rounds == 0 {
        return Ok(settings.rounds);
    }
    let best = inner(rows, without, settings, |rest, held_out| {
        Booster::best_rounds(rest, held_out, rows.classes, settings).map(f64::from)
    })?;
    Ok(if best.is_empty() { settings.rounds } else { (best.iter().sum::<f64>() / best.len() as f64).round() as u32 })
}

/// The factor for the margins of a logistic regression that is trained on all folds except
/// `without`. Each of these folds is held out in turn, and a model of the others computes its
/// margins. The factor minimizes the loss of all these margins.
fn temperature<T: Label>(rows: &TrainingRows<'_, T>, without: &[usize], settings: &StackSettings) -> Result<f64> {
    if !settings.temperature_scaling {
        return Ok(1.0);
    }
    let classes = rows.classes.len();
    let of_folds = inner(rows, without, settings, |rest, held_out| {
        let model = logistic(rest, rows.classes, settings)?;
        Ok((model.margins(held_out.x()?, classes)?, held_out.labels.clone(), held_out.weights.clone()))
    })?;
    let (mut margins, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for fold in of_folds {
        margins.extend(fold.0);
        labels.extend(fold.1);
        weights.extend(fold.2);
    }
    Ok(best_factor(&margins, &labels, &weights, classes))
}

/// Fits a logistic regression: multinomial, or of each class against all others.
fn logistic<T: Label>(rows: &Subset<T>, classes: &[String], settings: &StackSettings) -> Result<Logistic> {
    let x = rows.x()?;
    match T::LINK {
        Link::Softmax => {
            let labels: Vec<usize> = rows.labels.iter().flat_map(T::classes).copied().collect();
            Logistic::fit(x, &labels, &rows.weights, classes, settings)
        }
        Link::Sigmoid => one_vs_rest::fit(x, &rows.labels, &rows.weights, classes, settings),
    }
}

/// Calls `work` for each fold except `without`, with all rows of the other folds and the rows of
/// the fold. Ignores a fold whose rows all have weight 0.
fn inner<T: Label, R: Send>(
    rows: &TrainingRows<'_, T>,
    without: &[usize],
    settings: &StackSettings,
    work: impl Fn(&Subset<T>, &Subset<T>) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let folds = rows.folds(without);
    if let Some(setting) = settings.inner().filter(|_| folds.len() < 2) {
        return Err(too_few_folds(setting));
    }
    let done = each(&folds, settings, |fold| {
        let held_out = rows.pick(|of| of == fold);
        if held_out.weights.iter().all(|&weight| weight == 0.0) {
            return Ok(None);
        }
        let both = [without, &[fold]].concat();
        let rest = rows.pick(|of| !both.contains(&of));
        work(&rest, &held_out).map(Some).map_err(|error| with_held_out(error, &both))
    })?;
    Ok(done.into_iter().flatten().collect())
}

/// Calls `work` for each fold, in parallel if the settings allow it.
///
/// # Errors
/// That of the first fold which has one.
fn each<T: Send>(
    folds: &[usize],
    settings: &StackSettings,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    match settings.fits_in_parallel() {
        true => in_order(folds.par_iter().map(|&fold| work(fold))),
        false => folds.iter().map(|&fold| work(fold)).collect(),
    }
}

/// The geometric mean of classes that exclude each other, or do not.
fn geometric(link: Link) -> Mean {
    match link {
        Link::Softmax => Mean::Geometric,
        Link::Sigmoid => Mean::Odds,
    }
}

fn averages(features: &Table, classes: &[String], mean: Mean) -> Result<Vec<f32>> {
    learners(features.columns().len(), classes.len())?;
    Ok(features.rows().flat_map(|row| of_blocks(row, classes.len(), mean)).collect())
}
