//! Violations of the rules for data sets.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::DatasetError;
use crate::manifest::ClipEntry;

/// The severity of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Training would fail, or its scores would be wrong.
    Error,
    /// It should be reviewed.
    Warning,
}

/// A violation of a rule by a data set.
#[derive(Debug)]
pub struct Violation {
    /// Its severity.
    pub severity: Severity,
    /// The violated rule.
    pub reason: DatasetError,
    /// The affected files, if any.
    pub files: Vec<PathBuf>,
}

impl Violation {
    pub(crate) fn error(reason: DatasetError) -> Self {
        Self { severity: Severity::Error, reason, files: Vec::new() }
    }

    pub(crate) fn warning(reason: DatasetError) -> Self {
        Self { severity: Severity::Warning, reason, files: Vec::new() }
    }

    pub(crate) fn of<'a>(self, items: impl IntoIterator<Item = &'a ClipEntry>) -> Self {
        Self { files: items.into_iter().map(|item| item.path.clone()).collect(), ..self }
    }
}
