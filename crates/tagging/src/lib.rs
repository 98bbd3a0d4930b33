//! Bundles and audio to tags, on ONNX Runtime alone.
//!
//! A [`Bundle`] is a folder with all that tagging needs; a [`Tagger`] opens one and gives each clip its tags. Nothing
//! here depends on libtorch or XGBoost. ONNX Runtime's library is opened when the first model is loaded.

mod bundle;
mod error;
mod runtime;
mod tagger;

pub use bundle::{Bundle, Learner, Network, SUMS};
pub use error::TaggingError;
pub use runtime::{Model, runtime_version};
pub use tagger::{Tag, Tagger};
