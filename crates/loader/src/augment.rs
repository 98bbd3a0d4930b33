//! Random changes of training crops, so that a network sees each clip in many variants.

use std::ops::Range;

use earmark_datasets::random;
use earmark_features::{CropPosition, CropSpec, FeatureView};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::crops::{random_position, shifted_position};

/// Random changes of a crop, all off by default. Prediction does not use them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// The crops of a batch are `1 / (1 + j)` to `1 + j` times as long as the windows of a
    /// prediction, log-uniform; `j` is this value.
    pub crop_length_jitter: f32,
    /// A cyclic shift: the clip starts at a random frame, and the frames before it follow the end,
    /// so that an event at the edge of a clip also occurs in the middle of crops.
    pub shift: bool,
    /// A crop is cut with `1 / (1 + s)` to `1 + s` times as many frames, log-uniform, and resized
    /// to its length by linear interpolation; `s` is this value. This changes the time resolution
    /// of features, but not the pitch; a wave is played slower or faster. As in the "random resize
    /// crop" of Niizumi et al. 2021.
    pub time_stretch: f32,
    /// The bands are stretched about their middle by `1 / (1 + w)` to `1 + w` and moved by up to
    /// `w / 2` of half their number, by linear interpolation; `w` is this value. The outermost
    /// bands are repeated beyond the edges.
    pub freq_warp: f32,
    /// Bands that are masked (SpecAugment, Park et al. 2019).
    pub freq_masks: SpecAugmentMasks,
    /// Frames that are masked.
    pub time_masks: SpecAugmentMasks,
}

/// Masked stripes of a crop.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecAugmentMasks {
    /// Number of stripes; they may overlap.
    pub count: usize,
    /// Maximum width, as a share of the crop's bands or frames: from 0 to 1. All widths from zero
    /// to this are equally likely.
    pub width: f32,
}

/// The random numbers of one crop: which frames it consists of, and how they are changed. The same
/// plan gives the same crop on the CPU ([`CropPlan::cut`]) and on a GPU.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CropPlan {
    /// The position in the clip of the frames that are cut.
    pub position: CropPosition,
    /// How the frames are resized; `None` if as many are cut as the crop has.
    pub resize: Option<Resize>,
    /// Bands that are masked.
    pub band_masks: Vec<Range<usize>>,
    /// Frames that are masked.
    pub frame_masks: Vec<Range<usize>>,
}

/// How a crop is resized, by linear interpolation along both axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Resize {
    /// Frames that are cut from the clip.
    pub frames: usize,
    /// The source position of each band of the crop, in bands of the clip.
    pub bands: Vec<f32>,
}

impl Augmentation {
    /// Draws a crop of `length` frames of a clip with this number of frames, `bins` bands each.
    pub fn plan(&self, frames: usize, bins: usize, length: usize, rng: &mut ChaCha8Rng) -> CropPlan {
        let draw = if self.shift { shifted_position } else { random_position };
        let mut plan = CropPlan::default();
        if self.time_stretch > 0.0 || self.freq_warp > 0.0 {
            let speed = random::log_uniform(self.time_stretch, rng);
            let cut = ((length as f32 * speed).round() as usize).max(1);
            plan.position = draw(frames, cut, rng);
            plan.resize = Some(Resize { frames: cut, bands: self.bands(bins, rng) });
        } else {
            plan.position = draw(frames, length, rng);
        }
        plan.band_masks = self.freq_masks.ranges(bins, rng);
        plan.frame_masks = self.time_masks.ranges(length, rng);
        plan
    }

    /// Cuts a crop at a random position and changes it at random.
    ///
    /// # Shape
    /// `out`: `[channels, bins, spec.frames]`, row-major.
    ///
    /// # Panics
    /// As [`CropPosition::cut`].
    pub fn crop(&self, clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
        self.plan(clip.frames(), clip.bins(), spec.frames, rng).cut(clip, spec, out);
    }

