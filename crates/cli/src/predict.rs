//! `earmark predict`: a run's predictions of its test clips.

use anyhow::Context;
use earmark_stacking::Table;

use crate::args::Predict;
use crate::place;
use crate::run::Run;
use crate::systems;

/// Labels that Kaggle takes for a clip.
pub const MOST_LABELS: usize = 3;

pub fn run(options: &Predict) -> anyhow::Result<()> {
    anyhow::ensure!(
        options.out != options.probabilities,
        "--out and --probabilities are the same file; they are two tables"
    );
    for (option, path) in [("--out", &options.out), ("--probabilities", &options.probabilities)] {
        path.as_deref().map_or(Ok(()), |path| place::check(option, path))?;
    }
    let folder = options.run.display();
    let tables = systems::tables(&Run::open(&options.run)?, "test")?;
    let Some((_, table)) = tables.iter().find(|(name, _)| *name == options.system) else {
        let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
        anyhow::bail!("the run {folder} has no system {:?}: it has {}", options.system, names.join(", "));
    };
    anyhow::ensure!(
        !table.names().is_empty(),
        "the run {folder} has no test clips; `earmark tag` tags any others by its bundle"
    );
    // Both are made before either is written: a fault leaves nothing behind.
    let submission = options.out.as_ref().map(|path| Ok::<_, anyhow::Error>((path, submission(table)?))).transpose()?;
    let probabilities = options.probabilities.as_ref().map(|path| (path, table.to_csv()));
    for (path, bytes) in [submission, probabilities].into_iter().flatten() {
        earmark_files::write_atomic(path, &bytes)?;
    }
    Ok(())
}

/// A label as Kaggle has it, which separates labels by spaces.
pub fn kaggle_label(label: &str) -> String {
    label.replace(' ', "_")
}

/// Kaggle's form: each clip with its three best labels, or all if there are fewer; of equals the first.
fn submission(table: &Table) -> anyhow::Result<Vec<u8>> {
    let labels: Vec<String> = table.columns().iter().map(|label| kaggle_label(label)).collect();
    for (i, label) in labels.iter().enumerate() {
        if let Some(before) = labels[..i].iter().position(|other| other == label) {
            let (a, b) = (&table.columns()[before], &table.columns()[i]);
            anyhow::bail!(
                "the labels `{a}` and `{b}` are both `{label}` in Kaggle's form: write --probabilities alone"
            );
        }
    }
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["fname", "label"])?;
    for (name, row) in table.names().iter().zip(table.rows()) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let best: Vec<&str> = order.iter().take(MOST_LABELS).map(|&column| labels[column].as_str()).collect();
        csv.write_record([name.as_str(), &best.join(" ")])?;
    }
    csv.into_inner().context("cannot write CSV")
}
