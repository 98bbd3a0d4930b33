//! ResNet (He et al. 2015, arXiv 1512.03385) and ResNeXt (Xie et al. 2016, arXiv 1611.05431).
//!
//! Layers and parameter names are those of torchvision's `resnet.py`, which timm shares: the 3x3
//! convolution of a bottleneck has the stride ("ResNet v1.5"). Every batch norm's scale starts at
//! one, as in torchvision; timm starts the last one of a branch at zero, which slows short training
//! down. The `nano` sizes are ours, designed for features of 64 bins and for training on a CPU.

use crate::graph::{Builder, Graph, NodeId, Window};
use crate::registry::Variant;

/// The two kinds of residual block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 and 1x1 convolutions, the last four times as wide.
    Bottleneck,
}

/// The layers before the residual stages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stem {
    /// Channels of the first convolution.
    pub channels: usize,
    /// Kernel size of the first convolution.
    pub kernel: usize,
    /// Its stride.
    pub stride: usize,
    /// Whether 3x3 max pooling with stride 2 follows.
    pub max_pool: bool,
}

/// Squeeze and excitation: a small network computes a weight for each channel of a branch from the
/// means of all channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Se {
    /// None.
    None,
    /// As timm's `seresnet`: the hidden layer has a sixteenth of the channels, rounded to a
    /// multiple of 8.
    Timm,
    /// As the older networks that timm calls `legacy_se...`: other names, and max pooling without
    /// padding in the stem.
    Legacy,
}

/// The configuration of one network of the family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The kind of block.
    pub block: Block,
    /// Blocks in each of the four stages.
    pub layers: [usize; 4],
    /// Width of each stage; a bottleneck outputs four times as many channels.
    pub channels: [usize; 4],
    /// Groups of the 3x3 convolutions (the cardinality of ResNeXt).
    pub groups: usize,
    /// Width of a group in a stage of width 64; proportional in other stages.
    pub base_width: usize,
    /// The first layers.
    pub stem: Stem,
    /// Squeeze and excitation.
    pub se: Se,
    /// Whether a bottleneck's first 1x1 convolution has the stride, as in the paper, instead of the
    /// 3x3.
    pub stride_first: bool,
}

pub(super) const RESNET18: Config = Config {
    block: Block::Basic,
    layers: [2, 2, 2, 2],
    channels: [64, 128, 256, 512],
    groups: 1,
    base_width: 64,
    stem: Stem { channels: 64, kernel: 7, stride: 2, max_pool: true },
    se: Se::None,
    stride_first: false,
};
pub(super) const RESNET50: Config = Config { block: Block::Bottleneck, layers: [3, 4, 6, 3], ..RESNET18 };

pub(super) const RESNET101: Config = Config { layers: [3, 4, 23, 3], ..RESNET50 };
pub(super) const RESNEXT50_32X4D: Config = Config { groups: 32, base_width: 4, ..RESNET50 };
pub(super) const RESNEXT101_32X4D: Config = Config { groups: 32, base_width: 4, ..RESNET101 };

pub(super) const RESNET_NANO: Config = Config {
    layers: [1, 1, 1, 1],
    channels: [16, 32, 64, 128],
    stem: Stem { channels: 16, kernel: 3, stride: 2, max_pool: true },
    ..RESNET18
};
/// The 3x3 convolutions have 32, 64, 128 and 256 channels in 8 groups.
pub(super) const RESNEXT_NANO: Config = Config {
    layers: [1, 1, 1, 1],
    channels: [8, 16, 32, 64],
    groups: 8,
    base_width: 32,
    stem: Stem { channels: 32, kernel: 3, stride: 2, max_pool: true },
    ..RESNET50
};

const RESNET: &str = "resnet";
const RESNEXT: &str = "resnext";
/// torchvision's weights, first version: the paper's authors started from them.
const BSD: &str = "bsd-3-clause";

/// The family's networks. A SHA-256 is pinned where several independent public projects state the
/// same one for the file.
pub const VARIANTS: &[Variant] = &[
    Variant::new("resnet18", RESNET, |i, o| network(&RESNET18, i, o))
        .hub("timm/resnet18.tv_in1k", BSD)
        .pin(None, "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81"),
    Variant::new("resnet34", RESNET, |i, o| network(&Config { layers: [3, 4, 6, 3], ..RESNET18 }, i, o))
        .hub("timm/resnet34.tv_in1k", BSD),
    Variant::new("resnet50", RESNET, |i, o| network(&RESNET50, i, o))
        .hub("timm/resnet50.tv_in1k", BSD)
        .pin(None, "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888"),
    Variant::new("resnet101", RESNET, |i, o| network(&RESNET101, i, o)).hub("timm/resnet101.tv_in1k", BSD),
    Variant::new("resnet152", RESNET, |i, o| network(&Config { layers: [3, 8, 36, 3], ..RESNET50 }, i, o))
        .hub("timm/resnet152.tv_in1k", BSD),
    Variant::new("wide_resnet50_2", RESNET, |i, o| network(&Config { base_width: 128, ..RESNET50 }, i, o))
        .hub("timm/wide_resnet50_2.tv_in1k", BSD),
    Variant::new("resnet_nano", RESNET, |i, o| network(&RESNET_NANO, i, o)),
    Variant::new("resnext50_32x4d", RESNEXT, |i, o| network(&RESNEXT50_32X4D, i, o))
        .hub("timm/resnext50_32x4d.tv_in1k", BSD),
    Variant::new("resnext101_32x4d", RESNEXT, |i, o| network(&RESNEXT101_32X4D, i, o))
        .hub("timm/resnext101_32x4d.gluon_in1k", "apache-2.0"),
    Variant::new("resnext101_64x4d", RESNEXT, |i, o| network(&Config { groups: 64, ..RESNEXT101_32X4D }, i, o))
        .hub("timm/resnext101_64x4d.tv_in1k", BSD),
    Variant::new("resnext101_32x8d", RESNEXT, |i, o| network(&Config { base_width: 8, ..RESNEXT101_32X4D }, i, o))
        .hub("timm/resnext101_32x8d.tv_in1k", BSD),
    Variant::new("resnext_nano", RESNEXT, |i, o| network(&RESNEXT_NANO, i, o)),
];

