//! The result as tables in Markdown.

use std::fmt::Write;

use serde_json::Value;

/// All tables; `parts` names the parts in their order.
pub fn table(result: &Value, parts: &[&str]) -> String {
    let mut page = format!(
        "# gpu-check on {}, {} sizes, {} s\n\n",
        text(&result["device"]),
        text(&result["sizes"]),
        rounded(&result["seconds"], 0)
    );
    let parts: Vec<(&str, &Value)> =
        parts.iter().filter_map(|&name| Some((name, result["parts"].get(name)?))).collect();
    let rows = parts.iter().map(|(name, part)| {
        vec![(*name).to_owned(), text(&part["status"]), rounded(&part["seconds"], 1), cell(&reason(part))]
    });
    rows_to(&mut page, &["part", "outcome", "seconds", ""], rows);
    let goals = parts.iter().flat_map(|(_, part)| list(&part["result"]["goals"]));
    let goals = goals.map(|goal| {
        let met = match goal["met"].as_bool() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        vec![text(&goal["name"]), rounded(&goal["goal"], 2), rounded(&goal["value"], 3), met.to_owned()]
    });
    rows_to(&mut page, &["goal", "at least", "measured", ""], goals);
    for (name, part) in parts {
        let result = &part["result"];
        match name {
            "versions" => versions(&mut page, result),
            "compare" => objects(&mut page, &result["networks"], &COMPARE),
            "quickstart" => objects(&mut page, &result["scores"], &SCORES),
            "speed" => objects(&mut page, &result["networks"], &SPEED),
            "memory" => fields(&mut page, result, &["network", "batch", "fits", "steps", "message", "not_applicable"]),
            "dcase2018" => recipe(&mut page, result),
            "epoch" => fields(&mut page, result, &EPOCH),
            _ => {}
        }
    }
    page
}

/// Keys, headings and decimals of a table's columns; `None` for text and small numbers.
type Column = (&'static str, &'static str, Option<usize>);

const COMPARE: [Column; 7] = [
    ("network", "network", None),
    ("logits_f64", "logits, 64 bits", None),
    ("logits_f32", "32 bits", None),
    ("logits_bf16", "bf16", None),
    ("gradients_f64", "gradients, 64 bits", None),
    ("gradients_f32", "32 bits", None),
    ("gradients_bf16", "bf16", None),
];
const SCORES: [Column; 6] = [
    ("model", "model", None),
    ("set", "set", None),
    ("score", "score", None),
    ("cpu", "CPU", Some(4)),
    ("device", "device", Some(4)),
    ("agrees", "agrees", None),
];
const SPEED: [Column; 9] = [
    ("network", "network", None),
    ("batch", "batch", None),
    ("ours", "Earmark, crops/s", Some(0)),
    ("eager", "PyTorch eager", Some(0)),
    ("ratio_eager", "ratio", Some(2)),
    ("compile", "`torch.compile`", Some(0)),
    ("ratio_compile", "ratio", Some(2)),
    ("waiting_share", "waiting", Some(3)),
    ("reason", "", None),
];
const RECIPE: [Column; 9] = [
    ("learner", "learner", None),
    ("network", "network", None),
    ("batch", "batch", Some(0)),
    ("steps", "steps", Some(0)),
    ("step_ms", "ms per step", Some(1)),
    ("windows_per_second", "windows/s", Some(0)),
    ("watts", "watts", Some(0)),
    ("minutes", "minutes", Some(1)),
    ("joules", "joules", Some(0)),
];
const EPOCH: [&str; 9] = [
    "network",
    "clips",
    "epochs",
    "crops_per_second",
    "waiting_share",
    "utilization",
    "watts",
    "memory_mib",
    "seconds_to_first_epoch",
];

fn versions(page: &mut String, result: &Value) {
    fields(page, result, &["libtorch", "cuda", "cudnn", "driver", "capability", "memory_bytes", "pytorch", "cores"]);
    fields(page, &result["gpu"], &["name", "driver", "memory", "power_limit"]);
}

fn recipe(page: &mut String, result: &Value) {
    objects(page, &result["learners"], &RECIPE);
    if let Some(minutes) = result["minutes"].as_f64() {
        let joules =
            result["joules"].as_f64().map_or("not measured".to_owned(), |joules| format!("{:.2} MJ", joules / 1e6));
        let _ = writeln!(page, "In all: {minutes:.0} minutes, {joules}. {}\n", text(&result["formula"]));
    }
}

fn objects(page: &mut String, values: &Value, columns: &[Column]) {
    let headings: Vec<&str> = columns.iter().map(|(_, heading, _)| *heading).collect();
    let shown = |value: &Value, decimals: Option<usize>| match decimals {
        Some(decimals) => rounded(value, decimals),
        None => cell(&small(value)),
    };
    let rows = list(values).map(|row| columns.iter().map(|(key, _, decimals)| shown(&row[key], *decimals)).collect());
    rows_to(page, &headings, rows);
}

/// Some fields of one object, as rows; those that it lacks are omitted.
fn fields(page: &mut String, value: &Value, keys: &[&str]) {
    let rows = keys.iter().filter(|key| !value[**key].is_null());
    rows_to(page, &["", ""], rows.map(|key| vec![key.replace('_', " "), cell(&small(&value[*key]))]));
}

fn rows_to(page: &mut String, headings: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(page, "| {} |\n|{}", headings.join(" | "), "---|".repeat(headings.len()));
    for row in rows {
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
    page.push('\n');
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Why a part failed or was skipped, after a colon; empty if it passed.
pub fn reason(part: &Value) -> String {
    let reasons: Vec<String> = list(&part["reasons"]).map(text).collect();
    if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) }
}

/// A string without quotes; nothing for null.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As [`text`]; a number that is not whole has three digits.
fn small(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if number.fract() != 0.0 && number.abs() < 0.01 => format!("{number:.1e}"),
        Some(number) if number.fract() != 0.0 => format!("{number:.3}"),
        Some(number) => format!("{number:.0}"),
        None => text(value),
    }
}

fn rounded(value: &Value, decimals: usize) -> String {
    value.as_f64().map(|number| format!("{number:.decimals$}")).unwrap_or_default()
}

/// A text that stays within a cell.
fn cell(text: &str) -> String {
    text.trim_start_matches(": ").replace('|', "/").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_has_the_parts_the_goals_and_the_numbers() {
        let result = json!({"device": "cuda:0", "sizes": "full", "seconds": 12.3, "parts": {
            "speed": {"status": "passed", "seconds": 1.0, "reasons": [], "result": {
                "goals": [{"name": "g", "goal": 1.0, "value": 0.956, "met": false}],
                "networks": [{"network": "n", "batch": 128, "ours": 3422.4, "eager": 3569.0, "ratio_eager": 0.959,
                    "compile": null, "ratio_compile": null, "waiting_share": 0.0123, "reason": "no | compiler"}]}},
            "memory": {"status": "failed", "seconds": 2.0, "reasons": ["a", "b"]}}});
        let page = table(&result, &["memory", "speed", "epoch"]);
        for line in [
            "| memory | failed | 2.0 | a; b |",
            "| g | 1.00 | 0.956 | MISSED |",
            "| n | 128 | 3422 | 3569 | 0.96 |  |  | 0.012 | no / compiler |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
