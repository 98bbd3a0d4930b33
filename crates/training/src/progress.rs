//! The progress of a job.

use std::ops::ControlFlow;

/// The progress of a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// Reported after each batch.
    Learning(Learning),
    /// Reported before the final prediction, with 0 windows, and after each of its batches, or
    /// every 16 batches on a GPU.
    Predicting {
        /// Windows predicted so far.
        windows: usize,
        /// Number of windows of all clips.
        of: usize,
    },
}

/// The progress of training.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Learning {
    /// Counted from 1.
    pub epoch: usize,
    /// Total number of epochs.
    pub epochs: usize,
    /// Batches trained so far, over all epochs.
    pub batches: usize,
    /// Total number of batches, over all epochs.
    pub all_batches: usize,
    /// Mean loss of this epoch so far.
    pub loss: f64,
    /// Share of this epoch's crops so far whose largest output is their label (for a mixed crop,
    /// the label with the larger weight).
    pub accuracy: f64,
    /// Crops per second in this epoch.
    pub crops_per_second: f64,
    /// Seconds of this epoch so far in which the device waited for a batch.
    pub waiting_seconds: f64,
}

/// Receives the progress of a job and returns whether to continue. If not, the job saves its state
/// and stops.
pub type OnProgress<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;
