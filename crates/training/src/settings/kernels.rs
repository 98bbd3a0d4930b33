//! The settings of a kernel machine.

use serde::{Deserialize, Serialize};

/// How a kernel machine is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kernels {
    /// Weight of the regularization; scikit-learn's `alpha`.
    pub alpha: f64,
    /// How fast similarity decreases: the similarity of two clips whose standardized features
    /// differ by a mean square of `d` is `exp(-gamma * d)`. This is scikit-learn's `gamma` times
    /// the number of features.
    pub gamma: f64,
}

impl Default for Kernels {
    fn default() -> Self {
        Self { alpha: 0.03, gamma: 0.7 }
    }
}
