//! Aligned Xception (Chen et al. 2018, arXiv 1802.02611, after Qi et al. 2017): strided separable
//! convolutions replace Xception's max pooling. Names and numbers are timm's.

use crate::graph::{Builder, Graph, Initialization, NodeId};
use crate::registry::Variant;

/// Batch norm's epsilon, TensorFlow's.
const EPS: f64 = 1e-3;

/// The family's networks.
pub const VARIANTS: &[Variant] =
    &[Variant::new("xception41", "xception", xception41).hub("timm/xception41.tf_in1k", "apache-2.0")];

fn xception41(inputs: usize, classes: usize) -> Graph {
    let mut g = Builder::initialized(inputs, Initialization::Torch);
    let x = norm_act(&mut g, "stem.0", 0, 32, 2);
    let mut x = norm_act(&mut g, "stem.1", x, 64, 1);
    let entry = [([128; 3], 2), ([256; 3], 2), ([728; 3], 2)];
    let middle = [([728; 3], 1); 8];
    let exit = [([728, 1024, 1024], 2)];
    let blocks: Vec<_> = entry.into_iter().chain(middle).chain(exit).collect();
    for (index, (outputs, stride)) in blocks.iter().enumerate() {
        x = residual(&mut g, &format!("blocks.{index}"), x, *outputs, *stride);
    }
    // The last block has no shortcut, and a ReLU after each convolution.
    for (index, outputs) in [1536, 1536, 2048].into_iter().enumerate() {
        let path = format!("blocks.{}.stack.conv{}", blocks.len(), index + 1);
        x = separable(&mut g, &path, x, outputs, 1, true);
    }
    let x = g.global_avg_pool("head.global_pool", x);
    let x = g.flatten("flatten", x);
    g.linear("head.fc", x, classes);
    g.finish()
}

/// A 3x3 convolution with batch norm and ReLU.
fn norm_act(g: &mut Builder, path: &str, x: NodeId, outputs: usize, stride: usize) -> NodeId {
    let y = g.conv2d(&format!("{path}.conv"), x, outputs, 3, stride, 1);
    let y = g.batch_norm_eps(&format!("{path}.bn"), y, EPS);
    g.relu(&format!("{path}.act"), y)
}

/// Three separable convolutions, each after a ReLU, the last one strided; added to the input or its
/// projection.
fn residual(g: &mut Builder, path: &str, x: NodeId, outputs: [usize; 3], stride: usize) -> NodeId {
    let mut y = x;
    for (index, channels) in outputs.into_iter().enumerate() {
        let stride = if index == 2 { stride } else { 1 };
        y = g.relu(&format!("{path}.stack.act{}", index + 1), y);
        y = separable(g, &format!("{path}.stack.conv{}", index + 1), y, channels, stride, false);
    }
    let shortcut = if stride > 1 || g.channels(x) != g.channels(y) {
        let skip = g.conv2d(&format!("{path}.shortcut.conv"), x, g.channels(y), 1, stride, 1);
        g.batch_norm_eps(&format!("{path}.shortcut.bn"), skip, EPS)
    } else {
        x
    };
    g.add(&format!("{path}.add"), y, shortcut)
}

/// A depthwise 3x3 convolution, then a pointwise one, each with its batch norm.
fn separable(g: &mut Builder, path: &str, x: NodeId, outputs: usize, stride: usize, relu: bool) -> NodeId {
    let at = |name: &str| format!("{path}.{name}");
    let y = g.conv2d(&at("conv_dw"), x, g.channels(x), 3, stride, g.channels(x));
    let mut y = g.batch_norm_eps(&at("bn_dw"), y, EPS);
    if relu {
        y = g.relu(&at("act_dw"), y);
    }
    let y = g.conv2d(&at("conv_pw"), y, outputs, 1, 1, 1);
    let y = g.batch_norm_eps(&at("bn_pw"), y, EPS);
    if relu { g.relu(&at("act_pw"), y) } else { y }
}
