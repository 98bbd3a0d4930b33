//! One class against all others: ranks the clips by the probability of the class.

use crate::Table;

/// The clips by the probability of one class, from high to low. Clips of equal probability cross a
/// threshold together.
pub(super) struct Ranking {
    steps: Vec<Step>,
    /// Number of clips of other classes that rank below all clips of this class.
    rest: usize,
}

/// The clips between the previous threshold with a clip of the class and the next one.
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

    /// Sum over the thresholds, from high to low, of the precision at a threshold times the recall
    /// that it adds. Computed for `N` sets of counts, in which a clip may count more than once or
    /// not at all. NaN for a set that counts no clip of the class.
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

    /// The share of pairs of a clip of the class and a clip of another class in which the first has
    /// the higher probability; ties count half.
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
