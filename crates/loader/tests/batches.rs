//! Compares batches with a plain implementation, for any number of threads and any order.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use earmark_datasets::Task;
use earmark_datasets::random::{self, key};
use earmark_features::{CropSpec, Padding, WindowAggregation, Windowing};
use earmark_features::{FeatureView, InputScaling, Scaling, Values};
use earmark_loader::{Augmentation, Batch, BatchSettings, Batches, Example, Mixup, Sampling, random_crop};

const CLASSES: usize = 4;
const CHANNELS: usize = 3;
const BINS: usize = 5;
const FRAMES: usize = 9;
const SEED: u64 = 7;
const KEYS: [u64; 2] = [11, 13];

struct Clips {
    names: Vec<String>,
    data: Vec<Vec<f32>>,
}

impl Clips {
    /// Clips shorter and longer than a crop.
    fn new(n: usize) -> Self {
        let values = |clip: usize| {
            let frames = 1 + clip * 5 % 23;
            (0..frames * CHANNELS * BINS).map(move |at| ((at * 7919 + clip * 104_729) % 1000) as f32 / 37.0 - 9.0)
        };
        Clips {
            names: (0..n).map(|clip| format!("{clip}.wav")).collect(),
            data: (0..n).map(|clip| values(clip).collect()).collect(),
        }
    }

    fn examples(&self) -> Vec<Example<'_>> {
        let clips = self.names.iter().zip(&self.data).enumerate();
        clips
            .map(|(clip, (name, data))| {
                let features = FeatureView::new(Values::Single(data), CHANNELS, BINS);
                Example { name, features, labels: vec![clip % CLASSES].leak(), verified: clip % 3 > 0 }
            })
            .collect()
    }
}

fn windowing(padding: Padding) -> Windowing {
    Windowing {
        frames: FRAMES,
        hop: 2,
        padding,
        pad_value: -0.5,
        average: WindowAggregation::Probabilities,
        least_frames: None,
    }
}

fn fixed() -> InputScaling {
    InputScaling::Fixed(Scaling { mean: vec![1.0, 2.0, 3.0], deviation: vec![3.0, 0.7, 1.3] })
}

fn settings<'a>(windowing: &'a Windowing, scaling: &'a InputScaling, alpha: f32) -> BatchSettings<'a> {
    BatchSettings {
        classes: CLASSES,
        task: Task::SingleLabel,
        windowing,
        scaling,
        augmentation: Augmentation::default(),
        mixup: Mixup { alpha },
        label_smoothing: 0.0,
        unverified_weight: 1.0,
        sampling: Sampling::Shuffled,
        batch_size: 4,
        seed: SEED,
        keys: KEYS,
        parallel: false,
    }
}

/// Crops and soft labels of a batch, computed directly from the definition.
fn plainly(
    examples: &[Example],
    settings: &BatchSettings,
    epoch: usize,
    index: usize,
    members: &[usize],
) -> [Vec<f32>; 2] {
    let stream = |purpose: &str, which| random::stream(SEED, &[KEYS[0], KEYS[1], key(purpose), epoch as u64, which]);
    let rows: Vec<(Vec<f32>, Vec<f32>)> = members
        .iter()
        .map(|&member| {
            let Example { name, features, labels, .. } = examples[member];
            let scaling = settings.scaling.of_clip(features);
            let pads = settings.windowing.pads(scaling.as_deref());
            let spec = CropSpec { frames: FRAMES, padding: settings.windowing.padding, pad: &pads };
            let mut crop = vec![f32::NAN; CHANNELS * BINS * FRAMES];
            random_crop(features, &spec, &mut stream("crop", key(name)), &mut crop);
            if let Some(scaling) = scaling {
                scaling.apply(&mut crop);
            }
            (crop, (0..CLASSES).map(|class| f32::from(u8::from(labels == [class]))).collect())
        })
        .collect();
    let plan = match settings.mixup.alpha > 0.0 {
        true => settings.mixup.plan(rows.len(), &mut stream("mixup", index as u64)),
        false => (0..rows.len()).map(|own| (own, 1.0)).collect(),
    };
    let blend = |own: &[f32], other: &[f32], weight: f32| -> Vec<f32> {
        own.iter().zip(other).map(|(own, other)| weight * own + (1.0 - weight) * other).collect()
    };
    let mixed = rows.iter().zip(plan).map(|(own, (partner, weight))| {
        (blend(&own.0, &rows[partner].0, weight), blend(&own.1, &rows[partner].1, weight))
    });
    let (crops, targets): (Vec<_>, Vec<_>) = mixed.unzip();
    [crops.concat(), targets.concat()]
}

