//! Which setting of a front end cannot be read: where settings of several structs stand side by side, serde names only
//! the value.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads settings.
///
/// # Errors
/// The first key, in alphabetical order, that cannot be read even alone (beside `kind`), and why.
pub fn read<T: DeserializeOwned>(settings: &Map<String, Value>) -> anyhow::Result<T> {
    let whole = match serde_json::from_value(settings.clone().into()) {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    for (key, value) in settings.iter().filter(|(key, _)| *key != "kind") {
        let alone: Map<String, Value> =
            settings.get_key_value("kind").into_iter().chain([(key, value)]).map(owned).collect();
        if let Err(error) = serde_json::from_value::<T>(alone.into()) {
            anyhow::bail!("{key} = {value}: {error}");
        }
    }
    Err(whole.into())
}

fn owned((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}