    /// The source position of each band of the crop, in bands of the clip.
    fn bands(&self, bins: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        if self.freq_warp <= 0.0 {
            return (0..bins).map(|bin| bin as f32).collect();
        }
        let middle = (bins - 1) as f32 / 2.0;
        let (spread, moved) =
            (random::log_uniform(self.freq_warp, rng), rng.random_range(-0.5..=0.5) * self.freq_warp * middle);
        let last = (bins - 1) as f32;
        (0..bins).map(|bin| ((bin as f32 - middle) * spread + middle + moved).clamp(0.0, last)).collect()
    }
}

impl CropPlan {
    /// Cuts the crop.
    ///
    /// # Shape
    /// `out`: `[channels, bins, spec.frames]`, row-major.
    ///
    /// # Panics
    /// As [`CropPosition::cut`].
    pub fn cut(&self, clip: FeatureView<'_>, spec: &CropSpec<'_>, out: &mut [f32]) {
        let shape = [clip.channels(), clip.bins(), spec.frames];
        if let Some(Resize { frames, bands }) = &self.resize {
            let mut source = vec![0.0; clip.width() * frames];
            self.position.cut(clip, &CropSpec { frames: *frames, ..*spec }, &mut source);
            resize(&source, [shape[1], *frames], bands, spec.frames, out);
        } else {
            self.position.cut(clip, spec, out);
        }
        for (masks, side) in [(&self.band_masks, 1), (&self.frame_masks, 2)] {
            for range in masks {
                mask_range(out, shape, side, range.clone(), spec.pad);
            }
        }
    }
}

impl SpecAugmentMasks {
    /// The stripes of one crop.
    fn ranges(self, length: usize, rng: &mut ChaCha8Rng) -> Vec<Range<usize>> {
        (0..self.count).map(|_| self.range(length, rng)).collect()
    }

    /// A stripe at a random position of `length` bands or frames.
    fn range(self, length: usize, rng: &mut ChaCha8Rng) -> Range<usize> {
        let widest = (self.width * length as f32) as u64;
        let width = rng.random_range(0..=widest.min(length as u64)) as usize;
        let start = rng.random_range(0..=(length - width) as u64) as usize;
        start..start + width
    }
}

/// Resizes a crop `[channels, bins, from]` to `frames` frames, with bands taken from `bands`, by
/// linear interpolation along both axes. Channel `n` is the n-th time derivative and is scaled by
/// the n-th power of the speed.
fn resize(source: &[f32], [bins, from]: [usize; 2], bands: &[f32], frames: usize, out: &mut [f32]) {
    let step = if frames > 1 { (from - 1) as f32 / (frames - 1) as f32 } else { 0.0 };
    let speed = from as f32 / frames as f32;
    let row = |channel: usize, bin: usize| &source[(channel * bins + bin) * from..][..from];
    let mut blend = vec![0.0; from];
    for (index, out) in out.chunks_exact_mut(frames.max(1)).enumerate() {
        let (channel, band) = (index / bins, bands[index % bins]);
        let (lower, share) = (band as usize, band.fract());
        let (lower, upper) = (row(channel, lower), row(channel, (lower + 1).min(bins - 1)));
        let gain = (0..channel).fold(1.0, |gain, _| gain * speed);
        for (value, (lower, upper)) in blend.iter_mut().zip(lower.iter().zip(upper)) {
            *value = gain * (lower + share * (upper - lower));
        }
        for (frame, value) in out.iter_mut().enumerate() {
            let place = frame as f32 * step;
            let (before, share) = (place as usize, place.fract());
            let (before, after) = (blend[before.min(from - 1)], blend[(before + 1).min(from - 1)]);
            *value = before + share * (after - before);
        }
    }
}

/// Fills a range of bands (`side` 1) or frames (`side` 2) in all channels with the padding values.
fn mask_range(out: &mut [f32], [channels, bins, frames]: [usize; 3], side: usize, range: Range<usize>, pad: &[f32]) {
    for (channel, out) in out.chunks_exact_mut(bins * frames).enumerate() {
        let value = pad.get(channel * pad.len() / channels).copied().unwrap_or_default();
        if side == 1 {
            out[range.start * frames..range.end * frames].fill(value);
        } else {
            out.chunks_exact_mut(frames).for_each(|row| row[range.clone()].fill(value));
        }
    }
}
