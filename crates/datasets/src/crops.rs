//! Pieces of a fixed length cut from features of any length.
//!
//! Features come frame by frame, `[frames, channels, bins]`; a crop is what a network takes, `[channels, bins, frames]`.

use earmark_features::FeatureView;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What stands where a clip is shorter than a crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// [`CropSpec::pad`], as in the paper's own code.
    #[default]
    Zero,
    /// The clip again and again.
    Repeat,
    /// The clip mirrored at its ends, which are not doubled (numpy's `reflect`).
    Reflect,
}

/// How long a crop is, and what fills it up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropSpec<'a> {
    /// Frames of a crop; samples, where the features are a raw wave.
    pub frames: usize,
    /// What stands where the clip is shorter.
    pub padding: Padding,
    /// The values of [`Padding::Zero`], and of an empty clip under any padding: one for all rows, or one per channel.
    pub pad: &'a [f32],
}

/// Cuts a crop at a random place: of a longer clip any piece is as likely as any other; a shorter clip lies in its crop
/// at any offset. One number is drawn, however long the clip is.
///
/// # Shape
/// `out`: `[channels, bins, spec.frames]`, row-major.
///
/// # Panics
/// `out` does not have that shape: a mistake of the caller, never of the input.
pub fn random_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    let frames = clip.frames();
    let place = rng.random_range(0..=frames.abs_diff(spec.frames) as u64) as isize;
    let start = if frames >= spec.frames { place } else { -place };
    cut(clip, spec, start, out);
}

/// Cuts the crop that begins at frame `start`, one of [`windows`]. A clip shorter than the crop lies in its middle.
///
/// # Shape
/// As of [`random_crop`].
///
/// # Panics
/// As of [`random_crop`].
pub fn fixed_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, start: usize, out: &mut [f32]) {
    let before = spec.frames.saturating_sub(clip.frames()) / 2;
    cut(clip, spec, start as isize - before as isize, out);
}

/// Where the windows of a prediction begin: every `hop` frames from 0 while a whole window fits, and one more that ends
/// where the clip ends if frames are left over. A clip not longer than a window has the one window 0. A `hop` of 0
/// counts as 1.
pub fn windows(total_frames: usize, frames: usize, hop: usize) -> Vec<usize> {
    let last = total_frames.saturating_sub(frames);
    let mut starts: Vec<usize> = (0..=last).step_by(hop.max(1)).collect();
    if starts.last() != Some(&last) {
        starts.push(last);
    }
    starts
}

/// Fills `out` with the frames from `start` on, which may lie before the clip.
fn cut(clip: FeatureView<'_>, spec: &CropSpec<'_>, start: isize, out: &mut [f32]) {
    let (width, frames) = (clip.width(), clip.frames());
    assert_eq!(out.len(), width * spec.frames, "a crop of {width} rows and {} frames", spec.frames);
    // The places of the crop that the clip covers, from its frame `first` on.
    let before = start.min(0).unsigned_abs().min(spec.frames);
    let first = start.max(0).unsigned_abs();
    let covered = frames.saturating_sub(first).min(spec.frames - before);
    put(clip, first, before, covered, spec.frames, out);
    for at in (0..before).chain(before + covered..spec.frames) {
        match source(start + at as isize, frames, spec.padding) {
            Some(frame) => put(clip, frame, at, 1, spec.frames, out),
            None => {
                for row in 0..width {
                    out[row * spec.frames + at] =
                        spec.pad.get(row * spec.pad.len() / width).copied().unwrap_or_default();
                }
            }
        }
    }
}

/// Copies `count` frames from `first` on to the places from `at` on of a crop `[rows, length]`.
fn put(clip: FeatureView<'_>, first: usize, at: usize, count: usize, length: usize, out: &mut [f32]) {
    /// Frames turned at once: they stay in the fastest cache.
    const TILE: usize = 16;
    let width = clip.width();
    if width == 1 {
        clip.read(first, &mut out[at..at + count]);
        return;
    }
    let mut tile = vec![0.0; TILE.min(count) * width];
    for done in (0..count).step_by(TILE) {
        let frames = TILE.min(count - done);
        clip.read(first + done, &mut tile[..frames * width]);
        for (row, out) in out.chunks_exact_mut(length).enumerate() {
            let values = tile[row..].iter().step_by(width);
            out[at + done..][..frames].iter_mut().zip(values).for_each(|(out, value)| *out = *value);
        }
    }
}

/// The frame that stands at `at`, which may lie before or after the clip; none if it is padding without a source.
fn source(at: isize, frames: usize, padding: Padding) -> Option<usize> {
    if let Ok(at) = usize::try_from(at)
        && at < frames
    {
        return Some(at);
    }
    let frames = frames as isize;
    match padding {
        _ if frames == 0 => None,
        Padding::Zero => None,
        Padding::Repeat => Some(at.rem_euclid(frames) as usize),
        Padding::Reflect => {
            let period = (2 * (frames - 1)).max(1);
            let phase = at.rem_euclid(period);
            Some(phase.min(period - phase).min(frames - 1) as usize)
        }
    }
}
