//! MobileNetV3-Large (Howard et al. 2019, arXiv 1905.02244) as the EfficientAT networks have it,
//! which are trained on AudioSet (Schmid, Koutini, Widmer 2023, arXiv 2211.04772).
//!
//! `mn10` has the width of the first paper, `mn04` 0.4 times as many channels, and so on. Names are
//! those of the authors' weights. Their dropout before the last layer is omitted: it needs random
//! numbers inside the network.

use crate::graph::{BATCH_NORM_MOMENTUM, Builder, Graph, Initialization, NodeId, Op};
use crate::published::{AUDIOSET, GRAY_IMAGENET, Source};
use crate::registry::Variant;

/// The authors' batch norm.
const EPS: f64 = 1e-3;
const MOMENTUM: f64 = 0.01;

/// Channels are multiples of this.
const DIVISOR: usize = 8;

const FAMILY: &str = "mn";

const LICENCE: &str = "mit";
/// The SHA-256 of `mn04_as_mAP_432.pt`.
const MN04: &str = "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c";

/// A file of the authors' release.
macro_rules! release {
    ($file:literal, $sha256:expr) => {
        Source::Release {
            url: concat!("https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/", $file),
            sha256: $sha256,
        }
    };
}

/// The family's networks. The number in a file's name is its mean average precision on AudioSet.
pub const VARIANTS: &[Variant] = &[
    Variant::new("mn01", FAMILY, |i, o| network(&Config::large(0.1), i, o))
        .published(release!("mn01_as_mAP_298.pt", None), AUDIOSET, LICENCE)
        .published(release!("mn01_im.pt", None), GRAY_IMAGENET, LICENCE),
    Variant::new("mn02", FAMILY, |i, o| network(&Config::large(0.2), i, o))
        .published(release!("mn02_as_mAP_378.pt", None), AUDIOSET, LICENCE)
        .published(release!("mn02_im.pt", None), GRAY_IMAGENET, LICENCE),
    Variant::new("mn04", FAMILY, |i, o| network(&Config::large(0.4), i, o))
        .published(release!("mn04_as_mAP_432.pt", Some(MN04)), AUDIOSET, LICENCE)
        .published(release!("mn04_im.pt", None), GRAY_IMAGENET, LICENCE),
    Variant::new("mn05", FAMILY, |i, o| network(&Config::large(0.5), i, o))
        .published(release!("mn05_as_mAP_443.pt", None), AUDIOSET, LICENCE)
        .published(release!("mn05_im.pt", None), GRAY_IMAGENET, LICENCE),
    Variant::new("mn10", FAMILY, |i, o| network(&Config::large(1.0), i, o))
        .published(release!("mn10_as_mAP_471.pt", None), AUDIOSET, LICENCE)
        .published(release!("mn10_im.pt", None), GRAY_IMAGENET, LICENCE),
    Variant::new("mn20", FAMILY, |i, o| network(&Config::large(2.0), i, o))
        .published(release!("mn20_as_mAP_478.pt", None), AUDIOSET, LICENCE)
        .published(release!("mn20_im.pt", None), GRAY_IMAGENET, LICENCE),
    Variant::new("mn30", FAMILY, |i, o| network(&Config::large(3.0), i, o))
        .published(release!("mn30_as_mAP_482.pt", None), AUDIOSET, LICENCE)
        .published(release!("mn30_im.pt", None), GRAY_IMAGENET, LICENCE),
    Variant::new("mn40", FAMILY, |i, o| network(&Config::large(4.0), i, o))
        .published(release!("mn40_as_mAP_484.pt", None), AUDIOSET, LICENCE)
        .published(release!("mn40_im.pt", None), GRAY_IMAGENET, LICENCE),
    Variant::new("mn_nano", FAMILY, |i, o| network(&NANO, i, o)),
];

/// The size of a network.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The factor of all channels.
    pub width: f64,
    /// The blocks, with their channels before the factor.
    pub blocks: &'static [Block],
    /// The weight of the new batch in batch norm's running statistics.
    pub momentum: f64,
}

