//! Crops and windows of features whose values encode their position: row * 1000 + frame.

use std::collections::BTreeSet;

use earmark_datasets::random::stream;
use earmark_features::{CropSpec, Padding, fixed_crop, windows};
use earmark_features::{FeatureView, Values};
use earmark_loader::random_crop;

const ROWS: usize = 3;

fn features(frames: usize) -> Vec<f32> {
    (0..frames).flat_map(|frame| (0..ROWS).map(move |row| (row * 1000 + frame) as f32)).collect()
}

fn view(data: &[f32], channels: usize) -> FeatureView<'_> {
    FeatureView::new(Values::Single(data), channels, 1)
}

fn spec(frames: usize, padding: Padding) -> CropSpec<'static> {
    CropSpec { frames, padding, pad: &[-7.0] }
}

fn fixed(frames: usize, spec: &CropSpec, start: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; ROWS * spec.frames];
    fixed_crop(view(&features(frames), ROWS), spec, start, &mut out);
    out
}

fn random(frames: usize, spec: &CropSpec, seed: u64) -> Vec<f32> {
    let mut out = vec![f32::NAN; ROWS * spec.frames];
    random_crop(view(&features(frames), ROWS), spec, &mut stream(seed, &[]), &mut out);
    out
}

#[test]
fn every_offset_of_a_longer_clip_is_reached() {
    let spec = spec(4, Padding::Zero);
    let mut starts = BTreeSet::new();
    for seed in 0..300 {
        let crop = random(10, &spec, seed);
        let start = crop[0] as usize;
        assert_eq!(crop, fixed(10, &spec, start));
        starts.insert(start);
    }
    assert_eq!(starts, (0..=6).collect());
}

#[test]
fn every_offset_of_a_shorter_clip_is_reached() {
    let spec = spec(10, Padding::Zero);
    let mut offsets = BTreeSet::new();
    for seed in 0..300 {
        let crop = random(4, &spec, seed);
        let offset = crop.iter().position(|value| *value == 0.0).unwrap();
        for (row, values) in crop.chunks_exact(10).enumerate() {
            for (frame, value) in values.iter().enumerate() {
                let inside = frame.checked_sub(offset).filter(|frame| *frame < 4);
                assert_eq!(*value, inside.map_or(-7.0, |frame| (row * 1000 + frame) as f32));
            }
        }
        offsets.insert(offset);
    }
    assert_eq!(offsets, (0..=6).collect());
}

#[test]
fn the_same_seed_gives_the_same_crop() {
    let spec = spec(5, Padding::Zero);
    assert_eq!(random(100, &spec, 9), random(100, &spec, 9));
    assert!((0..9).any(|seed| random(100, &spec, seed) != random(100, &spec, 9)));
    let rows: Vec<f32> = (0..ROWS).flat_map(|row| (0..5).map(move |frame| (row * 1000 + frame) as f32)).collect();
    assert_eq!(random(5, &spec, 9), rows, "as long as a crop: the clip itself");
}

