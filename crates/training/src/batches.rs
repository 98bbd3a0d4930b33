//! Training batches: random crops, scaled, mixed, with soft labels.

use std::borrow::Cow;

use earmark_datasets::{CropSpec, Mixup, Windowing, random, random_crop};
use earmark_features::Scaling;
use rand_chacha::ChaCha8Rng;

use crate::job::Example;

/// What makes the batches of a job; all that is random in them comes from `seed` and `keys`.
pub(crate) struct Batches<'a> {
    pub examples: &'a [Example<'a>],
    pub classes: usize,
    pub windowing: &'a Windowing,
    /// Of each example.
    pub scalings: &'a [Option<Cow<'a, Scaling>>],
    pub mixup: Mixup,
    pub batch_size: usize,
    pub seed: u64,
    pub keys: [u64; 2],
}

/// Crops `[n, channels, bins, frames]` and soft labels `[n, classes]`, row-major.
pub(crate) struct Batch {
    pub members: Vec<usize>,
    pub crops: Vec<f32>,
    pub targets: Vec<f32>,
}

impl Batches<'_> {
    /// The clips of each batch of an epoch; a last batch of one clip joins the one before it, since batch norm learns
    /// nothing from a single clip.
    pub fn epoch(&self, epoch: usize) -> Vec<Vec<usize>> {
        let order = random::epoch_order(self.examples.len(), &mut self.stream("order", epoch, 0));
        let mut batches: Vec<Vec<usize>> = order.chunks(self.batch_size).map(<[usize]>::to_vec).collect();
        if batches.len() > 1 && batches.last().is_some_and(|last| last.len() == 1) {
            let single = batches.pop().unwrap_or_default();
            if let Some(last) = batches.last_mut() {
                last.extend(single);
            }
        }
        batches
    }

    /// The batch of the given clips: a pure function of seed, epoch and clips.
    pub fn batch(&self, epoch: usize, index: usize, members: Vec<usize>) -> Batch {
        let size = self.crop_size();
        let mut crops = vec![0.0; members.len() * size];
        let mut targets = vec![0.0; members.len() * self.classes];
        for (place, &member) in members.iter().enumerate() {
            let example = &self.examples[member];
            let crop = &mut crops[place * size..][..size];
            let mut rng = self.stream("crop", epoch, random::key(example.name));
            let scaling = self.scalings[member].as_deref();
            let Windowing { frames, padding, .. } = *self.windowing;
            let spec = CropSpec { frames, padding, pad: &self.windowing.pads(scaling) };
            random_crop(example.features, &spec, &mut rng, crop);
            if let Some(scaling) = scaling {
                scaling.apply(crop);
            }
            if let Some(label) = example.label {
                targets[place * self.classes + label] = 1.0;
            }
        }
        if self.mixup.alpha > 0.0 {
            let plan = self.mixup.plan(members.len(), &mut self.stream("mixup", epoch, index as u64));
            crops = mixed(&crops, size, &plan);
            targets = mixed(&targets, self.classes, &plan);
        }
        Batch { members, crops, targets }
    }

    fn crop_size(&self) -> usize {
        self.examples.first().map_or(0, |example| example.features.width() * self.windowing.frames)
    }

    fn stream(&self, purpose: &str, epoch: usize, which: u64) -> ChaCha8Rng {
        let [learner, split] = self.keys;
        random::stream(self.seed, &[learner, split, random::key(purpose), epoch as u64, which])
    }
}

/// Rows blended with their partners.
fn mixed(rows: &[f32], size: usize, plan: &[(usize, f32)]) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len());
    for (own, &(partner, weight)) in rows.chunks_exact(size).zip(plan) {
        let partner = &rows[partner * size..][..size];
        out.extend(own.iter().zip(partner).map(|(own, other)| weight * own + (1.0 - weight) * other));
    }
    out
}
