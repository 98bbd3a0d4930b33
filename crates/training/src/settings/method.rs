//! The optimizers.

use serde::{Deserialize, Serialize};

/// How gradients are turned into steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Stochastic gradient descent with momentum: `torch.optim.SGD`.
    #[default]
    Sgd,
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019): `torch.optim.AdamW` with its
    /// default second decay 0.999 and epsilon 1e-8; `momentum` is the first decay.
    AdamW,
}

impl Method {
    /// The names of its state tensors, one of each per learned parameter.
    pub(crate) fn memory(self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &["velocity"],
            Self::AdamW => &["mean", "square"],
        }
    }
}
