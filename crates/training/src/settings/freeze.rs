//! What training leaves as it is.

use serde::{Deserialize, Serialize};

/// The part of a network that fine-tuning leaves as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freeze {
    /// Nothing.
    #[default]
    None,
    /// The statistics of the body's batch norm: the body computes as in prediction, but its
    /// parameters are trained.
    BatchNorm,
    /// The body: its parameters and the statistics of its batch norm. Only the head is trained.
    Body,
}

impl Freeze {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
