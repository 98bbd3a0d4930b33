//! Finds which setting of a front end cannot be read. The settings are flattened from several
//! structs; serde buffers flattened values, and its error names the value but not the key.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Why settings cannot be read: the first key, in alphabetical order, that cannot be read even on
/// its own (with `kind`), its value and the reason; none if all can be read. Of an unknown key, the
/// reason lists the known ones, as serde does where it can.
pub fn setting_fault<T: DeserializeOwned + Serialize>(settings: &Map<String, Value>) -> Option<String> {
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
            let error = error.to_string();
            let known =
                if error.ends_with(&format!("unknown field `{key}`")) { keys::<T>(settings) } else { Vec::new() };
            let expected =
                if known.is_empty() { String::new() } else { format!(", expected one of {}", known.join(", ")) };
            return Some(format!("{key} = {value}: {error}{expected}"));
        }
    }
    Some(whole.to_string())
}

/// The quoted keys that settings of this `kind` have by default.
fn keys<T: DeserializeOwned + Serialize>(settings: &Map<String, Value>) -> Vec<String> {
    let kind: Map<String, Value> = settings.get_key_value("kind").into_iter().map(owned).collect();
    let defaults =
        serde_json::from_value::<T>(kind.into()).ok().and_then(|settings| serde_json::to_value(settings).ok());
    let defaults = defaults.as_ref().and_then(Value::as_object).into_iter().flatten();
    defaults.filter(|(key, _)| *key != "kind").map(|(key, _)| format!("`{key}`")).collect()
}

fn owned((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}
