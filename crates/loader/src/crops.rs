//! Crops at random places.

use earmark_features::{CropSpec, FeatureView, crop_at, shifted_crop_at};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Cuts a crop at a random place: of a longer clip any piece is as likely as any other; a shorter
/// clip lies in its crop at any offset. One number is drawn, however long the clip is.
///
/// # Shape
/// `out`: `[channels, bins, spec.frames]`, row-major.
///
/// # Panics
/// `out` does not have that shape: a mistake of the caller, never of the input.
pub fn random_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    let place = rng.random_range(0..=clip.frames().abs_diff(spec.frames) as u64) as usize;
    crop_at(clip, spec, place, out);
}

/// As [`random_crop`], of the clip after a cyclic shift: it begins at a random one of its frames,
/// and what stood before that comes after its end. Two numbers are drawn.
///
/// # Shape
/// As of [`random_crop`].
///
/// # Panics
/// As of [`random_crop`].
pub fn shifted_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    let (frames, length) = (clip.frames(), spec.frames);
    let first = rng.random_range(0..frames.max(1) as u64) as usize;
    let place = rng.random_range(0..=length.saturating_sub(frames) as u64) as usize;
    shifted_crop_at(clip, spec, first, place, out);
}
