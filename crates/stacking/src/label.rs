//! The labels of a clip: one class, or any number of them.

use std::fmt::Debug;

use crate::link::Link;
use crate::record::Merits;
use crate::{Logistic, Matrix, Result, StackSettings, Table, one_vs_rest};

/// The labels of a clip: `usize` if it has one class, `Vec<usize>` if it may have several.
/// Everything in which the two tasks differ when level 2 is fitted and judged.
pub trait Label: private::Sealed + Clone + Debug + Send + Sync {
    /// How the probabilities of a clip's classes are related.
    const LINK: Link;

    /// The classes as indices, each once.
    fn classes(&self) -> &[usize];

    /// Fits a logistic regression: multinomial, or of each class against all others.
    ///
    /// # Errors
    /// Those of [`Logistic::fit`].
    fn logistic(
        x: Matrix<'_>,
        labels: &[Self],
        weights: &[f32],
        classes: &[String],
        settings: &StackSettings,
    ) -> Result<Logistic>;

    /// The scores of a table that people look at, and those of another table minus these.
    fn merits(labels: &[Self], table: &Table, other: &Table) -> Merits;
}

mod private {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl Sealed for Vec<usize> {}
}

impl Label for usize {
    const LINK: Link = Link::Softmax;

    fn classes(&self) -> &[usize] {
        std::slice::from_ref(self)
    }

    fn logistic(
        x: Matrix<'_>,
        labels: &[Self],
        weights: &[f32],
        classes: &[String],
        settings: &StackSettings,
    ) -> Result<Logistic> {
        Logistic::fit(x, labels, weights, classes, settings)
    }

    fn merits(labels: &[Self], table: &Table, other: &Table) -> Merits {
        Merits::of_single(labels, table, other)
    }
}

impl Label for Vec<usize> {
    const LINK: Link = Link::Sigmoid;

    fn classes(&self) -> &[usize] {
        self
    }

    fn logistic(
        x: Matrix<'_>,
        labels: &[Self],
        weights: &[f32],
        classes: &[String],
        settings: &StackSettings,
    ) -> Result<Logistic> {
        one_vs_rest::fit(x, labels, weights, classes, settings)
    }

    fn merits(labels: &[Self], table: &Table, other: &Table) -> Merits {
        Merits::of_several(labels, table, other)
    }
}
