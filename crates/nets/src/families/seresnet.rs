//! SE-ResNet and SE-ResNeXt: ResNet and ResNeXt with squeeze and excitation (Hu et al. 2017, arXiv 1709.01507).
//!
//! Names and numbers are timm's. Its older networks, ported from Caffe, are here under its names for them, `legacy_...`:
//! the paper's authors used `legacy_seresnext50_32x4d`.

use super::resnet::{Config, RESNET50, RESNEXT_NANO, RESNEXT50_32X4D, RESNEXT101_32X4D, Se, network};
use crate::registry::Variant;

const SE_RESNET: &str = "se_resnet";
const SE_RESNEXT: &str = "se_resnext";
const APACHE: &str = "apache-2.0";

/// The family's networks.
pub const VARIANTS: &[Variant] = &[
    Variant::new("seresnet50", SE_RESNET, |i, o| network(&Config { se: Se::Timm, ..RESNET50 }, i, o))
        .hub("timm/seresnet50.ra2_in1k", APACHE),
    // Caffe's bottleneck has its stride where the first paper on ResNet has it.
    Variant::new("legacy_seresnet50", SE_RESNET, |i, o| {
        network(&Config { se: Se::Legacy, stride_first: true, ..RESNET50 }, i, o)
    }),
    Variant::new("seresnext50_32x4d", SE_RESNEXT, |i, o| network(&Config { se: Se::Timm, ..RESNEXT50_32X4D }, i, o))
        .hub("timm/seresnext50_32x4d.gluon_in1k", APACHE),
    Variant::new("seresnext101_32x4d", SE_RESNEXT, |i, o| network(&Config { se: Se::Timm, ..RESNEXT101_32X4D }, i, o))
        .hub("timm/seresnext101_32x4d.gluon_in1k", APACHE),
    Variant::new("legacy_seresnext50_32x4d", SE_RESNEXT, |i, o| {
        network(&Config { se: Se::Legacy, ..RESNEXT50_32X4D }, i, o)
    }),
    Variant::new("legacy_seresnext101_32x4d", SE_RESNEXT, |i, o| {
        network(&Config { se: Se::Legacy, ..RESNEXT101_32X4D }, i, o)
    }),
    Variant::new("seresnext_nano", SE_RESNEXT, |i, o| network(&Config { se: Se::Timm, ..RESNEXT_NANO }, i, o)),
];
