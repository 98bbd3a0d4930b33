//! What [`Choice`](crate::Choice) has compared and decided, for people: `level2/choice.json`.

use serde::{Deserialize, Serialize};

use crate::verdict::PairedDifference;
use crate::{Interval, StackKind};

/// How a candidate was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRecord {
    /// The name of the chosen candidate.
    pub chosen: String,
    /// Its kind; a learner alone is a weighted mean.
    pub kind: StackKind,
    /// Why.
    pub reason: String,
    /// The temperature of its probabilities: the logarithms are divided by it.
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
    /// The mean log loss after temperature scaling, weighted like the clips.
    pub loss: f64,
    /// Its difference from the smallest loss of all candidates.
    pub difference: PairedDifference,
    /// Mean average precision at 3.
    #[serde(rename = "map_at_3")]
    pub map3: f64,
    /// The 95 % interval of `map3`.
    #[serde(rename = "map_at_3_interval")]
    pub map3_interval: Interval,
    /// The accuracy.
    pub accuracy: f64,
    /// The 95 % interval of `accuracy`.
    pub accuracy_interval: Interval,
    /// The stack's mAP@3, on [`Choice::out_of_fold`](crate::Choice::out_of_fold), minus this
    /// candidate's.
    #[serde(rename = "stack_minus_map_at_3")]
    pub stack_minus_map3: PairedDifference,
    /// The same for the accuracy.
    pub stack_minus_accuracy: PairedDifference,
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
