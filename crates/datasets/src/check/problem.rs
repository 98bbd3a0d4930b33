//! A problem of a data set.

use std::path::Path;

use serde::Serialize;

use crate::violation::Severity;

/// The kind of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// Inconsistent names or folds; the message names them.
    Manifest,
    /// A label that cannot name a class, or that is too similar to another.
    Label,
    /// A file that the data set names is missing.
    MissingFile,
    /// A file or folder cannot be read.
    Unreadable,
    /// A file is damaged, is not audio, exceeds the limits, or has samples out of range.
    Damaged,
    /// A file has no bytes or no samples.
    Empty,
    /// The same sound has two labels.
    TwoLabels,
    /// Clips of one recording, or copies of a sound, are in two folds of the data set: an error,
    /// unless [`crate::Manifest::groups_span_folds`].
    TwoFolds,
    /// Copies of a sound (an error) or clips of one recording (a warning) are in both the training
    /// and the test set.
    TrainAndTest,
    /// The data set contains the same sound twice, without violating a rule.
    Duplicate,
    /// A class has fewer clips or groups than there would be folds.
    FewClips,
    /// A clip never rises above -80 dB of full scale.
    Silent,
    /// At least a thousandth of the samples of a clip are in runs of four or more samples at full
    /// scale.
    Clipped,
    /// Audio files that belong to no class and no table.
    NotListed,
    /// Audio files in an unsupported format; they are ignored.
    OtherFormat,
    /// A folder next to the class folders that contains no clips; it is ignored.
    NoClips,
}

/// A problem of a data set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Whether it must be fixed.
    pub severity: Severity,
    /// The kind of problem.
    pub kind: ProblemKind,
    /// The affected files, if any.
    pub files: Vec<String>,
    /// The description of the problem.
    pub message: String,
}

impl Problem {
    pub(super) fn error(kind: ProblemKind, files: Vec<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, kind, files, message: message.into() }
    }

    pub(super) fn warning(kind: ProblemKind, files: Vec<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, kind, files, message: message.into() }
    }
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
