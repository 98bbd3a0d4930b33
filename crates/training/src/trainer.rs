//! Trains a network: holds its optimizer, the moving average of its weights, and the totals of the
//! epoch.

use earmark_nets::{Graph, Weights};
use tch::{Device, Kind, Tensor};

use crate::arithmetic::Arithmetic;
use crate::checkpoint::State;
use crate::error::TrainingError;
use crate::inputs::LoadedBatch;
use crate::loss::{binary_cross_entropy, cross_entropy};
use crate::network::{Layouts, Network, Purpose};
use crate::optimizer::Optimizer;
use crate::settings::{LearnerSettings, Loss};

/// A network with all state that changes during training.
pub(crate) struct Trainer<'a> {
    network: Network<'a>,
    loss: Loss,
    /// The weight of each class in the loss, on the device.
    class_weights: Option<Tensor>,
    optimizer: Optimizer,
    average: Option<WeightEma>,
    /// The loss and the number of correct predictions, summed over the crops of the epoch so far.
    /// They are on the device, so that only reading them waits for the device. They are summed in
    /// 64 bits and in the order of the steps, so a resumed epoch has bitwise the same totals.
    totals: Tensor,
}

impl<'a> Trainer<'a> {
    /// Restores a network from a state.
    pub fn new(
        graph: &'a Graph,
        learner: &LearnerSettings,
        state: &State,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, TrainingError> {
        let network = Network::new(graph, &state.weights, device, arithmetic)?.freeze(learner.freeze)?;
        let mut optimizer = Optimizer::new(learner, graph, &network.layouts().learned, network.tensors()[0])?;
        optimizer.restore(&network.layouts().learned, &state.optimizer)?;
        let averaged = state.average.as_ref().map(|saved| Network::new(graph, saved, device, Arithmetic::F32));
        let average = match learner.ema_decay {
            0.0 => None,
            decay => Some(WeightEma::new(decay, averaged.transpose()?.as_ref().unwrap_or(&network))?),
        };
        let totals = Tensor::f_from_slice(&[state.part.loss, state.part.correct])?.f_to_device(device)?;
        Ok(Self { network, loss: learner.loss, class_weights: None, optimizer, average, totals })
    }

    /// Sets the weight of each class in the loss.
    pub fn weigh(mut self, class_weights: Option<&[f32]>) -> Result<Self, TrainingError> {
        let device = self.totals.device();
        let on_device = |weights: &[f32]| Tensor::f_from_slice(weights)?.f_to_device(device);
        self.class_weights = class_weights.map(on_device).transpose()?;
        Ok(self)
    }

    /// Performs step number `step` of the job, counted from 0.
    ///
    /// # Shape
    /// `crops`: `[n, channels, bins, frames]`; `targets`: as [`earmark_loader::BatchPlan`] has
    /// them; `dropout`: `[n, features]`; all on the device.
    pub fn step(&mut self, batch: &LoadedBatch, rate: f64, step: usize) -> Result<(), TrainingError> {
        let LoadedBatch { crops, targets, dropout } = batch;
        let logits = self.network.forward(crops, Purpose::Training { dropout: dropout.as_ref() })?;
        let weights = self.class_weights.as_ref();
        let loss = match self.loss {
            Loss::CrossEntropy => cross_entropy(&logits, targets, weights)?,
            Loss::Bce => binary_cross_entropy(&logits, targets, weights)?,
        };
        let gradient = self.network.gradient(&loss)?;
        self.optimizer.step(self.network.tensors()[0], &gradient, rate, step)?;
        if let Some(average) = &mut self.average {
            average.follow(&self.network, step)?;
        }
        let right = self.right(&logits, targets)?;
        let loss = loss.f_detach()?.f_to_kind(Kind::Double)?.f_mul_scalar(targets.size()[0] as f64)?;
        let _ = self.totals.f_add_(&Tensor::f_stack(&[loss, right], 0)?)?;
        Ok(())
    }

    /// The number of crops whose most probable class is their label or, of several labels, one that
    /// has at least half of the crop's weight.
    fn right(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, TrainingError> {
        let best = logits.f_argmax(1, self.loss == Loss::Bce)?;
        let is_right = match self.loss {
            Loss::CrossEntropy => best.f_eq_tensor(&targets.f_argmax(1, false)?)?,
            Loss::Bce => {
                let weight = targets.f_narrow(1, targets.size()[1] - 1, 1)?;
                targets.f_gather(1, &best, false)?.f_mul_scalar(2.0)?.f_ge_tensor(&weight)?
            }
        };
        Ok(is_right.f_sum(Kind::Double)?)
    }

    /// The totals of the epoch so far: loss and correct predictions. Waits for the device.
    pub fn totals(&self) -> Result<(f64, f64), TrainingError> {
        let totals = self.totals.f_to_device(Device::Cpu)?;
        Ok((totals.f_double_value(&[0])?, totals.f_double_value(&[1])?))
    }

    /// Starts a new epoch.
    pub fn reset_totals(&mut self) -> Result<(), TrainingError> {
        let _ = self.totals.f_zero_()?;
        Ok(())
    }

    /// Whether all weights and statistics are finite. Waits for the device.
    pub fn is_finite(&self) -> Result<bool, TrainingError> {
        for tensor in self.network.tensors() {
            if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stores weights, average and optimizer state in `state`.
    pub fn save(&self, state: &mut State) -> Result<(), TrainingError> {
        state.weights = self.network.weights()?;
        let layouts = self.network.layouts();
        state.average = self.average.as_ref().map(|average| average.weights(layouts)).transpose()?;
        state.optimizer = self.optimizer.memory(&layouts.learned)?;
        Ok(())
    }
}

/// An exponential moving average of all parameters and of batch norm's statistics, updated every
/// step.
struct WeightEma {
    decay: f64,
    /// In the order of [`Network::tensors`].
    values: [Tensor; 2],
}

impl WeightEma {
    /// Starts with the network's current values.
    fn new(decay: f64, network: &Network) -> Result<Self, TrainingError> {
        let [learned, statistics] = network.tensors();
        Ok(Self {
            decay,
            values: [learned.f_zeros_like()?.f_add(learned)?, statistics.f_zeros_like()?.f_add(statistics)?],
        })
    }

    /// Updates the average after a step. The decay is lower in the first steps, so that the initial
    /// weights soon lose their influence.
    fn follow(&mut self, network: &Network, step: usize) -> Result<(), TrainingError> {
        let _guard = tch::no_grad_guard();
        let decay = self.decay.min((1 + step) as f64 / (10 + step) as f64);
        for (value, tensor) in self.values.iter_mut().zip(network.tensors()) {
            let _ = value.f_lerp_(tensor, 1.0 - decay)?;
        }
        Ok(())
    }

    fn weights(&self, layouts: &Layouts) -> Result<Weights, TrainingError> {
        let mut weights = layouts.learned.arrays(&self.values[0])?;
        weights.0.extend(layouts.statistics.arrays(&self.values[1])?.0);
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::initial_weights;

    const SHAPE: [i64; 4] = [4, 1, 64, 64];

    fn learner(more: &str) -> LearnerSettings {
        let text = r#"{"name": "l", "arch": "mn_nano", "features": "logmel", "epochs": 1, "batch_size": 4,
            "learning_rate": 0.1, "momentum": 0.0, "pretrained": "file""#;
        serde_json::from_str(&format!("{text}{more}}}")).unwrap()
    }

    /// The weights before and after one step, and the names of the body's parameters.
    fn step(learner: &LearnerSettings, rate: f64) -> (Weights, Weights, Vec<String>) {
        let graph = learner.variant().unwrap().graph(1, 2);
        let before = initial_weights(&graph, 1, &[]);
        let mut state = State { weights: before.clone(), ..State::default() };
        let mut trainer = Trainer::new(&graph, learner, &state, Device::Cpu, Arithmetic::F32).unwrap();
        let crops = Tensor::arange(SHAPE.iter().product::<i64>(), (Kind::Float, Device::Cpu)).sin().reshape(SHAPE);
        let targets = Tensor::from_slice(&[1f32, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]).reshape([4, 2]);
        trainer.step(&LoadedBatch { crops, targets, dropout: None }, rate, 0).unwrap();
        trainer.save(&mut state).unwrap();
        let body = graph.nodes()[..graph.body_nodes()].iter().flat_map(|node| node.parameters());
        (before, state.weights, body.map(|parameter| parameter.name).collect())
    }

    #[test]
    fn what_is_frozen_stays_as_it_is() {
        let (before, all, body) = step(&learner(""), 0.1);
        assert!(before.0.iter().all(|(name, array)| *array != all.0[name]), "a step changes each array");
        let (_, after, _) = step(&learner(r#", "freeze": "body""#), 0.1);
        for (name, array) in &before.0 {
            assert_eq!(*array == after.0[name], body.contains(name), "{name}");
        }
        let (_, after, _) = step(&learner(r#", "freeze": "batch_norm""#), 0.1);
        for (name, array) in &before.0 {
            assert_eq!(*array == after.0[name], name.contains("running"), "{name}");
        }
    }

    #[test]
    fn body_and_head_have_their_own_learning_rates() {
        let (_, both, body) = step(&learner(r#", "body_learning_rate": 0.025"#), 0.1);
        let [(_, fast, _), (_, slow, _)] = [0.1, 0.025].map(|rate| step(&learner(""), rate));
        assert!(body.len() > 20 && body.len() + 4 == both.0.len(), "two linear layers are the head");
        for (name, array) in &both.0 {
            let expected = if body.contains(name) { &slow } else { &fast };
            assert_eq!(*array, expected.0[name], "{name}");
            assert!(name.contains("running") || fast.0[name] != slow.0[name], "{name}");
        }
    }

    #[test]
    fn dropout_multiplies_the_inputs_of_the_last_layer() {
        for arch in ["mn_nano", "dpn_nano"] {
            let variant = earmark_nets::find(arch).unwrap();
            let graph = variant.graph(1, 2);
            let mut weights = initial_weights(&graph, 1, &[]);
            let parameters = graph.head().unwrap().parameters();
            let bias = weights.0.get_mut(&parameters[1].name).unwrap();
            bias.data.copy_from_slice(&[0.5, -0.25]);
            let features = parameters[0].shape[1] as i64;
            let network = Network::new(&graph, &weights, Device::Cpu, Arithmetic::F32).unwrap();
            let crops = Tensor::arange(SHAPE.iter().product::<i64>(), (Kind::Float, Device::Cpu)).sin().reshape(SHAPE);
            let logits = |factor: Option<f64>| {
                let factors = factor.map(|factor| Tensor::full([4, features], factor, (Kind::Float, Device::Cpu)));
                let purpose = Purpose::Training { dropout: factors.as_ref() };
                crate::tensors::values(&network.forward(&crops, purpose).unwrap()).unwrap()
            };
            let (plain, doubled) = (logits(None), logits(Some(2.0)));
            assert_eq!(logits(Some(1.0)), plain, "{arch}");
            for (at, (plain, doubled)) in plain.iter().zip(&doubled).enumerate() {
                let bias = [0.5, -0.25][at % 2];
                assert!((doubled - bias - 2.0 * (plain - bias)).abs() < 1e-4, "{arch}: {plain}, {doubled}");
            }
            assert_eq!(logits(Some(0.0)), [0.5, -0.25].repeat(4), "{arch}");
        }
    }

    #[test]
    fn the_average_follows_weights_and_statistics() {
        let text = r#"{"name": "l", "arch": "resnet_nano", "features": "logmel", "epochs": 1, "batch_size": 2,
            "learning_rate": 0.1, "ema_decay": 0.2}"#;
        let learner: LearnerSettings = serde_json::from_str(text).unwrap();
        let graph = learner.variant().unwrap().graph(1, 2);
        let start = initial_weights(&graph, 1, &[]);
        let mut state = State { weights: start.clone(), ..State::default() };
        let mut trainer = Trainer::new(&graph, &learner, &state, Device::Cpu, Arithmetic::F32).unwrap();
        let crops: Vec<f32> = (0..2 * 64 * 32).map(|at| (at % 17) as f32 / 8.0 - 1.0).collect();
        let crops = Tensor::from_slice(&crops).reshape([2, 1, 64, 32]);
        let targets = Tensor::from_slice(&[1f32, 0.0, 0.0, 1.0]).reshape([2, 2]);
        let batch = LoadedBatch { crops, targets, dropout: None };
        let mut expected = start;
        for step in 0..4 {
            trainer.step(&batch, 0.1, step).unwrap();
            trainer.save(&mut state).unwrap();
            // 0.1, 2/11, then the value of the setting.
            let decay = [0.1, 2.0 / 11.0, 0.2, 0.2][step];
            for (name, array) in &mut expected.0 {
                let now = &state.weights.0[name].data;
                array.data.iter_mut().zip(now).for_each(|(value, now)| *value += (1.0 - decay) * (now - *value));
            }
            if step == 1 {
                // As after a stop and a resume.
                trainer = Trainer::new(&graph, &learner, &state, Device::Cpu, Arithmetic::F32).unwrap();
            }
        }
        let average = state.average.unwrap();
        assert_ne!(average, state.weights);
        for (name, array) in &average.0 {
            for (value, expected) in array.data.iter().zip(&expected.0[name].data) {
                assert!((value - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{name}: {value}, not {expected}");
            }
        }
    }
}
