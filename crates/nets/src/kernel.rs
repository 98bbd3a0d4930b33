//! Kernel machines: what a clip is follows from how near it is to each training clip.

use crate::Weights;
use crate::graph::{Builder, Graph};

/// The name of the architecture in a recipe.
pub const KERNEL: &str = "kernel";
/// The parameter that holds the training clips, `[centres, features]`.
pub const CENTRES: &str = "kernel.centres";

/// A kernel machine: `exp(-|x - centre|^2)` for each centre, and a linear layer on them.
///
/// # Shape
/// Input: `[batch, features, 1, 1]`, scaled so that the distances say how near is near; output:
/// `[batch, classes]`.
///
/// ```
/// let graph = earmark_nets::kernel::graph(1_248, 320, 10);
/// assert_eq!(graph.parameter_count(), 1_248 * 320 + (320 + 1) * 10);
/// ```
pub fn graph(features: usize, centres: usize, classes: usize) -> Graph {
    let mut net = Builder::new(features).bins(1);
    let x = net.flatten("flatten", 0);
    let near = net.gaussian("kernel", x, centres);
    net.linear("fc", near, classes);
    net.finish()
}

/// How many centres such weights have; none if they are another network's.
pub fn centres(weights: &Weights) -> Option<usize> {
    weights.0.get(CENTRES)?.shape.first().copied()
}