impl Config {
    const fn large(width: f64) -> Self {
        Self { width, blocks: &LARGE, momentum: MOMENTUM }
    }

    /// A number of channels, times the width: the nearest multiple of 8 that is at least 90 % of
    /// it.
    fn channels(&self, channels: usize) -> usize {
        divisible(channels as f64 * self.width)
    }
}

fn divisible(channels: f64) -> usize {
    let nearest = (((channels + DIVISOR as f64 / 2.0) as usize) / DIVISOR * DIVISOR).max(DIVISOR);
    if (nearest as f64) < 0.9 * channels { nearest + DIVISOR } else { nearest }
}

/// An inverted residual block.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    kernel: usize,
    expanded: usize,
    outputs: usize,
    stride: usize,
    squeeze: bool,
    hard_swish: bool,
}

const fn block(kernel: usize, expanded: usize, outputs: usize, stride: usize) -> Block {
    Block { kernel, expanded, outputs, stride, squeeze: false, hard_swish: false }
}

impl Block {
    /// With squeeze and excitation.
    const fn squeezed(self) -> Self {
        Self { squeeze: true, ..self }
    }

    /// With hard swish instead of ReLU.
    const fn swish(self) -> Self {
        Self { hard_swish: true, ..self }
    }
}

/// Howard et al. 2019, table 1.
const LARGE: [Block; 15] = [
    block(3, 16, 16, 1),
    block(3, 64, 24, 2),
    block(3, 72, 24, 1),
    block(5, 72, 40, 2).squeezed(),
    block(5, 120, 40, 1).squeezed(),
    block(5, 120, 40, 1).squeezed(),
    block(3, 240, 80, 2).swish(),
    block(3, 200, 80, 1).swish(),
    block(3, 184, 80, 1).swish(),
    block(3, 184, 80, 1).swish(),
    block(3, 480, 112, 1).squeezed().swish(),
    block(3, 672, 112, 1).squeezed().swish(),
    block(5, 672, 160, 2).squeezed().swish(),
    block(5, 960, 160, 1).squeezed().swish(),
    block(5, 960, 160, 1).squeezed().swish(),
];

/// One block of each kind. Batch norm's statistics follow fast enough for short trainings.
const NANO: Config = Config {
    width: 1.0,
    blocks: &[
        block(3, 16, 16, 1),
        block(3, 64, 24, 2),
        block(5, 72, 40, 2).squeezed(),
        block(3, 160, 64, 2).swish(),
        block(5, 256, 64, 1).squeezed().swish(),
    ],
    momentum: BATCH_NORM_MOMENTUM,
};

/// Channels of the stem and of the layer before the last one, before the factor.
const STEM: usize = 16;
const HEAD: usize = 1280;

/// The graph for `inputs` channels and `classes`.
pub fn network(config: &Config, inputs: usize, classes: usize) -> Graph {
    let mut g = Layers { builder: Builder::initialized(inputs, Initialization::Mobile), momentum: config.momentum };
    let mut x = g.conv("features.0", 0, config.channels(STEM), 3, 2, 1);
    x = g.activate("features.0.2", x, true);
    for (number, block) in (1..).zip(config.blocks) {
        x = g.block(&format!("features.{number}"), x, block, config);
    }
    let last = format!("features.{}", config.blocks.len() + 1);
    let outputs = 6 * g.builder.channels(x);
    x = g.conv(&last, x, outputs, 1, 1, 1);
    x = g.activate(&format!("{last}.2"), x, true);
    let mut g = g.builder;
    let x = g.global_avg_pool("classifier.0", x);
    let x = g.flatten("classifier.1", x);
    g.embedding(x);
    let x = g.linear("classifier.2", x, config.channels(HEAD));
    let x = g.unary("classifier.3", Op::HardSwish, x);
    g.linear("classifier.5", x, classes);
    g.finish()
}

/// A [`Builder`] of this family's layers.
struct Layers {
    builder: Builder,
    momentum: f64,
}

