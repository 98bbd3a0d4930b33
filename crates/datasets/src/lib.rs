//! Folders and CSV files to clips, labels, folds, crops and mixup; the synthetic data set.
//!
//! The way through: [`open`] reads a data set into a [`Manifest`]; [`Splits`] says which fold each training clip lies
//! in; [`random_crop`] and [`Mixup`] make a training batch's inputs, [`windows`] and [`fixed_crop`] a prediction's.
//! Whatever is random here draws from [`random::stream`], so that a run can be repeated to the bit.
//!
//! A manifest holds paths, a crop cuts numbers; only [`check`] hears the clips.

mod batches;
pub mod check;
mod crops;
mod error;
mod layouts;
mod manifest;
mod mixup;
pub mod random;
mod splits;
pub mod synth;
mod table;
mod windowing;

pub use batches::{Batch, BatchSettings, Batches, Example};
pub use crops::{CropSpec, Padding, fixed_crop, random_crop, windows};
pub use error::{DatasetError, Place};
pub use manifest::{Columns, Damaged, Item, Manifest, OpenOptions, Usage, open};
pub use mixup::Mixup;
pub use random::epoch_order;
pub use splits::Splits;
pub use windowing::{Average, Windowing};
