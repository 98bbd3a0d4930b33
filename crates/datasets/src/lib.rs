//! Folders and CSV files to clips, labels and folds; the synthetic data set.
//!
//! [`open`] reads a data set into a [`Manifest`]; [`Splits`] says which fold each training clip is
//! in; [`check`] decodes all clips and lists what is wrong. Whatever is random draws from
//! [`random::stream`], so that a run can be repeated to the bit.

pub mod check;
mod error;
mod labels;
mod layouts;
mod manifest;
mod options;
pub mod random;
mod rows;
mod rules;
mod splits;
pub mod synth;
mod table;
mod violation;
mod walk;

pub use error::{DatasetError, LabelFault, Location};
pub use manifest::{ClipEntry, Manifest, OnDecodeError, open};
pub use options::{Columns, OpenOptions, Usage};
pub use random::epoch_order;
pub use rules::{DEFAULT_FOLDS, violations};
pub use splits::Splits;
pub use violation::{Severity, Violation};
pub use walk::{find_sound_files, sound_files};
