use earmark_features::{Features, InputScaling, WindowAggregation, Windowing};
use earmark_loader::{Augmentation, Batch, BatchSettings, Batches, Example, Mixup, Sampling, SpecAugmentMasks};
use half::f16;

use super::*;
use crate::inputs::{TrainingInputs, WindowInputs};
use crate::tensors::values;

const LENGTH: usize = 13;

/// Clips of noise: empty, of one frame, shorter and longer than a crop.
fn clips(channels: usize, bins: usize) -> Vec<Features> {
    let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 7 & 0xFFFF) as f32 / 655.36 - 50.0;
    let clip = |(clip, frames): (usize, usize)| {
        let data = (0..channels * bins * frames).map(|at| noise(at + 7919 * clip)).collect();
        Features { data, channels, bins, frames }
    };
    [0, 1, 2, 5, 13, 14, 40, 9].into_iter().enumerate().map(clip).collect()
}

fn examples<'a>(clips: &'a [Features], names: &'a [String]) -> Vec<Example<'a>> {
    let example = |(at, clip): (usize, &'a Features)| Example {
        name: &names[at],
        features: clip.view(),
        labels: &[[0], [1], [2]][at % 3],
        verified: at % 2 == 0,
    };
    clips.iter().enumerate().map(example).collect()
}

fn names() -> Vec<String> {
    (0..8).map(|clip| format!("{clip}.wav")).collect()
}

fn scalings(channels: usize) -> [InputScaling; 3] {
    let of = |start: f32| (0..channels).map(|channel| start + channel as f32 * 1.7).collect();
    [InputScaling::None, InputScaling::Clip, InputScaling::Fixed(Scaling { mean: of(-3.0), deviation: of(0.3) })]
}

fn windowing(padding: Padding) -> Windowing {
    Windowing {
        frames: LENGTH,
        hop: 4,
        padding,
        pad_value: -0.7,
        average: WindowAggregation::Logits,
        least_frames: None,
    }
}

fn augmentations() -> [Augmentation; 4] {
    let masks = SpecAugmentMasks { count: 2, width: 0.5 };
    let masked = Augmentation { freq_masks: masks, time_masks: masks, ..Augmentation::default() };
    [
        Augmentation::default(),
        Augmentation { shift: true, crop_length_jitter: 0.5, ..Augmentation::default() },
        masked,
        Augmentation { shift: true, time_stretch: 1.0, freq_warp: 0.5, ..masked },
    ]
}

