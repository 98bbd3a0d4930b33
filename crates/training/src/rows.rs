//! What learners of whole clips are fitted on, and what they become.

use earmark_datasets::Task;
use earmark_nets::Weights;
use tch::{Device, Kind, Tensor};

use crate::error::TrainingError;

/// The training clips: one row of scaled features each.
pub(crate) struct Rows<'a> {
    /// `[clips, features]`, row-major.
    pub values: &'a [f32],
    /// The classes of each row.
    pub labels: &'a [&'a [usize]],
    /// The weight of each row, above 0.
    pub counts: &'a [f32],
    /// The weight of each class in the loss.
    pub class_weights: Option<&'a [f32]>,
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

    /// The weight of each row, `[clips, 1]`, without those of its classes.
    pub fn counts(&self, device: Device) -> Result<Tensor, TrainingError> {
        let counts = Tensor::f_from_slice(self.counts)?.f_reshape([self.clips() as i64, 1])?;
        Ok(counts.f_to_device(device)?.f_to_kind(Kind::Double)?)
    }

    /// The weight of each row in the loss, `[clips, 1]`: with one label per row, times that of its
    /// class. If rows may have several, class weights count only for the classes that a row has, so
    /// its weight differs between them: `[clips, classes]`.
    pub fn weights(&self, truth: &Tensor) -> Result<Tensor, TrainingError> {
        let counts = self.counts(truth.device())?;
        let Some(class_weights) = self.class_weights else { return Ok(counts) };
        let class_weights = Tensor::f_from_slice(class_weights)?.f_to_device(truth.device())?.f_unsqueeze(0)?;
        let factors = truth.f_mul(&class_weights.f_to_kind(Kind::Double)?.f_sub_scalar(1.0)?)?;
        let factors = match self.task {
            Task::SingleLabel => factors.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Double)?,
            Task::MultiLabel => factors,
        };
        Ok(factors.f_add_scalar(1.0)?.f_mul(&counts)?)
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
    /// Weighted mean loss of the clips: of a kernel machine, leaving each one out.
    pub loss: f64,
    /// The share of clips whose most probable class is their label, or one of them, likewise.
    pub accuracy: f64,
}
