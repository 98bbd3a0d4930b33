//! Finds which setting of a front end cannot be read. The settings are flattened from several
//! structs; serde buffers flattened values, and its error names the value but not the key.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Why settings cannot be read: the first key, in alphabetical order, that cannot be read even on
/// its own (with `kind`), its value and the reason; none if all can be read.
pub fn setting_fault<T: DeserializeOwned>(settings: &Map<String, Value>) -> Option<String> {
    let whole = serde_json::from_value::<T>(settings.clone().into()).err()?;
    if let Some((key, value)) = settings.get_key_value("kind") {
        let alone: Map<String, Value> = std::iter::once(owned((key, value))).collect();
        if let Err(error) = serde_json::from_value::<T>(alone.into()) {
            return Some(format!("{key} = {value}: {error}"));
        }
    }
    for (key, value) in settings.iter().filter(|(key, _)| *key != "kind") {
        let alone: Map<String, Value> =
            settings.get_key_value("kind").into_iter().chain([(key, value)]).map(owned).collect();
        if let Err(error) = serde_json::from_value::<T>(alone.into()) {
            return Some(format!("{key} = {value}: {error}"));
        }
    }
    Some(whole.to_string())
}

fn owned((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}
