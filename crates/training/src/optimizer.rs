//! Torch's optimizers with accessible state, so that a job can resume bit for bit.

use std::collections::BTreeMap;

use earmark_nets::{Graph, Role, Weights};
use tch::Tensor;

use crate::error::TrainingError;
use crate::network::array;
use crate::settings::{LearnerSettings, Method};

/// A method, and its state for each learned parameter.
pub(crate) struct Optimizer {
    method: Method,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    /// For each name of [`Method::memory`], one tensor per parameter.
    memory: Vec<(&'static str, Vec<Tensor>)>,
}

/// Decay of Adam's second moment.
const SQUARE_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl Optimizer {
    /// An optimizer in its initial state for these parameters.
    pub fn new<'a>(
        settings: &LearnerSettings,
        parameters: impl Iterator<Item = &'a Tensor> + Clone,
    ) -> Result<Self, TrainingError> {
        let LearnerSettings { optimizer: method, momentum, nesterov, weight_decay, .. } = *settings;
        let names = method.memory();
        let zeros = |parameter: &Tensor| Ok(parameter.f_zeros_like()?.f_detach()?);
        let zeros = || parameters.clone().map(zeros).collect::<Result<Vec<_>, TrainingError>>();
        let memory = names.iter().map(|name| Ok((*name, zeros()?))).collect::<Result<_, TrainingError>>()?;
        Ok(Self { method, momentum, nesterov, weight_decay, memory })
    }

    /// Performs step number `step`, counted from 0, and then sets the gradients to zero.
    pub fn step<'a>(
        &mut self,
        parameters: impl Iterator<Item = &'a Tensor>,
        rate: f64,
        step: usize,
    ) -> Result<(), TrainingError> {
        let _guard = tch::no_grad_guard();
        for (index, parameter) in parameters.enumerate() {
            let mut gradient = parameter.grad();
            if !gradient.defined() {
                continue;
            }
            match self.method {
                Method::Sgd => self.descend(index, parameter, &gradient, rate)?,
                Method::AdamW => self.adapt(index, parameter, &gradient, rate, step)?,
            }
            let _ = gradient.f_zero_()?;
        }
        Ok(())
    }

    fn descend(&mut self, index: usize, parameter: &Tensor, gradient: &Tensor, rate: f64) -> Result<(), TrainingError> {
        let velocity = &mut self.memory[0].1[index];
        let decayed = gradient.f_add(&parameter.f_mul_scalar(self.weight_decay)?)?;
        let _ = velocity.f_mul_scalar_(self.momentum)?.f_add_(&decayed)?;
        let step = if self.nesterov {
            decayed.f_add(&velocity.f_mul_scalar(self.momentum)?)?
        } else {
            velocity.shallow_clone()
        };
        let _ = parameter.shallow_clone().f_sub_(&step.f_mul_scalar(rate)?)?;
        Ok(())
    }

    fn adapt(
        &mut self,
        index: usize,
        parameter: &Tensor,
        gradient: &Tensor,
        rate: f64,
        step: usize,
    ) -> Result<(), TrainingError> {
        let [(_, means), (_, squares)] = &mut self.memory[..] else { return Ok(()) };
        let (mean, square) = (&mut means[index], &mut squares[index]);
        let _ = mean.f_lerp_(gradient, 1.0 - self.momentum)?;
        let _ =
            square.f_mul_scalar_(SQUARE_DECAY)?.f_addcmul_(&gradient.f_mul_scalar(1.0 - SQUARE_DECAY)?, gradient)?;
        // Both moments start at zero, which biases them by these factors.
        let steps = (step + 1) as f64;
        let (of_mean, of_square) = (1.0 - self.momentum.powf(steps), 1.0 - SQUARE_DECAY.powf(steps));
        let deviation = square.f_sqrt()?.f_div_scalar(of_square.sqrt())?.f_add_scalar(EPSILON)?;
        let adapted = mean.f_div(&deviation)?.f_mul_scalar(rate / of_mean)?;
        let mut parameter = parameter.shallow_clone();
        let _ = parameter.f_mul_scalar_(1.0 - rate * self.weight_decay)?.f_sub_(&adapted)?;
        Ok(())
    }

    /// Its state, by the names of memory and parameter.
    pub fn memory(&self, graph: &Graph) -> Result<BTreeMap<String, Weights>, TrainingError> {
        let saved = |tensors: &[Tensor]| {
            let arrays = learned(graph).zip(tensors);
            let arrays = arrays.map(|(parameter, tensor)| Ok((parameter.name, array(tensor, &parameter.shape)?)));
            arrays.collect::<Result<_, TrainingError>>().map(Weights)
        };
        self.memory.iter().map(|(name, tensors)| Ok(((*name).to_owned(), saved(tensors)?))).collect()
    }

    /// Restores the saved state, which is empty at the start of a job.
    pub fn restore(&mut self, graph: &Graph, saved: &BTreeMap<String, Weights>) -> Result<(), TrainingError> {
        for (name, tensors) in &mut self.memory {
            let Some(saved) = saved.get(*name) else { continue };
            for (parameter, tensor) in learned(graph).zip(tensors) {
                if let Some(array) = saved.0.get(&parameter.name) {
                    let shape: Vec<i64> = array.shape.iter().map(|&side| side as i64).collect();
                    tensor.f_copy_(&Tensor::f_from_slice(&array.data)?.f_reshape(shape)?)?;
                }
            }
        }
        Ok(())
    }
}

