//! From clips to training batches: features on disk, random crops, augmentation, mixup.
//!
//! [`FeatureCache`] computes the features of each clip once and stores them; [`Batches`] makes the
//! training batches of a job with [`random_crop`], [`Augmentation`] and [`Mixup`]. All random
//! numbers come from [`earmark_datasets::random`], so that runs are reproducible bit for bit.

mod augment;
mod batches;
mod cache;
mod crops;
mod mixup;

pub use augment::{Augmentation, CropPlan, Resize, SpecAugmentMasks};
pub use batches::{Batch, BatchPlan, BatchSettings, Batches, Example, Sampling};
#[doc(hidden)]
pub use cache::read_entry;
pub use cache::{CachedFeatures, ClipFeatures, EntryFault, FeatureCache, FeatureRequest, LoadError, LoadReport};
pub use crops::{random_crop, shifted_crop};
pub use mixup::Mixup;
