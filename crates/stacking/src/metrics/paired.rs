//! The scores of two tables of the same clips, and their differences: of all clips, and of each
//! class.

use serde::Serialize;

use super::bootstrap::{Interval, LANES, Resampling, interval_list, macro_average_precision, means};
use super::multi_label::{Ranked, all_pairs};
use super::per_clip;
use super::ranking::Ranking;
use crate::Table;

/// A score of two tables, and how much higher that of the second is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairedScore {
    /// The name of the score, as in `results.json`.
    #[serde(rename = "score")]
    pub name: &'static str,
    /// Of the first table. NaN, and `null` in JSON, if there is no clip to compute it from.
    pub a: f64,
    /// Of the second table.
    pub b: f64,
    /// `b - a`.
    pub difference: f64,
    /// The interval of the difference: the same clips are drawn for both tables. For a class, over
    /// the resamples that have clips of it. If it does not contain 0, the difference is
    /// significant.
    pub interval: Interval,
}

/// The scores of a class by two tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairedClass {
    /// The class.
    pub label: String,
    /// Number of clips that have it.
    pub clips: usize,
    /// Its scores.
    pub scores: Vec<PairedScore>,
}

/// The scores of two tables of the same clips.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairedScores {
    /// Number of clips.
    pub clips: usize,
    /// On all clips.
    pub scores: Vec<PairedScore>,
    /// One entry per class, in the order of the columns.
    pub per_class: Vec<PairedClass>,
}

/// Scores `a` and `b` on the same clips, which have one label each: mAP@3, accuracy and macro
/// average precision; for each class its recall, the share of its clips whose most probable label
/// it is, and its average precision.
///
/// # Shape
/// `truth`: for each row, the index of a column, the same in both tables.
///
/// # Panics
/// When `truth` does not fit one of the tables, or their columns differ.
pub fn compare(truth: &[usize], a: &Table, b: &Table, resampling: &Resampling) -> PairedScores {
    let clips_of = |class| truth.iter().filter(|of| **of == class).count();
    let names = Names { of_all: &["map_at_3", "accuracy", "macro_average_precision"], of_class: &RECALL_AND_AP };
    paired([a, b], truth.len(), clips_of, &names, resampling, |table| SingleLabelTable::new(truth, table))
}

/// Scores `a` and `b` on the same clips, which may have several labels: macro and micro average
/// precision and lwlrap; for each class its average precision.
///
/// # Shape
/// `truth`: for each row, the indices of the columns that are its labels, the same in both tables.
///
/// # Panics
/// When `truth` does not fit one of the tables, or their columns differ.
pub fn compare_multi_label(truth: &[Vec<usize>], a: &Table, b: &Table, resampling: &Resampling) -> PairedScores {
    let clips_of = |class| truth.iter().filter(|of| of.contains(&class)).count();
    let of_all = &["macro_average_precision", "micro_average_precision", "lwlrap"];
    let names = Names { of_all, of_class: &RECALL_AND_AP[1..] };
    paired([a, b], truth.len(), clips_of, &names, resampling, |table| MultiLabelTable::new(truth, table))
}

const RECALL_AND_AP: [&str; 2] = ["recall", "average_precision"];

/// The names of scores, in the order in which [`Resampled`] returns them.
struct Names {
    of_all: &'static [&'static str],
    of_class: &'static [&'static str],
}

/// A table whose clips can be counted more than once or not at all.
trait Resampled {
    /// The scores of all clips, then those of each class, for `N` sets of counts.
    ///
    /// # Shape
    /// `counts`: one row per clip.
    fn scores<const N: usize>(&self, counts: &[[u32; N]]) -> Vec<[f64; N]>;
}

/// A table of clips with one label each.
struct SingleLabelTable {
    /// Precision at 3 and hit of each clip.
    of_clip: [Vec<f64>; 2],
    /// The clips of each class.
    clips: Vec<Vec<usize>>,
    rankings: Vec<Ranking>,
}

