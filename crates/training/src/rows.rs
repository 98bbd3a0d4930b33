//! What learners of whole clips are fitted on, and what they become.

use earmark_datasets::Task;
use earmark_nets::Weights;
use tch::{Device, Tensor};

use crate::error::TrainingError;

/// The training clips: one row of scaled features each.
pub(crate) struct Rows<'a> {
    /// `[clips, features]`, row-major.
    pub values: &'a [f32],
    /// The classes of each row.
    pub labels: &'a [&'a [usize]],
    /// The weight of each row, above 0.
    pub counts: &'a [f32],
    pub classes: usize,
    pub task: Task,
}

impl Rows<'_> {
    pub fn clips(&self) -> usize {
        self.labels.len()
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.values.len() / self.clips().max(1)
    }

    /// 1 for each class of a row, `[clips, classes]`.
    pub fn truth(&self, device: Device) -> Result<Tensor, TrainingError> {
        let mut truth = vec![0.0; self.clips() * self.classes];
        for (row, labels) in truth.chunks_exact_mut(self.classes).zip(self.labels) {
            labels.iter().for_each(|label| row[*label] = 1.0);
        }
        let shape = [self.clips() as i64, self.classes as i64];
        Ok(Tensor::f_from_slice::<f64>(&truth)?.f_reshape(shape)?.f_to_device(device)?)
    }
}

/// A fitted learner.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub weights: Weights,
    /// Mean loss of the clips: of a kernel machine, leaving each one out.
    pub loss: f64,
    /// The share of clips whose most probable class is their label, or one of them, likewise.
    pub accuracy: f64,
}