/// The graph of a configuration, for `inputs` channels and `classes`.
pub fn network(config: &Config, inputs: usize, classes: usize) -> Graph {
    let mut g = Builder::new(inputs);
    body(&mut g, config, 0, classes);
    g.finish()
}

/// The network from the stem to the head, applied to node `x`.
pub(super) fn body(g: &mut Builder, config: &Config, x: NodeId, classes: usize) {
    let legacy = config.se == Se::Legacy;
    let at = |name: &str| if legacy { format!("layer0.{name}") } else { name.to_owned() };
    let x = g.conv2d(&at("conv1"), x, config.stem.channels, config.stem.kernel, config.stem.stride, 1);
    let x = g.batch_norm(&at("bn1"), x);
    let mut x = g.relu(&at("relu"), x);
    if config.stem.max_pool {
        let window = Window::square(3, 2, 1);
        let window = if legacy { Window { padding: [0, 0], ceil: true, ..window } } else { window };
        x = g.max_pool2d("maxpool", x, window);
    }
    for (stage, (&blocks, &width)) in config.layers.iter().zip(&config.channels).enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = residual(g, config, &format!("layer{}.{block}", stage + 1), x, width, stride);
        }
    }
    let x = g.global_avg_pool("avgpool", x);
    let x = g.flatten("flatten", x);
    g.linear(if legacy { "last_linear" } else { "fc" }, x, classes);
}

/// One residual block: the sum of a branch and the input or its projection, followed by a ReLU.
fn residual(g: &mut Builder, config: &Config, path: &str, x: NodeId, width: usize, stride: usize) -> NodeId {
    let at = |name: &str| format!("{path}.{name}");
    let branch = match config.block {
        Block::Basic => {
            let y = g.conv2d(&at("conv1"), x, width, 3, stride, 1);
            let y = g.batch_norm(&at("bn1"), y);
            let y = g.relu(&at("relu1"), y);
            let y = g.conv2d(&at("conv2"), y, width, 3, 1, 1);
            g.batch_norm(&at("bn2"), y)
        }
        Block::Bottleneck => {
            let inner = width * config.base_width / 64 * config.groups;
            let (first, second) = if config.stride_first { (stride, 1) } else { (1, stride) };
            let y = g.conv2d(&at("conv1"), x, inner, 1, first, 1);
            let y = g.batch_norm(&at("bn1"), y);
            let y = g.relu(&at("relu1"), y);
            let y = g.conv2d(&at("conv2"), y, inner, 3, second, config.groups);
            let y = g.batch_norm(&at("bn2"), y);
            let y = g.relu(&at("relu2"), y);
            let y = g.conv2d(&at("conv3"), y, width * 4, 1, 1, 1);
            g.batch_norm(&at("bn3"), y)
        }
    };
    let branch = match config.se {
        Se::None => branch,
        Se::Timm => {
            let sixteenth = g.channels(branch) / 16;
            squeeze_excite(g, &at("se"), branch, ((sixteenth + 4) / 8 * 8).max(8))
        }
        Se::Legacy => squeeze_excite(g, &at("se_module"), branch, g.channels(branch) / 16),
    };
    let shortcut = if stride != 1 || g.channels(x) != g.channels(branch) {
        let outputs = g.channels(branch);
        let y = g.conv2d(&at("downsample.0"), x, outputs, 1, stride, 1);
        g.batch_norm(&at("downsample.1"), y)
    } else {
        x
    };
    let sum = g.add(&at("add"), branch, shortcut);
    g.relu(&at("relu"), sum)
}

/// Squeeze and excitation of a branch, with `between` hidden channels.
fn squeeze_excite(g: &mut Builder, path: &str, x: NodeId, between: usize) -> NodeId {
    let at = |name: &str| format!("{path}.{name}");
    let y = g.global_avg_pool(&at("mean"), x);
    let y = g.conv1x1_bias(&at("fc1"), y, between);
    let y = g.relu(&at("relu"), y);
    let y = g.conv1x1_bias(&at("fc2"), y, g.channels(x));
    let y = g.sigmoid(&at("gate"), y);
    g.mul(&at("scale"), x, y)
}
