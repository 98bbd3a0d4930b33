//! The loss of a network.

use serde::{Deserialize, Serialize};

/// What training minimizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Cross-entropy of the softmax: one label per clip.
    #[default]
    CrossEntropy,
    /// Binary cross-entropy of each class, its mean over clips and classes, as PyTorch's
    /// `BCEWithLogitsLoss`: any number of labels per clip.
    Bce,
}

impl Loss {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
