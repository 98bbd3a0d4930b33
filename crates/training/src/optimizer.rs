//! Stochastic gradient descent as torch has it, with its state in our hands, so that a job can be resumed to the bit.

use tch::Tensor;

use crate::TrainingError;
use crate::settings::LearnerSettings;

/// Momentum, Nesterov's form and weight decay of `torch.optim.SGD`.
pub(crate) struct Sgd {
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    /// One per learned parameter.
    pub velocity: Vec<Tensor>,
}

impl Sgd {
    /// An optimizer at rest for these parameters.
    pub fn new<'a>(
        settings: &LearnerSettings,
        parameters: impl Iterator<Item = &'a Tensor>,
    ) -> Result<Self, TrainingError> {
        let velocity = parameters.map(|parameter| parameter.f_zeros_like()?.f_detach()).collect::<Result<_, _>>()?;
        let LearnerSettings { momentum, nesterov, weight_decay, .. } = *settings;
        Ok(Self { momentum, nesterov, weight_decay, velocity })
    }

    /// One step along the gradients, which are then taken away.
    pub fn step<'a>(&mut self, parameters: impl Iterator<Item = &'a Tensor>, rate: f64) -> Result<(), TrainingError> {
        let _guard = tch::no_grad_guard();
        for (parameter, velocity) in parameters.zip(&mut self.velocity) {
            let mut gradient = parameter.grad();
            if !gradient.defined() {
                continue;
            }
            let decayed = gradient.f_add(&parameter.f_mul_scalar(self.weight_decay)?)?;
            let _ = velocity.f_mul_scalar_(self.momentum)?.f_add_(&decayed)?;
            let step = if self.nesterov {
                decayed.f_add(&velocity.f_mul_scalar(self.momentum)?)?
            } else {
                velocity.shallow_clone()
            };
            let _ = parameter.shallow_clone().f_sub_(&step.f_mul_scalar(rate)?)?;
            let _ = gradient.f_zero_()?;
        }
        Ok(())
    }
}

/// The learning rate of an epoch (counted from 0): a linear rise over the warm-up, then a cosine to zero.
pub(crate) fn learning_rate(settings: &LearnerSettings, epoch: usize) -> f64 {
    let warmup = settings.warmup_epochs;
    if epoch < warmup {
        return settings.learning_rate * (epoch + 1) as f64 / (warmup + 1) as f64;
    }
    let done = (epoch - warmup) as f64 / (settings.epochs - warmup) as f64;
    settings.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}
