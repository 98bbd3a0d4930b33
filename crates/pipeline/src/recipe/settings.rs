//! Finds the setting of a front end that makes a recipe invalid.

use earmark_features::{FrontEnd, MfccStatistics, setting_fault};
use earmark_files::with_suggestion;
use serde_json::Value;

use crate::PipelineError;

/// The error of the first setting of a front end, or of the statistics, that cannot be parsed;
/// `None` if the recipe is invalid for another reason.
pub(super) fn front_end_fault(text: &str) -> Option<PipelineError> {
    let recipe: Value = toml::from_str(text).ok()?;
    let of_features = recipe["features"].as_object().into_iter().flatten().find_map(|(name, front_end)| {
        Some(format!("features.{name}: {}", setting_fault::<FrontEnd>(front_end.as_object()?)?))
    });
    let of_statistics =
        || Some(format!("statistics: {}", setting_fault::<MfccStatistics>(recipe["statistics"].as_object()?)?));
    of_features.or_else(of_statistics).map(|fault| PipelineError::Recipe(with_suggestion(&fault)))
}
