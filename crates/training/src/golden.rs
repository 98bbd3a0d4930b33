//! Values of the reference libraries, in tests.

use earmark_datasets::Task;
use serde_json::Value;

use crate::settings::ClassWeight;

/// The cases of `golden/AREA/cases.json`.
pub(crate) fn cases(area: &str) -> Vec<Value> {
    let path = format!("{}/../../golden/{area}/cases.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The weights of a case's classes by its `class_weight`, whose keys are indices; `None` if it has
/// none.
pub(crate) fn class_weights(case: &Value, labels: &[&[usize]], counts: &[f32], task: Task) -> Option<Vec<f32>> {
    let setting: ClassWeight = serde_json::from_value(case.get("class_weight")?.clone()).unwrap();
    let classes = case["classes"].as_u64().unwrap();
    let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    Some(setting.of_classes(&names, labels.iter().copied().zip(counts.iter().copied()), task))
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
