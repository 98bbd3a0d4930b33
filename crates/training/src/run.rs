//! Runs a job: trains, saves the state after epochs and on a stop, and predicts.

use std::time::Instant;

use earmark_features::{InputScaling, Scaling, Windowing};
use earmark_loader::{Batches, Example};
use earmark_nets::{Graph, Weights};
use tch::Device;

use crate::arithmetic::Arithmetic;
use crate::checkpoint::{self, EpochProgress, SavePace, State};
use crate::demand::demand;
use crate::device::{arithmetic, parse_device};
use crate::device_features::DeviceFeatures;
use crate::dropout::Dropout;
use crate::engine;
use crate::error::TrainingError;
use crate::history::Epoch;
use crate::inputs::TrainingInputs;
use crate::job::Job;
use crate::memory::{self, Demand};
use crate::network::Network;
use crate::optimizer::learning_rate;
use crate::pass::{Pass, PassSettings};
use crate::predictor::Predictor;
use crate::progress::{OnProgress, Progress};
use crate::settings::{CheckpointPolicy, Normalization};
use crate::split::Split;
use crate::start::initial_weights;
use crate::table::Table;
use crate::trainer::Trainer;

/// Windows that a kernel machine predicts at once, a CPU at most, and a GPU at least.
const MANY_WINDOWS: usize = 256;
/// Windows that a GPU predicts at once, at most.
const MOST_WINDOWS: usize = 4096;

/// What every part of a job needs.
pub(crate) struct Setup {
    pub device: Device,
    pub graph: Graph,
    pub scaling: InputScaling,
    pub fingerprint: String,
    /// The clips' features on the device.
    pub table: Option<Table>,
}

/// The result of a job.
#[derive(Debug)]
pub struct Outcome {
    /// The learned weights.
    pub weights: Weights,
    /// The scaling to apply before the network.
    pub scaling: InputScaling,
    /// Probabilities of the predicted clips, `[clips, classes]`, row-major.
    pub probabilities: Vec<f32>,
}

