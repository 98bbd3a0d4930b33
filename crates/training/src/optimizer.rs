//! Torch's optimizers with accessible state, so that a job can resume bit for bit.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use earmark_nets::{Graph, Weights};
use tch::{Kind, Tensor};

use crate::engine::{fused_adamw, fused_sgd};
use crate::error::TrainingError;
use crate::flat::Layout;
use crate::settings::{Freeze, LearnerSettings, Method};

/// A method, and its state.
pub(crate) struct Optimizer {
    method: Method,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    /// For each name of [`Method::memory`], a tensor in the layout of the parameters.
    memory: Vec<(&'static str, Tensor)>,
    /// The parameters that it changes.
    groups: Vec<Group>,
    /// Whether a step is one operation of libtorch, which is faster on a GPU. On a CPU it is not,
    /// and its rounding would differ from that of earlier versions of Earmark.
    is_fused: bool,
}

/// Parameters with their own learning rate: a part of the tensor that has all parameters.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    range: Range<usize>,
    /// Its learning rate, divided by that of the step.
    factor: f64,
}

impl Group {
    /// The head and, unless it is frozen, the body; one group if their rates are equal.
    fn all(settings: &LearnerSettings, graph: &Graph, layout: &Layout) -> Vec<Group> {
        let of_body = match (settings.freeze, settings.body_learning_rate) {
            (Freeze::Body, _) => None,
            (_, None) => return vec![Group { range: 0..layout.len(), factor: 1.0 }],
            (_, Some(rate)) => Some(rate / settings.learning_rate),
        };
        let body = graph.nodes()[..graph.body_nodes()].iter().flat_map(|node| node.parameters());
        let body: BTreeSet<String> = body.map(|parameter| parameter.name).collect();
        let head = layout.ranges(|parameter| !body.contains(&parameter.name));
        let body = layout.ranges(|parameter| body.contains(&parameter.name));
        let groups = |ranges: Vec<Range<usize>>, factor| ranges.into_iter().map(move |range| Group { range, factor });
        groups(head, 1.0).chain(of_body.into_iter().flat_map(|factor| groups(body.clone(), factor))).collect()
    }

    fn part(&self, of: &Tensor) -> Result<Tensor, TrainingError> {
        Ok(of.f_narrow(0, self.range.start as i64, self.range.len() as i64)?)
    }
}

