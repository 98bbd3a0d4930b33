//! Wave-ResNet and Wave-ResNeXt: ResNet and ResNeXt on raw samples, as the paper's authors built
//! them.
//!
//! Three branches of one-dimensional convolutions, with short, middle and long windows (Zhu et al.
//! 2018, "Learning Environmental Sounds with Multi-scale Convolutional Neural Network", arXiv
//! 1803.10219), are stacked into one image of 96 rows in which each column covers 150 samples; the
//! body is the one for images with one channel. Names are ours in the front end, torchvision's in
//! the body. A small network spends most of its time in the branches, which process every sample,
//! so the branches of the `nano` sizes have half the channels: an image of 48 rows.
//!
//! Strided convolutions pad less after the clip than before it, so that every branch produces the
//! same number of columns for any clip length. If the length is a multiple of 150, this makes no
//! other difference.

use super::resnet::{self, Config, RESNET_NANO, RESNET50, RESNET101, RESNEXT_NANO, RESNEXT50_32X4D, RESNEXT101_32X4D};
use crate::graph::{Builder, Graph, NodeId, Window};
use crate::registry::Variant;

/// The name prefix of the branches' parameters.
pub(crate) const FRONT: &str = "front.";
/// Channels of each branch: rows of the image.
const ROWS: usize = 32;
const NANO_ROWS: usize = 16;
/// Kernel and stride of each branch's first convolution, and the max pooling that reduces 150
/// samples to one column.
const BRANCHES: [(usize, usize, usize); 3] = [(11, 1, 150), (51, 5, 30), (101, 10, 15)];

const WAVE_RESNET: &str = "wave_resnet";
const WAVE_RESNEXT: &str = "wave_resnext";

/// The family's networks.
pub const VARIANTS: &[Variant] = &[
    Variant::wave("wave_resnet50", WAVE_RESNET, |_, o| network(&RESNET50, ROWS, o)).body("resnet50"),
    Variant::wave("wave_resnet101", WAVE_RESNET, |_, o| network(&RESNET101, ROWS, o)).body("resnet101"),
    Variant::wave("wave_resnet_nano", WAVE_RESNET, |_, o| network(&RESNET_NANO, NANO_ROWS, o)),
    Variant::wave("wave_resnext50_32x4d", WAVE_RESNEXT, |_, o| network(&RESNEXT50_32X4D, ROWS, o))
        .body("resnext50_32x4d"),
    Variant::wave("wave_resnext101_32x4d", WAVE_RESNEXT, |_, o| network(&RESNEXT101_32X4D, ROWS, o))
        .body("resnext101_32x4d"),
    Variant::wave("wave_resnext_nano", WAVE_RESNEXT, |_, o| network(&RESNEXT_NANO, NANO_ROWS, o)),
];

/// The graph of a body after branches of `rows` channels, for `classes`; the input is
/// `[batch, 1, 1, samples]`.
pub fn network(config: &Config, rows: usize, classes: usize) -> Graph {
    let mut g = Builder::new(1).bins(1);
    let branches: Vec<NodeId> =
        (1..).zip(BRANCHES).map(|(number, sizes)| branch(&mut g, rows, number, sizes)).collect();
    let x = g.concat("front.concat", &branches);
    let x = g.permute("front.picture", x, [0, 2, 1, 3], 1);
    resnet::body(&mut g, config, x, classes);
    g.finish()
}

/// One branch: `[batch, rows, 1, samples / 150]`.
fn branch(g: &mut Builder, rows: usize, number: usize, (kernel, stride, pool): (usize, usize, usize)) -> NodeId {
    let at = |name: &str| format!("front.branch{number}.{name}");
    let x = g.pad(&at("pad"), 0, kernel / 2, kernel / 2 + 1 - stride);
    let x = g.conv(&at("conv1"), x, rows, Window::row(kernel, stride, 0), 1);
    let x = g.batch_norm(&at("bn1"), x);
    let x = g.relu(&at("relu1"), x);
    let x = g.conv(&at("conv2"), x, rows, Window::row(3, 1, 1), 1);
    let x = g.batch_norm(&at("bn2"), x);
    let x = g.relu(&at("relu2"), x);
    g.max_pool2d(&at("pool"), x, Window::row(pool, pool, 0))
}
