//! Level 2: from the learners' out-of-fold probabilities to the stack and the bundle.

use anyhow::Context;
use earmark_stacking::{Stack, TrainingRows, out_of_fold, score};
use serde::{Deserialize, Serialize};

use crate::args::Run as Options;
use crate::gather::{fold_count, gather};
use crate::run::{ClipRow, Run};
use crate::systems::{Results, truth};
use crate::{bundle, contributions, output, report, results};

/// What a stack of one kind leaves and one of another does not.
const OF_A_KIND: [&str; 3] = ["booster.json", "logistic.json", "importance.csv"];

/// `level2/fit.json`: how well the stack fits what it learned from, which is no score but tells how it comes to its scores.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fit {
    /// Training clips that count.
    pub clips: usize,
    /// What it knows of each.
    pub columns: usize,
    /// On the training clips, by the stack that learned from all of them.
    pub accuracy: f64,
    /// Likewise.
    pub map_at_3: f64,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let run = Run::open(&options.run)?;
    results::print(&finish(&run)?, options.json)
}

/// Level 2 and the report of a run whose jobs are done, one process at a time. A report that cannot
/// be written costs no results: it is a warning, and `earmark report` writes it later.
pub fn finish(run: &Run) -> anyhow::Result<Results> {
    let _held = run.hold_level2()?;
    let results = level2(run)?;
    if let Err(error) = report::write(run, &results) {
        let (folder, reason) = (run.folder.display(), output::message(&error));
        output::tell(&format!("warning: no report was written: {reason}; `earmark report {folder}` tries again"));
    }
    Ok(results)
}

/// Gathers the learners' tables, fits and judges the stack, writes the results and the bundle.
fn level2(run: &Run) -> anyhow::Result<Results> {
    let recipe = run.recipe()?;
    let labels = run.labels()?;
    let clips = run.clips()?;
    let (level1, on_test) = gather(run, &recipe, &labels, &clips)?;
    let splits = recipe.splits(fold_count(&clips));
    let of_learner = |name| splits.iter().map(move |split| run.job(name, split));
    run.sweep(recipe.learners.iter().flat_map(|learner| of_learner(&learner.name)));
    let (settings, kinds) = (&recipe.stack, recipe.stack.columns());
    let (features, test_features) = (level1.features(&kinds)?, on_test.features(&kinds)?);

    let train: Vec<&ClipRow> = clips.iter().filter(|clip| clip.set == "train").collect();
    let truth = truth(&train, &labels)?;
    let folds: Vec<usize> = train.iter().filter_map(|clip| clip.fold).collect();
    let weights = settings.weights(&train.iter().map(|clip| clip.verified).collect::<Vec<_>>());
    let rows =
        TrainingRows { features: &features.table, truth: &truth, folds: &folds, weights: &weights, classes: &labels };
    let cannot = || format!("level 2 cannot learn from the clips of {}", run.path("splits.csv").display());
    let stacked = out_of_fold(&rows, settings).with_context(cannot)?;
    let stack = Stack::fit(&rows, settings).with_context(cannot)?;
    let learned = score(&labels, &truth, &stack.predict(&features.table, &labels)?)?;
    let fit = Fit {
        clips: weights.iter().filter(|&&weight| weight > 0.0).count(),
        columns: features.table.columns().len(),
        accuracy: learned.accuracy,
        map_at_3: learned.map3,
    };
    let mut files = vec![
        ("fit.json", serde_json::to_vec_pretty(&fit)?),
        ("features.csv", features.table.to_csv()),
        ("test_features.csv", test_features.table.to_csv()),
        ("oof.csv", stacked.to_csv()),
        ("test.csv", stack.predict(&test_features.table, &labels)?.to_csv()),
        ("without.csv", contributions::without(&level1, &rows, &stacked, settings)?),
    ];
    files.extend(stack.file()?);
    files.extend(contributions::importance(&stack, &features)?.map(|csv| ("importance.csv", csv)));
    for name in OF_A_KIND {
        let path = run.path(&format!("level2/{name}"));
        if path.exists() && !files.iter().any(|(written, _)| *written == name) {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    let learners = recipe.learners.iter().map(|learner| &learner.name);
    let mut made: Vec<String> =
        learners.flat_map(|name| ["oof", "test"].map(|set| format!("{set}/{name}.csv"))).collect();
    for (name, bytes) in files {
        let file = format!("level2/{name}");
        earmark_files::write_atomic(&run.path(&file), &bytes)?;
        made.push(file);
    }
    run.mark_level2(made.into_iter())?;
    let results = Results::of(run)?;
    earmark_files::write_atomic(&run.path("results.json"), &serde_json::to_vec_pretty(&results)?)?;
    bundle::write(run, &recipe, &labels, fold_count(&clips), (&stack, &features.layout), &results)?;
    Ok(results)
}
