//! Training batches: random crops, scaled, mixed, with soft labels.

use std::borrow::Cow;

use earmark_datasets::{Task, random};
use earmark_features::{CropSpec, FeatureView, InputScaling, Scaling, Windowing};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::augment::{Augmentation, CropPlan};
use crate::mixup::Mixup;

/// A clip for training or prediction.
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    /// Its name in the data set.
    pub name: &'a str,
    /// The features of the whole clip.
    pub features: FeatureView<'a>,
    /// Its classes, each once; none if they are unknown.
    pub labels: &'a [usize],
    /// Whether a person checked the labels.
    pub verified: bool,
}

impl Example<'_> {
    /// Its class, if it has exactly one.
    pub fn label(&self) -> Option<usize> {
        match self.labels {
            [label] => Some(*label),
            _ => None,
        }
    }
}

/// How often an epoch contains each clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Every clip once.
    #[default]
    Shuffled,
    /// Every class equally often, with as many crops as there are clips: clips of rare classes
    /// occur several times, and some clips of frequent classes not at all. A clip of several
    /// classes is drawn for each of them.
    Balanced,
}

/// The settings that, with the clips, determine the batches of a job.
#[derive(Debug, Clone, Copy)]
pub struct BatchSettings<'a> {
    /// Number of classes. Labels are less than this.
    pub classes: usize,
    /// Whether a clip may have several labels, which determines the targets ([`BatchPlan`]).
    pub task: Task,
    /// Length and padding of a crop; prediction uses the same windows.
    pub windowing: &'a Windowing,
    /// Scaling of the values of a crop.
    pub scaling: &'a InputScaling,
    /// Random changes of each crop.
    pub augmentation: Augmentation,
    /// Mixup of the crops and labels of a batch; an `alpha` of 0 turns it off.
    pub mixup: Mixup,
    /// The share of a label that is spread evenly over all classes or, if a clip may have several
    /// labels, over the two answers for each class.
    pub label_smoothing: f32,
    /// The factor for the targets, and so for the loss, of a clip whose label is not verified;
    /// with 0 such clips are omitted.
    pub unverified_weight: f32,
    /// How often an epoch contains each clip.
    pub sampling: Sampling,
    /// Clips per batch.
    pub batch_size: usize,
    /// The run's seed.
    pub seed: u64,
    /// The other keys of the job's random streams: [`random::key`] of learner and split.
    pub keys: [u64; 2],
    /// Whether rayon's threads share the clips of a batch. This does not change any bit of the
    /// result.
    pub parallel: bool,
}

/// Makes the batches of a job. Their randomness is derived from the seed, the keys, the epoch and
/// the clips' names only.
#[derive(Debug)]
pub struct Batches<'a> {
    examples: &'a [Example<'a>],
    settings: BatchSettings<'a>,
    /// One per clip.
    inputs: Vec<Input<'a>>,
}

/// The scaling and padding of a clip's crops.
#[derive(Debug)]
struct Input<'a> {
    scaling: Option<Cow<'a, Scaling>>,
    /// The values of [`CropSpec::pad`].
    pads: Vec<f32>,
}

/// Everything about a batch but the features themselves: which crops it has, and its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchPlan {
    /// The clips, as indices into the job's examples.
    pub members: Vec<usize>,
    /// The frames of each crop.
    pub frames: usize,
    /// The crops before mixup.
    pub crops: Vec<CropPlan>,
    /// The partner of each crop, and the crop's own weight; `None` without mixup.
    pub mixup: Option<Vec<(usize, f32)>>,
    /// The targets after mixup, row-major. For clips with one label: `[n, classes]`, soft labels
    /// whose sum is the clip's weight in the loss. For clips with several: `[n, classes + 1]`, for
    /// each class how probable it is, times the clip's weight; then the weight.
    pub targets: Vec<f32>,
}

/// A batch; [`Batches::fill`] reuses its memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// The clips, as indices into the job's examples.
    pub members: Vec<usize>,
    /// The frames of each crop.
    pub frames: usize,
    /// The crops, `[n, channels, bins, frames]`, row-major.
    pub crops: Vec<f32>,
    /// The targets, as in [`BatchPlan`].
    pub targets: Vec<f32>,
    /// The crops before mixup.
    plain: Vec<f32>,
}

