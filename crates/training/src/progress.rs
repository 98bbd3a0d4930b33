//! How far a job is.

use std::ops::ControlFlow;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// Reported after each batch.
    Learning(Learning),
    /// Reported after each clip that is predicted in the end.
    Predicting {
        /// Clips done.
        clips: usize,
        /// All clips.
        of: usize,
    },
}

/// Where training stands.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Learning {
    /// Counted from 1.
    pub epoch: usize,
    /// All epochs.
    pub epochs: usize,
    /// Batches done, of all epochs.
    pub batches: usize,
    /// Batches of all epochs.
    pub all_batches: usize,
    /// Mean loss of this epoch so far.
    pub loss: f64,
    /// Share of this epoch's crops so far whose largest output is their label (of a mixed crop, the
    /// heavier one).
    pub accuracy: f64,
    /// Crops per second in this epoch.
    pub crops_per_second: f64,
}

/// Receives the progress of a job and returns whether it continues; where it does not, the job
/// saves its state first.
pub type Report<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;
