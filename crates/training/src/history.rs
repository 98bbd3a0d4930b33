//! The history of a job, epoch by epoch.

use serde::{Deserialize, Serialize};

/// The results of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    pub epoch: usize,
    pub learning_rate: f64,
    pub loss: f64,
    pub accuracy: f64,
    pub held_out_accuracy: Option<f64>,
    pub seconds: f64,
}
