//! Level 2 of clips that may have several labels: each class is judged against all others.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::averages::Mean;
use crate::importance::{Importance, of_logistic};
use crate::rows::{enough_folds, with_held_out};
use crate::stack::{averages, equal, in_order};
use crate::{Layout, Logistic, Result, StackError, StackKind, StackSettings, Table, onnx};

/// The training clips of level 2; each field has one entry per row of `features`.
#[derive(Clone, Copy, Debug)]
pub struct MultiLabelRows<'a> {
    /// The features of level 2.
    pub features: &'a Table,
    /// The labels of each, indices into `classes`.
    pub truth: &'a [Vec<usize>],
    /// The fold of each, the same as for the learners; any numbers.
    pub folds: &'a [usize],
    /// The weight of each, 0 or more.
    pub weights: &'a [f32],
    /// The classes.
    pub classes: &'a [String],
}

/// Level 2 of clips that may have several labels, ready to predict.
pub enum MultiLabelStack {
    /// The mean of the learners' probabilities.
    Mean,
    /// The geometric mean of the odds of each class.
    GeometricMean,
    /// A logistic regression of each class against all others: `intercept + coefficients * (x -
    /// mean) / deviation` is the logit of a class.
    Logistic(Logistic),
}

impl MultiLabelStack {
    /// What it is, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mean => "the mean",
            Self::GeometricMean => "the geometric mean of odds",
            Self::Logistic(_) => "logistic regression of each class",
        }
    }

    /// Whether it can be of this kind.
    pub fn is_of(settings: &StackSettings) -> bool {
        match settings.kind {
            StackKind::Mean | StackKind::GeometricMean => true,
            StackKind::Logistic => !settings.temperature_scaling,
            StackKind::Xgboost | StackKind::WeightedMean | StackKind::Auto => false,
        }
    }

    /// Fits on all rows.
    ///
    /// # Errors
    /// Lengths that differ, a kind other than those above, and all errors of [`Logistic::fit`], for
    /// each class.
    pub fn fit(rows: &MultiLabelRows<'_>, settings: &StackSettings) -> Result<Self> {
        rows.check()?;
        fit(rows, |_| true, settings)
    }

    /// The probability of each class, as a table with the columns `classes`.
    ///
    /// # Errors
    /// The number of columns or classes differs from those that it was fitted on.
    pub fn predict(&self, features: &Table, classes: &[String]) -> Result<Table> {
        let values = match self {
            Self::Mean => averages(features, classes, Mean::Arithmetic)?,
            Self::GeometricMean => averages(features, classes, Mean::Odds)?,
            Self::Logistic(logistic) => {
                let margins = logistic.margins(features.into(), classes.len())?;
                margins.into_iter().map(|margin| (1.0 / (1.0 + (-margin).exp())) as f32).collect()
            }
        };
        Table::new(features.names().to_vec(), classes.to_vec(), values)
    }

    /// The fitted model as a file: its name and its contents. `None` for a mean.
    ///
    /// # Errors
    /// Numbers that JSON cannot represent.
    pub fn file(&self) -> Result<Option<(&'static str, Vec<u8>)>> {
        match self {
            Self::Mean | Self::GeometricMean => Ok(None),
            Self::Logistic(logistic) => Ok(Some(("logistic.json", logistic.to_json()?))),
        }
    }

    /// The importance of each column, in their order; `None` for a mean.
    pub fn importance(&self) -> Option<Vec<Importance>> {
        match self {
            Self::Mean | Self::GeometricMean => None,
            Self::Logistic(logistic) => Some(of_logistic(logistic)),
        }
    }

    /// The stack as ONNX, with the inputs and the output of
    /// [`Stack::to_onnx`](crate::Stack::to_onnx).
    ///
    /// # Errors
    /// The columns of the layout differ from those that it was fitted on.
    pub fn to_onnx(&self, layout: &Layout) -> Result<Vec<u8>> {
        let graph = match self {
            Self::Mean => onnx::mean(Mean::Arithmetic, &equal(layout), layout),
            Self::GeometricMean => onnx::mean(Mean::Odds, &equal(layout), layout),
            Self::Logistic(logistic) => onnx::linear(logistic, layout, "Sigmoid"),
        };
        graph?.file(layout)
    }
}

/// Predicts each row by a stack that is fitted only on the rows of the other folds.
///
/// The result has the rows of `features` in their order and the columns `classes`.
///
/// # Errors
/// Fewer than two folds, a class that occurs in only one fold, and all errors of
/// [`MultiLabelStack::fit`].
pub fn multi_label_out_of_fold(rows: &MultiLabelRows<'_>, settings: &StackSettings) -> Result<Table> {
    rows.check()?;
    let folds: BTreeSet<usize> = rows.folds.iter().copied().collect();
    enough_folds(folds.len())?;
    let part = |fold: usize| {
        let stack = fit(rows, |of| of != fold, settings).map_err(|error| with_held_out(error, &[fold]))?;
        let names = rows.features.names().iter().zip(rows.folds).filter(|(_, of)| **of == fold);
        let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        stack.predict(&rows.features.reordered(&names)?, rows.classes)
    };
    let parts = folds.into_iter().map(part).collect::<Result<Vec<_>>>()?;
    Table::vstack(&parts.iter().collect::<Vec<_>>())?.reordered(rows.features.names())
}

