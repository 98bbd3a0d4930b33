//! A pass over the training clips: makes batches, trains on them and reports progress, until the
//! pass ends or is stopped.

use std::ops::ControlFlow;
use std::sync::mpsc::{channel, sync_channel};
use std::time::Instant;

use earmark_loader::{Batch, Batches};
use tch::Device;

use crate::checkpoint::{EpochProgress, State};
use crate::error::TrainingError;
use crate::job::Job;
use crate::optimizer::learning_rate;
use crate::progress::{Learning, OnProgress, Progress};
use crate::trainer::Trainer;

/// Steps between two reads of a GPU's loss: each read waits until the GPU has finished all queued
/// work.
const GPU_STEPS_PER_READ: usize = 16;

/// Number of batches that are prepared in advance.
const PREFETCHED: usize = 2;

/// How a pass works with its device. This does not change any bit of the outcome.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassSettings {
    /// Steps between two reads of loss and hits; the first and the last step of a pass are always
    /// read.
    pub steps_per_read: usize,
    /// Whether a separate thread makes the batches.
    pub prefetch: bool,
}

impl PassSettings {
    pub fn of(device: Device) -> Self {
        match device.is_cuda() {
            true => Self { steps_per_read: GPU_STEPS_PER_READ, prefetch: true },
            false => Self { steps_per_read: 1, prefetch: false },
        }
    }
}

/// The next pass, or the rest of an interrupted one.
pub(crate) struct Pass<'a> {
    pub job: &'a Job<'a>,
    pub batches: &'a Batches<'a>,
    /// The clips of each batch.
    pub order: &'a [Vec<usize>],
    pub settings: PassSettings,
}

