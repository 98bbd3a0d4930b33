//! From clips to a network's predictions.

use earmark_features::InputScaling;
use earmark_features::Windowing;
use earmark_loader::Example;
use tch::Tensor;

use crate::error::TrainingError;
use crate::network::Network;
use crate::tensors::values;

/// A network with its preprocessing and postprocessing.
pub(crate) struct Predictor<'a> {
    pub network: Network<'a>,
    pub windowing: Windowing,
    pub scaling: &'a InputScaling,
    /// Windows per forward pass.
    pub batch: usize,
    pub classes: usize,
}

impl Predictor<'_> {
    /// The probabilities of a clip, from all its windows.
    pub fn of_clip(&self, clip: &Example) -> Result<Vec<f32>, TrainingError> {
        let mut logits = Vec::new();
        for starts in self.windowing.starts(clip.features).chunks(self.batch) {
            logits.extend(self.logits(&self.windows(clip, starts), starts.len())?);
        }
        Ok(self.windowing.probabilities(&logits, self.classes))
    }

    /// The probabilities of clips that have one window each, all at once.
    pub fn of_whole_clips(&self, clips: &[Example]) -> Result<Vec<f32>, TrainingError> {
        let windows: Vec<f32> = clips.iter().flat_map(|clip| self.windows(clip, &[0])).collect();
        let logits = self.logits(&windows, clips.len())?;
        let rows = logits.chunks_exact(self.classes);
        Ok(rows.flat_map(|logits| self.windowing.probabilities(logits, self.classes)).collect())
    }

    /// The share of clips for which the largest output on the middle window is their label.
    pub fn accuracy(&self, clips: &[&Example]) -> Result<f64, TrainingError> {
        let mut correct = 0;
        for clip in clips {
            let middle = clip.features.frames().saturating_sub(self.windowing.frames) / 2;
            let logits = self.logits(&self.windows(clip, &[middle]), 1)?;
            let largest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            correct += usize::from(largest == clip.label);
        }
        Ok(correct as f64 / clips.len() as f64)
    }

    /// The scaled windows of a clip that start at `starts`.
    fn windows(&self, clip: &Example, starts: &[usize]) -> Vec<f32> {
        self.windowing.cut(clip.features, self.scaling.of_clip(clip.features).as_deref(), starts)
    }

    /// Logits of `count` windows, `[count, channels, bins, frames]`.
    fn logits(&self, windows: &[f32], count: usize) -> Result<Vec<f32>, TrainingError> {
        let (channels, bins) = self.network.input_shape();
        let frames = self.windowing.frames;
        let bins = bins.unwrap_or(windows.len() / (count * channels * frames).max(1));
        let shape = [count, channels, bins, frames].map(|side| side as i64);
        let _guard = tch::no_grad_guard();
        values(&self.network.forward(&Tensor::f_from_slice(windows)?.f_reshape(shape)?, false)?)
    }
}