#[test]
fn batches_follow_their_definition() {
    let clips = Clips::new(23);
    let examples = clips.examples();
    for padding in [Padding::Zero, Padding::Repeat, Padding::Reflect] {
        for scaling in [InputScaling::None, InputScaling::Clip, fixed()] {
            for alpha in [0.0, 3.0] {
                let windowing = windowing(padding);
                let settings = settings(&windowing, &scaling, alpha);
                let batches = Batches::new(&examples, settings);
                for epoch in [0, 5] {
                    for (index, members) in batches.epoch(epoch).iter().enumerate() {
                        let [crops, targets] = plainly(&examples, &settings, epoch, index, members);
                        let batch = batches.batch(epoch, index, members);
                        let case = format!("{padding:?}, {scaling:?}, alpha {alpha}, epoch {epoch}, batch {index}");
                        assert_eq!((&batch.members, batch.targets), (members, targets), "{case}");
                        assert_eq!(batch.crops, crops, "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn neither_threads_nor_order_nor_used_memory_change_a_bit() {
    let (clips, scaling, windowing) = (Clips::new(22), fixed(), windowing(Padding::Reflect));
    let examples = clips.examples();
    for alpha in [0.0, 0.4] {
        let alone = settings(&windowing, &scaling, alpha);
        let batches = Batches::new(&examples, alone);
        let order = batches.epoch(3);
        let expected: Vec<Batch> = order.iter().enumerate().map(|(k, members)| batches.batch(3, k, members)).collect();
        let batches = Batches::new(&examples, BatchSettings { parallel: true, ..alone });
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut batch = Batch::default();
            for (index, members) in order.iter().enumerate().rev() {
                pool.install(|| batches.fill(3, index, members, &mut batch));
                let Batch { members, crops, targets, .. } = &expected[index];
                assert_eq!(
                    (&batch.members, &batch.crops, &batch.targets),
                    (members, crops, targets),
                    "{threads} threads"
                );
            }
        }
    }
}

#[test]
fn an_epoch_has_every_clip_once_and_no_batch_of_one() {
    let (scaling, windowing) = (InputScaling::None, windowing(Padding::Zero));
    for n in 0..14 {
        let clips = Clips::new(n);
        let examples = clips.examples();
        let batches = Batches::new(&examples, settings(&windowing, &scaling, 0.0));
        let epoch = batches.epoch(2);
        assert!(epoch.iter().all(|members| members.len() > 1 || n == 1), "{n} clips: {epoch:?}");
        let mut all = epoch.concat();
        assert!(n < 8 || all != batches.epoch(1).concat(), "another epoch, another order");
        all.sort_unstable();
        assert_eq!(all, (0..n).collect::<Vec<_>>());
    }
}

#[test]
fn a_soft_label_is_smoothed_and_weighs_what_its_clip_weighs() {
    let (clips, scaling, windowing) = (Clips::new(6), InputScaling::None, windowing(Padding::Zero));
    let examples = clips.examples();
    let plain = settings(&windowing, &scaling, 0.0);
    let settings = BatchSettings { label_smoothing: 0.2, unverified_weight: 0.5, ..plain };
    let batch = Batches::new(&examples, settings).batch(0, 0, &[1, 3]);
    // Clip 1 is verified, clip 3 is not; the class of each is its number.
    let expected = [0.05, 0.85, 0.05, 0.05, 0.025, 0.025, 0.025, 0.425];
    let far = batch.targets.iter().zip(expected).find(|(target, expected)| (*target - expected).abs() > 1e-6);
    assert_eq!(far, None, "{:?}", batch.targets);
}

#[test]
fn several_labels_have_a_target_each_and_the_clips_weight() {
    let (clips, scaling, windowing) = (Clips::new(6), InputScaling::None, windowing(Padding::Zero));
    let mut examples = clips.examples();
    // Clip 1 is verified, clip 3 is not.
    (examples[1].labels, examples[3].labels) = (&[0, 2], &[3]);
    let plain = BatchSettings { task: Task::MultiLabel, ..settings(&windowing, &scaling, 0.0) };
    let targets = |settings| Batches::new(&examples, settings).batch(0, 0, &[1, 3]).targets;
    assert_eq!(targets(plain), [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    let smooth = targets(BatchSettings { label_smoothing: 0.2, unverified_weight: 0.5, ..plain });
    let expected = [0.9, 0.1, 0.9, 0.1, 1.0, 0.05, 0.05, 0.05, 0.45, 0.5];
    assert!(smooth.iter().zip(expected).all(|(target, expected)| (target - expected).abs() < 1e-6), "{smooth:?}");
    // Mixup blends targets and weights alike, so each row remains between 0 and its weight.
    let mixup = Mixup { alpha: 3.0 };
    let mixed = BatchSettings { mixup, unverified_weight: 0.5, ..plain };
    let plan = Batches::new(&examples, mixed).plan(0, 0, &[1, 3]);
    for (row, (partner, weight)) in plan.targets.chunks_exact(CLASSES + 1).zip(plan.mixup.unwrap()) {
        assert!(
            row[..CLASSES].iter().all(|target| (0.0..=row[CLASSES]).contains(target)),
            "{row:?} {partner} {weight}"
        );
        assert!((0.5..=1.0).contains(&row[CLASSES]));
    }
}

#[test]
fn a_clip_of_several_classes_is_drawn_for_each() {
    let (clips, scaling, windowing) = (Clips::new(40), InputScaling::None, windowing(Padding::Zero));
    let mut examples = clips.examples();
    // Class 0 has all clips, class 1 only two of them.
    examples.iter_mut().enumerate().for_each(|(clip, example)| example.labels = if clip < 2 { &[0, 1] } else { &[0] });
    let sampling = Sampling::Balanced;
    let settings = BatchSettings { sampling, task: Task::MultiLabel, ..settings(&windowing, &scaling, 0.0) };
    let order = Batches::new(&examples, settings).epoch(0).concat();
    assert_eq!(order.len(), 40);
    assert!(order.iter().filter(|clip| **clip < 2).count() >= 20, "{order:?}");
}

#[test]
fn clips_that_count_for_nothing_are_left_out() {
    let (clips, scaling, windowing) = (Clips::new(20), InputScaling::None, windowing(Padding::Zero));
    let examples = clips.examples();
    for sampling in [Sampling::Shuffled, Sampling::Balanced] {
        let plain = settings(&windowing, &scaling, 0.0);
        let batches = Batches::new(&examples, BatchSettings { unverified_weight: 0.0, sampling, ..plain });
        let order = batches.epoch(1).concat();
        assert!(order.len() == 13 && order.iter().all(|&clip| examples[clip].verified), "{order:?}");
    }
}

#[test]
fn balanced_epochs_have_every_class_equally_often_and_other_crops_each_time() {
    let (clips, scaling, windowing) = (Clips::new(40), InputScaling::None, windowing(Padding::Zero));
    // Class 0 has 34 clips, classes 1, 2 and 3 two each.
    let mut examples = clips.examples();
    examples
        .iter_mut()
        .enumerate()
        .for_each(|(clip, example)| example.labels = vec![(clip / 34) + clip.max(34) % 34 / 2].leak());
    let sizes: Vec<usize> = (0..CLASSES).map(|class| examples.iter().filter(|e| e.labels == [class]).count()).collect();
    assert_eq!(sizes, [34, 2, 2, 2]);
    let settings = BatchSettings { sampling: Sampling::Balanced, ..settings(&windowing, &scaling, 0.0) };
    let batches = Batches::new(&examples, settings);
    for epoch in 0..3 {
        let order = batches.epoch(epoch);
        let of_class = |class| order.concat().iter().filter(|&&clip| examples[clip].labels == [class]).count();
        assert_eq!((0..CLASSES).map(of_class).collect::<Vec<_>>(), [10; CLASSES]);
    }
    let crops = |index| batches.batch(0, index, &[37]).crops;
    assert_ne!(crops(0), crops(1), "the clip that an epoch has twice, in two batches");
}

#[test]
fn lengths_are_drawn_for_each_batch_and_the_windows_length_is_their_middle() {
    let (clips, scaling, windowing) = (Clips::new(8), InputScaling::None, windowing(Padding::Zero));
    let examples = clips.examples();
    let augmentation = Augmentation { crop_length_jitter: 1.0, ..Augmentation::default() };
    let settings = BatchSettings { augmentation, ..settings(&windowing, &scaling, 3.0) };
    let batches = Batches::new(&examples, settings);
    let mut seen = std::collections::BTreeSet::new();
    for epoch in 0..200 {
        let batch = batches.batch(epoch, 0, &[0, 1, 2]);
        assert_eq!(batch.crops.len(), 3 * CHANNELS * BINS * batch.frames);
        seen.insert(batch.frames);
    }
    assert_eq!((seen.first(), seen.last()), (Some(&FRAMES.div_ceil(2)), Some(&(2 * FRAMES))), "{seen:?}");
}
