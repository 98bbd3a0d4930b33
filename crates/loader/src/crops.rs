//! Crops at random positions.

use earmark_features::{CropSpec, FeatureView, shifted_crop_at};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The position of a crop: frame `offset + k` of the crop is frame `first + k` of the clip. The
/// frames before `first` follow the clip's end, as if the clip were shifted cyclically; the rest is
/// padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CropPosition {
    /// The clip's frame that the crop begins with.
    pub first: usize,
    /// The offset of a clip that is shorter than the crop; 0 for a longer one.
    pub offset: usize,
}

impl CropPosition {
    /// A random position. In a clip longer than `length`, all positions are equally likely; a
    /// shorter clip has a random offset. Draws one number, whatever the clip's number of frames.
    pub fn random(frames: usize, length: usize, rng: &mut ChaCha8Rng) -> Self {
        let place = rng.random_range(0..=frames.abs_diff(length) as u64) as usize;
        if frames < length { Self { first: 0, offset: place } } else { Self { first: place, offset: 0 } }
    }

    /// As [`CropPosition::random`], but after a cyclic shift: the clip starts at a random frame,
    /// and the frames before that follow its end. Draws two numbers.
    pub fn shifted(frames: usize, length: usize, rng: &mut ChaCha8Rng) -> Self {
        let first = rng.random_range(0..frames.max(1) as u64) as usize;
        let offset = rng.random_range(0..=length.saturating_sub(frames) as u64) as usize;
        Self { first, offset }
    }

    /// The window that begins at frame `start`, as [`earmark_features::fixed_crop`] cuts it.
    pub fn window(start: usize, frames: usize, length: usize) -> Self {
        match frames.checked_sub(length) {
            Some(last) => Self { first: start.min(last), offset: 0 },
            None => Self { first: 0, offset: (length - frames) / 2 },
        }
    }

    /// Cuts the crop.
    ///
    /// # Shape
    /// `out`: `[channels, bins, spec.frames]`, row-major.
    ///
    /// # Panics
    /// `out` does not have that shape: a bug in the caller, never caused by the input.
    pub fn cut(self, clip: FeatureView<'_>, spec: &CropSpec<'_>, out: &mut [f32]) {
        shifted_crop_at(clip, spec, self.first, self.offset, out);
    }
}

/// Cuts a crop at a [`CropPosition::random`] position.
///
/// # Shape
/// As [`CropPosition::cut`].
///
/// # Panics
/// As [`CropPosition::cut`].
pub fn random_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    CropPosition::random(clip.frames(), spec.frames, rng).cut(clip, spec, out);
}

/// Cuts a crop at a [`CropPosition::shifted`] position.
///
/// # Shape
/// As [`CropPosition::cut`].
///
/// # Panics
/// As [`CropPosition::cut`].
pub fn shifted_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    CropPosition::shifted(clip.frames(), spec.frames, rng).cut(clip, spec, out);
}
