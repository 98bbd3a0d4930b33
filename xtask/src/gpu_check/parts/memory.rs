//! The advice when a GPU's memory is used up.

use anyhow::Result;
use serde_json::Value;

use crate::gpu_check::context::{Check, Outcome};

/// The steps that have to fit with the advised batch.
const STEPS: u64 = 3;

pub fn memory(check: &mut Check) -> Result<Outcome> {
    let words: &[&str] = if check.tiny { &["--batch", "8", "resnet_nano"] } else { &["resnet50"] };
    let value = check.measure("memory", "memory", words, 120)?.swap_remove(0);
    let faults = faults(&value);
    Ok(Outcome { value, faults })
}

fn faults(value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if value["steps"].as_u64() != Some(STEPS) {
        faults.push(match &value["refused"] {
            Value::Null => format!("no batch size was advised, or {} steps fitted", value["steps"]),
            reason => format!("the advised batch of {} does not fit: {reason}", value["fits"]),
        });
    }
    // On a CPU: twice the batch needs more, but not twice as much, because parameters are the same.
    if let (Some(one), Some(two)) = (value["step_bytes"][0].as_u64(), value["step_bytes"][1].as_u64())
        && !(one < two && two < 2 * one)
    {
        faults.push(format!("a step needs {one} bytes, and one with twice the batch {two}"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn advice_is_judged() {
        assert!(faults(&json!({"fits": 64, "steps": 3, "step_bytes": [9]})).is_empty());
        assert!(faults(&json!({"steps": 3, "step_bytes": [9, 12]})).is_empty());
        for bad in [
            json!({"fits": null}),
            json!({"fits": 64, "refused": "out of memory"}),
            json!({"fits": 64, "steps": 2}),
            json!({"steps": 3, "step_bytes": [9, 18]}),
        ] {
            assert_eq!(faults(&bad).len(), 1, "{bad}");
        }
    }
}
