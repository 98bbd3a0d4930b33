//! Fixed-length crops of features of any length.
//!
//! Features are stored frame by frame, `[frames, channels, bins]`; a crop is the input of a
//! network, `[channels, bins, frames]`.

use serde::{Deserialize, Serialize};

use crate::view::FeatureView;

/// The padding of a clip that is shorter than a crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// [`CropSpec::pad`], as in the code of the paper.
    #[default]
    Zero,
    /// The clip is repeated.
    Repeat,
    /// The clip is mirrored at its first and last frame, which are not repeated (numpy's
    /// `reflect`).
    Reflect,
}

/// The length and the padding of a crop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropSpec<'a> {
    /// Frames of a crop; samples if the features are a raw waveform.
    pub frames: usize,
    /// The padding of shorter clips.
    pub padding: Padding,
    /// The fill values for [`Padding::Zero`], and for an empty clip with any padding: one for all
    /// rows, or one per channel.
    pub pad: &'a [f32],
}

/// Cuts the crop that begins at frame `start`, one of [`windows`]; a later start counts as the last
/// of them. A clip shorter than the crop is centered in it.
///
/// # Shape
/// `out`: `[channels, bins, spec.frames]`, row-major.
///
/// # Panics
/// `out` does not have that shape: a mistake of the caller, never of the input.
pub fn fixed_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, start: usize, out: &mut [f32]) {
    let place = match clip.frames().checked_sub(spec.frames) {
        Some(last) => start.min(last),
        None => (spec.frames - clip.frames()) / 2,
    };
    crop_at(clip, spec, place, out);
}

/// The start frames of the windows of a prediction: every `hop` frames from 0 while a whole window
/// fits, and one more that ends at the end of the clip if frames are left over. A clip that is not
/// longer than a window has one window, at 0. A `hop` of 0 counts as 1.
pub fn windows(total_frames: usize, frames: usize, hop: usize) -> Vec<usize> {
    let last = total_frames.saturating_sub(frames);
    let mut starts: Vec<usize> = (0..=last).step_by(hop.max(1)).collect();
    if starts.last() != Some(&last) {
        starts.push(last);
    }
    starts
}

/// Fills `out` with the frames of a longer clip from `place` on, or with a shorter clip at the
/// offset `place`.
///
/// # Shape
/// As of [`fixed_crop`].
///
/// # Panics
/// As of [`fixed_crop`].
fn crop_at(clip: FeatureView<'_>, spec: &CropSpec<'_>, place: usize, out: &mut [f32]) {
    check(clip, spec.frames, out);
    if clip.frames() >= spec.frames {
        return turn(clip, place, 0, spec.frames, out);
    }
    turn(clip, 0, place, spec.frames, out);
    fill_up(clip, spec, place, out);
}

/// Fills `out` with the clip after a cyclic shift: it begins at its frame `first`, and the frames
/// before that follow its end. A clip shorter than the crop is at the offset `place`; for a longer
/// one, `place` is 0.
///
/// # Shape
/// As of [`fixed_crop`].
///
/// # Panics
/// As of [`fixed_crop`].
pub fn shifted_crop_at(clip: FeatureView<'_>, spec: &CropSpec<'_>, first: usize, place: usize, out: &mut [f32]) {
    let (frames, length) = (clip.frames(), spec.frames);
    check(clip, length, out);
    turn(clip, first, place, length, out);
    if first > 0 {
        turn(clip, 0, (place + frames - first).min(length), length, out);
    }
    if frames < length {
        fill_up(clip, spec, place, out);
    }
}

fn check(clip: FeatureView<'_>, length: usize, out: &[f32]) {
    let width = clip.width();
    assert_eq!(out.len(), width * length, "a crop of {width} rows and {length} frames");
}

/// Pads the rows of a crop that contains a shorter clip at the offset `place`.
fn fill_up(clip: FeatureView<'_>, spec: &CropSpec<'_>, place: usize, out: &mut [f32]) {
    for (row, values) in out.chunks_exact_mut(spec.frames).enumerate() {
        let value = spec.pad.get(row * spec.pad.len() / clip.width()).copied().unwrap_or_default();
        pad(values, place, clip.frames(), spec.padding, value);
    }
}

/// Copies and transposes the frames from `first` on, as many as exist and fit, into a crop `[rows,
/// length]` from the position `at` on.
fn turn(clip: FeatureView<'_>, first: usize, at: usize, length: usize, out: &mut [f32]) {
    /// Frames transposed at once, and the number of values that fit into the buffer on the stack:
    /// both stay in the L1 cache.
    const TILE: usize = 32;
    const VALUES: usize = TILE * 3 * 64;
    let (width, count) = (clip.width(), clip.frames().saturating_sub(first).min(length - at));
    if width == 1 {
        return clip.read(first, &mut out[at..at + count]);
    }
    let (mut near, mut far) = ([0.0; VALUES], Vec::new());
    far.resize(if width > VALUES { width } else { 0 }, 0.0);
    let tile = if width > VALUES { far.as_mut_slice() } else { near.as_mut_slice() };
    let step = (tile.len() / width.max(1)).min(TILE);
    for done in (0..count).step_by(step) {
        let frames = step.min(count - done);
        clip.read(first + done, &mut tile[..frames * width]);
        for (row, out) in out.chunks_exact_mut(length).enumerate() {
            let values = tile[row..].iter().step_by(width);
            out[at + done..][..frames].iter_mut().zip(values).for_each(|(out, value)| *out = *value);
        }
    }
}

/// Pads a row on both sides of the `frames` values that start at `at`.
fn pad(row: &mut [f32], at: usize, frames: usize, padding: Padding, value: f32) {
    let end = at + frames;
    match padding {
        _ if frames == 0 => row.fill(value),
        Padding::Zero => {
            row[..at].fill(value);
            row[end..].fill(value);
        }
        Padding::Reflect if frames > 1 => {
            // Mirrored at the nearer end; further out, the values repeat with the period of one
            // reflection back and forth.
            let (last, period) = (end - 1, 2 * (frames - 1));
            for k in end..row.len() {
                row[k] = row[if k < last + frames { 2 * last - k } else { k - period }];
            }
            for k in (0..at).rev() {
                row[k] = row[if k + frames > at { 2 * at - k } else { k + period }];
            }
        }
        Padding::Repeat | Padding::Reflect => {
            (end..row.len()).for_each(|k| row[k] = row[k - frames]);
            (0..at).rev().for_each(|k| row[k] = row[k + frames]);
        }
    }
}
