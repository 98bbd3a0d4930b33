//! The list of all networks by name.

use earmark_files::{did_you_mean, similar};

use crate::analysis::ShapeError;
use crate::families;
use crate::graph::Graph;
use crate::published::{IMAGENET, Pin, Pretrained, Source};

/// The kind of input that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Features with any number of channels, bins and frames: log-mel, MFCC.
    Features,
    /// Features with this number of bins.
    Bins(usize),
    /// Samples: one channel, one bin, one frame per sample.
    Wave,
}

/// A named network.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Its name in timm, or ours where timm has none.
    pub name: &'static str,
    /// The family.
    pub family: &'static str,
    /// The input that it takes.
    pub input: Input,
    /// Its published weights, for each kind of data at most one.
    pub pretrained: [Option<Pretrained>; 2],
    /// The network whose published weights fit this one, except for this network's front end.
    pub body: Option<&'static str>,
    /// Builds its graph for a number of input channels and a number of classes.
    pub build: fn(usize, usize) -> Graph,
}

impl Variant {
    /// A network on features.
    pub(crate) const fn new(name: &'static str, family: &'static str, build: fn(usize, usize) -> Graph) -> Self {
        Self { name, family, input: Input::Features, pretrained: [None; 2], body: None, build }
    }

    /// A network on samples.
    pub(crate) const fn wave(name: &'static str, family: &'static str, build: fn(usize, usize) -> Graph) -> Self {
        Self { input: Input::Wave, ..Self::new(name, family, build) }
    }

    /// With weights on the Hugging Face hub that were trained on ImageNet.
    pub(crate) const fn hub(self, repository: &'static str, licence: &'static str) -> Self {
        self.published(Source::Hub(repository), IMAGENET, licence)
    }

    /// With published weights, trained on `data` with a number of channels.
    pub(crate) const fn published(
        self,
        source: Source,
        (data, channels): (&'static str, usize),
        licence: &'static str,
    ) -> Self {
        let pin = Pin { revision: None, sha256: None };
        let published = Some(Pretrained { source, data, channels, licence, pin });
        let pretrained = match self.pretrained {
            [None, _] => [published, None],
            [first, _] => [first, published],
        };
        Self { pretrained, ..self }
    }

    /// Pins a version of its first published weights: the commit, if known, and the SHA-256 of the
    /// file.
    pub(crate) const fn pin(self, revision: Option<&'static str>, sha256: &'static str) -> Self {
        match self.pretrained {
            [Some(published), second] => {
                let pin = Pin { revision, sha256: Some(sha256) };
                Self { pretrained: [Some(Pretrained { pin, ..published }), second], ..self }
            }
            [None, _] => self,
        }
    }

    /// With the weights of another network in its body.
    pub(crate) const fn body(self, body: &'static str) -> Self {
        Self { body: Some(body), ..self }
    }

    /// For features with this number of bins.
    pub(crate) const fn bins(self, bins: usize) -> Self {
        Self { input: Input::Bins(bins), ..self }
    }

    /// The published weights that training can start from: its own, or its body's.
    pub fn starts(&self) -> impl Iterator<Item = Pretrained> {
        let body = self.body.and_then(|body| find(body).ok());
        let of_body = body.map_or([None; 2], |body| body.pretrained);
        self.pretrained.into_iter().chain(of_body).flatten()
    }

    /// Those that were trained on `data`.
    pub fn start(&self, data: &str) -> Option<Pretrained> {
        self.starts().find(|published| published.data == data)
    }

    /// The name prefix of the front end's parameters, for networks with the body of another
    /// network.
    pub fn front(&self) -> Option<&'static str> {
        (self.input == Input::Wave).then_some(families::wave::FRONT)
    }

    /// The network's graph for this number of input channels and of classes.
    pub fn graph(&self, channels: usize, classes: usize) -> Graph {
        (self.build)(channels, classes)
    }

    /// The network's graph for an input `[batch, channels, bins, frames]`. Batch and frames remain
    /// variable.
    ///
    /// # Errors
    /// An input that the network does not take or that is too small for it; fewer than two classes.
    pub fn fit(&self, input: [usize; 4], classes: usize) -> Result<Graph, ShapeError> {
        let [_, channels, bins, _] = input;
        let takes = match self.input {
            Input::Features if bins > 1 => None,
            Input::Bins(expected) if bins == expected => None,
            Input::Wave if bins == 1 && channels == 1 => None,
            Input::Features => Some("log-mel or MFCC features".to_owned()),
            Input::Bins(expected) => Some(format!("features of {expected} bins")),
            Input::Wave => Some("the wave of one channel".to_owned()),
        };
        if let Some(takes) = takes {
            let given = if bins == 1 { format!("a wave ({channels} x 1)") } else { format!("features of {bins} bins") };
            return Err(ShapeError::Unfit { network: self.name, takes, given });
        }
        if classes < 2 {
            return Err(ShapeError::Classes { classes });
        }
        let graph = self.graph(channels, classes);
        graph.shapes(input)?;
        Ok(graph)
    }

