//! A pass over the training clips: makes batches, trains on them and reports progress, until the
//! pass ends or is stopped.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use earmark_loader::Batch;
use tch::Device;

use crate::ahead;
use crate::checkpoint::{EpochProgress, State};
use crate::error::TrainingError;
use crate::inputs::{PreparedBatch, TrainingInputs};
use crate::job::Job;
use crate::optimizer::learning_rate;
use crate::progress::{Learning, OnProgress, Progress};
use crate::table::Table;
use crate::trainer::Trainer;

/// Steps between two reads of a GPU's loss: each read waits until the GPU has finished all queued
/// work.
const GPU_STEPS_PER_READ: usize = 16;

/// How a pass works with its device. This does not change any bit of the outcome.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassSettings {
    /// Steps between two reads of loss and hits; the first and the last step of a pass are always
    /// read.
    pub steps_per_read: usize,
    /// Whether a separate thread prepares the batches.
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
    pub inputs: &'a TrainingInputs<'a>,
    /// The clips' features on the device.
    pub table: Option<&'a Table>,
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
        let todo = self.order.iter().enumerate().skip(part.batches);
        let (start, waiting) = (Instant::now(), Duration::ZERO);
        let mut steps = Steps { pass: self, epoch, trainer, part, report, unread: 0, start, waiting, done: 0 };
        let (inputs, mut batch) = (self.inputs, Batch::default());
        let prepare =
            move |(index, members): (usize, &Vec<usize>)| (index, inputs.prepare(epoch, index, members, &mut batch));
        ahead::for_each(todo, self.settings.prefetch, prepare, |(index, prepared), waited| {
            steps.waiting += waited;
            steps.step(index, &prepared?)
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
    /// The time spent waiting for batches.
    waiting: Duration,
    /// Crops trained on since the start.
    done: usize,
}

impl Steps<'_, '_> {
    fn step(&mut self, index: usize, prepared: &PreparedBatch) -> Result<ControlFlow<()>, TrainingError> {
        let (job, of) = (self.pass.job, self.pass.order.len());
        let rate = learning_rate(job.learner, self.epoch);
        let batch = prepared.load(self.pass.table, self.pass.inputs.device)?;
        self.trainer.step(&batch, rate, self.epoch * of + index)?;
        let is_first = self.done == 0;
        self.done += self.pass.order[index].len();
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
            waiting_seconds: self.waiting.as_secs_f64(),
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
    use crate::dropout::Dropout;
    use crate::settings::LearnerSettings;
    use crate::start::initial_weights;
    use earmark_features::{Features, FrontEnd, InputScaling};
    use earmark_loader::{Batches, Example};

    const LEARNER: &str = r#"{"name": "l", "arch": "resnet_nano", "features": "f", "crop_seconds": 0.2, "epochs": 1,
        "batch_size": 4, "learning_rate": 0.05, "mixup": 3.0, "dropout": 0.3, "class_weight": {"a": 2.5},
        "augmentation": {"crop_length_jitter": 0.5, "shift": true}}"#;
    /// Settings, and whether batches are cut from a table.
    const SETTINGS: [(PassSettings, bool); 5] = [
        (PassSettings { steps_per_read: 1, prefetch: false }, false),
        (PassSettings { steps_per_read: 3, prefetch: false }, false),
        (PassSettings { steps_per_read: 1, prefetch: true }, false),
        (PassSettings { steps_per_read: 16, prefetch: true }, false),
        (PassSettings { steps_per_read: 16, prefetch: true }, true),
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
        (settings, is_resident): (PassSettings, bool),
        clips: &[(String, Features)],
        stop: usize,
    ) -> Result<(State, Vec<Learning>), TrainingError> {
        let learner: LearnerSettings = serde_json::from_str(LEARNER).unwrap();
        let front_end = FrontEnd::logmel();
        let examples = clips.iter().enumerate();
        let train: Vec<Example> = examples
            .map(|(at, (name, clip))| Example {
                name,
                features: clip.view(),
                labels: &[[0], [1]][at % 2],
                verified: true,
            })
            .collect();
        let job = Job {
            learner: &learner,
            front_end: &front_end,
            start: None,
            split: Split::Fold(0),
            train,
            predict: Vec::new(),
            task: earmark_datasets::Task::SingleLabel,
            labels: &["a".to_owned(), "b".to_owned()],
            seed: 1,
            device: "cpu",
            shared: None,
            folder: std::path::Path::new("unused"),
        };
        let graph = learner.variant().unwrap().graph(3, 2);
        let windowing = learner.windowing(&front_end);
        let batches = Batches::new(&job.train, job.batch_settings(&windowing, &InputScaling::None, false));
        let order = batches.epoch(0);
        let views: Vec<_> = clips.iter().map(|(_, clip)| clip.view()).collect();
        let table = is_resident.then(|| Table::new(&views, Device::Cpu).unwrap());
        let inputs = TrainingInputs {
            examples: &job.train,
            batches: &batches,
            windowing: &windowing,
            places: table.as_ref().map(Table::places),
            dropout: Dropout::new(&learner, &graph),
            device: Device::Cpu,
        };
        let mut state = State { weights: initial_weights(&graph, 1, &[]), ..State::default() };
        let mut reports = Vec::new();
        for stop in [stop, usize::MAX] {
            let trainer = Trainer::new(&graph, &learner, &state, Device::Cpu, Arithmetic::F32)?;
            let mut trainer = trainer.weigh(job.class_weights().as_deref())?;
            let mut report = |progress| {
                let Progress::Learning(now) = progress else { panic!("{progress:?}") };
                reports.push(now);
                if now.batches == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let pass = Pass { job: &job, inputs: &inputs, table: table.as_ref(), order: &order, settings };
            let flow = pass.run(&mut trainer, &mut state, &mut report)?;
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
            assert!(clips.len() <= 4 * settings.0.steps_per_read, "{settings:?}: {clips:?}");
        }
    }
}
