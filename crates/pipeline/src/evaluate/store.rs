//! Writes the scores of a run.

use super::{ModelKind, Results, Scoring};
use crate::begin::into_bytes;
use crate::error::Result;
use crate::run::Run;

impl<S: Scoring> Results<S> {
    /// Writes `results.json`, and beside it the matrix of the stack's predictions
    /// ([`Scoring::matrix`]): out of fold, and for the test clips if their labels are known.
    pub(crate) fn store(&self, run: &Run, labels: &[String]) -> Result<()> {
        for stack in self.models.iter().filter(|model| model.kind == ModelKind::Stack) {
            for (suffix, evaluation) in [("", Some(&stack.out_of_fold)), ("_test", stack.test.as_ref())] {
                let Some(evaluation) = evaluation else { continue };
                let counts = S::matrix(&evaluation.truth, &evaluation.table, &evaluation.scores);
                let path = run.path(&format!("{}{suffix}.csv", S::MATRIX));
                earmark_files::write_atomic(&path, &matrix_csv(labels, &counts)?)?;
            }
        }
        Ok(earmark_files::write_atomic(&run.path("results.json"), &serde_json::to_vec_pretty(self)?)?)
    }
}

/// A row for each true label, a column for each predicted one.
fn matrix_csv(labels: &[String], counts: &[Vec<usize>]) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(std::iter::once("true_label").chain(labels.iter().map(String::as_str)))?;
    for (label, counts) in labels.iter().zip(counts) {
        csv.write_record(std::iter::once(label.clone()).chain(counts.iter().map(usize::to_string)))?;
    }
    into_bytes(csv)
}
