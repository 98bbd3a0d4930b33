//! Bundles and audio to tags, on ONNX Runtime alone.
//!
//! A [`Bundle`] is a folder with all that tagging needs; a [`Tagger`] opens one and gives each clip
//! its tags, of one file at a time or of many side by side. Nothing here depends on libtorch or
//! XGBoost. ONNX Runtime's library is opened when the first model is loaded.

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
