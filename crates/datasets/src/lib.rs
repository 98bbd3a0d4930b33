//! Folders and CSV files to clips, labels, folds, features on disk and batches; the synthetic data set.
//!
//! The way through: [`open`] reads a data set into a [`Manifest`]; [`Splits`] says which fold each training clip lies
//! in; [`FeatureCache`] makes each clip's features once and keeps them; [`Batches`] makes a job's training batches of
//! them by [`random_crop`] and [`Mixup`], [`Windowing`] the inputs of a prediction by [`windows`] and [`fixed_crop`].
//! Whatever is random here draws from [`random::stream`], so that a run can be repeated to the bit.
//!
//! Sound is decoded in two places only: [`FeatureCache::hear`] and [`check`].

mod augment;
mod batches;
mod cache;
pub mod check;
mod crops;
#[cfg(feature = "download")]
pub mod download;
mod error;
mod layouts;
mod manifest;
mod mixup;
pub mod random;
mod rules;
mod sound;
mod splits;
pub mod synth;
mod table;
mod walk;
mod windowing;

pub use augment::{Augmentation, SpecAugmentMasks};
pub use batches::{Batch, BatchSettings, Batches, Example, Sampling};
#[doc(hidden)]
pub use cache::read_entry;
pub use cache::{CachedFeatures, ClipFeatures, EntryFault, FeatureCache, FeatureRequest, LoadError, LoadReport};
pub use crops::{CropSpec, Padding, fixed_crop, random_crop, shifted_crop, windows};
pub use error::{DatasetError, LabelFault, Place};
pub use manifest::{ClipEntry, Columns, Manifest, OnDecodeError, OpenOptions, Usage, open};
pub use mixup::Mixup;
pub use random::epoch_order;
pub use rules::{DEFAULT_FOLDS, Severity, Violation, violations};
pub use sound::SoundId;
pub use splits::Splits;
pub use walk::{find_sound_files, sound_files};
pub use windowing::{WindowAggregation, Windowing};
