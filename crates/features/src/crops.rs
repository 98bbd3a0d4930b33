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
    /// The window of `length` frames that begins at frame `start` of a clip, one of [`windows`]; a
    /// later start counts as the last of them. A clip shorter than the window is centered in it.
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
    /// `out` does not have that shape: a mistake of the caller, never of the input.
    pub fn cut(self, clip: FeatureView<'_>, spec: &CropSpec<'_>, out: &mut [f32]) {
        let Self { first, offset } = self;
        let (width, frames, length) = (clip.width(), clip.frames(), spec.frames);
        assert_eq!(out.len(), width * length, "a crop of {width} rows and {length} frames");
        turn(clip, first, offset, length, out);
        if first > 0 {
            turn(clip, 0, (offset + frames - first).min(length), length, out);
        }
        if frames < length {
            fill_up(clip, spec, offset, out);
        }
    }
}

/// Cuts the window that begins at frame `start` ([`CropPosition::window`]).
///
/// # Shape
/// As of [`CropPosition::cut`].
///
/// # Panics
/// As of [`CropPosition::cut`].
pub fn fixed_crop(clip: FeatureView<'_>, spec: &CropSpec<'_>, start: usize, out: &mut [f32]) {
    CropPosition::window(start, clip.frames(), spec.frames).cut(clip, spec, out);
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