fn learned(graph: &Graph) -> impl Iterator<Item = earmark_nets::Parameter> {
    graph.parameters().into_iter().filter(|parameter| parameter.role == Role::Learned)
}

/// The learning rate of an epoch (counted from 0): a linear rise over the warm-up, then a cosine to
/// zero.
pub(crate) fn learning_rate(settings: &LearnerSettings, epoch: usize) -> f64 {
    let warmup = settings.warmup_epochs;
    if epoch < warmup {
        return settings.learning_rate * (epoch + 1) as f64 / (warmup + 1) as f64;
    }
    let done = (epoch - warmup) as f64 / (settings.epochs - warmup) as f64;
    settings.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A case of `golden/optimizers`: steps computed by torch.
    #[derive(serde::Deserialize)]
    struct Case {
        optimizer: Method,
        momentum: f64,
        nesterov: bool,
        weight_decay: f64,
        rates: Vec<f64>,
        before: Vec<f32>,
        gradients: Vec<Vec<f32>>,
        after: Vec<Vec<f32>>,
    }

    #[test]
    fn steps_are_those_of_torch() {
        let golden = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/optimizers/steps.json"));
        let cases: Vec<Case> = serde_json::from_str(golden).unwrap();
        assert_eq!(cases.len(), 5);
        for (index, case) in cases.into_iter().enumerate() {
            let Case { optimizer: method, momentum, nesterov, weight_decay, .. } = case;
            let parameter = Tensor::from_slice(&case.before).set_requires_grad(true);
            let memory = method.memory().iter().map(|name| (*name, vec![parameter.detach().zeros_like()])).collect();
            let mut optimizer = Optimizer { method, momentum, nesterov, weight_decay, memory };
            for (step, (rate, gradient)) in case.rates.iter().zip(&case.gradients).enumerate() {
                // The gradient of this sum is `gradient`.
                (&parameter * Tensor::from_slice(gradient)).sum(tch::Kind::Float).backward();
                optimizer.step([&parameter].into_iter(), *rate, step).unwrap();
                let values: Vec<f32> = Vec::try_from(parameter.detach()).unwrap();
                for (value, expected) in values.iter().zip(&case.after[step]) {
                    assert!(
                        (value - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                        "case {index}, step {step}: {values:?}"
                    );
                }
                assert_eq!(
                    parameter.grad().abs().sum(tch::Kind::Float).double_value(&[]),
                    0.0,
                    "gradients are taken away"
                );
            }
        }
    }
}
