//! Published networks as bundles, which tag without training.
//!
//! [`published`] lists the models that their authors have released, [`pull`] fetches one and
//! installs it, and [`import`] installs a file of weights. An installed model is a bundle with a
//! sigmoid for each of its classes and an embedding, so it also serves as the front end of learners
//! ([`earmark_features::FrontEnd::Embedding`]).
//!
//! `audioset.csv` is AudioSet's list of classes, by Google, under CC BY 4.0
//! (<https://research.google.com/audioset/>).

mod class_list;
mod error;
mod family;
mod import;
mod install;
mod published;

pub use class_list::ClassList;
pub use error::ModelError;
pub use import::import;
pub use published::{PublishedModel, PullOptions, published, pull};
