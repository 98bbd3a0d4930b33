//! The model card of an exported file.

use crate::{Exported, Loss};

pub fn card(exported: &Exported, file: &str, loss: Option<&Loss>) -> String { format!("{file} {loss:?} {}", exported.sample_rate) }
