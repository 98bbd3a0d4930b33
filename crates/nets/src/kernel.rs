//! Kernel machines: predict the class of a clip from its similarity to each training clip.

use crate::Weights;
use crate::graph::{Builder, Graph};

/// The name of the architecture in a recipe.
pub const KERNEL: &str = "kernel";
/// The parameter that holds the training clips, `[centres, features]`.
pub const CENTRES: &str = "kernel.centres";

/// A kernel machine: `exp(-|x - centre|^2)` for each center, followed by a linear layer.
///
/// # Shape
/// Input: `[batch, features, 1, 1]`, scaled so that distances are in units of the kernel width;
/// output: `[batch, classes]`.
///
/// ```
/// let graph = earmark_nets::kernel::graph(1_248, 320, 10);
/// assert_eq!(graph.parameter_count(), 1_248 * 320 + (320 + 1) * 10);
/// ```
pub fn graph(features: usize, centres: usize, classes: usize) -> Graph {
    let mut net = Builder::new(features).bins(1);
    let x = net.flatten("flatten", 0);
    let near = net.rbf_kernel("kernel", x, centres);
    net.linear("fc", near, classes);
    net.finish()
}

/// The number of centers in the weights of a kernel machine; `None` for weights of another network.
pub fn centres(weights: &Weights) -> Option<usize> {
    weights.0.get(CENTRES)?.shape.first().copied()
}