impl Pass<'_> {
    /// Trains on all batches that `state` does not include yet; ends early if `report` breaks.
    pub fn run(
        &self,
        trainer: &mut Trainer,
        state: &mut State,
        report: &mut OnProgress,
    ) -> Result<ControlFlow<()>, TrainingError> {
        let (epoch, part) = (state.history.len(), &mut state.part);
        let mut steps = Steps { pass: self, epoch, trainer, part, report, unread: 0, start: Instant::now(), done: 0 };
        let todo = self.order.iter().enumerate().skip(steps.part.batches);
        if !self.settings.prefetch {
            let mut batch = Batch::default();
            for (index, members) in todo {
                self.batches.fill(epoch, index, members, &mut batch);
                if steps.step(index, &batch)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        std::thread::scope(|scope| {
            let (ready, next) = sync_channel::<(usize, Batch)>(PREFETCHED);
            let (done, free) = channel::<Batch>();
            scope.spawn(move || {
                for (index, members) in todo {
                    let mut batch = free.try_recv().unwrap_or_default();
                    self.batches.fill(epoch, index, members, &mut batch);
                    // The pass has ended early.
                    if ready.send((index, batch)).is_err() {
                        return;
                    }
                }
            });
            for (index, batch) in next {
                if steps.step(index, &batch)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                // The receiver is gone once the last batch is made.
                let _ = done.send(batch);
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}

/// A running pass.
struct Steps<'a, 'b> {
    pass: &'a Pass<'a>,
    epoch: usize,
    trainer: &'a mut Trainer<'b>,
    part: &'a mut EpochProgress,
    report: &'a mut OnProgress<'a>,
    /// The number of last steps whose loss has not been read yet.
    unread: usize,
    start: Instant,
    /// Crops trained on since the start.
    done: usize,
}

impl Steps<'_, '_> {
    fn step(&mut self, index: usize, batch: &Batch) -> Result<ControlFlow<()>, TrainingError> {
        let (job, of) = (self.pass.job, self.pass.order.len());
        let rate = learning_rate(job.learner, self.epoch);
        self.trainer.step(batch, job.front_end.shape(), rate, self.epoch * of + index)?;
        let is_first = self.done == 0;
        self.done += batch.members.len();
        self.unread += 1;
        self.part.batches = index + 1;
        if is_first || self.unread == self.pass.settings.steps_per_read || index + 1 == of {
            self.read()?;
        }
        let flow = (self.report)(Progress::Learning(Learning {
            epoch: self.epoch + 1,
            epochs: job.learner.epochs,
            batches: self.epoch * of + index + 1,
            all_batches: job.learner.epochs * of,
            loss: self.part.loss / self.part.crops,
            accuracy: self.part.correct / self.part.crops,
            crops_per_second: self.done as f64 / self.start.elapsed().as_secs_f64(),
        }));
        if flow.is_break() {
            self.read()?;
        }
        Ok(flow)
    }

    /// Updates the totals up to the last step.
    fn read(&mut self) -> Result<(), TrainingError> {
        let unread = &self.pass.order[self.part.batches - self.unread..self.part.batches];
        let (loss, correct) = self.trainer.totals()?;
        if !loss.is_finite() {
            let clips = self.pass.job.names(&unread.concat());
            return Err(TrainingError::Diverged { epoch: self.epoch + 1, clips });
        }
        (self.part.loss, self.part.correct) = (loss, correct);
        self.part.crops += unread.iter().map(Vec::len).sum::<usize>() as f64;
        self.unread = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Split;
    use crate::arithmetic::Arithmetic;
    use crate::network::initial_weights;
    use crate::settings::LearnerSettings;
    use earmark_features::{Features, FrontEnd, InputScaling};
    use earmark_loader::Example;

    const LEARNER: &str = r#"{"name": "l", "arch": "resnet_nano", "features": "f", "crop_seconds": 0.2, "epochs": 1,
        "batch_size": 4, "learning_rate": 0.05, "mixup": 3.0,
        "augmentation": {"crop_length_jitter": 0.5, "shift": true}}"#;
    const SETTINGS: [PassSettings; 4] = [
        PassSettings { steps_per_read: 1, prefetch: false },
        PassSettings { steps_per_read: 3, prefetch: false },
        PassSettings { steps_per_read: 1, prefetch: true },
        PassSettings { steps_per_read: 16, prefetch: true },
    ];

    /// Clips of noise; one may be damaged.
    fn clips(damaged: Option<usize>) -> Vec<(String, Features)> {
        let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 7 & 0xFFFF) as f32 / 65_536.0 - 0.5;
        let clip = |index: usize| {
            let gain = if damaged == Some(index) { f32::NAN } else { 1.0 };
            let data = (0..3 * 64 * 30).map(|at| gain * noise(at + 7919 * index)).collect();
            (format!("{index}.wav"), Features { data, channels: 3, bins: 64, frames: 30 })
        };
        (0..27).map(clip).collect()
    }

    /// Runs a pass that is stopped after batch `stop` and resumed; returns its final state and its
    /// reports.
    fn pass(
        settings: PassSettings,
        clips: &[(String, Features)],
        stop: usize,
    ) -> Result<(State, Vec<Learning>), TrainingError> {
        let learner: LearnerSettings = serde_json::from_str(LEARNER).unwrap();
        let front_end = FrontEnd::logmel();
        let examples = clips.iter().enumerate();
        let train: Vec<Example> = examples
            .map(|(at, (name, clip))| Example { name, features: clip.view(), label: Some(at % 2), verified: true })
            .collect();
        let job = Job {
            learner: &learner,
            front_end: &front_end,
            start: None,
            split: Split::Fold(0),
            train,
            predict: Vec::new(),
            labels: &["a".to_owned(), "b".to_owned()],
            seed: 1,
            device: "cpu",
            folder: std::path::Path::new("unused"),
        };
        let graph = learner.variant().unwrap().graph(3, 2);
        let windowing = learner.windowing(&front_end);
        let batches = Batches::new(&job.train, job.batch_settings(&windowing, &InputScaling::None, false));
        let order = batches.epoch(0);
        let mut state = State { weights: initial_weights(&graph, 1, &[]), ..State::default() };
        let mut reports = Vec::new();
        for stop in [stop, usize::MAX] {
            let mut trainer = Trainer::new(&graph, &learner, &state, Device::Cpu, Arithmetic::F32)?;
            let mut report = |progress| {
                let Progress::Learning(now) = progress else { panic!("{progress:?}") };
                reports.push(now);
                if now.batches == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let flow = Pass { job: &job, batches: &batches, order: &order, settings }.run(
                &mut trainer,
                &mut state,
                &mut report,
            )?;
            assert_eq!(flow.is_break(), stop == 5);
            assert_eq!(state.part.batches, stop.min(order.len()));
            trainer.save(&mut state)?;
        }
        Ok((state, reports))
    }

    #[test]
    fn no_pace_changes_a_bit_of_the_outcome() {
        crate::set_threads(1);
        let clips = clips(None);
        let (state, reports) = pass(SETTINGS[0], &clips, 5).unwrap();
        assert_eq!(state.part.crops, 27.0);
        assert_eq!(reports.iter().map(|now| now.batches).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
        for settings in SETTINGS {
            let (other, others) = pass(settings, &clips, 5).unwrap();
            assert!(other == state, "{settings:?}");
            assert_eq!(others.len(), reports.len(), "{settings:?}");
            for (at, (now, exact)) in others.iter().zip(&reports).enumerate() {
                assert_eq!((now.batches, now.all_batches), (exact.batches, exact.all_batches));
                // Each report matches the values after some batch: the first, or the last that was
                // read.
                let is_some = reports[..=at].iter().any(|past| (past.loss, past.accuracy) == (now.loss, now.accuracy));
                assert!(is_some, "{settings:?}: {now:?}");
            }
            assert_eq!(others.last().unwrap().loss, reports.last().unwrap().loss);
        }
    }

    #[test]
    fn a_loss_that_is_not_finite_is_found_with_the_clips_since_the_last_read() {
        let damaged = clips(Some(11));
        for settings in SETTINGS {
            let Err(TrainingError::Diverged { epoch: 1, clips }) = pass(settings, &damaged, 5) else {
                panic!("{settings:?}")
            };
            assert!(clips.contains(&"11.wav".to_owned()), "{settings:?}: {clips:?}");
            assert!(clips.len() <= 4 * settings.steps_per_read, "{settings:?}: {clips:?}");
        }
    }
}
