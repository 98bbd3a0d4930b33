//! A weighted mean of the learners' probabilities.

use serde::Serialize;

use crate::criterion::{ScaledLosses, loss};
use crate::rows::{Subset, check_clips};
use crate::{Label, Result, StackError, Table};

/// The size of the largest ensemble; weights are multiples of one divided by the ensemble's size.
const MEMBERS: usize = 100;

/// A mean of the learners' probabilities with weights of at least 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightedMean {
    /// One weight per learner; they sum to 1.
    pub weights: Vec<f64>,
}

impl WeightedMean {
    /// One learner alone, the other weights are 0.
    pub(crate) fn of_one(learner: usize, learners: usize) -> WeightedMean {
        WeightedMean { weights: (0..learners).map(|other| if other == learner { 1.0 } else { 0.0 }).collect() }
    }

    /// Finds the weights by ensemble selection with replacement and sorted initialization (Caruana,
    /// Niculescu-Mizil, Crew, Ksikes 2004, "Ensemble Selection from Libraries of Models"). Learners
    /// are members of an ensemble, each any number of times. It begins with the best learners, as
    /// many as have the smallest loss together. Then the learner that reduces the loss most is
    /// added, again and again; the best ensemble on the way wins.
    ///
    /// # Errors
    /// Columns that are not the classes of each learner, or no clip of positive weight.
    pub(crate) fn fit<T: Label>(rows: &Subset<T>, classes: &[String]) -> Result<WeightedMean> {
        let members = Selection::new(rows, classes)?.members();
        let total: f64 = members.iter().sum();
        Ok(WeightedMean { weights: members.into_iter().map(|count| count / total).collect() })
    }

    /// The mean of `count` learners: those with the smallest losses, each after temperature
    /// scaling.
    ///
    /// # Errors
    /// As [`WeightedMean::fit`].
    pub(crate) fn of_best<T: Label>(rows: &Subset<T>, classes: &[String], count: usize) -> Result<WeightedMean> {
        let selection = Selection::new(rows, classes)?;
        let loss = |learner: usize| -> f64 {
            let own: Vec<f32> = selection.of_learner(learner).flatten().copied().collect();
            let ScaledLosses { losses, .. } = ScaledLosses::new(&own, &rows.labels, &rows.weights, classes.len());
            losses.iter().zip(&rows.weights).map(|(loss, &weight)| loss * f64::from(weight)).sum()
        };
        let mut sorted: Vec<(usize, f64)> = (0..selection.learners).map(|learner| (learner, loss(learner))).collect();
        sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut weights = vec![0.0; selection.learners];
        sorted.iter().take(count).for_each(|&(learner, _)| weights[learner] = 1.0 / count as f64);
        Ok(WeightedMean { weights })
    }

    /// The weighted mean of each row, which has a block of `classes` columns per learner.
    ///
    /// # Errors
    /// Another number of columns than it was fitted on.
    pub(crate) fn probabilities(&self, features: &Table, classes: usize) -> Result<Vec<f32>> {
        let learners = learners(features.columns().len(), classes)?;
        if learners != self.weights.len() {
            let reason = format!("{learners} learners for weights of {}", self.weights.len());
            return Err(StackError::Shape(reason));
        }
        let mean = |row: &[f32], class: usize| -> f64 {
            row.iter().skip(class).step_by(classes).zip(&self.weights).map(|(&p, weight)| weight * f64::from(p)).sum()
        };
        let of_row = |row| (0..classes).map(move |class| mean(row, class) as f32);
        Ok(features.rows().flat_map(of_row).collect())
    }

    /// The weights as JSON, in the order of the learners.
    ///
    /// # Errors
    /// Never fails with finite numbers.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| StackError::NotFinite(error.to_string()))
    }
}

/// The number of learners whose probabilities these columns are.
pub(crate) fn learners(columns: usize, classes: usize) -> Result<usize> {
    if classes == 0 || !columns.is_multiple_of(classes) {
        return Err(StackError::Shape(format!("{columns} columns are not the {classes} classes of each learner")));
    }
    Ok(columns / classes)
}

/// Clips with the probabilities of all learners.
struct Selection<'a, T> {
    rows: &'a Subset<T>,
    learners: usize,
    classes: usize,
}

/// How often each learner is a member, the sum of the members' probabilities, and the ensemble's
/// loss.
#[derive(Clone)]
struct Ensemble {
    members: Vec<f64>,
    sum: Vec<f64>,
    loss: f64,
}

impl<'a, T: Label> Selection<'a, T> {
    fn new(rows: &'a Subset<T>, classes: &[String]) -> Result<Self> {
        check_clips(rows.labels.len(), &rows.labels, &rows.weights, classes)?;
        if rows.weights.iter().all(|&weight| weight == 0.0) {
            return Err(StackError::TooFew("no clip is left to fit the weights of the learners on".to_owned()));
        }
        Ok(Self { rows, learners: learners(rows.columns, classes.len())?, classes: classes.len() })
    }

    /// How often each learner is a member of the best ensemble.
    fn members(&self) -> Vec<f64> {
        let none = Ensemble {
            members: vec![0.0; self.learners],
            sum: vec![0.0; self.rows.labels.len() * self.classes],
            loss: f64::INFINITY,
        };
        let mut sorted: Vec<(usize, f64)> = (0..self.learners).map(|one| (one, self.loss_with(&none, one))).collect();
        sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (mut ensemble, mut best) = (none.clone(), none);
        for (learner, _) in sorted {
            self.add(&mut ensemble, learner);
            if ensemble.loss < best.loss {
                best = ensemble.clone();
            }
        }
        let mut ensemble = best.clone();
        for _ in ensemble.members.iter().sum::<f64>() as usize..MEMBERS {
            let losses = (0..self.learners).map(|learner| (learner, self.loss_with(&ensemble, learner)));
            let Some((learner, _)) = losses.min_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            self.add(&mut ensemble, learner);
            if ensemble.loss < best.loss {
                best = ensemble.clone();
            }
        }
        best.members
    }

    fn add(&self, ensemble: &mut Ensemble, learner: usize) {
        ensemble.loss = self.loss_with(ensemble, learner);
        ensemble.members[learner] += 1.0;
        for (sum, row) in ensemble.sum.chunks_exact_mut(self.classes).zip(self.of_learner(learner)) {
            sum.iter_mut().zip(row).for_each(|(sum, &probability)| *sum += f64::from(probability));
        }
    }

    /// The weighted sum of the clips' losses by the ensemble with one more member.
    fn loss_with(&self, ensemble: &Ensemble, learner: usize) -> f64 {
        let count = ensemble.members.iter().sum::<f64>() + 1.0;
        let mut mean = vec![0.0; self.classes];
        let rows = ensemble.sum.chunks_exact(self.classes).zip(self.of_learner(learner));
        rows.zip(self.rows.labels.iter().zip(&self.rows.weights))
            .map(|((sum, row), (labels, &weight))| {
                for ((mean, sum), &probability) in mean.iter_mut().zip(sum).zip(row) {
                    *mean = (sum + f64::from(probability)) / count;
                }
                f64::from(weight) * loss(&mean, labels)
            })
            .sum()
    }

    /// A learner's probabilities, a row per clip.
    fn of_learner(&self, learner: usize) -> impl Iterator<Item = &[f32]> {
        let first = learner * self.classes;
        self.rows.values.chunks_exact(self.rows.columns).map(move |row| &row[first..first + self.classes])
    }
}
