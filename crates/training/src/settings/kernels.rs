//! The settings of a kernel.

use serde::{Deserialize, Serialize};

/// How a kernel machine learns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kernels {
    /// Weight of the penalty on what is learned; scikit-learn's `alpha`.
    pub alpha: f64,
    /// How fast nearness falls: two clips whose standardised features differ by a mean square of
    /// `d` are near by `exp(-gamma * d)`; scikit-learn's `gamma`, times the number of features.
    pub gamma: f64,
}

impl Default for Kernels {
    fn default() -> Self {
        Self { alpha: 0.03, gamma: 0.7 }
    }
}
