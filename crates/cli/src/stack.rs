//! Level 2: from the learners' out-of-fold probabilities to the stack and the bundle.

use anyhow::Context;
use earmark_stacking::{Table, fit_full, out_of_fold};

use crate::args::Run as Options;
use crate::bundle;
use crate::results;
use crate::run::{ClipRow, FULL, Run};

/// The MFCC statistics of all clips, in a run's folder.
pub const STATISTICS: &str = "statistics.csv";

pub fn run(options: &Options) -> anyhow::Result<()> {
    let run = Run::open(&options.run)?;
    level2(&run)?;
    results::print(&run, options.json)
}

/// Gathers the learners' tables, fits and judges the stack, writes the results and the bundle.
pub fn level2(run: &Run) -> anyhow::Result<()> {
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
        let table = gather(run, name, &train, &labels)?.reordered(&train_names)?;
        earmark_files::write_atomic(&run.path(&format!("oof/{name}.csv")), &table.to_csv())?;
        oof.push(table.prefixed(name));
        let table = run.predictions(name, FULL)?.reordered(&test_names)?;
        earmark_files::write_atomic(&run.path(&format!("test/{name}.csv")), &table.to_csv())?;
        test.push(table.prefixed(name));
    }
    run.sweep();
    if recipe.stack.statistics {
        let statistics = Table::from_csv(&run.path(STATISTICS))?;
        oof.push(statistics.reordered(&train_names)?);
        test.push(statistics.reordered(&test_names)?);
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
    bundle::write(run, &recipe, &labels, &booster, &results)
}

/// A learner's predictions of all folds.
fn gather(run: &Run, learner: &str, train: &[&ClipRow], labels: &[String]) -> anyhow::Result<Table> {
    let folds = train.iter().filter_map(|clip| clip.fold).max().map_or(0, |last| last + 1);
    let (mut names, mut data) = (Vec::new(), Vec::new());
    for fold in 0..folds {
        let split = format!("fold{fold}");
        let table = run.predictions(learner, &split)?.selected(labels);
        let table = table.with_context(|| format!("labels.txt and the job {learner}/{split} do not fit together"))?;
        names.extend_from_slice(table.names());
        data.extend_from_slice(table.data());
    }
    anyhow::ensure!(
        names.len() == train.len(),
        "the folds of {learner} predict {} clips, and {} has {} to train on: one of them was changed",
        names.len(),
        run.path("splits.csv").display(),
        train.len()
    );
    Ok(Table::new(names, labels.to_vec(), data)?)
}
