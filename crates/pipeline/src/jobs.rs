//! The jobs of a run: what each one trains on, and its cost.

use earmark_datasets::{Manifest, Splits};
use earmark_training::{LearnerSettings, Progress, Split};

use crate::error::Result;
use crate::recipe::Recipe;
use crate::throughput::JobCost;

/// A job to run: one learner on one split.
#[derive(Debug, Clone)]
pub(crate) struct TrainingJob<'a> {
    pub learner: &'a LearnerSettings,
    pub split: Split,
}

impl TrainingJob<'_> {
    /// The name as `--job` takes it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.learner.name, self.split)
    }
}

/// The cost of a job in FLOPs, which is the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The cost of training.
    pub train: u64,
    /// The cost of the predictions at the end.
    pub predict: u64,
}

impl Cost {
    /// The cost of a learner that is trained on `clips` clips and then predicts `windows` windows.
    pub fn new(recipe: &Recipe, learner: &LearnerSettings, clips: usize, windows: usize) -> Result<Self> {
        let front_end = recipe.front_end(&learner.name)?;
        let (channels, bins) = front_end.shape();
        let graph = learner.graph(front_end, 2, clips)?;
        let flops = graph.flops([1, channels, bins, learner.windowing(front_end).frames])?;
        if learner.is_of_whole_clips() && !learner.is_kernel() {
            // Some hundred evaluations of the loss and its gradient.
            let train = flops.saturating_mul(300).saturating_mul(clips as u64);
            return Ok(Self { train, predict: flops.saturating_mul(windows as u64) });
        }
        if learner.is_kernel() {
            // The kernel matrix of all pairs of clips, and its inverse.
            let clips = clips as u64;
            let train = flops.saturating_mul(clips).saturating_add(clips.saturating_pow(3));
            return Ok(Self { train, predict: flops.saturating_mul(windows as u64) });
        }
        // The backward pass costs twice the forward pass.
        let crops = (learner.epochs as u64).saturating_mul(clips as u64);
        let train = flops.saturating_mul(3).saturating_mul(crops);
        Ok(Self { train, predict: flops.saturating_mul(windows as u64) })
    }

    /// The remaining cost of a job with this progress.
    pub fn left(&self, progress: Progress) -> f64 {
        let share = |done: usize, of: usize| 1.0 - done as f64 / of.max(1) as f64;
        match progress {
            Progress::Learning(now) => self.train as f64 * share(now.batches, now.all_batches) + self.predict as f64,
            Progress::Predicting { windows, of } => self.predict as f64 * share(windows, of),
        }
    }

    /// The cost of a job as a whole, for the estimate of the remaining time.
    pub fn of_job(&self, job: &TrainingJob) -> JobCost {
        let kind = match job.learner {
            learner if learner.is_kernel() => "kernel",
            learner if learner.is_of_whole_clips() => "linear",
            _ => "network",
        };
        JobCost { cost: self.train as f64 + self.predict as f64, learner: job.learner.name.clone(), kind }
    }
}

/// The indices of the clips that a split trains on, or of those that it predicts: training clips,
/// then test clips.
pub(crate) fn clips_of(
    recipe: &Recipe,
    manifest: &Manifest,
    splits: &Splits,
    split: Split,
    learned: bool,
) -> Vec<usize> {
    let in_train = |clip: &usize| match split {
        Split::Fold(fold) => (fold != splits.fold_of[*clip]) == learned,
        Split::Full => learned,
    };
    let train = manifest.train.len();
    let tests = if recipe.predicts_test(split) && !learned { manifest.test.len() } else { 0 };
    (0..train).filter(in_train).chain(train..train + tests).collect()
}

/// The number of clips that a learner trains on in a split, without those of weight 0.
pub(crate) fn used_clips(
    learner: &LearnerSettings,
    recipe: &Recipe,
    manifest: &Manifest,
    splits: &Splits,
    split: Split,
) -> usize {
    let clips = clips_of(recipe, manifest, splits, split, true);
    clips.into_iter().filter(|&clip| learner.is_used(manifest.train[clip].verified)).count()
}
