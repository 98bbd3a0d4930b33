//! What level 1 left for level 2: the learners' tables, checked to belong together, and the statistics.

use anyhow::Context;
use earmark_stacking::averages::arithmetic;
use earmark_stacking::{FeatureKind, Features, STATISTICS, Table};

use crate::recipe::Recipe;
use crate::run::{ClipRow, Run};

/// The MFCC statistics of all clips, in a run's folder.
pub const STATISTICS_CSV: &str = "statistics.csv";

/// What is known of the training clips, or of the test clips.
pub struct Level1 {
    /// Each learner's name and probabilities.
    pub learners: Vec<(String, Table)>,
    statistics: Option<Table>,
}

impl Level1 {
    /// The columns of level 2.
    pub fn features(&self, kinds: &[FeatureKind]) -> anyhow::Result<Features> {
        let learners: Vec<(&str, &Table)> = self.learners.iter().map(|(name, table)| (name.as_str(), table)).collect();
        Ok(Features::new(kinds, &learners, self.statistics.as_ref())?)
    }

    /// The columns of level 2 without those of a learner, or without the statistics; none if no other is left.
    pub fn features_without(&self, kinds: &[FeatureKind], source: &str) -> anyhow::Result<Option<Features>> {
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
        Ok(Some(Features::new(&kinds, &others, self.statistics.as_ref())?))
    }
}

/// The tables of the training clips, each predicted by networks that never saw it, and of the test clips; `oof/` and
/// `test/` of the run are written by the way.
pub fn gather(run: &Run, recipe: &Recipe, labels: &[String], clips: &[ClipRow]) -> anyhow::Result<(Level1, Level1)> {
    let (mut out_of_fold, mut on_test) = (Vec::new(), Vec::new());
    for learner in &recipe.learners {
        let name = &learner.name;
        let (of_train, of_test) = of_learner(run, recipe, name, clips, labels)?;
        earmark_files::write_atomic(&run.path(&format!("oof/{name}.csv")), &of_train.to_csv())?;
        earmark_files::write_atomic(&run.path(&format!("test/{name}.csv")), &of_test.to_csv())?;
        out_of_fold.push((name.clone(), of_train));
        on_test.push((name.clone(), of_test));
    }
    let statistics = |set: &str| statistics(run, recipe, &names(clips, |clip| clip.set == set));
    let train = Level1 { learners: out_of_fold, statistics: statistics("train")? };
    Ok((train, Level1 { learners: on_test, statistics: statistics("test")? }))
}

/// The statistics of the clips `names`, where level 2 uses them.
fn statistics(run: &Run, recipe: &Recipe, names: &[String]) -> anyhow::Result<Option<Table>> {
    if !recipe.stack.columns().contains(&FeatureKind::MfccStatistics) {
        return Ok(None);
    }
    let path = run.path(STATISTICS_CSV);
    let of_clips = Table::from_csv(&path)?.reordered(names);
    of_clips.map(Some).with_context(|| format!("{} does not fit {}", path.display(), run.path("splits.csv").display()))
}

/// The names of the clips that are `wanted`.
pub fn names(clips: &[ClipRow], wanted: impl Fn(&ClipRow) -> bool) -> Vec<String> {
    clips.iter().filter(|clip| wanted(clip)).map(|clip| clip.fname.clone()).collect()
}

/// A learner's probabilities of the training clips, each by the network of its fold, and of the test clips.
fn of_learner(
    run: &Run,
    recipe: &Recipe,
    learner: &str,
    clips: &[ClipRow],
    labels: &[String],
) -> anyhow::Result<(Table, Table)> {
    let (in_train, in_test) = (names(clips, |clip| clip.set == "train"), names(clips, |clip| clip.set == "test"));
    let (mut out_of_fold, mut on_test) = (Vec::new(), Vec::new());
    for split in recipe.splits(fold_count(clips)) {
        let held_out = names(clips, |clip| clip.fold.is_some_and(|fold| split == format!("fold{fold}")));
        let tests = if recipe.predicts_test(&split) { in_test.as_slice() } else { &[] };
        let path = run.job(learner, &split).join("predictions.csv");
        let table = run.predictions(learner, &split)?;
        let (labels_txt, splits_csv) = (run.path("labels.txt"), run.path("splits.csv"));
        anyhow::ensure!(
            table.columns() == labels,
            "the classes of {} are not those of {}",
            path.display(),
            labels_txt.display()
        );
        let wanted = || format!("{} does not fit {}", path.display(), splits_csv.display());
        out_of_fold.push(table.reordered(&held_out).with_context(wanted)?);
        let (rows, expected) = (table.names().len(), held_out.len() + tests.len());
        anyhow::ensure!(rows <= expected, "{}: it has {rows} clips instead of {expected}", wanted());
        if recipe.predicts_test(&split) {
            on_test.push(table.reordered(&in_test).with_context(wanted)?);
        }
    }
    let out_of_fold = Table::vstack(&out_of_fold.iter().collect::<Vec<_>>())?.reordered(&in_train)?;
    Ok((out_of_fold, arithmetic(&on_test.iter().collect::<Vec<_>>())?))
}

/// How many folds there are.
pub fn fold_count(clips: &[ClipRow]) -> usize {
    clips.iter().filter_map(|clip| clip.fold).max().map_or(0, |last| last + 1)
}