/// Fails if level 2 could not be fitted on clips with these labels, folds and weights, so that the
/// error is reported before networks are trained. Each slice has one entry per clip.
///
/// # Errors
/// As [`multi_label_out_of_fold`] for rows with the same labels, folds and weights.
pub fn check_multi_label_folds(
    truth: &[Vec<usize>],
    folds: &[usize],
    weights: &[f32],
    classes: &[String],
    settings: &StackSettings,
) -> Result<()> {
    let all: BTreeSet<usize> = folds.iter().copied().collect();
    enough_folds(all.len())?;
    if settings.kind != StackKind::Logistic {
        return Ok(());
    }
    for held_out in all {
        let rest = || (0..truth.len()).filter(|&row| folds[row] != held_out && weights[row] > 0.0);
        for (class, name) in classes.iter().enumerate() {
            for (has, class_name) in [(true, name.clone()), (false, others(name))] {
                if !rest().any(|row| truth[row].contains(&class) == has) {
                    return Err(StackError::ClassWithoutRows { class: class_name, folds: vec![held_out] });
                }
            }
        }
    }
    Ok(())
}

/// The name of what a class is judged against.
fn others(class: &str) -> String {
    format!("any but {class}")
}

/// Fits on the rows of the folds for which `wanted` holds.
fn fit(rows: &MultiLabelRows<'_>, wanted: impl Fn(usize) -> bool, settings: &StackSettings) -> Result<MultiLabelStack> {
    settings.validate()?;
    match settings.kind {
        StackKind::Mean => Ok(MultiLabelStack::Mean),
        StackKind::GeometricMean => Ok(MultiLabelStack::GeometricMean),
        StackKind::Logistic if !settings.temperature_scaling => {
            let places: Vec<usize> = (0..rows.folds.len()).filter(|&row| wanted(rows.folds[row])).collect();
            Ok(MultiLabelStack::Logistic(one_vs_rest(rows, &places, settings)?))
        }
        _ => Err(StackError::Setting {
            key: "kind",
            value: "neither a mean nor a logistic regression".to_owned(),
            allowed: "`mean`, `geometric_mean`, or `logistic` without `temperature_scaling`, if clips may have \
                      several labels",
        }),
    }
}

/// A regression for each class. With two classes, a multinomial regression penalizes the
/// coefficients of both, which are opposite; half of `c` makes its difference that of a binary one.
fn one_vs_rest(rows: &MultiLabelRows<'_>, places: &[usize], settings: &StackSettings) -> Result<Logistic> {
    let settings = StackSettings { c: settings.c / 2.0, ..settings.clone() };
    let values: Vec<f32> = places.iter().flat_map(|&row| rows.features.row(row)).copied().collect();
    let weights: Vec<f32> = places.iter().map(|&row| rows.weights[row]).collect();
    let columns = rows.features.columns().len();
    let of_class = |class: usize| {
        let labels: Vec<usize> = places.iter().map(|&row| usize::from(rows.truth[row].contains(&class))).collect();
        let names = [others(&rows.classes[class]), rows.classes[class].clone()];
        Logistic::fit(crate::Matrix::new(&values, columns)?, &labels, &weights, &names, &settings)
    };
    let models = in_order((0..rows.classes.len()).into_par_iter().map(of_class))?;
    let Some(Logistic { mean, deviation, .. }) = models.first().cloned() else {
        return Err(StackError::TooFew("the stack needs at least one class".to_owned()));
    };
    let difference = |model: &Logistic| {
        model.coefficients[1].iter().zip(&model.coefficients[0]).map(|(with, without)| with - without).collect()
    };
    Ok(Logistic {
        // They depend on the rows and their weights alone.
        mean,
        deviation,
        coefficients: models.iter().map(difference).collect(),
        intercept: models.iter().map(|model| model.intercept[1] - model.intercept[0]).collect(),
    })
}

impl MultiLabelRows<'_> {
    /// Fails if the lengths differ, or a label is out of range.
    fn check(&self) -> Result<()> {
        let rows = self.features.names().len();
        let (truth, folds, weights) = (self.truth.len(), self.folds.len(), self.weights.len());
        if [truth, folds, weights].iter().any(|&length| length != rows) {
            let reason = format!("{rows} rows of features, {truth} sets of labels, {folds} folds, {weights} weights");
            return Err(StackError::Shape(reason));
        }
        match self.truth.iter().flatten().find(|label| **label >= self.classes.len()) {
            Some(label) => {
                Err(StackError::Clip(format!("label {label} is out of range: {} classes", self.classes.len())))
            }
            None => Ok(()),
        }
    }
}