    /// Channels of its usual input: features with deltas, or the wave.
    pub fn channels(&self) -> usize {
        if self.input == Input::Wave { 1 } else { 3 }
    }

    /// The shape of a batch of its usual input, for frames of 10 ms: `[batch, 3, 64, frames]`, or
    /// `[batch, 1, 1, samples]` at 44,100 Hz.
    pub fn example(&self, batch: usize, frames: usize) -> [usize; 4] {
        match self.input {
            Input::Features => [batch, 3, 64, frames],
            Input::Bins(bins) => [batch, 3, bins, frames],
            Input::Wave => [batch, 1, 1, frames * 441],
        }
    }
}

/// No network has this name.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("unknown network {name:?}; `earmark nets list` lists all{}", did_you_mean(name, nearest.iter().copied()))]
pub struct UnknownVariant {
    /// The requested name.
    pub name: String,
    /// Similar names, the most similar first.
    pub nearest: Vec<&'static str>,
}

/// All networks, family by family.
pub fn variants() -> impl Iterator<Item = &'static Variant> {
    let families = [
        families::resnet::VARIANTS,
        families::seresnet::VARIANTS,
        families::xception::VARIANTS,
        families::xception_aligned::VARIANTS,
        families::dpn::VARIANTS,
        families::wave::VARIANTS,
        families::cnn14::VARIANTS,
        families::mn::VARIANTS,
    ];
    families.into_iter().flatten()
}

