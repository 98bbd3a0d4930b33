//! Measures the memory that a job needs on a GPU.

use earmark_loader::{Batch, Batches};
use tch::Device;

use crate::checkpoint::State;
use crate::device::{arithmetic, parse_device};
use crate::engine;
use crate::error::TrainingError;
use crate::job::Job;
use crate::run::Setup;
use crate::start::initial_weights;
use crate::trainer::Trainer;

/// Steps of a trial: in the second, what the first has left is there too.
const STEPS: usize = 2;

impl Job<'_> {
    /// The bytes of a GPU's memory that the job needs at its peak, besides the features: measured
    /// by two steps of training and a batch of predictions, so nothing else may run on the GPU. A
    /// kernel's bytes are computed. `None` on the CPU.
    ///
    /// # Errors
    /// As [`Job::run`] before its first step; the GPU is out of memory.
    pub fn measure_memory(&self) -> Result<Option<u64>, TrainingError> {
        let device = parse_device(self.device)?;
        let Device::Cuda(gpu) = device else { return Ok(None) };
        if self.learner.is_of_whole_clips() {
            return Ok(self.step_bytes());
        }
        engine::use_own_stream(device)?;
        let setup = self.setup(device)?;
        let measured = self.peak_of_trial(&setup, gpu);
        // Also after an error: what the trial took is free again.
        engine::empty_cache()?;
        let peak = measured.map_err(|error| self.explained(error))?;
        // Crops of other batches may be longer than those of the first.
        let longest = 1.0 + f64::from(self.learner.augmentation.crop_length_jitter);
        Ok(Some((peak as f64 * longest) as u64))
    }

    /// The memory that a second trial takes. In the first, cuDNN times its algorithms, some of
    /// which take much memory.
    fn peak_of_trial(&self, setup: &Setup, gpu: usize) -> Result<u64, TrainingError> {
        self.try_out(setup)?;
        engine::empty_cache()?;
        engine::start_peak(gpu)?;
        let before = engine::memory(gpu)?.reserved;
        self.try_out(setup)?;
        Ok(engine::memory(gpu)?.peak.saturating_sub(before))
    }

    /// Trains some steps and predicts some windows; the results are dropped.
    fn try_out(&self, setup: &Setup) -> Result<(), TrainingError> {
        let weights = initial_weights(&setup.graph, self.seed, &self.keys());
        let state = State { weights, ..State::default() };
        let arithmetic = arithmetic(self.learner.precision, setup.device)?;
        let trainer = Trainer::new(&setup.graph, self.learner, &state, setup.device, arithmetic)?;
        let mut trainer = trainer.weigh(self.class_weights().as_deref())?;
        let windowing = self.windowing();
        let batches = Batches::new(&self.train, self.batch_settings(&windowing, &setup.scaling, false));
        let inputs = self.inputs(setup, &batches, &windowing);
        let order = batches.epoch(0);
        for (step, members) in order.iter().cycle().take(STEPS).enumerate() {
            let prepared = inputs.prepare(0, step, members, &mut Batch::default())?;
            trainer.step(&prepared.load(setup.table.as_ref(), setup.device)?, 1e-9, step)?;
        }
        let predictor = self.final_predictor(setup, &state.weights)?;
        // One window of each clip is enough for a full batch.
        predictor.accuracy(&self.train.iter().take(predictor.batch).collect::<Vec<_>>()).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use earmark_features::{Features, FrontEnd};
    use earmark_loader::Example;

    use super::*;
    use crate::settings::LearnerSettings;
    use crate::split::Split;

    #[test]
    fn a_trial_trains_and_predicts_and_leaves_nothing() {
        let text = r#"{"name": "l", "arch": "resnet_nano", "features": "f", "crop_seconds": 0.2, "epochs": 1,
            "batch_size": 4, "learning_rate": 0.05, "mixup": 3.0}"#;
        let learner: LearnerSettings = serde_json::from_str(text).unwrap();
        let front_end = FrontEnd::logmel();
        let clip = Features { data: vec![0.5; 3 * 64 * 30], channels: 3, bins: 64, frames: 30 };
        let example = |label: usize| {
            let labels = &[[0], [1]][label];
            Example { name: "a", features: clip.view(), labels, verified: true }
        };
        let job = Job {
            learner: &learner,
            front_end: &front_end,
            start: None,
            split: Split::Full,
            train: (0..9).map(|at| example(at % 2)).collect(),
            predict: Vec::new(),
            task: earmark_datasets::Task::SingleLabel,
            labels: &["a".to_owned(), "b".to_owned()],
            seed: 1,
            device: "cpu",
            shared: None,
            folder: Path::new("unused"),
        };
        job.try_out(&job.setup(Device::Cpu).unwrap()).unwrap();
        assert_eq!(job.measure_memory().unwrap(), None);
        assert!(!job.folder.exists());
    }
}
