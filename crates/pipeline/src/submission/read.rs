//! The two CSV files: a submission, and the true labels. Errors name the file and line.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::error::{PipelineError, Result, ensure};
use crate::predict::kaggle_label;

/// A CSV file with a header. Spaces around a value are not part of it.
pub(super) struct Sheet {
    pub(super) path: PathBuf,
    pub(super) header: Vec<String>,
    /// Each row with its line.
    pub(super) rows: Vec<(u64, Vec<String>)>,
}

impl Sheet {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = earmark_files::read_to_string(path)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut sheet = Self { path: path.to_owned(), header: Vec::new(), rows: Vec::new() };
        let mut options = csv::ReaderBuilder::new();
        options.trim(csv::Trim::All).has_headers(false).flexible(true);
        for record in options.from_reader(text.as_bytes()).records() {
            let record = record?;
            let line = record.position().map_or(1, |position| line_of(text, position));
            let fields: Vec<String> = record.iter().map(str::to_owned).collect();
            if fields.iter().any(|field| field.contains('\n')) {
                return Err(PipelineError::Submission(sheet.at(line, "a quotation mark is not closed")));
            } else if sheet.header.is_empty() {
                sheet.header = fields;
            } else if fields.len() != sheet.header.len() {
                let reason = format!("{} fields where the header has {}", fields.len(), sheet.header.len());
                return Err(PipelineError::Submission(sheet.at(line, &reason)));
            } else {
                sheet.rows.push((line, fields));
            }
        }
        let has_names = sheet.header.first().is_some_and(|name| name == "fname");
        ensure!(has_names, Submission, "{}", sheet.at(1, "the first column must be `fname`"));
        Ok(sheet)
    }

    pub(super) fn at(&self, line: u64, reason: &str) -> String {
        format!("{}, line {line}: {reason}", self.path.display())
    }

    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }
}

/// The line of a record. The position that the reader gives may be before the line's end and empty
/// lines that it skipped.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| [b'\r', b'\n'].contains(byte)).filter(|&&byte| byte == b'\n');
    position.line() + skipped.count() as u64
}

/// The clips to score by, in the order of their file.
pub(super) struct Truth {
    pub(super) path: PathBuf,
    pub(super) names: Vec<String>,
    /// As Kaggle writes them.
    pub(super) labels: Vec<String>,
    pub(super) usages: Vec<Option<String>>,
    pub(super) lines: Vec<u64>,
    pub(super) ignored: HashSet<String>,
}

impl Truth {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let sheet = Sheet::read(path)?;
        let Some(label) = sheet.column("label") else {
            let reason = format!("no column `label`: it has {}", sheet.header.join(", "));
            return Err(PipelineError::Submission(sheet.at(1, &reason)));
        };
        let usage = sheet.column("usage");
        let (path, ignored) = (path.to_owned(), HashSet::new());
        let (names, labels, usages, lines) = Default::default();
        let mut truth = Self { path, names, labels, usages, lines, ignored };
        let (mut faults, mut seen) = (Vec::new(), HashMap::new());
        for (line, fields) in &sheet.rows {
            let usage = usage.map(|usage| fields[usage].clone());
            if let Some(before) = seen.insert(&fields[0], line) {
                faults.push(sheet.at(*line, &format!("the clip `{}` was on line {before} already", fields[0])));
            } else if usage.as_deref() == Some("Ignored") {
                truth.ignored.insert(fields[0].clone());
            } else if usage.as_deref().is_some_and(|usage| !["Public", "Private"].contains(&usage)) {
                faults.push(sheet.at(*line, "`usage` must be Public, Private or Ignored"));
            } else if fields[label].is_empty() {
                faults.push(sheet.at(*line, &format!("the clip `{}` has no label", fields[0])));
            } else {
                truth.names.push(fields[0].clone());
                truth.labels.push(kaggle_label(&fields[label]));
                truth.usages.push(usage);
                truth.lines.push(*line);
            }
        }
        none(faults)?;
        ensure!(!truth.names.is_empty(), Submission, "{} has no clip to score by", truth.path.display());
        Ok(truth)
    }
}

/// Fails with the first of the faults, if there are any.
pub(super) fn none(faults: Vec<String>) -> Result<()> {
    match faults.is_empty() {
        true => Ok(()),
        false => Err(PipelineError::Submission(shortened(faults).join("\n"))),
    }
}

pub(super) fn shortened(mut lines: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 20;
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}