/// Decay of Adam's second moment.
const SQUARE_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl Optimizer {
    /// An optimizer in its initial state for a graph's parameters in one tensor.
    pub fn new(
        settings: &LearnerSettings,
        graph: &Graph,
        layout: &Layout,
        parameters: &Tensor,
    ) -> Result<Self, TrainingError> {
        let LearnerSettings { optimizer: method, momentum, nesterov, weight_decay, .. } = *settings;
        let zeros = |name: &&'static str| Ok((*name, parameters.f_zeros_like()?));
        let memory = method.memory().iter().map(zeros).collect::<Result<_, TrainingError>>()?;
        let groups = Group::all(settings, graph, layout);
        let is_fused = parameters.device().is_cuda();
        Ok(Self { method, momentum, nesterov, weight_decay, memory, groups, is_fused })
    }

    /// Performs step number `step`, counted from 0, on parameters in one tensor.
    pub fn step(
        &mut self,
        parameters: &Tensor,
        gradient: &Tensor,
        rate: f64,
        step: usize,
    ) -> Result<(), TrainingError> {
        let _guard = tch::no_grad_guard();
        for group in &self.groups {
            let memory = self.memory.iter().map(|(_, tensor)| group.part(tensor));
            let mut memory = memory.collect::<Result<Vec<_>, _>>()?;
            let [parameters, gradient] = [group.part(parameters)?, group.part(gradient)?];
            self.step_of([parameters, gradient], &mut memory, rate * group.factor, step)?;
        }
        Ok(())
    }

    /// A step of some parameters, with their part of the memory, in the order of
    /// [`Method::memory`].
    fn step_of(
        &self,
        [mut parameters, mut gradient]: [Tensor; 2],
        memory: &mut [Tensor],
        rate: f64,
        step: usize,
    ) -> Result<(), TrainingError> {
        let Self { momentum, nesterov, weight_decay, .. } = *self;
        match (self.method, memory) {
            (Method::Sgd, [velocity]) if self.is_fused => {
                fused_sgd([&mut parameters, &mut gradient, velocity], weight_decay, momentum, rate, nesterov)
            }
            (Method::AdamW, [mean, square]) if self.is_fused => {
                let options = (Kind::Float, parameters.device());
                let mut steps = Tensor::f_full([] as [i64; 0], (step + 1) as f64, options)?;
                let tensors = [&mut parameters, &mut gradient, mean, square, &mut steps];
                fused_adamw(tensors, rate, [momentum, SQUARE_DECAY], weight_decay, EPSILON)
            }
            (Method::Sgd, [velocity]) => self.descend(&mut parameters, &gradient, velocity, rate),
            (Method::AdamW, [mean, square]) => self.adapt(&mut parameters, &gradient, [mean, square], rate, step),
            (Method::Sgd | Method::AdamW, _) => Ok(()),
        }
    }

    fn descend(
        &self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        velocity: &mut Tensor,
        rate: f64,
    ) -> Result<(), TrainingError> {
        let decayed = gradient.f_add(&parameters.f_mul_scalar(self.weight_decay)?)?;
        let _ = velocity.f_mul_scalar_(self.momentum)?.f_add_(&decayed)?;
        let step = if self.nesterov {
            decayed.f_add(&velocity.f_mul_scalar(self.momentum)?)?
        } else {
            velocity.shallow_clone()
        };
        let _ = parameters.f_sub_(&step.f_mul_scalar(rate)?)?;
        Ok(())
    }

    fn adapt(
        &self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        [mean, square]: [&mut Tensor; 2],
        rate: f64,
        step: usize,
    ) -> Result<(), TrainingError> {
        let _ = mean.f_lerp_(gradient, 1.0 - self.momentum)?;
        let _ =
            square.f_mul_scalar_(SQUARE_DECAY)?.f_addcmul_(&gradient.f_mul_scalar(1.0 - SQUARE_DECAY)?, gradient)?;
        // Both moments start at zero, which biases them by these factors.
        let steps = (step + 1) as f64;
        let (of_mean, of_square) = (1.0 - self.momentum.powf(steps), 1.0 - SQUARE_DECAY.powf(steps));
        let deviation = square.f_sqrt()?.f_div_scalar(of_square.sqrt())?.f_add_scalar(EPSILON)?;
        let adapted = mean.f_div(&deviation)?.f_mul_scalar(rate / of_mean)?;
        let _ = parameters.f_mul_scalar_(1.0 - rate * self.weight_decay)?.f_sub_(&adapted)?;
        Ok(())
    }

    /// Its state, by the names of memory and parameter.
    pub fn memory(&self, layout: &Layout) -> Result<BTreeMap<String, Weights>, TrainingError> {
        self.memory.iter().map(|(name, tensor)| Ok(((*name).to_owned(), layout.arrays(tensor)?))).collect()
    }

    /// Restores the saved state, which is empty at the start of a job.
    pub fn restore(&mut self, layout: &Layout, saved: &BTreeMap<String, Weights>) -> Result<(), TrainingError> {
        for (name, tensor) in &mut self.memory {
            if let Some(saved) = saved.get(*name) {
                *tensor = layout.flat(saved, tensor.kind(), tensor.device())?;
            }
        }
        Ok(())
    }
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
        for (index, (case, is_fused)) in cases.iter().flat_map(|case| [(case, false), (case, true)]).enumerate() {
            let &Case { optimizer: method, momentum, nesterov, weight_decay, .. } = case;
            let parameters = Tensor::from_slice(&case.before);
            let memory = method.memory().iter().map(|name| (*name, parameters.zeros_like())).collect();
            let groups = vec![Group { range: 0..case.before.len(), factor: 1.0 }];
            let mut optimizer = Optimizer { method, momentum, nesterov, weight_decay, memory, groups, is_fused };
            for (step, (rate, gradient)) in case.rates.iter().zip(&case.gradients).enumerate() {
                optimizer.step(&parameters, &Tensor::from_slice(gradient), *rate, step).unwrap();
                let values: Vec<f32> = Vec::try_from(&parameters).unwrap();
                for (value, expected) in values.iter().zip(&case.after[step]) {
                    assert!(
                        (value - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                        "case {index}, step {step}: {values:?}"
                    );
                }
            }
        }
    }
}
