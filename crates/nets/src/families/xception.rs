//! Xception (Chollet 2016, arXiv 1610.02357): residual blocks of depthwise separable convolutions.
//!
//! `legacy_xception` is timm's version of the paper's network (timm's older `xception`), which the
//! authors of the audio tagger used. Its first convolutions have no padding.

use crate::graph::{Builder, Graph, NodeId, Window};
use crate::published::{IMAGENET, Source};
use crate::registry::Variant;

/// The configuration of one network of the family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Channels of the first two convolutions.
    pub stem: [usize; 2],
    /// Channels of the three blocks that halve the size; the middle blocks have the channels of the
    /// last of them.
    pub entry: [usize; 3],
    /// Number of middle blocks.
    pub middle: usize,
    /// Channels of the last block, and of the two separable convolutions after it.
    pub exit: [usize; 3],
}

const XCEPTION: Config = Config { stem: [32, 64], entry: [128, 256, 728], middle: 8, exit: [1024, 1536, 2048] };
const NANO: Config = Config { stem: [16, 32], entry: [64, 128, 192], middle: 1, exit: [256, 320, 384] };
/// timm 1.0.31 provides these weights only as a release, with the first digits of the SHA-256 in
/// the file name.
const WEIGHTS: Source = Source::Release {
    url: "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene/xception-43020ad28.pth",
    sha256: Some("43020ad28"),
};

/// The family's networks.
pub const VARIANTS: &[Variant] = &[
    Variant::new("legacy_xception", "xception", |i, o| network(&XCEPTION, i, o)).published(
        WEIGHTS,
        IMAGENET,
        "apache-2.0",
    ),
    Variant::new("xception_nano", "xception", |i, o| network(&NANO, i, o)),
];

/// The graph of a configuration, for `inputs` channels and `classes`.
pub fn network(config: &Config, inputs: usize, classes: usize) -> Graph {
    let mut g = Builder::new(inputs);
    let x = g.conv("conv1", 0, config.stem[0], Window::square(3, 2, 0), 1);
    let x = g.batch_norm("bn1", x);
    let x = g.relu("act1", x);
    let x = g.conv("conv2", x, config.stem[1], Window::square(3, 1, 0), 1);
    let x = g.batch_norm("bn2", x);
    let mut x = g.relu("act2", x);
    let mut number = 0;
    let mut next = |g: &mut Builder, x: NodeId, outputs: &[usize], stride: usize| {
        number += 1;
        // The stem already ends with a ReLU.
        block(g, &format!("block{number}"), x, outputs, stride, number > 1)
    };
    for channels in config.entry {
        x = next(&mut g, x, &[channels; 2], 2);
    }
    let [.., width] = config.entry;
    for _ in 0..config.middle {
        x = next(&mut g, x, &[width; 3], 1);
    }
    // The last block widens in its second convolution, the others in their first.
    let x = next(&mut g, x, &[width, config.exit[0]], 2);
    let x = separable(&mut g, "conv3", x, config.exit[1]);
    let x = g.batch_norm("bn3", x);
    let x = g.relu("act3", x);
    let x = separable(&mut g, "conv4", x, config.exit[2]);
    let x = g.batch_norm("bn4", x);
    let x = g.relu("act4", x);
    let x = g.global_avg_pool("global_pool", x);
    let x = g.flatten("flatten", x);
    g.linear("fc", x, classes);
    g.finish()
}

/// Separable convolutions with these output channels, added to the input or its projection.
fn block(g: &mut Builder, path: &str, x: NodeId, outputs: &[usize], stride: usize, relu_first: bool) -> NodeId {
    let mut place = 0;
    let mut at = || {
        place += 1;
        format!("{path}.rep.{}", place - 1)
    };
    let mut y = x;
    for (index, &channels) in outputs.iter().enumerate() {
        if index > 0 || relu_first {
            y = g.relu(&at(), y);
        }
        y = separable(g, &at(), y, channels);
        y = g.batch_norm(&at(), y);
    }
    if stride > 1 {
        y = g.max_pool2d(&at(), y, Window::square(3, stride, 1));
    }
    let shortcut = if stride > 1 || g.channels(x) != g.channels(y) {
        let skip = g.conv2d(&format!("{path}.skip"), x, g.channels(y), 1, stride, 1);
        g.batch_norm(&format!("{path}.skipbn"), skip)
    } else {
        x
    };
    g.add(&format!("{path}.add"), y, shortcut)
}

/// A depthwise 3x3 convolution, then a pointwise one.
fn separable(g: &mut Builder, path: &str, x: NodeId, outputs: usize) -> NodeId {
    let y = g.conv2d(&format!("{path}.conv1"), x, g.channels(x), 3, 1, g.channels(x));
    g.conv2d(&format!("{path}.pointwise"), y, outputs, 1, 1, 1)
}
