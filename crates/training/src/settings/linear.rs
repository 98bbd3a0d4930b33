//! The settings of a linear model.

use serde::{Deserialize, Serialize};

/// How a linear model is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Linear {
    /// Inverse weight of the L2 penalty on the coefficients; scikit-learn's `C`. Features are
    /// standardized.
    pub c: f64,
}

impl Default for Linear {
    fn default() -> Self {
        Self { c: 0.01 }
    }
}
