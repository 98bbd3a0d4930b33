//! SE-ResNet and SE-ResNeXt: ResNet and ResNeXt with squeeze and excitation (Hu et al. 2017, arXiv
//! 1709.01507).
//!
//! Names and numbers are timm's, including the names `legacy_...` of its older networks, which were
//! ported from Caffe. The paper's authors used `legacy_seresnext50_32x4d`.

use super::resnet::{Config, RESNET50, RESNEXT_NANO, RESNEXT50_32X4D, RESNEXT101_32X4D, Se, network};
use crate::published::{IMAGENET, Source};
use crate::registry::Variant;

const SE_RESNET: &str = "se_resnet";
const SE_RESNEXT: &str = "se_resnext";
const APACHE: &str = "apache-2.0";
// timm 1.0.31 provides the older weights only as releases, with the first digits of the SHA-256 in
// the file name.
const SERESNET50: Source = Source::Release {
    url: "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene/se_resnet50-ce0d4300.pth",
    sha256: Some("ce0d4300"),
};
const SERESNEXT50: Source = Source::Release {
    url: "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/legacy_se_resnext50_32x4d-f3651bad.pth",
    sha256: Some("f3651bad"),
};
const SERESNEXT101: Source = Source::Release {
    url: "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/legacy_se_resnext101_32x4d-37725eac.pth",
    sha256: Some("37725eac"),
};

/// The family's networks.
pub const VARIANTS: &[Variant] = &[
    Variant::new("seresnet50", SE_RESNET, |i, o| network(&Config { se: Se::Timm, ..RESNET50 }, i, o))
        .hub("timm/seresnet50.ra2_in1k", APACHE),
    // Caffe's bottleneck has its stride in the same convolution as the first ResNet paper.
    Variant::new("legacy_seresnet50", SE_RESNET, |i, o| {
        network(&Config { se: Se::Legacy, stride_first: true, ..RESNET50 }, i, o)
    })
    .published(SERESNET50, IMAGENET, APACHE),
    Variant::new("seresnext50_32x4d", SE_RESNEXT, |i, o| network(&Config { se: Se::Timm, ..RESNEXT50_32X4D }, i, o))
        .hub("timm/seresnext50_32x4d.gluon_in1k", APACHE),
    Variant::new("seresnext101_32x4d", SE_RESNEXT, |i, o| network(&Config { se: Se::Timm, ..RESNEXT101_32X4D }, i, o))
        .hub("timm/seresnext101_32x4d.gluon_in1k", APACHE),
    Variant::new("legacy_seresnext50_32x4d", SE_RESNEXT, |i, o| {
        network(&Config { se: Se::Legacy, ..RESNEXT50_32X4D }, i, o)
    })
    .published(SERESNEXT50, IMAGENET, APACHE),
    Variant::new("legacy_seresnext101_32x4d", SE_RESNEXT, |i, o| {
        network(&Config { se: Se::Legacy, ..RESNEXT101_32X4D }, i, o)
    })
    .published(SERESNEXT101, IMAGENET, APACHE),
    Variant::new("seresnext_nano", SE_RESNEXT, |i, o| network(&Config { se: Se::Timm, ..RESNEXT_NANO }, i, o)),
];
