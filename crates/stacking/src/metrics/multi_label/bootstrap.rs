//! Confidence intervals of scores of clips that may have several labels, by the same bootstrap as
//! for single labels.

use serde::{Deserialize, Serialize};

use super::{all_pairs, label_precisions, ranking};
use crate::Table;
use crate::metrics::bootstrap::{Difference, Interval, LANES, Resampling, intervals, macro_average_precision};
use crate::metrics::ranking::Ranking;

/// The intervals of one table's scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelIntervals {
    /// For macro average precision; in each resample, over the classes that have clips in it.
    pub macro_average_precision: Interval,
    /// For micro average precision.
    pub micro_average_precision: Interval,
    /// For label-weighted label-ranking average precision.
    pub lwlrap: Interval,
}

/// The differences of two tables' scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelDifferences {
    /// For macro average precision.
    pub macro_average_precision: Difference,
    /// For label-weighted label-ranking average precision.
    pub lwlrap: Difference,
}

/// A score of one table, and of another compared with it.
pub(crate) struct Against {
    pub score: f64,
    pub interval: Interval,
    /// The score of the other table minus this one.
    pub other_minus: Difference,
}

/// What a resample of one table is scored by.
pub(in crate::metrics) struct Ranked<'a> {
    truth: &'a [Vec<usize>],
    pub of_class: Vec<Ranking>,
    /// For each clip, the sum of the precisions of its labels.
    precisions: Vec<f64>,
}

impl<'a> Ranked<'a> {
    pub fn new(truth: &'a [Vec<usize>], probabilities: &Table) -> Self {
        assert_eq!(truth.len(), probabilities.names().len(), "labels for each clip");
        let classes = 0..probabilities.columns().len();
        Self {
            truth,
            of_class: classes.map(|class| ranking(class, truth, probabilities)).collect(),
            precisions: label_precisions(truth, probabilities),
        }
    }

    /// Macro average precision and lwlrap.
    pub fn macro_and_lwlrap<const N: usize>(&self, counts: &[[u32; N]]) -> [[f64; N]; 2] {
        [macro_average_precision(&self.of_class, counts), self.lwlrap(counts)]
    }

    fn lwlrap<const N: usize>(&self, counts: &[[u32; N]]) -> [f64; N] {
        let (mut sums, mut labels) = ([0.0; N], [0.0; N]);
        for ((precisions, of_clip), counts) in self.precisions.iter().zip(self.truth).zip(counts) {
            for way in 0..N {
                sums[way] += precisions * f64::from(counts[way]);
                labels[way] += of_clip.len() as f64 * f64::from(counts[way]);
            }
        }
        std::array::from_fn(|way| sums[way] / labels[way])
    }
}

/// The intervals of the scores of `probabilities`.
///
/// # Shape
/// `truth`: for each row of `probabilities`, the indices of the columns that are its labels.
///
/// # Panics
/// When `truth` does not fit the table. [`score_multi_label`](crate::score_multi_label) reports
/// that as an error.
pub fn bootstrap_multi_label(
    truth: &[Vec<usize>],
    probabilities: &Table,
    resampling: &Resampling,
) -> MultiLabelIntervals {
    let (ranked, pairs) = (Ranked::new(truth, probabilities), all_pairs(truth, probabilities));
    let [macro_average_precision, lwlrap, micro_average_precision] =
        intervals(truth.len(), resampling, |counts: &[[u32; LANES]]| {
            let [macro_average_precision, lwlrap] = ranked.macro_and_lwlrap(counts);
            [macro_average_precision, lwlrap, pairs.average_precision(counts)]
        });
    MultiLabelIntervals { macro_average_precision, micro_average_precision, lwlrap }
}

/// The scores of `a` minus those of `b`; the same clips are drawn for both.
///
/// # Shape
/// `truth`: for each row, the indices of the columns that are its labels, the same in both tables.
///
/// # Panics
/// When `truth` does not fit one of the tables.
pub fn bootstrap_multi_label_difference(
    truth: &[Vec<usize>],
    a: &Table,
    b: &Table,
    resampling: &Resampling,
) -> MultiLabelDifferences {
    let [a, b] = [a, b].map(|table| Ranked::new(truth, table));
    let once = vec![[1]; truth.len()];
    let [of_all, of_lwlrap] = minus(a.macro_and_lwlrap(&once), b.macro_and_lwlrap(&once));
    let [macro_average_precision, lwlrap] = intervals(truth.len(), resampling, |counts: &[[u32; LANES]]| {
        minus(a.macro_and_lwlrap(counts), b.macro_and_lwlrap(counts))
    });
    MultiLabelDifferences {
        macro_average_precision: Difference { value: of_all[0], interval: macro_average_precision },
        lwlrap: Difference { value: of_lwlrap[0], interval: lwlrap },
    }
}

/// Macro average precision and lwlrap of a table, and how much better another one is.
pub(crate) fn bootstrap_against(
    truth: &[Vec<usize>],
    table: &Table,
    other: &Table,
    resampling: &Resampling,
) -> [Against; 2] {
    let [own, other] = [table, other].map(|table| Ranked::new(truth, table));
    let once = vec![[1]; truth.len()];
    let (scores, values) =
        (own.macro_and_lwlrap(&once), minus(other.macro_and_lwlrap(&once), own.macro_and_lwlrap(&once)));
    let [macro_average_precision, lwlrap, other_average_precision, other_lwlrap] =
        intervals(truth.len(), resampling, |counts: &[[u32; LANES]]| {
            let own = own.macro_and_lwlrap(counts);
            let [average_precision, lwlrap] = minus(other.macro_and_lwlrap(counts), own);
            [own[0], own[1], average_precision, lwlrap]
        });
    let of = |score: usize, interval, other| Against {
        score: scores[score][0],
        interval,
        other_minus: Difference { value: values[score][0], interval: other },
    };
    [of(0, macro_average_precision, other_average_precision), of(1, lwlrap, other_lwlrap)]
}

fn minus<const N: usize>(a: [[f64; N]; 2], b: [[f64; N]; 2]) -> [[f64; N]; 2] {
    std::array::from_fn(|score| std::array::from_fn(|way| a[score][way] - b[score][way]))
}
