//! The two kinds of labels.

use serde::{Deserialize, Serialize};

/// How many labels a clip has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Every clip belongs to one class.
    #[default]
    SingleLabel,
    /// A clip may belong to several classes.
    MultiLabel,
}
