//! The input of level 2: the learners' predictions, checked to belong to the same run, and the MFCC
//! statistics.

use std::collections::BTreeMap;

use earmark_stacking::averages::arithmetic;
use earmark_stacking::{FeatureKind, STATISTICS, StackFeatures, Table};
use earmark_tables::counted;
use earmark_training::Split;

use crate::error::{Context, Result, ensure};
use crate::recipe::Recipe;
use crate::run::{ClipRow, Run, fold_count};
use crate::statistics;

/// The level-1 predictions for the training clips, or for the test clips.
pub struct BasePredictions {
    /// Each learner's name and probabilities.
    pub learners: Vec<(String, Table)>,
    statistics: Option<Table>,
}

impl BasePredictions {
    /// The columns of level 2.
    pub fn features(&self, kinds: &[FeatureKind]) -> Result<StackFeatures> {
        let learners: Vec<(&str, &Table)> = self.learners.iter().map(|(name, table)| (name.as_str(), table)).collect();
        Ok(StackFeatures::new(kinds, &learners, self.statistics.as_ref())?)
    }

    /// The columns of level 2 without those of one learner, or without the statistics; `None` if no
    /// columns are left.
    pub fn features_without(&self, kinds: &[FeatureKind], source: &str) -> Result<Option<StackFeatures>> {
        let others = self.learners.iter().filter(|(name, _)| name != source);
        let others: Vec<(&str, &Table)> = others.map(|(name, table)| (name.as_str(), table)).collect();
        let stays = |kind: &FeatureKind| match kind {
            FeatureKind::MfccStatistics => source != STATISTICS,
            FeatureKind::Probabilities | FeatureKind::LogProbabilities => !others.is_empty(),
        };
        let kinds: Vec<FeatureKind> = kinds.iter().copied().filter(stays).collect();
        if kinds.is_empty() {
            return Ok(None);
        }
        Ok(Some(StackFeatures::new(&kinds, &others, self.statistics.as_ref())?))
    }
}

/// Returns the predictions for the training clips, each by networks that were not trained on it,
/// and the predictions for the test clips.
pub fn gather(
    run: &Run,
    recipe: &Recipe,
    labels: &[String],
    clips: &[ClipRow],
) -> Result<(BasePredictions, BasePredictions)> {
    let (mut out_of_fold, mut on_test) = (Vec::new(), Vec::new());
    for learner in &recipe.learners {
        let (of_train, of_test) = of_learner(run, recipe, &learner.name, clips, labels)?;
        out_of_fold.push((learner.name.clone(), of_train));
        on_test.push((learner.name.clone(), of_test));
    }
    let wanted = recipe.stack.columns().contains(&FeatureKind::MfccStatistics);
    let statistics = |set: &str| wanted.then(|| statistics::read(run, recipe, clips, set)).transpose();
    let train = BasePredictions { learners: out_of_fold, statistics: statistics("train")? };
    Ok((train, BasePredictions { learners: on_test, statistics: statistics("test")? }))
}

impl BasePredictions {
    /// The contents of the prediction files by their paths in the run's folder; `set` is `oof` or
    /// `test`.
    pub fn files(&self, set: &str) -> BTreeMap<String, Vec<u8>> {
        self.learners.iter().map(|(name, table)| (format!("{set}/{name}.csv"), table.to_csv())).collect()
    }
}

/// The names of the clips that satisfy `wanted`.
pub fn names(clips: &[ClipRow], wanted: impl Fn(&ClipRow) -> bool) -> Vec<String> {
    clips.iter().filter(|clip| wanted(clip)).map(|clip| clip.fname.clone()).collect()
}

/// A learner's probabilities for the training clips, each by the network of its fold, and for the
/// test clips.
fn of_learner(
    run: &Run,
    recipe: &Recipe,
    learner: &str,
    clips: &[ClipRow],
    labels: &[String],
) -> Result<(Table, Table)> {
    let (mut out_of_fold, mut on_test) = (Vec::new(), Vec::new());
    for split in recipe.splits(fold_count(clips)) {
        let (held_out, tests) = of_job(run, recipe, learner, split, clips, labels)?;
        out_of_fold.push(held_out);
        on_test.extend(tests);
    }
    let in_train = names(clips, |clip| clip.set == "train");
    let out_of_fold = Table::vstack(&out_of_fold.iter().collect::<Vec<_>>())?.reordered(&in_train)?;
    Ok((out_of_fold, arithmetic(&on_test.iter().collect::<Vec<_>>())?))
}

/// A learner's probabilities for one set, `oof` or `test`, from the jobs that are done so far: for
/// `oof` the folds that are done; for `test` all test clips, once every network that predicts them
/// is done. `None` if there are none yet.
pub fn so_far(
    run: &Run,
    recipe: &Recipe,
    learner: &str,
    set: &str,
    clips: &[ClipRow],
    labels: &[String],
) -> Result<Option<Table>> {
    let folds = fold_count(clips);
    let mut splits = if set == "test" { recipe.test_splits(folds) } else { recipe.splits(folds) };
    let all = splits.len();
    splits.retain(|&split| run.has_record(learner, split));
    if set == "test" && splits.len() < all {
        return Ok(None);
    }
    let jobs = splits.into_iter().map(|split| of_job(run, recipe, learner, split, clips, labels));
    let (held_out, tests): (Vec<_>, Vec<_>) = jobs.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    if set == "test" {
        return Ok(Some(arithmetic(&tests.iter().flatten().collect::<Vec<_>>())?));
    }
    let rows = Table::vstack(&held_out.iter().collect::<Vec<_>>());
    if held_out.iter().all(|table| table.names().is_empty()) { Ok(None) } else { Ok(Some(rows?)) }
}

/// A job's predictions for the clips of its fold, and for the test clips if it predicts them.
fn of_job(
    run: &Run,
    recipe: &Recipe,
    learner: &str,
    split: Split,
    clips: &[ClipRow],
    labels: &[String],
) -> Result<(Table, Option<Table>)> {
    let held_out = names(clips, |clip| clip.fold.is_some_and(|fold| split == Split::Fold(fold)));
    let predicts_test = recipe.predicts_test(split);
    let tests = names(clips, |clip| predicts_test && clip.set == "test");
    let path = run.job(learner, split).join("predictions.csv");
    let table = run.predictions(learner, split)?;
    let (labels_txt, splits_csv) = (run.path("labels.txt"), run.path("splits.csv"));
    ensure!(
        table.columns() == labels,
        OtherRun,
        "the classes of {} are not those of {}",
        path.display(),
        labels_txt.display()
    );
    let wanted = || format!("{} does not fit {}", path.display(), splits_csv.display());
    ensure!(
        tests.is_empty() || table.names().len() > held_out.len(),
        OtherRun,
        "{} has no test clips: the job was trained with a different `test_from` in {}; restore it, or \
         remove the job and train it again",
        path.display(),
        run.path("recipe.toml").display()
    );
    let (rows, expected) = (table.names().len(), held_out.len() + tests.len());
    let of_fold = table.reordered(&held_out).with_context(wanted)?;
    ensure!(rows <= expected, OtherRun, "{}: it has {} instead of {expected}", wanted(), counted(rows, "clip"));
    let of_test = predicts_test.then(|| table.reordered(&tests).with_context(wanted)).transpose()?;
    Ok((of_fold, of_test))
}
