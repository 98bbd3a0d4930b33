//! Crops at random positions.

use earmark_features::{CropSpec, FeatureView, crop_at, shifted_crop_at};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Cuts a crop at a random position. In a longer clip, all positions are equally likely; a shorter
/// clip is placed in its crop at a random offset. Draws one number, whatever the clip's length.
///
/// # Shape
/// `out`: `[channels, bins, spec.frames]`, row-major.
///
/// # Panics
/// `out` does not have that shape: a bug in the caller, never caused by the input.
pub fn random_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    let place = rng.random_range(0..=clip.frames().abs_diff(spec.frames) as u64) as usize;
    crop_at(clip, spec, place, out);
}

/// As [`random_crop`], but of the clip after a cyclic shift: the clip starts at a random frame, and
/// the frames before that follow its end. Draws two numbers.
///
/// # Shape
/// As [`random_crop`].
///
/// # Panics
/// As [`random_crop`].
pub fn shifted_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    let (frames, length) = (clip.frames(), spec.frames);
    let first = rng.random_range(0..frames.max(1) as u64) as usize;
    let place = rng.random_range(0..=length.saturating_sub(frames) as u64) as usize;
    shifted_crop_at(clip, spec, first, place, out);
}
