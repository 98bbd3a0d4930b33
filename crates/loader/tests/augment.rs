//! Augmentation of features whose values encode their position.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use earmark_datasets::random::stream;
use earmark_features::{CropSpec, Padding};
use earmark_features::{FeatureView, Values};
use earmark_loader::{Augmentation, SpecAugmentMasks, random_crop};

const CHANNELS: usize = 2;
const BINS: usize = 8;
const LENGTH: usize = 12;

/// Value 1000 * channel + 100 * bin + frame.
fn features(frames: usize) -> Vec<f32> {
    let frame =
        |frame: usize| (0..CHANNELS * BINS).map(move |row| (row / BINS * 1000 + row % BINS * 100 + frame) as f32);
    (0..frames).flat_map(frame).collect()
}

fn crop(frames: usize, augmentation: &Augmentation, seed: u64) -> Vec<f32> {
    let data = features(frames);
    let mut out = vec![f32::NAN; CHANNELS * BINS * LENGTH];
    let spec = CropSpec { frames: LENGTH, padding: Padding::Zero, pad: &[-1.0, -2.0] };
    let view = FeatureView::new(Values::Single(&data), CHANNELS, BINS);
    augmentation.crop(view, &spec, &mut stream(seed, &[]), &mut out);
    out
}

fn row(crop: &[f32], channel: usize, bin: usize) -> &[f32] {
    &crop[(channel * BINS + bin) * LENGTH..][..LENGTH]
}

#[test]
fn without_settings_it_is_the_random_crop() {
    for frames in [0, 1, 5, 12, 30] {
        let data = features(frames);
        let mut plain = vec![f32::NAN; CHANNELS * BINS * LENGTH];
        let spec = CropSpec { frames: LENGTH, padding: Padding::Zero, pad: &[-1.0, -2.0] };
        let view = FeatureView::new(Values::Single(&data), CHANNELS, BINS);
        random_crop(view, &spec, &mut stream(3, &[]), &mut plain);
        assert_eq!(crop(frames, &Augmentation::default(), 3), plain, "{frames} frames");
    }
}

#[test]
fn a_shift_begins_anywhere_and_goes_on_at_the_start() {
    let shift = Augmentation { shift: true, ..Augmentation::default() };
    for frames in [1, 2, 7, 12, 13, 40] {
        let mut starts = BTreeSet::new();
        for seed in 0..400 {
            let crop = crop(frames, &shift, seed);
            let at = row(&crop, 0, 0).iter().position(|&value| value >= 0.0).unwrap();
            let first = row(&crop, 0, 0)[at] as usize;
            starts.insert(first);
            for channel in 0..CHANNELS {
                for bin in 0..BINS {
                    for (frame, &value) in row(&crop, channel, bin).iter().enumerate() {
                        let inside = frame.checked_sub(at).filter(|&frame| frame < frames);
                        let from = inside.map(|frame| channel * 1000 + bin * 100 + (first + frame) % frames);
                        let expected = from.map_or(-1.0 - channel as f32, |from| from as f32);
                        assert_eq!(value, expected, "{frames} frames, seed {seed}, channel {channel}, bin {bin}");
                    }
                }
            }
        }
        assert_eq!(starts, (0..frames).collect(), "{frames} frames");
    }
}

#[test]
fn a_stretch_changes_the_speed_and_the_derivatives_with_it() {
    let stretch = Augmentation { time_stretch: 1.0, ..Augmentation::default() };
    let mut speeds = Vec::new();
    for seed in 0..200 {
        let crop = crop(100, &stretch, seed);
        let values = row(&crop, 0, 3);
        let step = values[1] - values[0];
        assert!(values.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 1e-3), "linear: {values:?}");
        // 6 to 24 frames, from the first to the last of them.
        let frames = (step * (LENGTH - 1) as f32).round() + 1.0;
        let derivative = row(&crop, 1, 3)[0] / (1000.0 + values[0]);
        assert!((derivative - frames / LENGTH as f32).abs() < 1e-3, "{derivative} at {frames} frames");
        speeds.push(frames as usize);
    }
    let (slowest, fastest) = (speeds.iter().min().unwrap(), speeds.iter().max().unwrap());
    assert!((6..=7).contains(slowest) && (23..=24).contains(fastest), "{slowest} to {fastest}");
}

#[test]
fn a_warp_moves_bands_and_keeps_to_the_clip() {
    let warp = Augmentation { freq_warp: 0.5, ..Augmentation::default() };
    let mut lowest = BTreeSet::new();
    for seed in 0..200 {
        let crop = crop(12, &warp, seed);
        let bands: Vec<f32> = (0..BINS).map(|bin| row(&crop, 0, bin)[0] / 100.0).collect();
        assert!(bands.windows(2).all(|pair| pair[0] <= pair[1]), "{bands:?}");
        assert!(bands[0] >= 0.0 && bands[BINS - 1] <= (BINS - 1) as f32 + 1e-4, "{bands:?}");
        assert!((row(&crop, 0, 0)[11] - row(&crop, 0, 0)[0] - 11.0).abs() < 1e-3, "time is left alone");
        // Stretched by at most 1.5 and moved by at most a quarter of 3.5, about the middle band.
        let middle = f32::midpoint(bands[3], bands[4]);
        assert!((middle - 3.5).abs() <= 0.876, "{middle}");
        lowest.insert((bands[0] * 10.0) as i32);
    }
    assert!(lowest.len() > 5, "{lowest:?}");
}

#[test]
fn masks_have_the_padding_s_values_over_whole_bands_and_frames() {
    let masks = SpecAugmentMasks { count: 1, width: 0.5 };
    let frequency = Augmentation { freq_masks: masks, ..Augmentation::default() };
    let time = Augmentation { time_masks: masks, ..Augmentation::default() };
    let (mut widths, mut lengths) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..300 {
        let crop_of = |augmentation| crop(12, augmentation, seed);
        let masked = crop_of(&frequency);
        let is_blotted = |bin: &usize| row(&masked, 0, *bin).iter().all(|&value| value == -1.0);
        let blotted: Vec<usize> = (0..BINS).filter(is_blotted).collect();
        assert!(blotted.iter().all(|&bin| row(&masked, 1, bin).iter().all(|&value| value == -2.0)));
        assert!(blotted.windows(2).all(|pair| pair[1] == pair[0] + 1), "one stripe: {blotted:?}");
        assert_eq!(masked.iter().filter(|&&value| value < 0.0).count(), CHANNELS * LENGTH * blotted.len());
        widths.insert(blotted.len());
        let masked = crop_of(&time);
        let blotted = row(&masked, 0, 0).iter().filter(|&&value| value == -1.0).count();
        assert_eq!(masked.iter().filter(|&&value| value < 0.0).count(), CHANNELS * BINS * blotted);
        lengths.insert(blotted);
    }
    assert_eq!((widths, lengths), ((0..=4).collect(), (0..=6).collect()));
}
