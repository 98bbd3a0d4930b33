//! The versions of the software that made a run.

use serde::Deserialize;

use crate::page::{Cell, Page};
use earmark_pipeline::Run;

/// Adds a table with the versions of Earmark and of the libraries that it uses.
pub fn table(page: &mut Page, run: &Run) {
    let row = |name: &str, version: String| vec![Cell::Text(name.to_owned()), Cell::Text(version)];
    let mut rows = vec![
        row("Earmark", env!("CARGO_PKG_VERSION").to_owned()),
        row("libtorch", earmark_pipeline::LIBTORCH.to_owned()),
    ];
    rows.extend(xgboost(run).map(|version| row("XGBoost, of the stack's trees", version)));
    rows.extend(earmark_tagging::runtime_version().ok().map(|version| row("ONNX Runtime", version)));
    rows.push(row("machine", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)));
    page.table("The software and the machine of this report.", &["part", "version"], &rows);
}

/// The version in the file of a booster.
fn xgboost(run: &Run) -> Option<String> {
    #[derive(Deserialize)]
    struct Booster {
        version: Vec<u32>,
    }
    let bytes = std::fs::read(run.path("level2/booster.json")).ok()?;
    let booster: Booster = serde_json::from_slice(&bytes).ok()?;
    Some(booster.version.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}
