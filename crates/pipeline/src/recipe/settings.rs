//! Which setting of a front end cannot be read, where a recipe's fault is one.

use earmark_features::{FrontEnd, MfccStatistics, setting_fault};
use serde_json::Value;

use crate::PipelineError;

/// The key of a front end or of the statistics that cannot be read, if the fault of a recipe is
/// one.
pub(super) fn front_end_fault(text: &str) -> Option<PipelineError> {
    let recipe: Value = toml::from_str(text).ok()?;
    let of_features = recipe["features"].as_object().into_iter().flatten().find_map(|(name, front_end)| {
        Some(format!("features.{name}: {}", setting_fault::<FrontEnd>(front_end.as_object()?)?))
    });
    let of_statistics =
        || Some(format!("statistics: {}", setting_fault::<MfccStatistics>(recipe["statistics"].as_object()?)?));
    of_features.or_else(of_statistics).map(PipelineError::Recipe)
}
