//! Logits and gradients of each family against the CPU.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gpu_check::context::{Check, Outcome};

/// The largest difference, relative to the largest value.
const LIMIT: f64 = 1e-3;
/// What is judged. Gradients in 32 bits differ more, because of values near the kink of a ReLU, and
/// bf16 has fewer digits; their differences are only reported.
const JUDGED: [&str; 3] = ["logits_f64", "logits_f32", "gradients_f64"];

pub fn compare(check: &mut Check) -> Result<Outcome> {
    let words: &[&str] = if check.tiny { &["--batch", "2", "nano"] } else { &["--batch", "8", "nano", "resnet50"] };
    let networks = check.measure("compare", "compare", words, 90)?;
    let faults = networks.iter().flat_map(faults).collect();
    Ok(Outcome { value: json!({"limit": LIMIT, "judged": JUDGED, "networks": networks}), faults })
}

/// The differences of a network that are too large. A value that is not finite is null in JSON.
fn faults(network: &Value) -> Vec<String> {
    let is_bad = |key: &&&str| network[**key].as_f64().is_none_or(|difference| difference > LIMIT);
    let bad = JUDGED.iter().filter(is_bad);
    bad.map(|key| format!("{}: {key} differs by {}", network["network"], network[*key])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_judged() {
        let network = |logits: Value, gradients: f64| {
            json!({"network": "n", "logits_f64": 0.0, "logits_f32": logits, "gradients_f64": gradients,
                "gradients_f32": 0.5, "logits_bf16": 0.5, "gradients_bf16": 0.5})
        };
        assert_eq!(faults(&network(1e-6.into(), 1e-3)), Vec::<String>::new());
        assert_eq!(faults(&network(Value::Null, 2e-3)).len(), 2);
        assert_eq!(faults(&json!({})).len(), 3);
    }
}