/// Bitwise equality, so that -0 differs from 0 and NaN equals NaN.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_table_s_batches_are_bitwise_those_of_the_cpu() {
    let (names, mut padded, mut compared) = (names(), 0, 0);
    for (channels, bins) in [(3, 6), (1, 1)] {
        let clips = clips(channels, bins);
        let examples = examples(&clips, &names);
        let views: Vec<_> = examples.iter().map(|example| example.features).collect();
        let table = Table::new(&views, Device::Cpu).unwrap();
        for padding in [Padding::Zero, Padding::Repeat, Padding::Reflect] {
            for (scaling, augmentation) in scalings(channels)
                .iter()
                .flat_map(|scaling| augmentations().map(|augmentation| (scaling, augmentation)))
            {
                for (alpha, sampling) in [(0.0, Sampling::Shuffled), (3.0, Sampling::Balanced)] {
                    let windowing = windowing(padding);
                    let settings = BatchSettings {
                        classes: 3,
                        task: earmark_datasets::Task::SingleLabel,
                        windowing: &windowing,
                        scaling,
                        augmentation,
                        mixup: Mixup { alpha },
                        label_smoothing: 0.1,
                        unverified_weight: 0.5,
                        sampling,
                        batch_size: 5,
                        seed: 3,
                        keys: [1, 2],
                        parallel: false,
                    };
                    let batches = Batches::new(&examples, settings);
                    let inputs = |places| TrainingInputs {
                        examples: &examples,
                        batches: &batches,
                        windowing: &windowing,
                        places,
                        dropout: None,
                        device: Device::Cpu,
                    };
                    for epoch in 0..3 {
                        for (index, members) in batches.epoch(epoch).iter().enumerate() {
                            let prepare = |places| {
                                let batch = &mut Batch::default();
                                inputs(places).prepare(epoch, index, members, batch).unwrap()
                            };
                            let on_cpu = prepare(None).load(None, Device::Cpu).unwrap();
                            let packed = prepare(Some(table.places()));
                            padded +=
                                usize::from(matches!(&packed.input, crate::inputs::Prepared::Packed(p) if p.is_padded));
                            let cut = packed.load(Some(&table), Device::Cpu).unwrap();
                            let what = || format!("{padding:?} {scaling:?} {augmentation:?} {alpha} {epoch} {index}");
                            assert_eq!(cut.crops.size(), on_cpu.crops.size(), "{}", what());
                            for (cut, on_cpu) in [(&cut.crops, &on_cpu.crops), (&cut.targets, &on_cpu.targets)] {
                                assert_eq!(bits(&values(cut).unwrap()), bits(&values(on_cpu).unwrap()), "{}", what());
                            }
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 800 && padded > compared / 4 && padded < compared, "{padded} of {compared}");
}

#[test]
fn a_table_s_windows_are_bitwise_those_of_the_cpu() {
    let (names, clips) = (names(), clips(3, 6));
    let examples = examples(&clips, &names);
    let views: Vec<_> = examples.iter().map(|example| example.features).collect();
    let table = Table::new(&views, Device::Cpu).unwrap();
    for padding in [Padding::Zero, Padding::Repeat, Padding::Reflect] {
        for scaling in &scalings(3) {
            let windowing = windowing(padding);
            let starts = |example: &Example| windowing.starts(example.features);
            let windows = examples.iter().flat_map(|example| starts(example).into_iter().map(move |at| (example, at)));
            let windows: Vec<_> = windows.collect();
            assert!(windows.len() > examples.len());
            let inputs =
                |places| WindowInputs { windowing: &windowing, scaling, places, device: Device::Cpu, at_least: 3 };
            for windows in windows.chunks(4) {
                let (on_cpu, _) = inputs(None).prepare(windows).unwrap().load(None, Device::Cpu).unwrap();
                let packed = inputs(Some(table.places())).prepare(windows).unwrap();
                let (cut, _) = packed.load(Some(&table), Device::Cpu).unwrap();
                assert_eq!(cut.size(), on_cpu.size());
                assert_eq!(bits(&values(&cut).unwrap()), bits(&values(&on_cpu).unwrap()), "{padding:?} {scaling:?}");
            }
        }
    }
}

#[test]
fn a_table_of_16_bits_has_the_cache_s_values() {
    let clips = clips(3, 6);
    let halves: Vec<Vec<f16>> =
        clips.iter().map(|clip| clip.data.iter().map(|value| f16::from_f32(*value)).collect()).collect();
    let names = names();
    let view = |values| FeatureView::new(Values::Half(values), 3, 6);
    let examples: Vec<Example> = halves
        .iter()
        .zip(&names)
        .map(|(values, name)| Example { name, features: view(values), labels: &[], verified: true })
        .collect();
    let views: Vec<_> = examples.iter().map(|example| example.features).collect();
    let table = Table::new(&views, Device::Cpu).unwrap();
    assert_eq!(table.frames.kind(), Kind::Half);
    assert_eq!(table_bytes(&views), 2 * 18 * 84);
    let (windowing, scaling) = (windowing(Padding::Zero), InputScaling::Clip);
    let windows: Vec<_> = examples.iter().map(|example| (example, 0)).collect();
    let inputs =
        |places| WindowInputs { windowing: &windowing, scaling: &scaling, places, device: Device::Cpu, at_least: 11 };
    let (on_cpu, _) = inputs(None).prepare(&windows).unwrap().load(None, Device::Cpu).unwrap();
    let packed = inputs(Some(table.places())).prepare(&windows).unwrap();
    let (cut, _) = packed.load(Some(&table), Device::Cpu).unwrap();
    assert_eq!(cut.size(), [11, 3, 6, LENGTH as i64], "filled up");
    assert_eq!(bits(&values(&cut).unwrap()), bits(&values(&on_cpu).unwrap()));
}

#[test]
fn a_clip_that_occurs_twice_is_stored_once() {
    let clips = clips(3, 6);
    let views: Vec<_> = clips.iter().map(Features::view).collect();
    let twice = distinct(views.iter().chain(&views).copied());
    assert_eq!(table_bytes(&twice), 4 * 18 * 84);
    let table = Table::new(&twice, Device::Cpu).unwrap();
    assert_eq!(table.frames.size(), [84, 18]);
}
