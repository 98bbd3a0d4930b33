//! Network architectures as data.
//!
//! A network is a [`Graph`]: nodes in the order of computation, each with an [`Op`], its inputs,
//! and a path that equals the parameter's name in timm or torchvision. Each family of architectures
//! is one file under `families`, and each variant one line in the [`registry`]. Three interpreters
//! walk the same graph: shapes, parameters and FLOPs ([`Graph::shapes`], [`Graph::parameters`],
//! [`Graph::flops`]), ONNX ([`to_onnx`]), and libtorch (in the crate `training`).

mod analysis;
mod export;
pub mod families;
mod graph;
pub mod kernel;
pub mod linear;
#[cfg(feature = "pth")]
mod pth;
mod published;
mod read;
pub mod registry;
mod transfer;
mod weights;

pub use analysis::{Init, Parameter, Role, ShapeError};
pub use export::{ExportError, check_size, to_onnx, to_onnx_with_embeddings};
pub use graph::{BATCH_NORM_EPS, BATCH_NORM_MOMENTUM, Builder, Graph, Initialization, Node, NodeId, Op, Window};
pub use published::{Pin, Pretrained, Source};
pub use registry::{Input, UnknownVariant, Variant, find, variants};
pub use transfer::{USUAL_CLASSES, USUAL_FRAMES, transfer};
pub use weights::{Array, Weights, WeightsError};
