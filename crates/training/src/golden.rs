//! Values of the reference libraries, in tests.

use serde_json::Value;

/// The cases of `golden/AREA/cases.json`.
pub(crate) fn cases(area: &str) -> Vec<Value> {
    let path = format!("{}/../../golden/{area}/cases.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// All numbers of nested arrays.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(parts) => parts.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// [`numbers`] in 32 bits.
pub(crate) fn singles(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|value| value as f32).collect()
}
