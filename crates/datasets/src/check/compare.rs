//! Comparison of clips: groups, folds and duplicate sounds.

use std::collections::{BTreeMap, BTreeSet};

use earmark_audio::SoundId;

use super::problem::{Problem, ProblemKind, shown};
use super::sound::DecodedClip;
use crate::manifest::{ClipEntry, Manifest};

/// The number of groups that the training clips form.
pub(super) fn groups(manifest: &Manifest) -> Option<usize> {
    let groups: BTreeSet<&String> = manifest.train.iter().filter_map(|item| item.group.as_ref()).collect();
    (!groups.is_empty()).then_some(groups.len())
}

/// Recordings in both the training and the test set.
pub(super) fn recordings_in_train_and_test(manifest: &Manifest) -> Vec<Problem> {
    let mut groups: BTreeMap<&str, [Vec<&ClipEntry>; 2]> = BTreeMap::new();
    for (set, items) in [&manifest.train, &manifest.test].into_iter().enumerate() {
        for item in items {
            if let Some(group) = &item.group {
                groups.entry(group).or_default()[set].push(item);
            }
        }
    }
    let in_both = groups.into_iter().filter(|(_, [train, test])| !train.is_empty() && !test.is_empty());
    let problem = |(group, [train, test]): (&str, [Vec<&ClipEntry>; 2])| {
        let files = train.iter().chain(&test).map(|item| shown(&item.path)).collect();
        let message = format!("clips of the group {group:?} are in the training and the test set");
        Problem::warning(ProblemKind::TrainAndTest, files, message)
    };
    in_both.map(problem).collect()
}

fn two_folds(manifest: &Manifest, files: Vec<String>, message: String) -> Problem {
    if manifest.groups_span_folds {
        let message = format!("{message}, as the authors of the data set made them");
        return Problem::warning(ProblemKind::TwoFolds, files, message);
    }
    Problem::error(ProblemKind::TwoFolds, files, format!("{message}, so scores would be too high"))
}

/// Sounds that occur several times, as the same file or with the same samples. Silent clips are
/// ignored, since all silence is the same.
pub(super) fn same_sounds(manifest: &Manifest, clips: &[Option<DecodedClip>]) -> Vec<Problem> {
    let mut same: BTreeMap<SoundId, Vec<(usize, &ClipEntry)>> = BTreeMap::new();
    let items = manifest.train.iter().chain(&manifest.test).zip(clips).enumerate();
    for (index, (item, decoded)) in items {
        if let Some(sound) = decoded.as_ref().and_then(|decoded| decoded.sound) {
            same.entry(sound).or_default().push((index, item));
        }
    }
    same.into_values().filter(|clips| clips.len() > 1).flat_map(|clips| same_sound(manifest, &clips)).collect()
}

/// The problems of a sound that occurs several times: the most severe consequence, and always
/// contradictory labels.
fn same_sound(manifest: &Manifest, clips: &[(usize, &ClipEntry)]) -> Vec<Problem> {
    let files: Vec<String> = clips.iter().map(|(_, item)| shown(&item.path)).collect();
    let mut sums = clips.iter().map(|(_, item)| earmark_files::sha256_file(&item.path).ok());
    let first = sums.next().flatten();
    let same_bytes = first.is_some() && sums.all(|sum| sum == first);
    let what = if same_bytes { "the same file" } else { "the same sound in different files" };
    let what = format!("{what}, {} times", clips.len());
    let mut problems = Vec::new();
    let labels: BTreeSet<&[usize]> =
        clips.iter().map(|(_, item)| item.labels.as_slice()).filter(|labels| !labels.is_empty()).collect();
    if labels.len() > 1 {
        let name = |label: &usize| manifest.labels[*label].as_str();
        let names: Vec<String> =
            labels.iter().map(|labels| labels.iter().map(name).collect::<Vec<_>>().join(" + ")).collect();
        let message = format!("{what}, with different labels: {}", names.join(", "));
        problems.push(Problem::error(ProblemKind::TwoLabels, files.clone(), message));
    }
    let (train, test): (Vec<_>, Vec<_>) = clips.iter().partition(|(index, _)| *index < manifest.train.len());
    let folds: BTreeSet<usize> = train.iter().filter_map(|(_, item)| item.fold).collect();
    let one_group = train.iter().all(|(_, item)| item.group.is_some() && item.group == train[0].1.group);
    if !train.is_empty() && !test.is_empty() {
        problems.push(Problem::error(
            ProblemKind::TrainAndTest,
            files.clone(),
            format!("{what}, in the training and the test set"),
        ));
    }
    if folds.len() > 1 {
        problems.push(two_folds(manifest, files.clone(), format!("{what}, in different folds")));
    }
    if problems.is_empty() {
        let message = match train.len() > 1 && folds.is_empty() && !one_group {
            true => format!("{what}; drawn folds keep copies together, but each of them counts: remove all but one"),
            false => what,
        };
        problems.push(Problem::warning(ProblemKind::Duplicate, files, message));
    }
    problems
}
