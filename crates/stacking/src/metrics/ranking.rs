//! Right answers against wrong ones, ranked by their probabilities: the clips of one class against
//! all others or, for micro averages, the labels of all clips against all other classes.

use crate::Table;

/// The answers from the highest probability to the lowest, each represented by its clip. Answers of
/// equal probability cross a threshold together.
pub(super) struct Ranking {
    steps: Vec<Step>,
    /// Number of wrong answers that rank below all right ones.
    rest: usize,
}

/// The answers between the previous threshold with a right one and the next one.
struct Step {
    /// Right answers, at the threshold itself.
    found: Vec<u32>,
    /// Wrong ones at the threshold.
    level: Vec<u32>,
    /// Wrong ones above it.
    above: Vec<u32>,
}

/// An answer: the probability of a class for a clip.
pub(super) struct Answer {
    pub probability: f32,
    pub clip: u32,
    /// Whether the clip belongs to the class.
    pub right: bool,
}

impl Ranking {
    /// The answers for one class.
    pub(super) fn of_class(class: usize, probabilities: &Table, is_right: impl Fn(usize) -> bool) -> Self {
        let answer =
            |(clip, row): (usize, &[f32])| Answer { probability: row[class], clip: clip as u32, right: is_right(clip) };
        Self::new(probabilities.rows().enumerate().map(answer).collect())
    }

    pub(super) fn new(mut answers: Vec<Answer>) -> Self {
        answers.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        let (mut steps, mut above) = (Vec::new(), Vec::new());
        for equal in answers.chunk_by(|a, b| a.probability == b.probability) {
            let clips = |right| equal.iter().filter(move |answer| answer.right == right).map(|answer| answer.clip);
            let (found, level): (Vec<u32>, Vec<u32>) = (clips(true).collect(), clips(false).collect());
            if found.is_empty() {
                above.extend(level);
            } else {
                steps.push(Step { found, level, above: std::mem::take(&mut above) });
            }
        }
        Self { steps, rest: above.len() }
    }

    /// Sum over the thresholds, from high to low, of the precision at a threshold times the recall
    /// that it adds. Computed for `N` sets of counts, in which a clip may count more than once or
    /// not at all. NaN for a set that counts no right answer.
    ///
    /// # Shape
    /// `counts`: one row per clip.
    pub(super) fn average_precision<const N: usize>(&self, counts: &[[u32; N]]) -> [f64; N] {
        let (mut seen, mut found, mut area) = ([0_u32; N], [0_u32; N], [0.0; N]);
        for step in &self.steps {
            let new = total(&step.found, counts);
            let [level, above] = [&step.level, &step.above].map(|clips| total(clips, counts));
            for way in 0..N {
                found[way] += new[way];
                seen[way] += new[way] + level[way] + above[way];
                // If no clip was seen, none is new, so `max(1)` only avoids 0/0.
                area[way] += f64::from(new[way]) * f64::from(found[way]) / f64::from(seen[way].max(1));
            }
        }
        std::array::from_fn(|way| area[way] / f64::from(found[way]))
    }

    /// The share of pairs of a right and a wrong answer in which the right one has the higher
    /// probability; ties count half.
    pub(super) fn roc_auc(&self) -> f64 {
        let (mut found, mut pairs, mut others) = (0.0, 0.0, 0.0);
        for step in &self.steps {
            let [new, level, above] = [&step.found, &step.level, &step.above].map(|clips| clips.len() as f64);
            pairs += found * above + (found + new / 2.0) * level;
            found += new;
            others += level + above;
        }
        let rest = self.rest as f64;
        (pairs + found * rest) / (found * (others + rest))
    }
}

/// The total count of clips in each of `N` sets of counts.
fn total<const N: usize>(clips: &[u32], counts: &[[u32; N]]) -> [u32; N] {
    clips.iter().fold([0; N], |mut sum, &clip| {
        for (sum, count) in sum.iter_mut().zip(&counts[clip as usize]) {
            *sum += count;
        }
        sum
    })
}
