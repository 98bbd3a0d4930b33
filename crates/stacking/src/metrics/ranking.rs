//! One class against all others: the clips by its probability.

use crate::Table;

/// The clips by the probability of one class, from high to low. Clips of equal probability cross a
/// threshold together.
pub(super) struct Ranking {
    steps: Vec<Step>,
    /// Clips of other classes that rank below all of this class.
    rest: usize,
}

/// The clips from the last threshold with a clip of the class down to the next.
struct Step {
    /// Clips of the class, at the threshold itself.
    found: Vec<u32>,
    /// Other clips at the threshold.
    level: Vec<u32>,
    /// Other clips above it.
    above: Vec<u32>,
}

impl Ranking {
    pub(super) fn new(class: usize, truth: &[usize], probabilities: &Table) -> Self {
        let value = |clip: u32| probabilities.row(clip as usize)[class];
        let mut order: Vec<u32> = (0..truth.len() as u32).collect();
        order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        let (mut steps, mut above) = (Vec::new(), Vec::new());
        for equal in order.chunk_by(|&a, &b| value(a) == value(b)) {
            let (found, level): (Vec<u32>, Vec<u32>) = equal.iter().partition(|&&clip| truth[clip as usize] == class);
            if found.is_empty() {
                above.extend(level);
            } else {
                steps.push(Step { found, level, above: std::mem::take(&mut above) });
            }
        }
        Self { steps, rest: above.len() }
    }

    /// Sum over the thresholds, from high to low, of precision there times the recall it adds; once
    /// for each of `N` ways to count clips more than once or not at all. Not-a-number where no clip
    /// of the class is counted.
    ///
    /// # Shape
    /// `counts`: one row a clip.
    pub(super) fn average_precision<const N: usize>(&self, counts: &[[u32; N]]) -> [f64; N] {
        let (mut seen, mut found, mut area) = ([0_u32; N], [0_u32; N], [0.0; N]);
        for step in &self.steps {
            let new = total(&step.found, counts);
            let [level, above] = [&step.level, &step.above].map(|clips| total(clips, counts));
            for way in 0..N {
                found[way] += new[way];
                seen[way] += new[way] + level[way] + above[way];
                // Nothing seen means nothing new: no 0/0.
                area[way] += f64::from(new[way]) * f64::from(found[way]) / f64::from(seen[way].max(1));
            }
        }
        std::array::from_fn(|way| area[way] / f64::from(found[way]))
    }

    /// The share of pairs, a clip of the class and one of another, in which the first has the
    /// higher probability; equal ones count half.
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

/// How often clips are counted, in each of `N` ways.
fn total<const N: usize>(clips: &[u32], counts: &[[u32; N]]) -> [u32; N] {
    clips.iter().fold([0; N], |mut sum, &clip| {
        for (sum, count) in sum.iter_mut().zip(&counts[clip as usize]) {
            *sum += count;
        }
        sum
    })
}
