//! The scores of a run: every learner, their averages, the stack.

use anyhow::Context;
use earmark_stacking::averages::{arithmetic, geometric};
use earmark_stacking::{Scores, Table, score};
use serde::Serialize;

use crate::args::{Evaluate, Predict};
use crate::jobs;
use crate::output;
use crate::run::{ClipRow, Run};

/// `results.json`.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Learners, averages and stack, in this order.
    pub systems: Vec<System>,
}

/// One system's scores.
#[derive(Debug, Serialize)]
pub struct System {
    /// The learner's name, `arithmetic mean`, `geometric mean` or `stack`.
    pub name: String,
    /// On the training clips, each predicted by models that never saw it.
    pub out_of_fold: Scores,
    /// On the test clips, where their labels are known.
    pub test: Option<Scores>,
}

pub fn evaluate(options: &Evaluate) -> anyhow::Result<()> {
    let run = Run::open(&options.run)?;
    if options.jobs { jobs::print(&run, options.json) } else { print(&run, options.json) }
}

/// Prints the scores, judged anew from the run's tables.
pub fn print(run: &Run, as_json: bool) -> anyhow::Result<()> {
    let results = judge(run)?;
    if as_json { output::print_json(&results) } else { output::print(&text(&results)) }
}

/// The classes of clips, as indices into the labels.
pub fn truth(clips: &[&ClipRow], labels: &[String]) -> anyhow::Result<Vec<usize>> {
    let index = |clip: &&ClipRow| {
        let found = labels.iter().position(|label| *label == clip.label);
        found.with_context(|| format!("clip {} has the label {:?}, which is not in labels.txt", clip.fname, clip.label))
    };
    clips.iter().map(index).collect()
}

/// Scores of all systems, from the tables in the run's folder.
pub fn judge(run: &Run) -> anyhow::Result<Results> {
    let labels = run.labels()?;
    let clips = run.clips()?;
    let set = |name: &str| -> Vec<&ClipRow> { clips.iter().filter(|clip| clip.set == name).collect() };
    let (train, test) = (set("train"), set("test"));
    let test_known = !test.is_empty() && test.iter().all(|clip| !clip.label.is_empty());

    let oof = tables(run, "oof")?;
    let mut on_test = if test_known { tables(run, "test")? } else { Vec::new() }.into_iter();
    let mut systems = Vec::new();
    for (name, table) in oof {
        let out_of_fold = score(&labels, &truth(&train, &labels)?, &ordered(&table, &train)?)?;
        let test = match on_test.next() {
            Some((_, table)) => Some(score(&labels, &truth(&test, &labels)?, &ordered(&table, &test)?)?),
            None => None,
        };
        systems.push(System { name, out_of_fold, test });
    }
    Ok(Results { systems })
}

/// The tables of all systems on one set, by name: `oof` or `test`.
fn tables(run: &Run, set: &str) -> anyhow::Result<Vec<(String, Table)>> {
    let mut tables = Vec::new();
    for learner in run.recipe()?.learners {
        tables.push((learner.name.clone(), Table::from_csv(&run.path(&format!("{set}/{}.csv", learner.name)))?));
    }
    let learners: Vec<&Table> = tables.iter().map(|(_, table)| table).collect();
    let averages = [("arithmetic mean", arithmetic(&learners)?), ("geometric mean", geometric(&learners)?)];
    let stack = Table::from_csv(&run.path(&format!("level2/{set}.csv")))?;
    let others = averages.into_iter().chain([("stack", stack)]).map(|(name, table)| (name.to_owned(), table));
    tables.extend(others.collect::<Vec<_>>());
    Ok(tables)
}

fn ordered(table: &Table, clips: &[&ClipRow]) -> anyhow::Result<Table> {
    Ok(table.reordered(&clips.iter().map(|clip| clip.fname.clone()).collect::<Vec<_>>())?)
}

/// The scores as two tables: one line per system, and average precision by class.
pub fn text(results: &Results) -> String {
    let has_test = results.systems.iter().any(|system| system.test.is_some());
    let headers = ["", "mAP@3", "accuracy", "macro AP", "test mAP@3", "test accuracy", "test macro AP"];
    let mut rows =
        vec![headers[..if has_test { 7 } else { 4 }].iter().map(|&header| header.to_owned()).collect::<Vec<_>>()];
    for system in &results.systems {
        let scores = [Some(&system.out_of_fold), system.test.as_ref()].into_iter().flatten();
        let cells = scores.flat_map(|scores| [scores.map3, scores.accuracy, scores.macro_average_precision]);
        rows.push([system.name.clone()].into_iter().chain(cells.map(cell)).collect());
    }
    let summary = output::table(&rows);
    let header = ["average precision, out of fold".to_owned(), "clips".to_owned()];
    let names = results.systems.iter().map(|system| system.name.clone());
    let mut rows = vec![header.into_iter().chain(names).collect::<Vec<_>>()];
    let classes = results.systems.first().map_or(0, |system| system.out_of_fold.per_class.len());
    for class in 0..classes {
        let scores = || results.systems.iter().map(|system| &system.out_of_fold.per_class[class]);
        let first = scores().next().map_or((String::new(), 0), |score| (score.label.clone(), score.clips));
        let cells = scores().map(|score| cell(score.average_precision));
        rows.push([first.0, first.1.to_string()].into_iter().chain(cells).collect());
    }
    format!("{summary}\n{}", output::table(&rows))
}

/// A score, or a dash where there is none.
pub fn cell(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.4}") }
}

/// Writes Kaggle's form: each test clip with the stack's three best labels.
pub fn predict(options: &Predict) -> anyhow::Result<()> {
    let run = Run::open(&options.run)?;
    let table = Table::from_csv(&run.path("level2/test.csv"))?;
    anyhow::ensure!(!table.names().is_empty(), "the run {} has no test clips", options.run.display());
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["fname", "label"])?;
    for (name, row) in table.names().iter().zip(table.rows()) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        // Kaggle separates labels by spaces; its own labels have none.
        let best: Vec<String> = order.iter().take(3).map(|&column| table.columns()[column].replace(' ', "_")).collect();
        csv.write_record([name.as_str(), &best.join(" ")])?;
    }
    Ok(earmark_files::write_atomic(&options.out, &csv.into_inner().context("cannot write CSV")?)?)
}
