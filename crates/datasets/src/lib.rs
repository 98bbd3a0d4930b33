//! Reads folders and CSV files into clips, labels and folds, and generates the synthetic data set.
//!
//! [`open`] reads a data set into a [`Manifest`]; [`Splits`] assigns each training clip to a fold;
//! [`check`] decodes all clips and lists all problems. All random numbers come from
//! [`random::stream`], so that a run is reproducible to the bit.

pub mod check;
mod clip_list;
mod error;
mod labels;
mod layouts;
mod manifest;
mod options;
pub mod random;
mod rules;
mod splits;
mod stratify;
pub mod synth;
mod table;
mod task;
mod violation;
mod walk;

pub use error::{DatasetError, LabelFault, Location};
pub use manifest::{ClipEntry, Manifest, OnDecodeError, open};
pub use options::{Columns, OpenOptions, Usage};
pub use random::epoch_order;
pub use rules::{DEFAULT_FOLDS, violations};
pub use splits::Splits;
pub use task::Task;
pub use violation::{Severity, Violation};
pub use walk::{find_sound_files, sound_files};
