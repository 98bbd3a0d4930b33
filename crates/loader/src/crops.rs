//! Crops at random positions.

use earmark_features::{CropPosition, CropSpec, FeatureView};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A random position. In a clip longer than `length`, all positions are equally likely; a shorter
/// clip has a random offset. Draws one number, whatever the clip's number of frames.
pub(crate) fn random_position(frames: usize, length: usize, rng: &mut ChaCha8Rng) -> CropPosition {
    let place = rng.random_range(0..=frames.abs_diff(length) as u64) as usize;
    match frames < length {
        true => CropPosition { first: 0, offset: place },
        false => CropPosition { first: place, offset: 0 },
    }
}

/// As [`random_position`], but after a cyclic shift: the clip starts at a random frame, and the
/// frames before that follow its end. Draws two numbers.
pub(crate) fn shifted_position(frames: usize, length: usize, rng: &mut ChaCha8Rng) -> CropPosition {
    let first = rng.random_range(0..frames.max(1) as u64) as usize;
    let offset = rng.random_range(0..=length.saturating_sub(frames) as u64) as usize;
    CropPosition { first, offset }
}

/// Cuts a crop at a random position. In a longer clip, all positions are equally likely; a shorter
/// clip is placed in its crop at a random offset. Draws one number, whatever the clip's length.
///
/// # Shape
/// As of [`CropPosition::cut`].
///
/// # Panics
/// As of [`CropPosition::cut`].
pub fn random_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    random_position(clip.frames(), spec.frames, rng).cut(clip, spec, out);
}

/// As [`random_crop`], but of the clip after a cyclic shift: the clip starts at a random frame, and
/// the frames before that follow its end. Draws two numbers.
///
/// # Shape
/// As of [`CropPosition::cut`].
///
/// # Panics
/// As of [`CropPosition::cut`].
pub fn shifted_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    shifted_position(clip.frames(), spec.frames, rng).cut(clip, spec, out);
}