impl Job<'_> {
    /// Trains and predicts. Resumes from the folder's checkpoint if there is one. The checkpoint
    /// stays on disk: call [`Job::clean`] after storing the outcome.
    ///
    /// # Errors
    /// Settings out of range, a network that cannot take the features, a damaged or foreign
    /// checkpoint, a loss that becomes NaN or infinite, a full disk, errors of libtorch (including
    /// out of memory); [`TrainingError::Stopped`] if `report` breaks.
    pub fn run(&self, report: &mut OnProgress) -> Result<Outcome, TrainingError> {
        self.attempt(report).map_err(|error| self.explained(error))
    }

    /// An error of libtorch with what it means for the job.
    pub(crate) fn explained(&self, error: TrainingError) -> TrainingError {
        match error {
            TrainingError::Torch(text) if self.learner.is_of_whole_clips() => self.fit_failed(&text),
            TrainingError::Torch(text) if memory::is_used_up(&text) => self.out_of_memory(&text),
            error => error,
        }
    }

    fn attempt(&self, report: &mut OnProgress) -> Result<Outcome, TrainingError> {
        let device = parse_device(self.device)?;
        engine::use_own_stream(device)?;
        earmark_files::create_folder(self.folder)?;
        let setup = self.setup(device)?;
        let mut state = match checkpoint::load(self.folder, &setup.fingerprint)? {
            Some(state) => {
                // It may be ahead, behind or lost.
                checkpoint::save_history(self.folder, &state.history)?;
                state
            }
            None if self.learner.is_of_whole_clips() => State::default(),
            None => State { weights: self.first_weights(&setup.graph)?, ..State::default() },
        };
        if state.history.len() < self.learner.passes() {
            match self.learner.is_of_whole_clips() {
                true => self.fit(&mut state, &setup.scaling, device, &setup.fingerprint, report)?,
                false => self.train(&setup, &mut state, report)?,
            }
        }
        let weights = state.best.or(state.average).unwrap_or(state.weights);
        let probabilities = self.probabilities(&setup, &weights, report)?;
        Ok(Outcome { weights, scaling: setup.scaling, probabilities })
    }

    /// Everything of a job that does not change while it runs.
    pub(crate) fn setup(&self, device: Device) -> Result<Setup, TrainingError> {
        let (graph, scaling) = (self.graph()?, self.scaling());
        Ok(Setup { device, graph, scaling, fingerprint: self.fingerprint(), table: self.table(device)? })
    }

    /// The clips' features on the device, if they are there and the network cuts crops from them.
    fn table(&self, device: Device) -> Result<Option<Table>, TrainingError> {
        if self.learner.is_of_whole_clips() || !device.is_cuda() {
            return Ok(None);
        }
        match self.shared {
            Some(shared) => shared.table(device),
            None => {
                let clips = self.train.iter().chain(&self.predict).map(|clip| clip.features);
                DeviceFeatures::new(clips, self.step_bytes().unwrap_or(0)).table(device)
            }
        }
    }

    /// The probabilities of all clips to predict.
    fn probabilities(
        &self,
        setup: &Setup,
        weights: &Weights,
        report: &mut OnProgress,
    ) -> Result<Vec<f32>, TrainingError> {
        self.final_predictor(setup, weights)?
            .probabilities(&self.predict, &mut |windows, of| report(Progress::Predicting { windows, of }))
    }

    /// The predictor of the final probabilities. The CPU predicts in 32 bits, as tagging does. A
    /// kernel's large coefficients do not tolerate a GPU's rounding of 32 bits to TF32.
    pub(crate) fn final_predictor<'a>(
        &'a self,
        setup: &'a Setup,
        weights: &Weights,
    ) -> Result<Predictor<'a>, TrainingError> {
        let arithmetic = match (setup.device.is_cuda(), self.learner.is_of_whole_clips()) {
            (true, true) => Arithmetic::F64,
            (true, false) => arithmetic(self.learner.precision, setup.device)?,
            (false, _) => Arithmetic::F32,
        };
        Ok(self.predictor(Network::new(&setup.graph, weights, setup.device, arithmetic)?, setup))
    }

    fn out_of_memory(&self, text: &str) -> TrainingError {
        let batch_size = self.learner.batch_size;
        let fits = self.demand().and_then(|demand| memory::batch_that_fits(text, batch_size, demand));
        let (others, reason) = (memory::taken_by_others(text), memory::said(text).to_owned());
        TrainingError::OutOfMemory { device: self.device.to_owned(), batch_size, fits, others, reason }
    }

    /// Bytes that a step of training needs, counted from the graph: parameters, their gradients,
    /// the optimizer's state, and the output of each node for each crop of a batch. The engine
    /// itself needs additional memory. `None` if the network cannot take the features.
    pub fn step_bytes(&self) -> Option<u64> {
        Some(self.demand()?.of_batch(self.learner.batch_size))
    }

    fn demand(&self) -> Option<Demand> {
        let device = parse_device(self.device).ok()?;
        demand(self.learner, self.front_end, self.labels.len(), self.counting().count(), device).ok()
    }

    /// Removes the checkpoint, once the outcome is stored elsewhere.
    pub fn clean(&self) {
        checkpoint::remove(self.folder);
    }

    /// The weights before the first step.
    fn first_weights(&self, graph: &Graph) -> Result<Weights, TrainingError> {
        let drawn = initial_weights(graph, self.seed, &self.keys());
        match self.start {
            None => Ok(drawn),
            Some(start) => start.weights(self.learner, graph, drawn),
        }
    }

    fn scaling(&self) -> InputScaling {
        if self.learner.is_of_whole_clips() {
            return InputScaling::Fixed(self.scaling_of_whole_clips());
        }
        match &self.learner.normalization {
            Normalization::None => InputScaling::None,
            Normalization::Clip => InputScaling::Clip,
            Normalization::Channel => {
                InputScaling::Fixed(Scaling::fit(self.counting().map(|example| example.features)))
            }
            Normalization::Fixed(scaling) => InputScaling::Fixed(scaling.clone()),
        }
    }

    /// What prepares the training batches.
    pub(crate) fn inputs<'a>(
        &'a self,
        setup: &Setup,
        batches: &'a Batches<'a>,
        windowing: &'a Windowing,
    ) -> TrainingInputs<'a> {
        let places = setup.table.as_ref().map(Table::places);
        let dropout = Dropout::new(self.learner, &setup.graph);
        TrainingInputs { examples: &self.train, batches, windowing, places, dropout, device: setup.device }
    }

    fn train(&self, setup: &Setup, state: &mut State, report: &mut OnProgress) -> Result<(), TrainingError> {
        let Setup { device, graph, scaling, fingerprint, table } = setup;
        let (device, windowing) = (*device, self.windowing());
        let arithmetic = arithmetic(self.learner.precision, device)?;
        let trainer = Trainer::new(graph, self.learner, state, device, arithmetic)?;
        let mut trainer = trainer.weigh(self.class_weights().as_deref())?;
        let batches = Batches::new(&self.train, self.batch_settings(&windowing, scaling, device.is_cuda()));
        let inputs = self.inputs(setup, &batches, &windowing);
        let settings = PassSettings::of(device);
        let mut pace = SavePace::default();
        for epoch in state.history.len()..self.learner.epochs {
            let start = Instant::now();
            let before = state.part.seconds;
            let order = batches.epoch(epoch);
            let pass = Pass { job: self, inputs: &inputs, table: table.as_ref(), order: &order, settings };
            let flow = pass.run(&mut trainer, state, report)?;
            if !trainer.is_finite()? {
                let last = state.part.batches.checked_sub(1).map_or(&[][..], |last| &order[last]);
                return Err(TrainingError::DivergedWeights { epoch: epoch + 1, clips: self.names(last) });
            }
            let is_due = pace.is_due() || flow.is_break() || epoch + 1 == self.learner.epochs;
            let is_judged = self.learner.checkpoint == CheckpointPolicy::Best;
            if is_due || is_judged {
                trainer.save(state)?;
            }
            state.part.seconds = before + start.elapsed().as_secs_f64();
            if state.part.batches == order.len() {
                self.end_epoch(setup, state)?;
                trainer.reset_totals()?;
            }
            let recorded = checkpoint::save_history(self.folder, &state.history);
            // Also if the history could not be written: the state is worth more.
            if is_due {
                pace.save(|| checkpoint::save(self.folder, fingerprint, state))?;
            }
            recorded?;
            if flow.is_break() {
                return Err(TrainingError::Stopped);
            }
        }
        Ok(())
    }

    /// Evaluates and records a completed epoch.
    fn end_epoch(&self, setup: &Setup, state: &mut State) -> Result<(), TrainingError> {
        let start = Instant::now();
        let learned = state.average.as_ref().unwrap_or(&state.weights);
        let held_out_accuracy = self.held_out_accuracy(setup, learned)?;
        let best_before = state.history.iter().filter_map(|epoch| epoch.held_out_accuracy).fold(-1.0, f64::max);
        if held_out_accuracy.is_some_and(|accuracy| accuracy > best_before) {
            state.best = Some(learned.clone());
        }
        let EpochProgress { loss, correct, crops, seconds, .. } = std::mem::take(&mut state.part);
        state.history.push(Epoch {
            epoch: state.history.len() + 1,
            learning_rate: learning_rate(self.learner, state.history.len()),
            loss: loss / crops,
            accuracy: correct / crops,
            held_out_accuracy,
            seconds: seconds + start.elapsed().as_secs_f64(),
        });
        Ok(())
    }

    /// Accuracy on the middle crop of each clip to predict, if the recipe chooses the best epoch
    /// and labels are known.
    fn held_out_accuracy(&self, setup: &Setup, weights: &Weights) -> Result<Option<f64>, TrainingError> {
        let labelled: Vec<&Example> = self.predict.iter().filter(|example| !example.labels.is_empty()).collect();
        if self.learner.checkpoint == CheckpointPolicy::Last || self.split == Split::Full || labelled.is_empty() {
            return Ok(None);
        }
        let arithmetic = arithmetic(self.learner.precision, setup.device)?;
        let network = Network::new(&setup.graph, weights, setup.device, arithmetic)?;
        self.predictor(network, setup).accuracy(&labelled).map(Some)
    }

    fn predictor<'a>(&'a self, network: Network<'a>, setup: &'a Setup) -> Predictor<'a> {
        let batch = match (self.learner.is_of_whole_clips(), setup.device.is_cuda()) {
            (true, _) => MANY_WINDOWS,
            // Without gradients, more windows fit than crops in training.
            (false, true) => (4 * self.learner.batch_size).clamp(MANY_WINDOWS, MOST_WINDOWS),
            (false, false) => self.learner.batch_size.clamp(1, MANY_WINDOWS),
        };
        Predictor {
            network,
            windowing: self.windowing(),
            scaling: &setup.scaling,
            batch,
            classes: self.labels.len(),
            task: self.task,
            device: setup.device,
            table: setup.table.as_ref().map(Table::share),
            prefetch: setup.device.is_cuda(),
            batches_per_read: PassSettings::of(setup.device).steps_per_read,
        }
    }
}
