//! Scaling of features before a network sees them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::FeatureView;

/// Mean and standard deviation of each channel over all clips that a network was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Mean of each channel, in the features' unit.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel; never 0.
    pub deviation: Vec<f32>,
}

impl Scaling {
    /// Mean and standard deviation of each channel over all values of all clips; a constant channel
    /// gets deviation 1.
    pub fn fit<'a>(clips: impl Iterator<Item = FeatureView<'a>>) -> Self {
        /// Frames read at once.
        const BLOCK: usize = 256;
        let (mut counts, mut sums, mut squares): (Vec<f64>, Vec<f64>, Vec<f64>) = Default::default();
        let mut block = Vec::new();
        for clip in clips {
            counts.resize(clip.channels(), 0.0);
            sums.resize(clip.channels(), 0.0);
            squares.resize(clip.channels(), 0.0);
            for start in (0..clip.frames()).step_by(BLOCK) {
                block.resize(BLOCK.min(clip.frames() - start) * clip.width(), 0.0);
                clip.read(start, &mut block);
                for (row, values) in block.chunks_exact(clip.bins().max(1)).enumerate() {
                    let channel = row % clip.channels();
                    counts[channel] += values.len() as f64;
                    sums[channel] += values.iter().map(|&value| f64::from(value)).sum::<f64>();
                    squares[channel] += values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
                }
            }
        }
        let mean: Vec<f64> = sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
        let deviation = |((square, count), mean): ((&f64, &f64), &f64)| {
            let deviation = (square / count - mean * mean).max(0.0).sqrt();
            if deviation > 1e-6 { deviation as f32 } else { 1.0 }
        };
        let deviation = squares.iter().zip(&counts).zip(&mean).map(deviation).collect();
        Self { mean: mean.into_iter().map(|mean| mean as f32).collect(), deviation }
    }

    /// Mean and standard deviation of each channel over one clip.
    ///
    /// ```
    /// use earmark_features::{Features, Scaling};
    /// let clip = Features { data: vec![1.0, 3.0], channels: 1, bins: 1, frames: 2 };
    /// assert_eq!(Scaling::of_clip(clip.view()), Scaling { mean: vec![2.0], deviation: vec![1.0] });
    /// ```
    pub fn of_clip(clip: FeatureView<'_>) -> Self {
        Self::fit(std::iter::once(clip))
    }

    /// The scaling of EfficientAT's networks: `(x + 4.5) / 5`.
    pub fn efficientat() -> Self {
        Self { mean: vec![-4.5], deviation: vec![5.0] }
    }

    /// Whether it has a mean and a positive deviation for each of `channels` channels, all finite.
    pub fn fits(&self, channels: usize) -> bool {
        let numbers = self.mean.len() == channels && self.mean.iter().all(|mean| mean.is_finite());
        numbers && self.deviation.len() == channels && self.deviation.iter().all(|d| d.is_finite() && *d > 0.0)
    }

    /// Subtracts the mean and divides by the deviation, in place.
    ///
    /// # Shape
    /// `crop`: `[channels, ...]`, row-major, with as many channels as the scaling.
    pub fn apply(&self, crop: &mut [f32]) {
        let per_channel = crop.len() / self.mean.len().max(1);
        if per_channel == 0 {
            return;
        }
        for (values, (mean, deviation)) in crop.chunks_exact_mut(per_channel).zip(self.mean.iter().zip(&self.deviation))
        {
            let factor = 1.0 / deviation;
            values.iter_mut().for_each(|value| *value = (*value - mean) * factor);
        }
    }
}

/// How the features of a clip are scaled before they are passed to a network; a setting of the
/// bundle. In JSON: `null`, `"clip"`, or a [`Scaling`] object.
///
/// ```
/// use earmark_features::InputScaling;
/// assert_eq!(serde_json::from_str::<InputScaling>("null")?, InputScaling::None);
/// assert_eq!(serde_json::to_string(&InputScaling::Clip)?, "\"clip\"");
/// let fixed: InputScaling = serde_json::from_str(r#"{"mean": [-40.0], "deviation": [20.0]}"#)?;
/// assert!(matches!(fixed, InputScaling::Fixed(_)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "ScalingFormat", from = "ScalingFormat")]
pub enum InputScaling {
    /// No scaling.
    #[default]
    None,
    /// Each channel minus its mean, divided by its standard deviation, both over the whole clip.
    Clip,
    /// The same for every clip.
    Fixed(Scaling),
}

/// The serialized form.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ScalingFormat {
    None,
    Clip(Clip),
    Fixed(Scaling),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Clip {
    Clip,
}

impl From<InputScaling> for ScalingFormat {
    fn from(scaling: InputScaling) -> Self {
        match scaling {
            InputScaling::None => ScalingFormat::None,
            InputScaling::Clip => ScalingFormat::Clip(Clip::Clip),
            InputScaling::Fixed(scaling) => ScalingFormat::Fixed(scaling),
        }
    }
}

impl From<ScalingFormat> for InputScaling {
    fn from(written: ScalingFormat) -> Self {
        match written {
            ScalingFormat::None => InputScaling::None,
            ScalingFormat::Clip(Clip::Clip) => InputScaling::Clip,
            ScalingFormat::Fixed(scaling) => InputScaling::Fixed(scaling),
        }
    }
}

impl InputScaling {
    /// The scaling to apply to this clip, if any.
    pub fn of_clip(&self, clip: FeatureView<'_>) -> Option<Cow<'_, Scaling>> {
        match self {
            InputScaling::None => None,
            InputScaling::Clip => Some(Cow::Owned(Scaling::of_clip(clip))),
            InputScaling::Fixed(scaling) => Some(Cow::Borrowed(scaling)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;

    #[test]
    fn scaled_channels_have_mean_0_and_deviation_1() {
        let clips: [&[f32]; 2] = [&[1.0, 7.0, 3.0, 7.0], &[5.0, 7.0]];
        let scaling = Scaling::fit(clips.into_iter().map(|data| FeatureView::new(Values::Single(data), 2, 1)));
        assert_eq!(scaling.mean, [3.0, 7.0]);
        // Population deviation of 1, 3, 5; the second channel is constant.
        assert!((scaling.deviation[0] - (8f32 / 3.0).sqrt()).abs() < 1e-6 && scaling.deviation[1] == 1.0);
        let mut crop = [3.0, 3.0 + scaling.deviation[0], 7.0, 8.0];
        scaling.apply(&mut crop);
        assert!(crop.iter().zip([0.0, 1.0, 0.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{crop:?}");
    }

    #[test]
    fn a_clip_is_scaled_by_itself_or_as_all() {
        let data = [1.0, 3.0];
        let clip = FeatureView::new(Values::Single(&data), 1, 1);
        let fixed = Scaling { mean: vec![7.0], deviation: vec![2.0] };
        assert_eq!(InputScaling::None.of_clip(clip), None);
        assert_eq!(InputScaling::Clip.of_clip(clip).unwrap().mean, [2.0]);
        assert_eq!(*InputScaling::Fixed(fixed.clone()).of_clip(clip).unwrap(), fixed);
        for scaling in [InputScaling::None, InputScaling::Clip, InputScaling::Fixed(fixed)] {
            let text = serde_json::to_string(&scaling).unwrap();
            assert_eq!(serde_json::from_str::<InputScaling>(&text).unwrap(), scaling, "{text}");
        }
        assert!(serde_json::from_str::<InputScaling>("\"clop\"").is_err());
    }
}
