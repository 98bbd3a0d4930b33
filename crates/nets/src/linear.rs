//! Linear models on features of whole clips: logistic regression.

use crate::graph::{Builder, Graph};

/// The name of the architecture in a recipe.
pub const LINEAR: &str = "linear";
/// The parameters of its only layer.
pub const WEIGHT: &str = "fc.weight";
/// Its bias.
pub const BIAS: &str = "fc.bias";

/// A linear layer.
///
/// # Shape
/// Input: `[batch, features, 1, 1]`, standardized; output: `[batch, classes]`.
///
/// ```
/// assert_eq!(earmark_nets::linear::graph(384, 10).parameter_count(), (384 + 1) * 10);
/// ```
pub fn graph(features: usize, classes: usize) -> Graph {
    let mut net = Builder::new(features).bins(1);
    let x = net.flatten("flatten", 0);
    net.linear("fc", x, classes);
    net.finish()
}
