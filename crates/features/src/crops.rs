//! Pieces of a fixed length cut from features of any length.
//!
//! Features come frame by frame, `[frames, channels, bins]`; a crop is what a network takes,
//! `[channels, bins, frames]`.

use serde::{Deserialize, Serialize};

use crate::view::FeatureView;

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
    /// The values of [`Padding::Zero`], and of an empty clip under any padding: one for all rows,
    /// or one per channel.
    pub pad: &'a [f32],
}

/// Cuts the crop that begins at frame `start`, one of [`windows`]; a later one counts as the last
/// of them. A clip shorter than the crop lies in its middle.
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

/// Where the windows of a prediction begin: every `hop` frames from 0 while a whole window fits,
/// and one more that ends where the clip ends if frames are left over. A clip not longer than a
/// window has the one window 0. A `hop` of 0 counts as 1.
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
pub fn crop_at(clip: FeatureView<'_>, spec: &CropSpec<'_>, place: usize, out: &mut [f32]) {
    check(clip, spec.frames, out);
    if clip.frames() >= spec.frames {
        return turn(clip, place, 0, spec.frames, out);
    }
    turn(clip, 0, place, spec.frames, out);
    fill_up(clip, spec, place, out);
}

/// Fills `out` with the clip after a cyclic shift: it begins at its frame `first`, and what was
/// before that follows its end. A shorter clip is at the offset `place`, which is 0 for a longer
/// one.
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
    turn(clip, 0, (place + frames - first).min(length), length, out);
    if frames < length {
        fill_up(clip, spec, place, out);
    }
}

fn check(clip: FeatureView<'_>, length: usize, out: &[f32]) {
    let width = clip.width();
    assert_eq!(out.len(), width * length, "a crop of {width} rows and {length} frames");
}

/// Pads the rows of a crop in which a shorter clip lies at the offset `place`.
fn fill_up(clip: FeatureView<'_>, spec: &CropSpec<'_>, place: usize, out: &mut [f32]) {
    for (row, values) in out.chunks_exact_mut(spec.frames).enumerate() {
        let value = spec.pad.get(row * spec.pad.len() / clip.width()).copied().unwrap_or_default();
        pad(values, place, clip.frames(), spec.padding, value);
    }
}

/// Copies the frames from `first` on, as many as are there, to the places from `at` on of a crop
/// `[rows, length]`.
fn turn(clip: FeatureView<'_>, first: usize, at: usize, length: usize, out: &mut [f32]) {
    /// Frames turned at once, and the values of them that need no memory of their own: both stay in
    /// the fastest cache.
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

/// Fills a row on both sides of the `frames` values that stand in it from `at` on.
fn pad(row: &mut [f32], at: usize, frames: usize, padding: Padding, value: f32) {
    let end = at + frames;
    match padding {
        _ if frames == 0 => row.fill(value),
        Padding::Zero => {
            row[..at].fill(value);
            row[end..].fill(value);
        }
        Padding::Reflect if frames > 1 => {
            // The mirror at the nearer end; beyond it all comes again after one way there and back.
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