impl SingleLabelTable {
    fn new(truth: &[usize], table: &Table) -> Self {
        assert_eq!(truth.len(), table.names().len(), "one true label a clip");
        let of_class = |class| Ranking::of_class(class, table, |clip| truth[clip] == class);
        let mut clips = vec![Vec::new(); table.columns().len()];
        truth.iter().enumerate().for_each(|(clip, class)| clips[*class].push(clip));
        let rankings = (0..table.columns().len()).map(of_class).collect();
        Self { of_clip: per_clip(truth, table), clips, rankings }
    }

    /// The share of a class's clips that are hits.
    fn recall<const N: usize>(&self, clips: &[usize], counts: &[[u32; N]]) -> [f64; N] {
        let (mut hits, mut all) = ([0.0; N], [0.0; N]);
        for &clip in clips {
            for way in 0..N {
                let count = f64::from(counts[clip][way]);
                hits[way] += count * self.of_clip[1][clip];
                all[way] += count;
            }
        }
        std::array::from_fn(|way| hits[way] / all[way])
    }
}

impl Resampled for SingleLabelTable {
    fn scores<const N: usize>(&self, counts: &[[u32; N]]) -> Vec<[f64; N]> {
        let [precisions, hits] = &self.of_clip;
        let macro_ap = macro_average_precision(&self.rankings, counts);
        let of_class = self.clips.iter().zip(&self.rankings);
        let of_class =
            of_class.flat_map(|(clips, ranking)| [self.recall(clips, counts), ranking.average_precision(counts)]);
        [means(precisions, counts), means(hits, counts), macro_ap].into_iter().chain(of_class).collect()
    }
}

/// A table of clips that may have several labels.
struct MultiLabelTable<'a> {
    ranked: Ranked<'a>,
    pairs: Ranking,
}

impl<'a> MultiLabelTable<'a> {
    fn new(truth: &'a [Vec<usize>], table: &Table) -> Self {
        Self { ranked: Ranked::new(truth, table), pairs: all_pairs(truth, table) }
    }
}

impl Resampled for MultiLabelTable<'_> {
    fn scores<const N: usize>(&self, counts: &[[u32; N]]) -> Vec<[f64; N]> {
        let [macro_ap, lwlrap] = self.ranked.macro_and_lwlrap(counts);
        let of_class = self.ranked.of_class.iter().map(|ranking| ranking.average_precision(counts));
        [macro_ap, self.pairs.average_precision(counts), lwlrap].into_iter().chain(of_class).collect()
    }
}

/// Scores two tables and resamples their clips together.
fn paired<T: Resampled>(
    tables: [&Table; 2],
    clips: usize,
    clips_of: impl Fn(usize) -> usize,
    names: &Names,
    resampling: &Resampling,
    resampled: impl Fn(&Table) -> T,
) -> PairedScores {
    let labels = tables[0].columns();
    assert_eq!(labels, tables[1].columns(), "the same classes");
    let [a, b] = tables.map(resampled);
    let once = vec![[1]; clips];
    let (of_a, of_b) = (a.scores(&once), b.scores(&once));
    let intervals = interval_list(of_a.len(), clips, resampling, |counts: &[[u32; LANES]]| {
        let pairs = a.scores(counts).into_iter().zip(b.scores(counts));
        pairs.map(|(a, b)| std::array::from_fn(|way| b[way] - a[way])).collect()
    });
    let mut values = of_a.into_iter().zip(of_b).zip(intervals);
    let mut named = |names: &[&'static str]| -> Vec<PairedScore> {
        let named = names.iter().zip(values.by_ref());
        named.map(|(name, (([a], [b]), interval))| PairedScore { name, a, b, difference: b - a, interval }).collect()
    };
    let scores = named(names.of_all);
    let of_class = |(class, label): (usize, &String)| PairedClass {
        label: label.clone(),
        clips: clips_of(class),
        scores: named(names.of_class),
    };
    PairedScores { clips, scores, per_class: labels.iter().enumerate().map(of_class).collect() }
}