impl Layers {
    /// A convolution and batch norm, whose parameters are those of `path.0` and `path.1`.
    fn conv(&mut self, path: &str, x: NodeId, outputs: usize, kernel: usize, stride: usize, groups: usize) -> NodeId {
        let x = self.builder.conv2d(&format!("{path}.0"), x, outputs, kernel, stride, groups);
        self.builder.batch_norm_with(&format!("{path}.1"), x, EPS, self.momentum)
    }

    fn activate(&mut self, path: &str, x: NodeId, hard_swish: bool) -> NodeId {
        self.builder.unary(path, if hard_swish { Op::HardSwish } else { Op::Relu }, x)
    }

    fn block(&mut self, path: &str, input: NodeId, block: &Block, config: &Config) -> NodeId {
        let (expanded, outputs) = (config.channels(block.expanded), config.channels(block.outputs));
        let mut part = 0;
        let mut next = || {
            part += 1;
            format!("{path}.block.{}", part - 1)
        };
        let mut x = input;
        if expanded != self.builder.channels(input) {
            let path = next();
            x = self.conv(&path, x, expanded, 1, 1, 1);
            x = self.activate(&format!("{path}.2"), x, block.hard_swish);
        }
        let path_of_depth = next();
        x = self.conv(&path_of_depth, x, expanded, block.kernel, block.stride, expanded);
        x = self.activate(&format!("{path_of_depth}.2"), x, block.hard_swish);
        if block.squeeze {
            x = self.squeeze(&format!("{}.conc_se_layers.0", next()), x);
        }
        x = self.conv(&next(), x, outputs, 1, 1, 1);
        if block.stride == 1 && outputs == self.builder.channels(input) {
            x = self.builder.add(&format!("{path}.add"), x, input);
        }
        x
    }

    /// Squeeze and excitation of the channels.
    fn squeeze(&mut self, path: &str, input: NodeId) -> NodeId {
        let at = |name: &str| format!("{path}.{name}");
        let g = &mut self.builder;
        let channels = g.channels(input);
        let x = g.global_avg_pool(&at("mean"), input);
        let x = g.flatten(&at("flatten"), x);
        let x = g.linear(&at("fc1"), x, divisible((channels / 4) as f64));
        let x = g.relu(&at("activation"), x);
        let x = g.linear(&at("fc2"), x, channels);
        let x = g.sigmoid(&at("scale_activation"), x);
        let x = g.unary(&at("unflatten"), Op::Unflatten, x);
        g.mul(&at("scale"), input, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_multiples_of_eight_near_the_width() {
        let of = |width: f64| [16, 24, 40, 64, 112, 1280].map(|channels| Config::large(width).channels(channels));
        assert_eq!(of(1.0), [16, 24, 40, 64, 112, 1280]);
        assert_eq!(of(0.4), [8, 16, 16, 24, 48, 512]);
        assert_eq!(of(0.1), [8, 8, 8, 8, 16, 128]);
        assert_eq!([12.0, 68.0, 1.0].map(divisible), [16, 72, 8]);
    }

    /// The authors' table: parameters in millions, and multiply-adds in billions for 10 s.
    #[test]
    fn sizes_are_as_published() {
        for (name, millions, billions) in [
            ("mn04", 0.983, 0.11),
            ("mn05", 1.43, 0.16),
            ("mn10", 4.88, 0.54),
            ("mn20", 17.91, 2.06),
            ("mn40", 68.43, 8.03),
        ] {
            let graph = crate::registry::find(name).unwrap().graph(1, 527);
            let parameters = graph.parameter_count() as f64 / 1e6;
            assert!((parameters / millions - 1.0).abs() < 0.005, "{name}: {parameters} million parameters");
            let flops = graph.flops([1, 1, 128, 1000]).unwrap() as f64 / 1e9;
            assert!((flops - billions).abs() < 0.02 * billions + 0.005, "{name}: {flops} billion FLOPs");
        }
    }
}
