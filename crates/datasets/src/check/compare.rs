//! Clips held against each other: groups, folds, and the same sound twice.

use std::collections::{BTreeMap, BTreeSet};

use super::sound::Heard;
use super::{Kind, Problem, shown};
use crate::manifest::{Item, Manifest};
use crate::splits::{Splits, too_small_classes};

/// The folds that a recipe draws if it says nothing else.
const DEFAULT_FOLDS: usize = 5;

/// How many groups the training clips form.
pub(super) fn groups(manifest: &Manifest) -> Option<usize> {
    let groups: BTreeSet<&String> = manifest.train.iter().filter_map(|item| item.group.as_ref()).collect();
    (!groups.is_empty()).then_some(groups.len())
}

/// Whether the given folds can be used, or folds can be drawn; whether groups stay whole.
pub(super) fn folds_and_groups(manifest: &Manifest) -> Vec<Problem> {
    let mut problems = group_in_train_and_test(manifest);
    let given: Option<Vec<usize>> = manifest.train.iter().map(|item| item.fold).collect();
    let some = manifest.train.iter().any(|item| item.fold.is_some());
    match given.filter(|_| some) {
        Some(of) => problems.extend(given_folds(manifest, of)),
        None if some => {
            let without = manifest.train.iter().filter(|item| item.fold.is_none());
            let files = without.map(|item| shown(&item.path)).collect();
            problems.push(Problem::error(Kind::Manifest, files, "these have no fold, and other clips have one"));
        }
        None => {
            let small = too_small_classes(manifest, DEFAULT_FOLDS).unwrap_or_default();
            problems.extend(small.iter().map(|class| Problem::warning(Kind::FewClips, Vec::new(), class.to_string())));
        }
    }
    problems
}

fn given_folds(manifest: &Manifest, of: Vec<usize>) -> Vec<Problem> {
    let folds = of.iter().max().map_or(0, |last| last + 1);
    let splits = Splits { folds, of };
    if folds < 2 {
        return vec![Problem::error(Kind::Manifest, Vec::new(), "all clips lie in one fold; at least 2 are needed")];
    }
    let of_class = |label| {
        let message = format!("class \"{label}\" lies in one of the given folds only");
        Problem::error(Kind::Manifest, Vec::new(), message)
    };
    let of_group = |(group, clips): (&str, Vec<usize>)| {
        let files = clips.iter().map(|clip| shown(&manifest.train[*clip].path)).collect();
        two_folds(manifest, files, format!("clips of the group \"{group}\" lie in several folds"))
    };
    let classes = splits.classes_in_one_fold(manifest).into_iter().map(of_class);
    classes.chain(splits.torn_groups(manifest).into_iter().map(of_group)).collect()
}

fn two_folds(manifest: &Manifest, files: Vec<String>, message: String) -> Problem {
    if manifest.folds_tear_groups {
        let message = format!("{message}, and the data set's authors want these folds all the same");
        return Problem::warning(Kind::TwoFolds, files, message);
    }
    Problem::error(Kind::TwoFolds, files, format!("{message}: scores would be flattered"))
}

fn group_in_train_and_test(manifest: &Manifest) -> Vec<Problem> {
    let mut groups: BTreeMap<&str, [Vec<&Item>; 2]> = BTreeMap::new();
    for (set, items) in [&manifest.train, &manifest.test].into_iter().enumerate() {
        for item in items {
            if let Some(group) = &item.group {
                groups.entry(group).or_default()[set].push(item);
            }
        }
    }
    let in_both = groups.into_iter().filter(|(_, [train, test])| !train.is_empty() && !test.is_empty());
    let problem = |(group, [train, test]): (&str, [Vec<&Item>; 2])| {
        let files = train.iter().chain(&test).map(|item| shown(&item.path)).collect();
        let message = format!("clips of the group \"{group}\" are learned from and predicted");
        Problem::warning(Kind::TrainAndTest, files, message)
    };
    in_both.map(problem).collect()
}

/// The same sound in several places, by file or by samples. Silence is the same everywhere and no news.
pub(super) fn same_sounds(manifest: &Manifest, clips: &[Option<Heard>]) -> Vec<Problem> {
    let mut same: BTreeMap<&[u8; 32], Vec<(usize, &Item, &Heard)>> = BTreeMap::new();
    let items = manifest.train.iter().chain(&manifest.test).zip(clips).enumerate();
    for (index, (item, heard)) in items {
        if let Some(heard) = heard.as_ref().filter(|heard| !heard.silent) {
            same.entry(&heard.sound).or_default().push((index, item, heard));
        }
    }
    same.into_values().filter(|clips| clips.len() > 1).flat_map(|clips| same_sound(manifest, &clips)).collect()
}

/// One sound in several places: the worst that follows from it, and labels that contradict each other in any case.
fn same_sound(manifest: &Manifest, clips: &[(usize, &Item, &Heard)]) -> Vec<Problem> {
    let files: Vec<String> = clips.iter().map(|(_, item, _)| shown(&item.path)).collect();
    let mut sums = clips.iter().map(|(_, item, _)| earmark_files::sha256_file(&item.path).ok());
    let first = sums.next().flatten();
    let same_bytes = first.is_some() && sums.all(|sum| sum == first);
    let what = if same_bytes { "the same file" } else { "the same sound in different files" };
    let what = format!("{what}, {} times", clips.len());
    let mut problems = Vec::new();
    let labels: BTreeSet<usize> = clips.iter().filter_map(|(_, item, _)| item.label).collect();
    if labels.len() > 1 {
        let names: Vec<&str> = labels.iter().map(|label| manifest.labels[*label].as_str()).collect();
        let message = format!("{what}, with different labels: {}", names.join(", "));
        problems.push(Problem::error(Kind::TwoLabels, files.clone(), message));
    }
    let (train, test): (Vec<_>, Vec<_>) = clips.iter().partition(|(index, _, _)| *index < manifest.train.len());
    let folds: BTreeSet<usize> = train.iter().filter_map(|(_, item, _)| item.fold).collect();
    let one_group = train.iter().all(|(_, item, _)| item.group.is_some() && item.group == train[0].1.group);
    if !train.is_empty() && !test.is_empty() {
        problems.push(Problem::error(Kind::TrainAndTest, files.clone(), format!("{what}, learned from and predicted")));
    }
    if folds.len() > 1 {
        problems.push(two_folds(manifest, files.clone(), format!("{what}, in different folds")));
    }
    if problems.is_empty() {
        let torn = train.len() > 1 && folds.is_empty() && !one_group;
        let advice =
            if torn { "; drawn folds may tear them apart: remove all but one, or give them one group" } else { "" };
        problems.push(Problem::warning(Kind::Duplicate, files, format!("{what}{advice}")));
    }
    problems
}
