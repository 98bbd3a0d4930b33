//! The predictions of a run for its test clips, as files.

use std::path::{Path, PathBuf};

use earmark_datasets::Task;
use earmark_stacking::Table;

use crate::begin::into_bytes;
use crate::error::{PipelineError, Result, ensure};
use crate::evaluate;
use crate::names::STACK;
use crate::run::Run;

/// The number of labels that Kaggle accepts for a clip.
pub(crate) const MAX_LABELS: usize = 3;

/// Which predictions to write, and where.
#[derive(Debug, Clone)]
pub struct PredictOptions {
    /// The model: a learner's name, `arithmetic mean`, `geometric mean` or `stack`.
    pub model: String,
    /// The file to write in Kaggle's format: `fname,label` with the three most probable labels; if
    /// clips may have several labels, `fname` and a column for each class, as FSDKaggle2019's.
    pub submission: Option<PathBuf>,
    /// The file to write all probabilities to: `fname`, then a column for each class.
    pub probabilities: Option<PathBuf>,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self { model: STACK.to_owned(), submission: None, probabilities: None }
    }
}

/// Writes the predictions of a run for its test clips. Either all requested files are written, or
/// none.
///
/// # Errors
/// The folder is not a run with level 2; the run has no such model, or no test clips; two labels
/// are the same in Kaggle's format; both files are the same.
pub fn predict(folder: &Path, options: &PredictOptions) -> Result<()> {
    let outputs = [&options.submission, &options.probabilities].map(|path| path.as_deref());
    if let [Some(submission), Some(probabilities)] = outputs {
        let are_two = !earmark_files::same_file(submission, probabilities);
        ensure!(are_two, Options, "--out and --probabilities are the same file; they are two tables");
    }
    for path in outputs.into_iter().flatten() {
        let ours = Run::contains(folder, path);
        ensure!(!ours, Options, "{} belongs to the run; choose another name", path.display());
    }
    let run = folder.display();
    let opened = Run::open(folder)?;
    let table = evaluate::table(&opened, "test", &options.model)?;
    ensure!(
        !table.names().is_empty(),
        Prediction,
        "the run {run} has no test clips; `earmark tag` tags any others by its bundle"
    );
    // Compute both before writing either.
    let submission = options.submission.as_ref().map(|path| match opened.task()? {
        Task::SingleLabel => Ok::<_, PipelineError>((path, submission(&table)?)),
        Task::MultiLabel => Ok((path, table.to_csv())),
    });
    let probabilities = options.probabilities.as_ref().map(|path| (path, table.to_csv()));
    for (path, bytes) in [submission.transpose()?, probabilities].into_iter().flatten() {
        earmark_files::write_atomic(path, &bytes)?;
    }
    Ok(())
}

/// A label in Kaggle's format, which separates labels by spaces.
pub(crate) fn kaggle_label(label: &str) -> String {
    label.replace(' ', "_")
}

/// Kaggle's format: each clip with its three most probable labels, or all if there are fewer. The
/// first of equally probable labels wins.
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
