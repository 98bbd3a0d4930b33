//! Confidence intervals of scores: percentile intervals of the bootstrap over clips (Efron and
//! Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13), as in `scipy.stats.bootstrap`
//! with `method="percentile"`.
//!
//! They measure the variation between samples of clips, not between training seeds.

use serde::{Deserialize, Serialize};

use super::ranking::Ranking;
use super::{mean, null_is_nan, per_clip};
use crate::Table;

/// How clips are resampled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resampling {
    /// Number of resamples. Each draws as many clips as the table has, with replacement.
    pub resamples: usize,
    /// Determines every draw. The same seed draws the same rows in all tables with the same number
    /// of clips.
    pub seed: u64,
    /// The share of resamples whose score is within the interval, such as 0.95.
    pub level: f64,
}

impl Default for Resampling {
    /// 2000 resamples, seed 0, 95 %.
    fn default() -> Self {
        Self { resamples: 2000, seed: 0, level: 0.95 }
    }
}

/// The interval of a score at the requested level. NaN (`null` in JSON) if there are no clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    #[serde(deserialize_with = "null_is_nan")]
    pub low: f64,
    /// The upper end.
    #[serde(deserialize_with = "null_is_nan")]
    pub high: f64,
}

/// The intervals of one table's scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// For mean average precision at 3.
    #[serde(rename = "map_at_3")]
    pub map3: Interval,
    /// For accuracy.
    pub accuracy: Interval,
    /// For macro average precision; in each resample, over the classes that have clips in it.
    pub macro_average_precision: Interval,
}

/// The difference between two tables' scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference on the original clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub value: f64,
    /// Its interval. If it does not contain 0, the difference is significant.
    pub interval: Interval,
}

/// The differences of two tables' scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Differences {
    /// For mean average precision at 3.
    #[serde(rename = "map_at_3")]
    pub map3: Difference,
    /// For accuracy.
    pub accuracy: Difference,
}

/// The intervals of the scores of `probabilities`.
///
/// # Shape
/// `truth`: for each row, the index of a column of `probabilities`.
///
/// # Panics
/// When `truth` does not fit the table. [`score`](crate::score) reports that as an error.
pub fn bootstrap(truth: &[usize], probabilities: &Table, resampling: &Resampling) -> Intervals {
    assert_eq!(truth.len(), probabilities.names().len(), "one true label a clip");
    let values = per_clip(truth, probabilities);
    let of_class = |class| Ranking::of_class(class, probabilities, |clip| truth[clip] == class);
    let rankings: Vec<Ranking> = (0..probabilities.columns().len()).map(of_class).collect();
    let [map3, accuracy, macro_average_precision] = intervals(truth.len(), resampling, |counts| {
        [means(&values[0], counts), means(&values[1], counts), macro_average_precision(&rankings, counts)]
    });
    Intervals { map3, accuracy, macro_average_precision }
}

/// The scores of `a` minus those of `b`; the same clips are drawn for both.
///
/// # Shape
/// `truth`: for each row, the index of a column, the same in both tables.
///
/// # Panics
/// When `truth` does not fit one of the tables.
pub fn bootstrap_difference(truth: &[usize], a: &Table, b: &Table, resampling: &Resampling) -> Differences {
    assert!([a, b].iter().all(|table| table.names().len() == truth.len()), "one true label a clip");
    let [of_a, of_b] = [a, b].map(|table| per_clip(truth, table));
    let differences: [Vec<f64>; 2] =
        std::array::from_fn(|score| of_a[score].iter().zip(&of_b[score]).map(|(a, b)| a - b).collect());
    let [map3, accuracy] =
        intervals(truth.len(), resampling, |counts| [means(&differences[0], counts), means(&differences[1], counts)]);
    let value = |score: usize| mean(differences[score].iter().copied());
    Differences {
        map3: Difference { value: value(0), interval: map3 },
        accuracy: Difference { value: value(1), interval: accuracy },
    }
}

