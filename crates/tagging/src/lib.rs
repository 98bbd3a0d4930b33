//! Tags audio with bundles, using only ONNX Runtime.
//!
//! A [`Bundle`] is a folder with everything that tagging needs; a [`Tagger`] opens one and tags a
//! single file or many in parallel. Nothing here depends on libtorch or XGBoost. ONNX Runtime's
//! library is loaded with the first model.

mod batch;
mod bundle;
mod check;
mod clip;
mod cutter;
mod embedder;
mod error;
mod events;
mod exported;
mod fault;
mod listener;
mod names;
mod onnx;
mod parallel;
mod parallelism;
mod pieces;
mod pool;
mod read;
mod resampler;
mod runtime;
mod sessions;
mod store;
mod tagger;
mod timeline;
mod verify;

pub use bundle::{Bundle, Embedding, Learner, Network, Origin, StackKind};
pub use clip::Warning;
pub use embedder::{EmbeddedFile, EmbeddedWindow, Embedder};
pub use error::{StoreError, TaggingError};
pub use events::{Event, EventChange, EventDetector, EventSettings};
pub use exported::ExportedModel;
pub use fault::BundleFault;
pub use listener::Listener;
pub use names::SUMS;
pub use parallelism::Parallelism;
pub use pieces::Part;
pub use resampler::Resampler;
pub use runtime::{Model, Signature, runtime_version};
pub use store::ModelStore;
pub use tagger::{PIECE_SECONDS, Tag, TaggedFile, Tagger};
pub use timeline::{ScoredWindow, Timeline, TimelinePart};
pub use verify::{Verified, verify};
