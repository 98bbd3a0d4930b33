//! A problem of a data set.

use std::path::Path;

use serde::Serialize;

use crate::violation::Severity;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Names or folds that do not go together; the message says which.
    Manifest,
    /// A label that cannot name a class, or that looks like another.
    Label,
    /// A file that the data set names is not there.
    MissingFile,
    /// A file or folder cannot be read.
    Unreadable,
    /// A file is damaged, is no sound, exceeds the limits set, or holds samples beyond all reason.
    Damaged,
    /// A file holds no byte, or no sample.
    Empty,
    /// The same sound has two labels.
    TwoLabels,
    /// One recording, or the same sound, lies in two given folds: an error, unless
    /// [`crate::Manifest::groups_span_folds`].
    TwoFolds,
    /// The same sound is trained on and predicted (an error), or one recording is (a warning).
    TrainAndTest,
    /// The same sound stands in the data set twice, and no rule is broken by it.
    Duplicate,
    /// A class has fewer clips, or groups, than there would be folds.
    FewClips,
    /// A clip never rises above -80 dB of full scale.
    Silent,
    /// At least a thousandth of a clip lies in runs of four samples or more at full scale.
    Clipped,
    /// Sounds that are there and belong to no class and no table.
    NotListed,
    /// Audio files in a format that is not decoded; they are ignored.
    OtherFormat,
    /// A folder in the place of a class's that holds no clip; it is ignored.
    NoClips,
}

/// A problem of a data set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Whether it must be fixed.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// The files it is about, if any.
    pub files: Vec<String>,
    /// What is wrong, in words.
    pub message: String,
}

impl Problem {
    pub(super) fn error(kind: Kind, files: Vec<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, kind, files, message: message.into() }
    }

    pub(super) fn warning(kind: Kind, files: Vec<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, kind, files, message: message.into() }
    }
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
