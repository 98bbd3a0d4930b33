//! Learners of whole clips, which have no epochs: kernel machines and linear models.

use std::ops::ControlFlow;
use std::time::Instant;

use earmark_features::{InputScaling, Scaling};
use earmark_loader::Example;
use tch::Device;

use crate::checkpoint::{self, State};
use crate::error::TrainingError;
use crate::history::Epoch;
use crate::job::Job;
use crate::progress::{Learning, OnProgress, Progress};
use crate::rows::{Fitted, Rows};
use crate::{kernel, linear, memory};

impl Job<'_> {
    /// The scaling of a learner of whole clips.
    pub(crate) fn scaling_of_whole_clips(&self) -> Scaling {
        let clips: Vec<Example> = self.counting().copied().collect();
        match self.learner.is_kernel() {
            true => kernel::scaling(&clips, &self.learner.kernels()),
            false => linear::scaling(&clips),
        }
    }

    /// Converts libtorch's error message about a fit to an error.
    pub(crate) fn fit_failed(&self, text: &str) -> TrainingError {
        let (clips, reason) = (self.counting().count(), memory::said(text).to_owned());
        if memory::is_used_up(text) || text.contains("can't allocate memory") {
            let bytes = self.step_bytes().unwrap_or(0);
            return TrainingError::FitMemory { device: self.device.to_owned(), clips, bytes, reason };
        }
        if text.contains("linalg.cholesky") {
            TrainingError::Unsolvable { reason }
        } else {
            TrainingError::Torch(text.to_owned())
        }
    }

    /// Fits the learner, and records the fit as one epoch.
    pub(crate) fn fit(
        &self,
        state: &mut State,
        scaling: &InputScaling,
        device: Device,
        fingerprint: &str,
        report: &mut OnProgress,
    ) -> Result<(), TrainingError> {
        let start = Instant::now();
        let begun = Learning { epochs: 1, all_batches: 1, ..Learning::default() };
        if report(Progress::Learning(begun)).is_break() {
            return Err(TrainingError::Stopped);
        }
        let (mut values, mut labels, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for clip in self.counting() {
            values.extend(self.windowing().cut(clip.features, scaling.of_clip(clip.features).as_deref(), &[0]));
            labels.push(clip.labels);
            counts.push(self.weight(clip));
        }
        let go_on = &mut || match report(Progress::Learning(begun)) {
            ControlFlow::Break(()) => Err(TrainingError::Stopped),
            ControlFlow::Continue(()) => Ok(()),
        };
        let (classes, task) = (self.labels.len(), self.task);
        let class_weights = self.class_weights();
        let class_weights = class_weights.as_deref();
        let rows = Rows { values: &values, labels: &labels, counts: &counts, class_weights, classes, task };
        let Fitted { weights, loss, accuracy } = match self.learner.is_kernel() {
            true => kernel::fit(&rows, &self.learner.kernels(), device, go_on)?,
            false => linear::fit(&rows, &self.learner.linear(), device, go_on)?,
        };
        let seconds = start.elapsed().as_secs_f64();
        if !weights.is_finite() {
            return Err(TrainingError::Unsolvable { reason: "its solution is not finite".to_owned() });
        }
        state.weights = weights;
        let epoch = Epoch { epoch: 1, learning_rate: 0.0, loss, accuracy, held_out_accuracy: None, seconds };
        state.history.push(epoch);
        checkpoint::save_history(self.folder, &state.history)?;
        checkpoint::save(self.folder, fingerprint, state)?;
        let crops_per_second = labels.len() as f64 / seconds;
        let (epoch, epochs, batches, all_batches) = (1, 1, 1, 1);
        let waiting_seconds = 0.0;
        let now = Learning { epoch, epochs, batches, all_batches, loss, accuracy, crops_per_second, waiting_seconds };
        if report(Progress::Learning(now)).is_break() { Err(TrainingError::Stopped) } else { Ok(()) }
    }
}