#[test]
fn paddings_fill_as_numpy_does() {
    // np.pad(np.arange(frames), (before, after), mode) with wrap and reflect; the clip is in the
    // middle of the crop.
    let cases: [(usize, Padding, &[u8]); 9] = [
        (3, Padding::Repeat, &[1, 2, 0, 1, 2, 0, 1, 2]),
        (3, Padding::Reflect, &[2, 1, 0, 1, 2, 1, 0, 1]),
        (3, Padding::Repeat, &[2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]),
        (3, Padding::Reflect, &[1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]),
        (2, Padding::Repeat, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
        (2, Padding::Reflect, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
        (1, Padding::Repeat, &[0, 0, 0, 0]),
        (1, Padding::Reflect, &[0, 0, 0, 0]),
        (2, Padding::Reflect, &[0, 1]),
    ];
    for (frames, padding, expected) in cases {
        let crop = fixed(frames, &spec(expected.len(), padding), 0);
        for (row, values) in crop.chunks_exact(expected.len()).enumerate() {
            let expected: Vec<f32> = expected.iter().map(|frame| (row * 1000) as f32 + f32::from(*frame)).collect();
            assert_eq!(values, expected, "{frames} frames, {padding:?}");
        }
    }
    assert_eq!(fixed(3, &spec(8, Padding::Zero), 0)[..8], [-7.0, -7.0, 0.0, 1.0, 2.0, -7.0, -7.0, -7.0]);
}

#[test]
fn every_offset_is_padded_alike() {
    // The value at a position depends only on the distance from the clip's first frame.
    for frames in 1..6 {
        for padding in [Padding::Repeat, Padding::Reflect] {
            let period = if padding == Padding::Repeat { frames } else { (2 * (frames - 1)).max(1) };
            for seed in 0..40 {
                let crop = random(frames, &spec(17, padding), seed);
                let frame = |at: usize| crop[at] as usize;
                assert!(crop[..17].iter().enumerate().all(|(at, _)| at < period || frame(at) == frame(at - period)));
                let steps = (1..17).map(|at| frame(at).abs_diff(frame(at - 1)));
                assert!(steps.into_iter().all(|step| step <= 1 || (padding == Padding::Repeat && step == frames - 1)));
                assert_eq!((0..17).map(frame).collect::<BTreeSet<_>>(), (0..frames).collect());
            }
        }
    }
}

#[test]
fn a_start_behind_the_last_window_is_the_last_window() {
    let spec = spec(4, Padding::Repeat);
    assert_eq!(fixed(10, &spec, 9), fixed(10, &spec, 6));
    assert_eq!(fixed(3, &spec, 9), fixed(3, &spec, 0));
}

#[test]
fn wide_features_are_cut_as_narrow_ones() {
    // Includes more values per frame than are transposed at once.
    for width in [2, 191, 6143, 6144, 6145, 20_000] {
        let data: Vec<f32> = (0..40 * width).map(|at| at as f32).collect();
        let mut out = vec![f32::NAN; 37 * width];
        fixed_crop(view(&data, width), &spec(37, Padding::Zero), 2, &mut out);
        let right = |(at, value): (usize, &f32)| *value == data[(2 + at % 37) * width + at / 37];
        assert!(out.iter().enumerate().all(right), "{width} values in a frame");
    }
}

#[test]
fn an_empty_clip_gives_padding() {
    for padding in [Padding::Zero, Padding::Repeat, Padding::Reflect] {
        assert_eq!(fixed(0, &spec(4, padding), 0), [-7.0; ROWS * 4]);
        assert_eq!(random(0, &spec(4, padding), 1), [-7.0; ROWS * 4]);
    }
}

#[test]
fn windows_cover_a_clip_to_its_end() {
    let cases: [(usize, usize, usize, &[usize]); 8] = [
        (10, 4, 2, &[0, 2, 4, 6]),
        (11, 4, 2, &[0, 2, 4, 6, 7]),
        (4, 4, 2, &[0]),
        (5, 4, 2, &[0, 1]),
        (3, 4, 2, &[0]),
        (0, 4, 2, &[0]),
        (10, 4, 100, &[0, 6]),
        (6, 4, 0, &[0, 1, 2]),
    ];
    for (total, frames, hop, expected) in cases {
        assert_eq!(windows(total, frames, hop), expected, "{total} frames, window {frames}, hop {hop}");
    }
}

#[test]
fn each_channel_has_its_own_padding() {
    let mut out = [0.0; 4];
    let spec = CropSpec { frames: 2, padding: Padding::Zero, pad: &[-1.0, -2.0] };
    fixed_crop(view(&[1.0, 2.0], 2), &spec, 0, &mut out);
    assert_eq!(out, [1.0, -1.0, 2.0, -2.0]);
}
