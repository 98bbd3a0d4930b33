//! Windowing of a clip of any length, and the aggregation of its windows into one row of
//! probabilities.
//!
//! Training and tagging share this code, so that a bundle predicts in the same way as during
//! scoring.

use serde::{Deserialize, Serialize};

use crate::crops::{CropSpec, Padding, fixed_crop, windows};
use crate::scaling::Scaling;
use crate::view::FeatureView;

/// How the windows of a clip are aggregated into one prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowAggregation {
    /// The mean of the windows' probabilities.
    #[default]
    Probabilities,
    /// The probabilities of the windows' mean logits, as in the paper.
    Logits,
}

/// The activation that converts a network's logits to probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// One class a clip: the probabilities sum to 1.
    #[default]
    Softmax,
    /// Any number of classes a clip: each class has a probability of its own.
    Sigmoid,
}

impl Activation {
    /// Converts one row of logits.
    ///
    /// ```
    /// use earmark_features::Activation;
    /// assert_eq!(Activation::Softmax.apply(&[0.0, 0.0]), [0.5, 0.5]);
    /// assert_eq!(Activation::Sigmoid.apply(&[0.0, 1e6, -1e6]), [0.5, 1.0, 0.0]);
    /// ```
    pub fn apply(self, logits: &[f64]) -> Vec<f64> {
        match self {
            Activation::Softmax => softmax(logits),
            Activation::Sigmoid => logits.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect(),
        }
    }
}

/// The windowing of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Windowing {
    /// Frames of a window (samples for a raw waveform).
    pub frames: usize,
    /// Frames from the start of one window to the next.
    pub hop: usize,
    /// The padding of a clip that is shorter than a window.
    pub padding: Padding,
    /// The fill value of [`Padding::Zero`] in the network's input: with scaling, 0 is each
    /// channel's mean.
    pub pad_value: f32,
    /// How the windows are aggregated.
    pub average: WindowAggregation,
    /// The length of the window of a clip that is shorter than `frames`: that of the clip, but at
    /// least this many frames. None: `frames`, so that all windows have the same length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_frames: Option<usize>,
}

impl Windowing {
    /// The values of [`CropSpec::pad`] that become `pad_value` when the scaling is applied.
    pub fn pads(&self, scaling: Option<&Scaling>) -> Vec<f32> {
        match scaling {
            None => vec![self.pad_value],
            Some(Scaling { mean, deviation }) => {
                mean.iter().zip(deviation).map(|(mean, deviation)| mean + self.pad_value * deviation).collect()
            }
        }
    }

    /// The start frames of a clip's windows.
    pub fn starts(&self, clip: FeatureView<'_>) -> Vec<usize> {
        windows(clip.frames(), self.frames, self.hop)
    }

    /// The length of a clip's windows in frames.
    pub fn length(&self, clip: FeatureView<'_>) -> usize {
        self.least_frames.map_or(self.frames, |least| clip.frames().max(least).min(self.frames))
    }

    /// Cuts and scales the windows that begin at `starts`.
    ///
    /// # Shape
    /// Out: `[starts, channels, bins, length]`, row-major.
    pub fn cut(&self, clip: FeatureView<'_>, scaling: Option<&Scaling>, starts: &[usize]) -> Vec<f32> {
        let frames = self.length(clip);
        let size = clip.width() * frames;
        let mut out = vec![0.0; starts.len() * size];
        let spec = CropSpec { frames, padding: self.padding, pad: &self.pads(scaling) };
        for (&start, window) in starts.iter().zip(out.chunks_exact_mut(size.max(1))) {
            fixed_crop(clip, &spec, start, window);
            if let Some(scaling) = scaling {
                scaling.apply(window);
            }
        }
        out
    }