impl<'a> Batches<'a> {
    /// Batches of these clips, whose features all come from one front end.
    pub fn new(examples: &'a [Example<'a>], settings: BatchSettings<'a>) -> Self {
        let input = |example: &Example| {
            let scaling = settings.scaling.of_clip(example.features);
            Input { pads: settings.windowing.pads(scaling.as_deref()), scaling }
        };
        Batches { examples, settings, inputs: examples.par_iter().map(input).collect() }
    }

    /// The clips of each batch of an epoch. A last batch of one clip is merged with the previous
    /// batch, because batch norm cannot use a single clip.
    pub fn epoch(&self, epoch: usize) -> Vec<Vec<usize>> {
        let order = self.order(&mut self.stream("order", epoch, 0));
        let mut batches: Vec<Vec<usize>> =
            order.chunks(self.settings.batch_size.max(1)).map(<[usize]>::to_vec).collect();
        if batches.len() > 1 && batches.last().is_some_and(|last| last.len() == 1) {
            let single = batches.pop().unwrap_or_default();
            if let Some(last) = batches.last_mut() {
                last.extend(single);
            }
        }
        batches
    }

    /// The clips of an epoch.
    fn order(&self, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let counts = |clip: &usize| self.settings.unverified_weight > 0.0 || self.examples[*clip].verified;
        let clips: Vec<usize> = (0..self.examples.len()).filter(counts).collect();
        let shuffled = |clips: &[usize], rng: &mut ChaCha8Rng| -> Vec<usize> {
            random::epoch_order(clips.len(), rng).into_iter().map(|place| clips[place]).collect()
        };
        if self.settings.sampling == Sampling::Shuffled {
            return shuffled(&clips, rng);
        }
        let mut of_class = vec![Vec::new(); self.settings.classes];
        for &clip in &clips {
            for label in self.examples[clip].labels {
                of_class[*label].push(clip);
            }
        }
        of_class.retain(|clips| !clips.is_empty());
        let share = clips.len().div_ceil(of_class.len().max(1));
        let mut order = Vec::with_capacity(share * of_class.len());
        for of_class in of_class {
            order.extend(std::iter::repeat_with(|| shuffled(&of_class, rng)).flatten().take(share));
        }
        let mut order = shuffled(&order, rng);
        order.truncate(clips.len());
        order
    }

    /// The batch `index` of an epoch, with the clips that [`Batches::epoch`] assigned to it. It is
    /// a pure function of seed, keys, epoch, index and clips: neither the number of threads nor the
    /// order of the work changes it.
    pub fn batch(&self, epoch: usize, index: usize, members: &[usize]) -> Batch {
        let mut batch = Batch::default();
        self.fill(epoch, index, members, &mut batch);
        batch
    }

    /// As [`Batches::batch`], but reuses the memory of `batch`.
    pub fn fill(&self, epoch: usize, index: usize, members: &[usize], batch: &mut Batch) {
        let BatchPlan { members, frames, crops: plans, mixup, targets } = self.plan(epoch, index, members);
        let size = self.examples.first().map_or(0, |example| example.features.width() * frames);
        let Batch { crops, plain, .. } = batch;
        crops.resize(members.len() * size, 0.0);
        let cut = |place: usize, out: &mut [f32]| self.cut(&plans[place], members[place], frames, out);
        if let Some(mixup) = mixup {
            plain.resize(crops.len(), 0.0);
            self.rows(plain, size, cut);
            self.rows(crops, size, |place, out| mix(plain, mixup[place], place, out));
        } else {
            self.rows(crops, size, cut);
        }
        (batch.members, batch.frames, batch.targets) = (members, frames, targets);
    }

    /// The plan of a batch, a pure function of the same values as [`Batches::batch`].
    pub fn plan(&self, epoch: usize, index: usize, members: &[usize]) -> BatchPlan {
        let BatchSettings { augmentation, batch_size, .. } = self.settings;
        let frames = self.frames(epoch, index);
        // A clip that occurs more than once in an epoch gets a different crop each time.
        let turn = |place: usize| match self.settings.sampling {
            Sampling::Shuffled => 0,
            Sampling::Balanced => 1 + (index * batch_size + place) as u64,
        };
        let crop = |(place, &member): (usize, &usize)| {
            let Example { name, features, .. } = self.examples[member];
            let mut rng = self.stream("crop", epoch, random::key(name).wrapping_add(turn(place)));
            augmentation.plan(features.frames(), features.bins(), frames, &mut rng)
        };
        let crops = members.iter().enumerate().map(crop).collect();
        let mut targets = self.targets(members);
        let mixup = (self.settings.mixup.alpha > 0.0)
            .then(|| self.settings.mixup.plan(members.len(), &mut self.stream("mixup", epoch, index as u64)));
        if let Some(mixup) = &mixup {
            let plain = targets.clone();
            self.rows(&mut targets, self.width(), |place, out| mix(&plain, mixup[place], place, out));
        }
        BatchPlan { members: members.to_vec(), frames, crops, mixup, targets }
    }

    /// The scaling of a clip's crops, and the values of [`CropSpec::pad`].
    pub fn input(&self, member: usize) -> (Option<&Scaling>, &[f32]) {
        let Input { scaling, pads } = &self.inputs[member];
        (scaling.as_deref(), pads)
    }

    /// The number of targets of a clip.
    fn width(&self) -> usize {
        self.settings.classes + usize::from(self.settings.task == Task::MultiLabel)
    }

    /// The targets before mixup: each row has the clip's weight at its classes, minus the share
    /// that label smoothing spreads.
    fn targets(&self, members: &[usize]) -> Vec<f32> {
        let BatchSettings { classes, task, label_smoothing, unverified_weight, .. } = self.settings;
        let answers = if task == Task::MultiLabel { 2 } else { classes };
        let mut targets = vec![0.0; members.len() * self.width()];
        for (row, &member) in targets.chunks_exact_mut(self.width().max(1)).zip(members) {
            let Example { labels, verified, .. } = self.examples[member];
            if labels.is_empty() {
                continue;
            }
            let weight = if verified { 1.0 } else { unverified_weight };
            row[..classes].fill(weight * label_smoothing / answers as f32);
            labels.iter().for_each(|label| row[*label] += weight * (1.0 - label_smoothing));
            row[classes..].fill(weight);
        }
        targets
    }

    /// Calls `fill` with the index of each row of this size.
    fn rows(&self, rows: &mut [f32], size: usize, fill: impl Fn(usize, &mut [f32]) + Sync) {
        let fill = |(place, row): (usize, &mut [f32])| fill(place, row);
        match self.settings.parallel {
            true => rows.par_chunks_exact_mut(size.max(1)).enumerate().for_each(fill),
            false => rows.chunks_exact_mut(size.max(1)).enumerate().for_each(fill),
        }
    }

    /// The number of frames of a batch's crops.
    fn frames(&self, epoch: usize, index: usize) -> usize {
        let BatchSettings { augmentation, windowing, .. } = self.settings;
        if augmentation.crop_length_jitter <= 0.0 {
            return windowing.frames;
        }
        let factor =
            random::log_uniform(augmentation.crop_length_jitter, &mut self.stream("length", epoch, index as u64));
        ((windowing.frames as f32 * factor).round() as usize).max(1)
    }

    /// A crop of a clip, augmented and scaled.
    fn cut(&self, plan: &CropPlan, member: usize, frames: usize, out: &mut [f32]) {
        let (example, input) = (&self.examples[member], &self.inputs[member]);
        let spec = CropSpec { frames, padding: self.settings.windowing.padding, pad: &input.pads };
        plan.cut(example.features, &spec, out);
        if let Some(scaling) = &input.scaling {
            scaling.apply(out);
        }
    }

    /// Random numbers for a purpose in an epoch, the same in each run of the job; `which` numbers
    /// the batches, or other things that have their own stream.
    pub fn stream(&self, purpose: &str, epoch: usize, which: u64) -> ChaCha8Rng {
        let [learner, split] = self.settings.keys;
        random::stream(self.settings.seed, &[learner, split, random::key(purpose), epoch as u64, which])
    }
}

/// Fills a row with the blend of its own and its partner's unmixed rows.
fn mix(plain: &[f32], (partner, weight): (usize, f32), place: usize, out: &mut [f32]) {
    let size = out.len();
    let (own, partner) = (&plain[place * size..], &plain[partner * size..]);
    for (out, (own, other)) in out.iter_mut().zip(own.iter().zip(partner)) {
        *out = weight * own + (1.0 - weight) * other;
    }
}
