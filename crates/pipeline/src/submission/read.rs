//! Reads the two CSV files, a submission and the true labels. Errors name the file and line.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use earmark_tables::CsvFile;

use crate::error::{PipelineError, Result, ensure};
use crate::predict::kaggle_label;
use crate::text::none_or_first;

/// A CSV file whose first column is `fname`. Spaces around values are trimmed.
pub(super) struct Sheet {
    pub(super) path: PathBuf,
    pub(super) file: CsvFile,
}

impl Sheet {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = earmark_files::read_to_string(path)?;
        let file = CsvFile::parse(&text)
            .map_err(|error| PipelineError::Submission(at(path, error.line, &error.fault.to_string())))?;
        let sheet = Self { path: path.to_owned(), file: file.trimmed() };
        ensure!(&sheet.file.header[0] == "fname", Submission, "{}", sheet.at(1, "the first column must be `fname`"));
        Ok(sheet)
    }

    pub(super) fn at(&self, line: u64, reason: &str) -> String {
        at(&self.path, line, reason)
    }
}

fn at(path: &Path, line: u64, reason: &str) -> String {
    format!("{}, line {line}: {reason}", path.display())
}

/// The clips that a submission is scored on, in the order of their file.
pub(super) struct Truth {
    pub(super) path: PathBuf,
    pub(super) names: Vec<String>,
    /// Whether a clip may have several labels: the column is `labels` instead of `label`.
    pub(super) several: bool,
    /// The labels of each clip in Kaggle's format, each once.
    pub(super) labels: Vec<Vec<String>>,
    pub(super) usages: Vec<Option<String>>,
    pub(super) lines: Vec<u64>,
    pub(super) ignored: HashSet<String>,
}

impl Truth {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let sheet = Sheet::read(path)?;
        let column = |name| sheet.file.column(name);
        let several = column("label").is_none();
        let Some(label) = column("label").or_else(|| column("labels")) else {
            let has = sheet.file.header.iter().collect::<Vec<_>>().join(", ");
            let reason = format!("no column `label`, or `labels` if clips have several: it has {has}");
            return Err(PipelineError::Submission(sheet.at(1, &reason)));
        };
        let usage = sheet.file.column("usage");
        let (path, ignored) = (path.to_owned(), HashSet::new());
        let (names, labels, usages, lines) = Default::default();
        let mut truth = Self { path, names, several, labels, usages, lines, ignored };
        let (mut faults, mut seen) = (Vec::new(), HashMap::new());
        for (line, fields) in &sheet.file.rows {
            let usage = usage.map(|usage| fields[usage].to_owned());
            if let Some(before) = seen.insert(fields[0].to_owned(), line) {
                faults.push(sheet.at(*line, &format!("the clip `{}` was on line {before} already", &fields[0])));
            } else if usage.as_deref() == Some("Ignored") {
                truth.ignored.insert(fields[0].to_owned());
            } else if usage.as_deref().is_some_and(|usage| !["Public", "Private"].contains(&usage)) {
                faults.push(sheet.at(*line, "`usage` must be Public, Private or Ignored"));
            } else if labels_of(&fields[label], several).is_empty() {
                faults.push(sheet.at(*line, &format!("the clip `{}` has no label", &fields[0])));
            } else {
                truth.names.push(fields[0].to_owned());
                truth.labels.push(labels_of(&fields[label], several));
                truth.usages.push(usage);
                truth.lines.push(*line);
            }
        }
        none(faults)?;
        ensure!(!truth.names.is_empty(), Submission, "{} has no clip to score by", truth.path.display());
        Ok(truth)
    }
}

/// The label of a clip, or its labels, which commas separate.
fn labels_of(field: &str, several: bool) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    let parts = if several { field.split(',').collect() } else { vec![field] };
    for label in parts.into_iter().map(str::trim).filter(|label| !label.is_empty()).map(kaggle_label) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

/// Returns the first of the faults as an error, if there are any.
pub(super) fn none(faults: Vec<String>) -> Result<()> {
    none_or_first(faults).map_err(PipelineError::Submission)
}
