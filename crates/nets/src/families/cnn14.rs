//! CNN14 of PANNs (Kong et al. 2019, arXiv 1912.10211): a plain stack of 3x3 convolutions on
//! log-mel of 64 bands.
//!
//! Names are those of the authors' weights. Their dropout is omitted: it needs random numbers
//! inside the network, and mixup replaces it. `recipes/cnn14.toml` uses their front end: 32,000 Hz,
//! windows of 1024 samples every 320 samples, 50 to 14,000 Hz.

use crate::graph::{Builder, Graph, Initialization, NodeId, Op, Window};
use crate::published::{AUDIOSET, Source};
use crate::registry::Variant;

/// Number of bands; the first batch norm fixes it.
const BANDS: usize = 64;
/// The authors' own weights, trained on one channel; several of their users list this SHA-256.
const WEIGHTS: Source = Source::Release {
    url: "https://zenodo.org/records/3987831/files/Cnn14_mAP%3D0.431.pth",
    sha256: Some("0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31"),
};

/// The family's networks.
pub const VARIANTS: &[Variant] = &[
    Variant::new("cnn14", "cnn14", |i, o| network([64, 128, 256, 512, 1024, 2048], i, o)).bins(BANDS).published(
        WEIGHTS,
        AUDIOSET,
        "cc-by-4.0",
    ),
    Variant::new("cnn14_nano", "cnn14", |i, o| network([8, 16, 32, 64, 96, 160], i, o)).bins(BANDS),
];

/// The graph with these channels in the six blocks, for `inputs` channels and `classes`.
pub fn network(channels: [usize; 6], inputs: usize, classes: usize) -> Graph {
    let mut g = Builder::initialized(inputs, Initialization::Glorot).bins(BANDS);
    // A batch norm per band, over channels and frames.
    let x = g.permute("bands", 0, [0, 2, 1, 3], BANDS);
    let x = g.batch_norm("bn0", x);
    // In the authors' layout, frames are the height.
    let mut x = g.permute("upright", x, [0, 2, 3, 1], inputs);
    for (number, outputs) in (1..).zip(channels) {
        x = block(&mut g, &format!("conv_block{number}"), x, outputs, number < channels.len());
    }
    let x = g.unary("mean_of_bands", Op::MeanOverWidth, x);
    let x = g.permute("frames", x, [0, 1, 3, 2], channels[5]);
    let mean = g.unary("mean_of_frames", Op::MeanOverWidth, x);
    let most = g.unary("maximum_of_frames", Op::MaxOverWidth, x);
    let x = g.add("sum", most, mean);
    let x = g.flatten("flatten", x);
    let x = g.linear("fc1", x, channels[5]);
    let x = g.relu("relu1", x);
    g.embedding(x);
    g.linear("fc_audioset", x, classes);
    g.finish()
}

/// Two 3x3 convolutions, each with batch norm and ReLU, and 2x2 average pooling.
fn block(g: &mut Builder, path: &str, x: NodeId, outputs: usize, pool: bool) -> NodeId {
    let at = |name: &str| format!("{path}.{name}");
    let mut x = x;
    for number in [1, 2] {
        x = g.conv2d(&at(&format!("conv{number}")), x, outputs, 3, 1, 1);
        x = g.batch_norm(&at(&format!("bn{number}")), x);
        x = g.relu(&at(&format!("relu{number}")), x);
    }
    if pool { g.avg_pool2d(&at("pool"), x, Window::square(2, 2, 0)) } else { x }
}
