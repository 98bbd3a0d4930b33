//! DPN, dual path networks (Chen et al. 2017, arXiv 1707.01629): blocks add to the first channels,
//! as in ResNet, and append to the others, as in DenseNet. Names and numbers are timm's.

use crate::graph::{Builder, Graph, Initialization, NodeId, Window};
use crate::registry::Variant;

/// Batch norm's epsilon, MXNet's.
const EPS: f64 = 1e-3;

/// The configuration of one network of the family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Channels of the first convolution.
    pub stem: usize,
    /// Whether the first convolution is 3x3 and a stage's residual path is as wide as a basic
    /// block's. If not, the convolution is 7x7 and the path four times as wide.
    pub small: bool,
    /// Whether a block ends in a separate convolution for each of the two paths.
    pub apart: bool,
    /// Channels of the first stage's 3x3 convolutions; each stage doubles them.
    pub width: usize,
    /// Groups of the 3x3 convolutions.
    pub groups: usize,
    /// Blocks of each stage.
    pub layers: [usize; 4],
    /// Channels that each block of a stage appends.
    pub growth: [usize; 4],
}

const DPN68: Config = Config {
    stem: 10,
    small: true,
    apart: false,
    width: 128,
    groups: 32,
    layers: [3, 4, 12, 3],
    growth: [16, 32, 32, 64],
};
const DPN92: Config = Config {
    stem: 64,
    small: false,
    apart: false,
    width: 96,
    groups: 32,
    layers: [3, 4, 20, 3],
    growth: [16, 32, 24, 128],
};
const DPN98: Config =
    Config { stem: 96, width: 160, groups: 40, layers: [3, 6, 20, 3], growth: [16, 32, 32, 128], ..DPN92 };
const DPN107: Config =
    Config { stem: 128, width: 200, groups: 50, layers: [4, 8, 20, 3], growth: [20, 64, 64, 128], ..DPN92 };
const DPN131: Config = Config { stem: 128, layers: [4, 8, 28, 3], ..DPN98 };
const NANO: Config = Config { stem: 16, width: 32, groups: 8, layers: [1, 1, 1, 1], growth: [8, 16, 16, 32], ..DPN68 };

const DPN: &str = "dpn";
const APACHE: &str = "apache-2.0";

/// The family's networks.
pub const VARIANTS: &[Variant] = &[
    Variant::new("dpn68", DPN, |i, o| network(&DPN68, i, o)).hub("timm/dpn68.mx_in1k", APACHE),
    Variant::new("dpn68b", DPN, |i, o| network(&Config { apart: true, ..DPN68 }, i, o))
        .hub("timm/dpn68b.mx_in1k", APACHE),
    Variant::new("dpn92", DPN, |i, o| network(&DPN92, i, o)).hub("timm/dpn92.mx_in1k", APACHE),
    Variant::new("dpn98", DPN, |i, o| network(&DPN98, i, o)).hub("timm/dpn98.mx_in1k", APACHE),
    Variant::new("dpn107", DPN, |i, o| network(&DPN107, i, o)).hub("timm/dpn107.mx_in1k", APACHE),
    Variant::new("dpn131", DPN, |i, o| network(&DPN131, i, o)).hub("timm/dpn131.mx_in1k", APACHE),
    Variant::new("dpn_nano", DPN, |i, o| network(&NANO, i, o)),
];

/// The graph of a configuration, for `inputs` channels and `classes`.
pub fn network(config: &Config, inputs: usize, classes: usize) -> Graph {
    let mut g = Builder::initialized(inputs, Initialization::Torch);
    let x = g.conv2d("features.conv1_1.conv", 0, config.stem, if config.small { 3 } else { 7 }, 2, 1);
    let x = g.batch_norm_eps("features.conv1_1.bn", x, EPS);
    let x = g.relu("features.conv1_1.act", x);
    let mut x = g.max_pool2d("features.conv1_pool", x, Window::square(3, 2, 1));
    for (stage, (&blocks, &growth)) in config.layers.iter().zip(&config.growth).enumerate() {
        for block in 0..blocks {
            let projection = match (block, stage) {
                (0, 0) => Some(1),
                (0, _) => Some(2),
                _ => None,
            };
            let path = format!("features.conv{}_{}", stage + 2, block + 1);
            x = dual_path(&mut g, config, &path, x, stage, growth, projection);
        }
    }
    let x = g.batch_norm_eps("features.conv5_bn_ac.bn", x, EPS);
    let x = g.relu("features.conv5_bn_ac.act", x);
    let x = g.global_avg_pool("global_pool", x);
    let x = g.conv1x1_bias("classifier", x, classes);
    g.flatten("flatten", x);
    g.finish()
}

/// One block. The first part of `x` or its projection is added to the first channels of the branch;
/// the second part is concatenated with the remaining channels of the branch. `projection` is the
/// stride, in the first block of a stage.
fn dual_path(
    g: &mut Builder,
    config: &Config,
    path: &str,
    x: NodeId,
    stage: usize,
    growth: usize,
    projection: Option<usize>,
) -> NodeId {
    let at = |name: &str| format!("{path}.{name}");
    let residual = (64 << stage) * if config.small { 1 } else { 4 };
    let width = config.width << stage;
    let stride = projection.unwrap_or(1);
    let kept = match projection {
        Some(stride) => {
            let window = Window::square(1, stride, 0);
            norm_act_conv(g, &at(&format!("c1x1_w_s{stride}")), x, residual + 2 * growth, window, 1)
        }
        None => x,
    };
    let y = norm_act_conv(g, &at("c1x1_a"), x, width, Window::square(1, 1, 0), 1);
    let y = norm_act_conv(g, &at("c3x3_b"), y, width, Window::square(3, stride, 1), config.groups);
    let (added, grown) = if config.apart {
        let y = norm_act(g, &at("c1x1_c"), y);
        (g.conv2d(&at("c1x1_c1"), y, residual, 1, 1, 1), g.conv2d(&at("c1x1_c2"), y, growth, 1, 1, 1))
    } else {
        let y = norm_act_conv(g, &at("c1x1_c"), y, residual + growth, Window::square(1, 1, 0), 1);
        (g.slice(&at("added"), y, 0, residual), g.slice(&at("grown"), y, residual, residual + growth))
    };
    let first = g.slice(&at("first"), kept, 0, residual);
    let rest = g.slice(&at("rest"), kept, residual, g.channels(kept));
    let sum = g.add(&at("add"), first, added);
    g.concat(&at("concat"), &[sum, rest, grown])
}

fn norm_act(g: &mut Builder, path: &str, x: NodeId) -> NodeId {
    let y = g.batch_norm_eps(&format!("{path}.bn"), x, EPS);
    g.relu(&format!("{path}.act"), y)
}

fn norm_act_conv(g: &mut Builder, path: &str, x: NodeId, outputs: usize, window: Window, groups: usize) -> NodeId {
    let y = norm_act(g, path, x);
    g.conv(&format!("{path}.conv"), y, outputs, window, groups)
}