/// The network with this name.
///
/// # Errors
/// No network has this name; the error has similar names.
pub fn find(name: &str) -> Result<&'static Variant, UnknownVariant> {
    if let Some(variant) = variants().find(|variant| variant.name == name) {
        return Ok(variant);
    }
    let nearest = similar(name, variants().map(|variant| variant.name));
    Err(UnknownVariant { name: name.to_owned(), nearest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Parameters with 1000 classes, as torchvision's documentation (resnet*, resnext50) and timm's
    /// results tables (resnext101_32x4d) list them; `golden/nets` holds the same numbers, computed
    /// by the libraries themselves.
    #[test]
    fn parameter_counts_are_the_reference_ones() {
        let expected = [
            ("resnet18", 11_689_512),
            ("resnet34", 21_797_672),
            ("resnet50", 25_557_032),
            ("resnet101", 44_549_160),
            ("resnext50_32x4d", 25_028_904),
            ("resnext101_32x4d", 44_177_704),
            ("seresnext50_32x4d", 27_559_896),
            ("legacy_xception", 22_855_952),
            ("xception41", 26_969_560),
            ("dpn68", 12_611_602),
            ("dpn68b", 12_611_602),
            ("dpn92", 37_668_392),
            ("dpn98", 61_570_728),
            ("dpn107", 86_917_800),
            ("dpn131", 79_254_504),
        ];
        let wrong: Vec<_> = expected
            .iter()
            .map(|&(name, count)| (name, count, find(name).unwrap().graph(3, 1000).parameter_count()))
            .filter(|(_, expected, given)| expected != given)
            .collect();
        assert!(wrong.is_empty(), "name, expected, ours: {wrong:?}");
    }

    #[test]
    fn every_variant_gives_logits_for_any_size() {
        for variant in variants() {
            let graph = variant.graph(variant.channels(), 41);
            let mut inputs = vec![variant.example(1, 150), variant.example(5, 301), variant.example(2, 37)];
            if variant.input == Input::Features {
                inputs.extend([[1, 3, 128, 301], [2, 3, 224, 224]]);
            }
            for input in inputs {
                let shapes = graph.shapes(input).unwrap();
                assert_eq!(shapes.last().unwrap(), &[input[0], 41], "{} on {input:?}", variant.name);
            }
            assert_eq!(graph.classes(), 41);
            let head = graph.head().unwrap().parameters();
            assert!(head.iter().all(|parameter| parameter.shape[0] == 41), "{}: {head:?}", variant.name);
            let names: BTreeSet<String> = graph.nodes().iter().map(|node| node.path.clone()).collect();
            assert_eq!(names.len(), graph.nodes().len(), "{}: every path is used once", variant.name);
        }
    }

    #[test]
    fn a_wave_of_any_length_is_one_picture() {
        for (name, rows) in [("wave_resnet50", 96), ("wave_resnet_nano", 48)] {
            let graph = find(name).unwrap().graph(1, 2);
            for samples in (12_000..12_320).chain([66_150]) {
                let shapes = graph.shapes([1, 1, 1, samples]).unwrap();
                let picture = graph.nodes().iter().position(|node| node.path == "front.picture").unwrap();
                assert_eq!(shapes[picture], [1, 1, rows, samples / 150]);
            }
        }
    }

    #[test]
    fn bodies_are_networks_with_published_weights() {
        for variant in variants() {
            let Some(body) = variant.body else { continue };
            let body = find(body).unwrap();
            assert!(body.starts().next().is_some(), "{}: {} has none", variant.name, body.name);
            let ours = variant.graph(1, 5).parameters();
            let (front, rest): (Vec<_>, Vec<_>) = ours.into_iter().partition(|p| p.name.starts_with("front."));
            assert_eq!((front.len(), rest), (3 * 2 * 5, body.graph(1, 5).parameters()), "{}", variant.name);
        }
    }

    #[test]
    fn nano_sizes_are_below_a_million() {
        for variant in variants().filter(|variant| variant.name.ends_with("_nano")) {
            let count = variant.graph(variant.channels(), 41).parameter_count();
            assert!(count < 1_000_000, "{} has {count}", variant.name);
        }
    }

    /// He et al. 2015, table 1 (3.8e9 for the stride in the first 1x1; 4.09e9 with torchvision's),
    /// Xie et al., table 1.
    #[test]
    fn flops_are_those_of_the_papers() {
        for (name, billions) in [("resnet18", 1.81), ("resnet50", 4.09), ("resnext50_32x4d", 4.23)] {
            let flops = find(name).unwrap().graph(3, 1000).flops([1, 3, 224, 224]).unwrap() as f64 / 1e9;
            assert!((flops / billions - 1.0).abs() < 0.01, "{name}: {flops} instead of {billions}");
        }
    }

    #[test]
    fn unknown_names_bring_the_nearest() {
        for (asked, nearest) in [
            ("resnet5O", "resnet50"),
            ("ResNet50", "resnet50"),
            ("resnext50", "resnext50_32x4d"),
            ("seresnext50", "seresnext50_32x4d"),
            ("SEResNeXt50", "seresnext50_32x4d"),
            ("wave_resnext50", "wave_resnext50_32x4d"),
        ] {
            assert_eq!(find(asked).unwrap_err().nearest[0], nearest, "{asked}");
        }
        let all = |asked: &str| find(asked).unwrap_err().nearest.into_iter().collect::<BTreeSet<_>>();
        let resnext101 = ["resnext101_32x4d", "resnext101_32x8d", "resnext101_64x4d"];
        assert_eq!(all("resnext101"), BTreeSet::from(resnext101));
        let wave = ["wave_resnext50_32x4d", "wave_resnext101_32x4d", "wave_resnext_nano"];
        assert_eq!(all("Wave_ResNeXt"), BTreeSet::from(wave));
        assert!(find("").is_err());
    }

    #[test]
    fn wrong_inputs_are_errors() {
        let error = |name: &str, input: [usize; 4], classes| {
            let error = find(name).unwrap().fit(input, classes).map(|graph| graph.classes()).unwrap_err();
            println!("{error}");
            error
        };
        for (name, input) in [
            ("resnet18", [2, 1, 1, 66_150]),
            ("wave_resnet50", [2, 3, 64, 150]),
            ("wave_resnet50", [2, 3, 1, 66_150]),
            ("cnn14", [2, 3, 128, 150]),
        ] {
            assert!(matches!(error(name, input, 5), ShapeError::Unfit { network, .. } if network == name));
        }
        let small = error("cnn14", [2, 3, 64, 20], 5);
        let is_pool = |path: &str| path == "conv_block5.pool";
        assert!(matches!(&small, ShapeError::TooSmall { path, height: 1, width: 4 } if is_pool(path)), "{small}");
        for classes in [0, 1] {
            let fault = error("dpn_nano", [2, 3, 64, 150], classes);
            assert!(matches!(fault, ShapeError::Classes { classes: found } if found == classes), "{fault}");
        }
        for variant in variants() {
            variant.fit(variant.example(1, 150), 2).unwrap();
        }
        let graph = find("resnet18").unwrap().graph(3, 10);
        assert!(matches!(graph.shapes([1, 1, 64, 150]), Err(ShapeError::Channels { expected: 3, given: 1 })));
        assert!(matches!(graph.shapes([1, 3, 0, 150]), Err(ShapeError::TooSmall { .. })));
    }
}
