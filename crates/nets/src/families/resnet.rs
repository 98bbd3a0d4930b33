//! ResNet (He et al. 2015, arXiv 1512.03385) and ResNeXt (Xie et al. 2016, arXiv 1611.05431).
//!
//! Layers and parameter names are those of torchvision's `resnet.py`, which timm shares: the stride of a bottleneck sits
//! in its 3x3 convolution ("ResNet v1.5"). Every batch norm's scale starts at one, as torchvision has it; timm's zero
//! for the last one of a branch slows short training down. The `nano` sizes are ours: made for features of 64 bins and
//! for training on a CPU.

use crate::graph::{Builder, Graph, NodeId};
use crate::registry::Variant;

/// The two kinds of residual block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1, the last four times as wide.
    Bottleneck,
}

/// The first layers, before the residual stages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stem {
    /// Channels of the first convolution.
    pub channels: usize,
    /// Side of the first convolution's kernel.
    pub kernel: usize,
    /// Its stride.
    pub stride: usize,
    /// Whether a 3x3 maximum of stride 2 follows.
    pub max_pool: bool,
}

/// What makes one network of the family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The kind of block.
    pub block: Block,
    /// Blocks in each of the four stages.
    pub layers: [usize; 4],
    /// Width of each stage; a bottleneck gives four times as many channels.
    pub channels: [usize; 4],
    /// Groups of the 3x3 convolutions (the cardinality of ResNeXt).
    pub groups: usize,
    /// Width of a group where the stage is 64 wide; others in proportion.
    pub base_width: usize,
    /// The first layers.
    pub stem: Stem,
}

const RESNET18: Config = Config {
    block: Block::Basic,
    layers: [2, 2, 2, 2],
    channels: [64, 128, 256, 512],
    groups: 1,
    base_width: 64,
    stem: Stem { channels: 64, kernel: 7, stride: 2, max_pool: true },
};
const RESNET50: Config = Config { block: Block::Bottleneck, layers: [3, 4, 6, 3], ..RESNET18 };

const RESNET_NANO: Config = Config {
    layers: [1, 1, 1, 1],
    channels: [16, 32, 64, 128],
    stem: Stem { channels: 16, kernel: 3, stride: 2, max_pool: true },
    ..RESNET18
};
/// The 3x3 convolutions have 32, 64, 128 and 256 channels in 8 groups.
const RESNEXT_NANO: Config = Config {
    layers: [1, 1, 1, 1],
    channels: [8, 16, 32, 64],
    groups: 8,
    base_width: 32,
    stem: Stem { channels: 32, kernel: 3, stride: 2, max_pool: true },
    ..RESNET50
};

/// The family's networks.
pub const VARIANTS: &[Variant] = &[
    Variant { name: "resnet18", family: "resnet", build: |i, o| network(&RESNET18, i, o) },
    Variant {
        name: "resnet34",
        family: "resnet",
        build: |i, o| network(&Config { layers: [3, 4, 6, 3], ..RESNET18 }, i, o),
    },
    Variant { name: "resnet50", family: "resnet", build: |i, o| network(&RESNET50, i, o) },
    Variant {
        name: "resnet101",
        family: "resnet",
        build: |i, o| network(&Config { layers: [3, 4, 23, 3], ..RESNET50 }, i, o),
    },
    Variant { name: "resnet_nano", family: "resnet", build: |i, o| network(&RESNET_NANO, i, o) },
    Variant {
        name: "resnext50_32x4d",
        family: "resnext",
        build: |i, o| network(&Config { groups: 32, base_width: 4, ..RESNET50 }, i, o),
    },
    Variant {
        name: "resnext101_32x4d",
        family: "resnext",
        build: |i, o| network(&Config { layers: [3, 4, 23, 3], groups: 32, base_width: 4, ..RESNET50 }, i, o),
    },
    Variant { name: "resnext_nano", family: "resnext", build: |i, o| network(&RESNEXT_NANO, i, o) },
];

/// The graph of a configuration for `inputs` channels and `classes`.
pub fn network(config: &Config, inputs: usize, classes: usize) -> Graph {
    let mut g = Builder::new(inputs);
    let x = g.conv2d("conv1", 0, config.stem.channels, config.stem.kernel, config.stem.stride, 1);
    let x = g.batch_norm("bn1", x);
    let mut x = g.relu("relu", x);
    if config.stem.max_pool {
        x = g.max_pool2d("maxpool", x, 3, 2, 1);
    }
    for (stage, (&blocks, &width)) in config.layers.iter().zip(&config.channels).enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = residual(&mut g, config, &format!("layer{}.{block}", stage + 1), x, width, stride);
        }
    }
    let x = g.global_avg_pool("avgpool", x);
    g.linear("fc", x, classes);
    g.finish()
}

/// One residual block: a branch, and the input itself or its projection, added and rectified.
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
            let y = g.conv2d(&at("conv1"), x, inner, 1, 1, 1);
            let y = g.batch_norm(&at("bn1"), y);
            let y = g.relu(&at("relu1"), y);
            let y = g.conv2d(&at("conv2"), y, inner, 3, stride, config.groups);
            let y = g.batch_norm(&at("bn2"), y);
            let y = g.relu(&at("relu2"), y);
            let y = g.conv2d(&at("conv3"), y, width * 4, 1, 1, 1);
            g.batch_norm(&at("bn3"), y)
        }
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