    /// Aggregates the logits of a clip's windows into the clip's probabilities.
    ///
    /// # Shape
    /// `logits`: `[windows, classes]`, row-major; out: `[classes]`.
    pub fn probabilities(&self, logits: &[f32], classes: usize, activation: Activation) -> Vec<f32> {
        let rows = logits.chunks_exact(classes);
        let count = rows.len().max(1) as f64;
        let mut mean = vec![0.0; classes];
        for row in rows {
            let row: Vec<f64> = row.iter().map(|&logit| f64::from(logit)).collect();
            let row = if self.average == WindowAggregation::Probabilities { activation.apply(&row) } else { row };
            mean.iter_mut().zip(&row).for_each(|(mean, value)| *mean += value / count);
        }
        let mean = if self.average == WindowAggregation::Logits { activation.apply(&mean) } else { mean };
        mean.into_iter().map(|value| value as f32).collect()
    }
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Values;

    fn view(data: &[f32], channels: usize) -> FeatureView<'_> {
        FeatureView::new(Values::Single(data), channels, 1)
    }

    fn windowing(average: WindowAggregation) -> Windowing {
        Windowing { frames: 2, hop: 2, padding: Padding::Zero, pad_value: -1.0, average, least_frames: None }
    }

    #[test]
    fn windows_are_cut_scaled_and_padded() {
        let features = view(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2);
        let windowing = windowing(WindowAggregation::Probabilities);
        let starts = windowing.starts(features);
        assert_eq!(starts, [0, 1]);
        assert_eq!(windowing.cut(features, None, &starts), [1.0, 2.0, 10.0, 20.0, 2.0, 3.0, 20.0, 30.0]);
        let scaling = Scaling { mean: vec![1.0, 10.0], deviation: vec![1.0, 10.0] };
        assert_eq!(windowing.cut(features, Some(&scaling), &[1]), [1.0, 2.0, 1.0, 2.0]);
        let short = view(&[5.0], 1);
        assert_eq!(windowing.cut(short, None, &windowing.starts(short)), [5.0, -1.0]);
        let short = view(&[5.0, 6.0], 2);
        assert_eq!(windowing.cut(short, Some(&scaling), &[0]), [4.0, -1.0, -0.4, -1.0], "padding is not scaled");
        let whole = Windowing { frames: 3, least_frames: Some(2), ..windowing };
        let length = |frames: &[f32]| whole.length(view(frames, 1));
        assert_eq!([length(&[1.0]), length(&[1.0; 2]), length(&[1.0; 3]), length(&[1.0; 4])], [2, 2, 3, 3]);
        let clip = view(&[7.0], 1);
        assert_eq!(whole.cut(clip, None, &whole.starts(clip)), [7.0, -1.0]);
    }

    #[test]
    fn both_rules_give_probabilities() {
        let ln = |p: f32| p.ln();
        let logits = [ln(0.9), ln(0.1), ln(0.5), ln(0.5)];
        let mean = windowing(WindowAggregation::Probabilities).probabilities(&logits, 2, Activation::Softmax);
        assert!((mean[0] - 0.7).abs() < 1e-6 && (mean[1] - 0.3).abs() < 1e-6, "{mean:?}");
        // Mean logits are the logits of the geometric mean, 3 : 1.
        let geometric = windowing(WindowAggregation::Logits).probabilities(&logits, 2, Activation::Softmax);
        assert!((geometric[0] - 0.75).abs() < 1e-6, "{geometric:?}");
        let extreme = windowing(WindowAggregation::Logits).probabilities(&[1e30, -1e30], 2, Activation::Softmax);
        assert_eq!(extreme, [1.0, 0.0]);
        // Several classes a clip: 9 : 1 and 1 : 1 as odds of each class.
        let odds = [9f32.ln(), -(9f32.ln()), 0.0, 0.0];
        let mean = windowing(WindowAggregation::Probabilities).probabilities(&odds, 2, Activation::Sigmoid);
        assert!((mean[0] - 0.7).abs() < 1e-6 && (mean[1] - 0.3).abs() < 1e-6, "{mean:?}");
        let geometric = windowing(WindowAggregation::Logits).probabilities(&odds, 2, Activation::Sigmoid);
        assert!((geometric[0] - 0.75).abs() < 1e-6 && (geometric[1] - 0.25).abs() < 1e-6, "{geometric:?}");
    }
}
