//! Tags audio with bundles, using only ONNX Runtime.
//!
//! A [`Bundle`] is a folder with everything that tagging needs; a [`Tagger`] opens one and tags a
//! single file or many in parallel. Nothing here depends on libtorch or XGBoost. ONNX Runtime's
//! library is loaded with the first model.

mod batch;
mod bundle;
mod check;
mod clip;
mod error;
mod fault;
mod names;
mod parallelism;
mod read;
mod resampler;
mod runtime;
mod sessions;
mod tagger;

pub use bundle::{Bundle, Learner, Network};
pub use clip::Warning;
pub use error::TaggingError;
pub use fault::BundleFault;
pub use names::SUMS;
pub use parallelism::Parallelism;
pub use resampler::Resampler;
pub use runtime::{Model, Signature, runtime_version};
pub use tagger::{Tag, TaggedFile, Tagger};
