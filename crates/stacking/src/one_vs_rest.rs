//! A logistic regression of each class against all others, for clips that may have several labels.

use rayon::prelude::*;

use crate::parallel::in_order;
use crate::rows::{check_labels, others};
use crate::{Label, Logistic, Matrix, Result, StackError, StackSettings};

/// A binary regression for each class; the logistic function of a margin is the probability of its
/// class. With two classes, a multinomial regression penalizes the coefficients of both, which are
/// opposite; half of `c` makes its difference that of a binary one.
pub(crate) fn fit<T: Label>(
    x: Matrix<'_>,
    labels: &[T],
    weights: &[f32],
    classes: &[String],
    settings: &StackSettings,
) -> Result<Logistic> {
    settings.validate()?;
    check_labels(x.rows(), labels, weights, classes)?;
    let halved = StackSettings { c: settings.c / 2.0, ..settings.clone() };
    let of_class = |class: usize| {
        let has: Vec<usize> = labels.iter().map(|labels| usize::from(labels.classes().contains(&class))).collect();
        let names = [others(&classes[class]), classes[class].clone()];
        Logistic::fit_within(x, &has, weights, &names, &halved)
    };
    let models = in_order((0..classes.len()).into_par_iter().map(of_class)).map_err(|error| match error {
        // The `c` of the recipe.
        StackError::NoEnd { steps, .. } => StackError::NoEnd { steps, c: settings.c },
        other => other,
    })?;
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
