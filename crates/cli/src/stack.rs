//! Level 2: from the learners' out-of-fold probabilities to the stack and the bundle.

use anyhow::Context;
use earmark_stacking::averages::arithmetic;
use earmark_stacking::{Table, fit_full, out_of_fold};

use crate::args::Run as Options;
use crate::bundle;
use crate::recipe::Recipe;
use crate::report;
use crate::results;
use crate::run::{ClipRow, Run};

/// The MFCC statistics of all clips, in a run's folder.
pub const STATISTICS: &str = "statistics.csv";

pub fn run(options: &Options) -> anyhow::Result<()> {
    let run = Run::open(&options.run)?;
    finish(&run)?;
    results::print(&run, options.json)
}

/// Level 2 and the report of a run whose jobs are done, one process at a time.
pub fn finish(run: &Run) -> anyhow::Result<()> {
    let _held = run.hold_level2()?;
    level2(run)?;
    report::write(run)
}

/// Gathers the learners' tables, fits and judges the stack, writes the results and the bundle.
fn level2(run: &Run) -> anyhow::Result<()> {
    let recipe = run.recipe()?;
    let labels = run.labels()?;
    let clips = run.clips()?;
    let train: Vec<&ClipRow> = clips.iter().filter(|clip| clip.set == "train").collect();
    let train_names: Vec<String> = train.iter().map(|clip| clip.fname.clone()).collect();
    let test_names: Vec<String> =
        clips.iter().filter(|clip| clip.set == "test").map(|clip| clip.fname.clone()).collect();

    let (mut oof, mut test) = (Vec::new(), Vec::new());
    for learner in &recipe.learners {
        let name = &learner.name;
        let (table, on_test) = gather(run, &recipe, name, &clips, &labels)?;
        earmark_files::write_atomic(&run.path(&format!("oof/{name}.csv")), &table.to_csv())?;
        oof.push(table.prefixed(name));
        earmark_files::write_atomic(&run.path(&format!("test/{name}.csv")), &on_test.to_csv())?;
        test.push(on_test.prefixed(name));
    }
    run.sweep();
    if recipe.stack.statistics {
        let path = run.path(STATISTICS);
        let statistics = Table::from_csv(&path)?;
        let of = |names: &[String]| statistics.reordered(names).with_context(|| path.display().to_string());
        oof.push(of(&train_names)?);
        test.push(of(&test_names)?);
    }
    let features = Table::hstack(&oof.iter().collect::<Vec<_>>())?;
    let test_features = Table::hstack(&test.iter().collect::<Vec<_>>())?;

    let truth = results::truth(&train, &labels)?;
    let folds: Vec<usize> = train.iter().filter_map(|clip| clip.fold).collect();
    let weights = recipe.stack.weights(&train.iter().map(|clip| clip.verified).collect::<Vec<_>>());
    let stacked = out_of_fold(&features, &truth, &folds, &weights, &labels, &recipe.stack)?;
    let booster = fit_full(&features, &truth, &weights, &labels, &recipe.stack)?;
    let files = [
        ("level2/features.csv", features.to_csv()),
        ("level2/test_features.csv", test_features.to_csv()),
        ("level2/oof.csv", stacked.to_csv()),
        ("level2/test.csv", booster.predict(&test_features, &labels)?.to_csv()),
        ("level2/booster.json", booster.to_json().to_vec()),
    ];
    for (name, bytes) in files {
        earmark_files::write_atomic(&run.path(name), &bytes)?;
    }
    let results = results::judge(run)?;
    earmark_files::write_atomic(&run.path("results.json"), &serde_json::to_vec_pretty(&results)?)?;
    bundle::write(run, &recipe, &labels, fold_count(&clips), &booster, &results)
}

/// A learner's probabilities of the training clips, each by the network of its fold, and of the test clips.
fn gather(
    run: &Run,
    recipe: &Recipe,
    learner: &str,
    clips: &[ClipRow],
    labels: &[String],
) -> anyhow::Result<(Table, Table)> {
    let names = |wanted: &dyn Fn(&ClipRow) -> bool| -> Vec<String> {
        clips.iter().filter(|clip| wanted(clip)).map(|clip| clip.fname.clone()).collect()
    };
    let (in_train, in_test) = (names(&|clip| clip.set == "train"), names(&|clip| clip.set == "test"));
    let (mut out_of_fold, mut on_test) = (Vec::new(), Vec::new());
    for split in recipe.splits(fold_count(clips)) {
        let held_out = names(&|clip| clip.fold.is_some_and(|fold| split == format!("fold{fold}")));
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
