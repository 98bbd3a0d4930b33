//! What [`Choice`](crate::Choice) has compared and decided, for people: `level2/choice.json`.

use serde::{Deserialize, Serialize};

use crate::link::Link;
use crate::metrics::{bootstrap_against, per_clip};
use crate::verdict::PairedDifference;
use crate::{Difference, Interval, Label, Resampling, StackKind, Table, bootstrap_mean};

/// How a candidate was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRecord {
    /// The name of the chosen candidate.
    pub chosen: String,
    /// Its kind; a learner alone is a weighted mean.
    pub kind: StackKind,
    /// Why.
    pub reason: String,
    /// The temperature of its probabilities: the logarithms, or the log odds if a clip may have
    /// several labels, are divided by it.
    pub temperature: f64,
    /// From the simplest to the most complex.
    pub candidates: Vec<CandidateScores>,
    /// What was chosen without each fold, for the clips of this fold.
    pub folds: Vec<FoldChoice>,
    /// Candidates that cannot be fitted on these clips.
    pub excluded: Vec<Excluded>,
}

/// A candidate's scores, out of fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateScores {
    /// The name.
    pub name: String,
    /// The mean loss after temperature scaling, weighted like the clips: log loss, or the binary
    /// cross-entropy, its mean over classes, if a clip may have several labels.
    pub loss: f64,
    /// Its difference from the smallest loss of all candidates.
    pub difference: PairedDifference,
    /// The scores that people look at.
    #[serde(flatten)]
    pub merits: Merits,
}

/// A candidate's scores, and those of the stack, on
/// [`Choice::out_of_fold`](crate::Choice::out_of_fold), minus these. Intervals are of 95 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Merits {
    /// Of clips with one label.
    SingleLabel {
        /// Mean average precision at 3.
        #[serde(rename = "map_at_3")]
        map3: f64,
        /// Its interval.
        #[serde(rename = "map_at_3_interval")]
        map3_interval: Interval,
        /// The accuracy.
        accuracy: f64,
        /// Its interval.
        accuracy_interval: Interval,
        /// The stack's mAP@3 minus this candidate's.
        #[serde(rename = "stack_minus_map_at_3")]
        stack_minus_map3: PairedDifference,
        /// The same for the accuracy.
        stack_minus_accuracy: PairedDifference,
    },
    /// Of clips that may have several labels.
    MultiLabel {
        /// The mean of the classes' average precision.
        macro_average_precision: f64,
        /// Its interval.
        macro_average_precision_interval: Interval,
        /// Label-weighted label-ranking average precision.
        lwlrap: f64,
        /// Its interval.
        lwlrap_interval: Interval,
        /// The stack's macro average precision minus this candidate's.
        stack_minus_macro_average_precision: Difference,
        /// The same for lwlrap.
        stack_minus_lwlrap: Difference,
    },
}

impl Merits {
    /// Those of `table`, and of `stack`, which has the same rows.
    pub(crate) fn new<T: Label>(labels: &[T], table: &Table, stack: &Table) -> Self {
        match T::LINK {
            Link::Softmax => {
                let labels: Vec<usize> = labels.iter().flat_map(T::classes).copied().collect();
                Self::of_single(&labels, table, stack)
            }
            Link::Sigmoid => {
                let labels: Vec<Vec<usize>> = labels.iter().map(|labels| labels.classes().to_vec()).collect();
                Self::of_several(&labels, table, stack)
            }
        }
    }

    fn of_single(labels: &[usize], table: &Table, stack: &Table) -> Self {
        let [own, stack] = [table, stack].map(|table| per_clip(labels, table));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let interval = |values: &[f64]| bootstrap_mean(values, &Resampling::default());
        let equal = vec![1.0; labels.len()];
        let difference = |score: usize| PairedDifference::new(&stack[score], &own[score], &equal);
        Self::SingleLabel {
            map3: mean(&own[0]),
            map3_interval: interval(&own[0]),
            accuracy: mean(&own[1]),
            accuracy_interval: interval(&own[1]),
            stack_minus_map3: difference(0),
            stack_minus_accuracy: difference(1),
        }
    }

    fn of_several(labels: &[Vec<usize>], table: &Table, stack: &Table) -> Self {
        let [average_precision, lwlrap] = bootstrap_against(labels, table, stack, &Resampling::default());
        Self::MultiLabel {
            macro_average_precision: average_precision.score,
            macro_average_precision_interval: average_precision.interval,
            lwlrap: lwlrap.score,
            lwlrap_interval: lwlrap.interval,
            stack_minus_macro_average_precision: average_precision.other_minus,
            stack_minus_lwlrap: lwlrap.other_minus,
        }
    }
}

/// What was chosen when a fold was held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldChoice {
    /// The fold.
    pub fold: usize,
    /// The chosen candidate.
    pub chosen: String,
    /// The candidate with the smallest loss on the other folds.
    pub best: String,
}

/// A candidate that cannot be fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excluded {
    /// The name.
    pub name: String,
    /// The error of its fit.
    pub reason: String,
}
