//! The importance of each column for a stack.

use crate::trees::{NodeKind, Trees};
use crate::{Booster, Logistic, Result, WeightedMean};

/// The importance of a column for a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Importance {
    /// For trees: the mean gain of the splits by the column, as in XGBoost's `get_score`, or 0
    /// without any split. For logistic regression: the mean over classes of the absolute
    /// coefficient, in units of the column's deviation. For a weighted mean: the learner's weight.
    pub gain: f64,
    /// For trees: the number of splits by the column.
    pub weight: Option<f64>,
    /// For trees: the mean cover (sum of second derivatives) of these splits, or 0 without any.
    pub cover: Option<f64>,
}

impl Booster {
    /// The importance of each feature, as returned by XGBoost's `get_score` in Python, which omits
    /// features without any split.
    ///
    /// # Errors
    /// Never fails for a booster that was read: its JSON has been validated.
    pub fn importance(&self) -> Result<Vec<Importance>> {
        let trees = Trees::read(self.to_json())?;
        let mut sums = vec![(0.0, 0.0, 0.0); trees.features];
        for node in trees.trees.iter().flat_map(|tree| &tree.nodes) {
            if let NodeKind::Split { feature, gain, cover, .. } = node.kind {
                let (gains, splits, covers) = &mut sums[feature];
                *gains += f64::from(gain);
                *splits += 1.0;
                *covers += f64::from(cover);
            }
        }
        let mean = |(gains, splits, covers): (f64, f64, f64)| {
            let count = splits.max(1.0);
            Importance { gain: gains / count, weight: Some(splits), cover: Some(covers / count) }
        };
        Ok(sums.into_iter().map(mean).collect())
    }
}

pub(crate) fn of_logistic(model: &Logistic) -> Vec<Importance> {
    let classes = model.coefficients.len() as f64;
    let mean = |feature: usize| {
        model.coefficients.iter().map(|coefficients| coefficients[feature].abs()).sum::<f64>() / classes
    };
    (0..model.mean.len()).map(|feature| Importance { gain: mean(feature), ..Importance::default() }).collect()
}

pub(crate) fn of_weighted_mean(mean: &WeightedMean, classes: usize) -> Vec<Importance> {
    let of_learner = |&weight| std::iter::repeat_n(Importance { gain: weight, ..Importance::default() }, classes);
    mean.weights.iter().flat_map(of_learner).collect()
}
