//! The predictions of a run for its test clips, as files.

use std::path::{Path, PathBuf};

use earmark_stacking::Table;

use crate::begin::into_bytes;
use crate::error::{PipelineError, Result, ensure};
use crate::evaluate;
use crate::names::STACK;
use crate::run::Run;

/// Labels that Kaggle takes for a clip.
pub(crate) const MAX_LABELS: usize = 3;

/// Which predictions to write, and where.
#[derive(Debug, Clone)]
pub struct PredictOptions {
    /// The model: a learner's name, `arithmetic mean`, `geometric mean` or `stack`.
    pub model: String,
    /// The file for Kaggle's form: `fname,label` with the three most probable labels.
    pub submission: Option<PathBuf>,
    /// The file for all probabilities: `fname`, then a column for each class.
    pub probabilities: Option<PathBuf>,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self { model: STACK.to_owned(), submission: None, probabilities: None }
    }
}

/// Writes the predictions of a run for its test clips. Both files are written, or none.
///
/// # Errors
/// The folder is no run with level 2; it has no such model, or no test clips; two labels that are
/// one in Kaggle's form; both files are the same.
pub fn predict(folder: &Path, options: &PredictOptions) -> Result<()> {
    ensure!(
        options.submission.is_none() || options.submission != options.probabilities,
        Options,
        "--out and --probabilities are the same file; they are two tables"
    );
    let run = folder.display();
    let tables = evaluate::tables(&Run::open(folder)?, "test")?;
    let Some((_, table)) = tables.iter().find(|(name, _)| *name == options.model) else {
        let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
        let (asked, names) = (&options.model, names.join(", "));
        return Err(PipelineError::Prediction(format!("the run {run} has no model {asked:?}: it has {names}")));
    };
    ensure!(
        !table.names().is_empty(),
        Prediction,
        "the run {run} has no test clips; `earmark tag` tags any others by its bundle"
    );
    // Both are made before either is written.
    let submission = options.submission.as_ref().map(|path| Ok::<_, PipelineError>((path, submission(table)?)));
    let probabilities = options.probabilities.as_ref().map(|path| (path, table.to_csv()));
    for (path, bytes) in [submission.transpose()?, probabilities].into_iter().flatten() {
        earmark_files::write_atomic(path, &bytes)?;
    }
    Ok(())
}

/// A label as Kaggle has it, which separates labels by spaces.
pub(crate) fn kaggle_label(label: &str) -> String {
    label.replace(' ', "_")
}

/// Kaggle's form: each clip with its three best labels, or all if there are fewer; of equals the
/// first.
fn submission(table: &Table) -> Result<Vec<u8>> {
    let labels: Vec<String> = table.columns().iter().map(|label| kaggle_label(label)).collect();
    for (i, label) in labels.iter().enumerate() {
        if let Some(before) = labels[..i].iter().position(|other| other == label) {
            let (a, b) = (&table.columns()[before], &table.columns()[i]);
            return Err(PipelineError::Prediction(format!(
                "the labels `{a}` and `{b}` are both `{label}` in Kaggle's form: write --probabilities alone"
            )));
        }
    }
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["fname", "label"])?;
    for (name, row) in table.names().iter().zip(table.rows()) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let best: Vec<&str> = order.iter().take(MAX_LABELS).map(|&column| labels[column].as_str()).collect();
        csv.write_record([name.as_str(), &best.join(" ")])?;
    }
    into_bytes(csv)
}
