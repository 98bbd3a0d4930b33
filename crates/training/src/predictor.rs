//! From clips to a network's predictions.

use std::ops::ControlFlow;

use earmark_datasets::Task;
use earmark_features::{Activation, InputScaling, Windowing};
use earmark_loader::Example;
use tch::{Device, Tensor};

use crate::ahead;
use crate::error::TrainingError;
use crate::inputs::{Prepared, Window, WindowInputs};
use crate::network::{Network, Purpose};
use crate::table::Table;
use crate::tensors::values;

/// A network with its preprocessing and postprocessing.
pub(crate) struct Predictor<'a> {
    pub network: Network<'a>,
    pub windowing: Windowing,
    pub scaling: &'a InputScaling,
    /// Windows per forward pass, of one clip or several.
    pub batch: usize,
    pub classes: usize,
    pub task: Task,
    pub device: Device,
    /// The clips' features on the device.
    pub table: Option<Table>,
    /// Whether a separate thread prepares the windows.
    pub prefetch: bool,
    /// Batches between two reads of the logits: each read waits for the device.
    pub batches_per_read: usize,
}

/// How logits become probabilities.
pub fn activation(task: Task) -> Activation {
    match task {
        Task::SingleLabel => Activation::Softmax,
        Task::MultiLabel => Activation::Sigmoid,
    }
}

impl Predictor<'_> {
    /// The probabilities of the clips, `[clips, classes]`, each from all windows of a clip.
    /// `report` gets the number of windows that are done, 0 at first, and of all windows.
    pub fn probabilities(
        &self,
        clips: &[Example],
        report: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, TrainingError> {
        let starts: Vec<Vec<usize>> = clips.iter().map(|clip| self.windowing.starts(clip.features)).collect();
        let windows: Vec<Window> = clips
            .iter()
            .zip(&starts)
            .flat_map(|(clip, starts)| starts.iter().map(move |&start| (clip, start)))
            .collect();
        let logits = self.logits(&windows, &mut |done| report(done, windows.len()))?;
        let mut rows = &logits[..];
        let of_clip = starts.iter().map(|starts| {
            let (logits, rest) = rows.split_at(starts.len() * self.classes);
            rows = rest;
            self.windowing.probabilities(logits, self.classes, activation(self.task))
        });
        Ok(of_clip.flatten().collect())
    }

    /// The share of clips for which the largest output on the middle window is their label, or one
    /// of their labels.
    pub fn accuracy(&self, clips: &[&Example]) -> Result<f64, TrainingError> {
        let middle = |clip: &Example| clip.features.frames().saturating_sub(self.windowing.frames) / 2;
        let windows: Vec<Window> = clips.iter().map(|&clip| (clip, middle(clip))).collect();
        let logits = self.logits(&windows, &mut |_| ControlFlow::Continue(()))?;
        let is_correct = |(clip, logits): &(&&Example, &[f32])| {
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            best.is_some_and(|best| clip.labels.contains(&best))
        };
        let correct = clips.iter().zip(logits.chunks_exact(self.classes)).filter(is_correct).count();
        Ok(correct as f64 / clips.len() as f64)
    }

    /// The logits of windows, `[windows, classes]`. `report` gets the number of windows that are
    /// done, 0 at first.
    fn logits(
        &self,
        windows: &[Window],
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, TrainingError> {
        let _guard = tch::no_grad_guard();
        let (places, device) = (self.table.as_ref().map(Table::places), self.device);
        // cuDNN would choose its algorithms anew for a last batch of another shape.
        let at_least = if device.is_cuda() { self.batch } else { 0 };
        let inputs = WindowInputs { windowing: &self.windowing, scaling: self.scaling, places, device, at_least };
        let mut logits = Vec::with_capacity(windows.len() * self.classes);
        if report(0).is_break() {
            return Err(TrainingError::Stopped);
        }
        let mut unread: Vec<Tensor> = Vec::new();
        let prepare = |windows| inputs.prepare(windows);
        let flow = ahead::for_each(windows.chunks(self.batch), self.prefetch, prepare, |prepared, _| {
            unread.push(self.forward(&prepared?)?);
            if unread.len() == self.batches_per_read {
                logits.extend(values(&Tensor::f_cat(&unread, 0)?)?);
                unread.clear();
                return Ok::<_, TrainingError>(report(windows.len().min(logits.len() / self.classes)));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if !unread.is_empty() {
            logits.extend(values(&Tensor::f_cat(&unread, 0)?)?);
        }
        logits.truncate(windows.len() * self.classes);
        match flow.is_break() || report(windows.len()).is_break() {
            true => Err(TrainingError::Stopped),
            false => Ok(logits),
        }
    }

    fn forward(&self, prepared: &Prepared) -> Result<Tensor, TrainingError> {
        let (crops, _) = prepared.load(self.table.as_ref(), self.device)?;
        self.network.forward(&crops, Purpose::Prediction)
    }
}
