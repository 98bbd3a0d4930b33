//! Whether a recipe fits a data set, checked before anything is decoded.

use earmark_datasets::{ClipEntry, Manifest, Splits, Task};
use earmark_stacking::check_folds;
use earmark_tables::counted;
use earmark_training::{MOST_CLIPS, TrainingError};

use crate::error::{Context, Result, ensure};
use crate::jobs::used_clips;
use crate::options::TrainOptions;
use crate::recipe::Recipe;

/// Checks that the recipe and the options are for clips with one label, or with several.
pub(crate) fn check_task(options: &TrainOptions, recipe: &Recipe, task: Task) -> Result<()> {
    let data = || options.data.display().to_string();
    recipe.learners.iter().try_for_each(|learner| learner.check_task(task)).with_context(data)
}

/// Checks that learners weigh only classes that exist, and that the labels and their weights
/// suffice for level 2 and for kernels, before anything is decoded or trained.
/// [`violations`](earmark_datasets::violations) has already checked what every recipe requires:
/// each class is in at least two folds, so [`check_folds`] succeeds if all clips count and no inner
/// fold is held out. This check only fails for what a recipe adds: `class_weight`,
/// `unverified_weight = 0`, `temperature_scaling`, `early_stopping_rounds`.
pub(crate) fn check_labels(recipe: &Recipe, manifest: &Manifest, splits: &Splits) -> Result<()> {
    recipe.learners.iter().try_for_each(|learner| learner.check_classes(&manifest.labels))?;
    let verified: Vec<bool> = manifest.train.iter().map(|item| item.verified).collect();
    let weights = recipe.stack.weights(&verified);
    let checked = match manifest.task {
        Task::SingleLabel => {
            let truth: Vec<usize> = manifest.train.iter().filter_map(ClipEntry::label).collect();
            check_folds(&truth, &splits.fold_of, &weights, &manifest.labels, &recipe.stack)
        }
        Task::MultiLabel => {
            let truth: Vec<Vec<usize>> = manifest.train.iter().map(|item| item.labels.clone()).collect();
            check_folds(&truth, &splits.fold_of, &weights, &manifest.labels, &recipe.stack)
        }
    };
    checked.context("level 2 cannot be fitted on these clips")?;
    for learner in &recipe.learners {
        for split in recipe.splits(splits.folds) {
            let clips = used_clips(learner, recipe, manifest, splits, split);
            let why = if learner.unverified_weight > 0.0 { "" } else { ": unverified_weight = 0 excludes the others" };
            let counted = counted(clips, "clip");
            ensure!(clips >= 2, Options, "learner {}: {split} has {counted} to train on{why}", learner.name);
            if learner.is_kernel() && clips > MOST_CLIPS {
                let error = TrainingError::TooManyClips { clips, most: MOST_CLIPS };
                return Err(error).with_context(|| format!("learner {}", learner.name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use earmark_datasets::random::{key, stream};
    use earmark_stacking::{StackKind, StackSettings};

    use std::path::PathBuf;

    use earmark_datasets::{Severity, violations};

    use super::*;

    /// A data set of a few clips, classes and folds.
    fn drawn(seed: u64) -> Manifest {
        let order = earmark_datasets::epoch_order(12, &mut stream(seed, &[key("agree")]));
        let classes = 2 + order[0] % 2;
        let item = |(clip, draw): (usize, &usize)| ClipEntry {
            name: clip.to_string(),
            path: PathBuf::new(),
            labels: vec![if clip < classes { clip } else { draw % classes }],
            verified: true,
            fold: (!seed.is_multiple_of(3)).then_some(draw / 4),
            group: (seed % 4 > 1).then(|| (draw / 2).to_string()),
            usage: None,
        };
        let train = order.iter().take(4 + order[1] % 8).enumerate().map(item).collect();
        let labels = ["a", "b", "c"][..classes].iter().map(|&label| label.to_owned()).collect();
        Manifest { labels, task: Task::SingleLabel, train, test: Vec::new(), excluded: 0, groups_span_folds: false }
    }

    #[test]
    fn level_2_takes_what_the_rules_take() {
        let (mut taken, mut refused) = (0, 0);
        for manifest in (0..3_000).map(drawn) {
            let truth: Vec<usize> = manifest.train.iter().filter_map(ClipEntry::label).collect();
            let weights = vec![1.0; truth.len()];
            if violations(&manifest, 2).iter().any(|found| found.severity == Severity::Error) {
                refused += 1;
                continue;
            }
            taken += 1;
            let splits = Splits::of_data(&manifest, 2, 0).unwrap();
            for kind in [StackKind::Xgboost, StackKind::Logistic, StackKind::Mean] {
                let settings = StackSettings { kind, ..StackSettings::default() };
                check_folds(&truth, &splits.fold_of, &weights, &manifest.labels, &settings).unwrap();
            }
        }
        assert!(taken > 300 && refused > 300, "{taken} taken, {refused} refused");
    }
}
