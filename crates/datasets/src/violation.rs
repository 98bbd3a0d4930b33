//! A rule that a data set breaks.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::DatasetError;
use crate::manifest::ClipEntry;

/// Whether a data set can be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Training stops, or its scores would be wrong.
    Error,
    /// It is worth a look.
    Warning,
}

/// A rule that a data set breaks.
#[derive(Debug)]
pub struct Violation {
    /// Whether training stops.
    pub severity: Severity,
    /// The rule, and what breaks it.
    pub reason: DatasetError,
    /// The files that it is about, if any.
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
