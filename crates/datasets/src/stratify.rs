//! Drawing folds that have the same share of every class.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What is divided into folds: clips with their labels, in groups that stay together.
pub(crate) struct Clips<'a> {
    /// The labels of each clip.
    pub labels: &'a [&'a [usize]],
    pub classes: usize,
    /// The clips of each group.
    pub groups: &'a [Vec<usize>],
}

/// Assigns each group, in this order, to the fold that has the least of its classes so far. Returns
/// the fold of each clip. Without groups, the clips of each class are distributed as evenly as
/// possible if each has one label.
pub(crate) fn emptiest_first(clips: &Clips, order: &[usize], folds: usize) -> Vec<usize> {
    let mut total = vec![0_usize; clips.classes];
    clips.labels.iter().copied().flatten().for_each(|label| total[*label] += 1);
    let mut of = vec![0; clips.labels.len()];
    let mut sizes = vec![0_usize; folds];
    let mut by_class = vec![vec![0_usize; clips.classes]; folds];
    for &group in order {
        let members = &clips.groups[group];
        let share = |fold: usize| -> f64 {
            let one = |label: &usize| by_class[fold][*label] as f64 / total[*label] as f64;
            members.iter().flat_map(|clip| clips.labels[*clip]).map(one).sum()
        };
        let emptiest = (0..folds).min_by(|a, b| share(*a).total_cmp(&share(*b)).then(sizes[*a].cmp(&sizes[*b])));
        let fold = emptiest.unwrap_or(0);
        sizes[fold] += members.len();
        for clip in members {
            clips.labels[*clip].iter().for_each(|label| by_class[fold][*label] += 1);
            of[*clip] = fold;
        }
    }
    of
}

/// Iterative stratification (K. Sechidis, G. Tsoumakas, I. Vlahavas 2011, "On the Stratification of
/// Multi-Label Data", figure 1), of groups instead of single clips: the class with the fewest
/// groups left is distributed next, each of its groups, in this order, to the fold that lacks the
/// most clips of the class; then, of those, the most clips; then at random. Returns the fold of
/// each clip.
///
/// Rare classes come first because the folds could not be corrected for them later.
pub(crate) fn iterative(clips: &Clips, order: &[usize], folds: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let counts: Vec<BTreeMap<usize, f64>> = clips.groups.iter().map(|group| counts(clips.labels, group)).collect();
    let mut groups_of = vec![Vec::new(); clips.classes];
    let mut lacks = Lacks { clips: vec![clips.labels.len() as f64 / folds as f64; folds], of_class: Vec::new() };
    let mut total = vec![0.0; clips.classes];
    for &group in order {
        for (&class, count) in &counts[group] {
            groups_of[class].push(group);
            total[class] += count;
        }
    }
    lacks.of_class = vec![total.iter().map(|total| total / folds as f64).collect(); folds];
    let mut left: Vec<usize> = groups_of.iter().map(Vec::len).collect();
    let mut fold_of: Vec<Option<usize>> = vec![None; clips.groups.len()];
    while let Some(rarest) = (0..clips.classes).filter(|class| left[*class] > 0).min_by_key(|class| left[*class]) {
        for &group in &groups_of[rarest] {
            if fold_of[group].is_some() {
                continue;
            }
            let fold = lacks.neediest(rarest, rng);
            fold_of[group] = Some(fold);
            lacks.clips[fold] -= clips.groups[group].len() as f64;
            for (&class, count) in &counts[group] {
                lacks.of_class[fold][class] -= count;
                left[class] -= 1;
            }
        }
    }
    let mut of = vec![0; clips.labels.len()];
    for (group, fold) in clips.groups.iter().zip(fold_of) {
        group.iter().for_each(|clip| of[*clip] = fold.unwrap_or(0));
    }
    of
}

/// The number of clips of each class in a group.
fn counts(labels: &[&[usize]], group: &[usize]) -> BTreeMap<usize, f64> {
    let mut counts = BTreeMap::new();
    for label in group.iter().flat_map(|clip| labels[*clip]) {
        *counts.entry(*label).or_insert(0.0) += 1.0;
    }
    counts
}

/// What each fold lacks of its share; below 0, it has too much.
struct Lacks {
    clips: Vec<f64>,
    /// `[fold][class]`
    of_class: Vec<Vec<f64>>,
}

impl Lacks {
    fn neediest(&self, class: usize, rng: &mut ChaCha8Rng) -> usize {
        let need = |fold: usize| (self.of_class[fold][class], self.clips[fold]);
        let most = (0..self.clips.len()).map(need).fold((f64::MIN, f64::MIN), |a, b| if b > a { b } else { a });
        let equal: Vec<usize> = (0..self.clips.len()).filter(|fold| need(*fold) == most).collect();
        match equal[..] {
            [fold] => fold,
            _ => equal[rng.random_range(0..equal.len() as u32) as usize],
        }
    }
}