/// The interval of the mean of `values`, one per clip: for any score that is a mean over clips.
pub fn bootstrap_mean(values: &[f64], resampling: &Resampling) -> Interval {
    let [interval] = intervals(values.len(), resampling, |counts| [means(values, counts)]);
    interval
}

/// The mean of the classes' average precision, over the classes that have clips in a resample.
pub(super) fn macro_average_precision<const N: usize>(rankings: &[Ranking], counts: &[[u32; N]]) -> [f64; N] {
    let classes: Vec<[f64; N]> = rankings.iter().map(|ranking| ranking.average_precision(counts)).collect();
    std::array::from_fn(|way| mean(classes.iter().map(|class| class[way]).filter(|value| !value.is_nan())))
}

/// Resamples that are scored together: a processor adds this many numbers at once.
pub(super) const LANES: usize = 8;

/// The intervals of `N` scores. `scores` computes them for one resample per lane, from the number
/// of times that each clip was drawn.
pub(super) fn intervals<const N: usize>(
    clips: usize,
    resampling: &Resampling,
    scores: impl Fn(&[[u32; LANES]]) -> [[f64; LANES]; N],
) -> [Interval; N] {
    let all = interval_list(N, clips, resampling, |counts| scores(counts).to_vec());
    std::array::from_fn(|score| all[score])
}

/// [`intervals`] of any number of scores. Resamples in which a score is NaN do not count for it.
pub(super) fn interval_list(
    number: usize,
    clips: usize,
    resampling: &Resampling,
    scores: impl Fn(&[[u32; LANES]]) -> Vec<[f64; LANES]>,
) -> Vec<Interval> {
    let mut values: Vec<Vec<f64>> = vec![Vec::with_capacity(resampling.resamples); number];
    for first in (0..resampling.resamples).step_by(LANES) {
        let mut counts = vec![[0; LANES]; clips];
        for (lane, resample) in (first as u64..).take(LANES).enumerate() {
            for clip in draws(clips, resampling.seed, resample) {
                counts[clip][lane] += 1;
            }
        }
        for (values, scores) in values.iter_mut().zip(scores(&counts)) {
            values.extend(scores.iter().take(resampling.resamples - first));
        }
    }
    let interval = |mut values: Vec<f64>| {
        values.retain(|value| !value.is_nan());
        values.sort_by(f64::total_cmp);
        let outside = (1.0 - resampling.level) / 2.0;
        Interval { low: percentile(&values, outside), high: percentile(&values, 1.0 - outside) }
    };
    values.into_iter().map(interval).collect()
}

/// The clips of one resample. The generator is splitmix64 (Steele, Lea, Flood 2014), seeded again
/// for each resample; the probabilities of two clips differ by less than one part in 2^32 /
/// `clips`.
fn draws(clips: usize, seed: u64, resample: u64) -> impl Iterator<Item = usize> {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64| {
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut state = mix(mix(seed.wrapping_add(GAMMA)) ^ resample.wrapping_add(1).wrapping_mul(GAMMA));
    (0..clips).map(move |_| {
        state = state.wrapping_add(GAMMA);
        (((mix(state) >> 32) * clips as u64) >> 32) as usize
    })
}

/// The mean over the clips drawn, in each lane.
pub(super) fn means<const N: usize>(values: &[f64], counts: &[[u32; N]]) -> [f64; N] {
    let mut sums = [0.0; N];
    for (value, counts) in values.iter().zip(counts) {
        for (sum, &count) in sums.iter_mut().zip(counts) {
            *sum += value * f64::from(count);
        }
    }
    sums.map(|sum| sum / values.len() as f64)
}

/// The value below which a share of the sorted values lies, with linear interpolation: numpy's
/// default, method 7 of Hyndman and Fan 1996. NaN for no values.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[last.min(below + 1)]);
    low + (high - low) * (place - below as f64)
}
