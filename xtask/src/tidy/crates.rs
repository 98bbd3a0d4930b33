//! Rules for the dependency graph: the order of the crates, and what a crate must not depend on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::steps::{cargo, output};

/// The crates in the order of the data flow; each one may depend only on earlier ones.
const ORDER: [&str; 19] = [
    "earmark-files",
    "earmark-lbfgs",
    "earmark-audio",
    "earmark-features",
    "earmark-tables",
    "earmark-datasets",
    "earmark-download",
    "earmark-onnx",
    "earmark-nets",
    "earmark-loader",
    "earmark-training",
    "earmark-stacking",
    "earmark-tagging",
    "earmark-embeddings",
    "earmark-export",
    "earmark-models",
    "earmark-pipeline",
    "earmark-report",
    "earmark",
];

/// What a crate must not depend on, except in tests and benches.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    ("earmark-pipeline", &["clap", "indicatif", "signal-hook", "anyhow", "earmark-report"]),
    ("earmark-report", &["clap", "earmark-training"]),
    ("earmark-stacking", &["earmark-nets", "earmark-training"]),
    (
        "earmark-tagging",
        &[
            "csv",
            "memmap2",
            "rand",
            "regex",
            "earmark-datasets",
            "earmark-loader",
            "earmark-stacking",
            "earmark-training",
        ],
    ),
];

/// External crates that only one crate of the workspace may depend on directly.
const ONLY_IN: [(&str, &str); 7] = [
    ("clap", "earmark"),
    ("indicatif", "earmark"),
    ("signal-hook", "earmark"),
    ("tch", "earmark-training"),
    ("torch-sys", "earmark-training"),
    ("ort", "earmark-tagging"),
    ("maud", "earmark-report"),
];

/// What an install without the feature `train` must not contain.
const NOT_IN_TAG_ONLY: [&str; 8] =
    ["tch", "torch-sys", "earmark-training", "earmark-stacking", "earmark-models", "ureq", "rustls", "pytorch-reader"];

/// The violations of the rules for the dependency graph.
pub fn breaches(root: &Path, metadata: &Value) -> Result<Vec<String>> {
    let tree = output(&mut cargo(root, "tree -p earmark --no-default-features -e normal --prefix none --locked"))?;
    let mut breaches = order(metadata);
    breaches.extend(forbidden(metadata));
    breaches.extend(who_reaches_libtorch(metadata));
    breaches.extend(tag_only(&tree));
    breaches.extend(manifests(root, metadata));
    Ok(breaches)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The packages of this workspace.
fn members(metadata: &Value) -> impl Iterator<Item = &Value> {
    let ids: BTreeSet<_> = list(&metadata["workspace_members"]).map(text).collect();
    list(&metadata["packages"]).filter(move |package| ids.contains(text(&package["id"])))
}

/// Each crate, including its tests, depends only on earlier crates, and not on external crates that
/// are reserved for another one.
fn order(metadata: &Value) -> Vec<String> {
    let place = |name: &str| ORDER.iter().position(|&other| other == name);
    let mut breaches = Vec::new();
    for package in members(metadata) {
        let name = text(&package["name"]);
        if name != "xtask" && place(name).is_none() {
            breaches
                .push(format!("{name} has no place in the order of the crates (ORDER in xtask/src/tidy/crates.rs)"));
        }
        for dependency in list(&package["dependencies"]).map(|dependency| text(&dependency["name"])) {
            if place(dependency).is_some() && place(name) <= place(dependency) {
                breaches.push(format!("{name} depends on {dependency}, which does not come before it"));
            }
            if ONLY_IN.iter().any(|&(outside, ours)| outside == dependency && ours != name) {
                breaches.push(format!("{name} depends on {dependency}, which only another crate may use"));
            }
        }
    }
    breaches
}

/// Each crate complies with [`FORBIDDEN`].
fn forbidden(metadata: &Value) -> Vec<String> {
    let mut breaches = Vec::new();
    for package in members(metadata) {
        let name = text(&package["name"]);
        let banned = FORBIDDEN.iter().find(|(ours, _)| *ours == name).map_or(&[][..], |(_, banned)| banned);
        let used = list(&package["dependencies"]).filter(|dependency| dependency["kind"] != "dev");
        for dependency in used.map(|dependency| text(&dependency["name"])).filter(|name| banned.contains(name)) {
            breaches.push(format!("{name} depends on {dependency}, which is forbidden to it"));
        }
    }
    breaches
}

/// Whether an edge of the resolved graph is only a dev-dependency.
fn for_tests(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).all(|kind| kind["kind"] == "dev")
}

/// Exactly these crates depend on libtorch in the resolved graph, tests excepted.
fn who_reaches_libtorch(metadata: &Value) -> Vec<String> {
    let is = |id: &str, name: &str| {
        list(&metadata["packages"]).any(|package| text(&package["id"]) == id && text(&package["name"]) == name)
    };
    let nodes: Vec<_> = list(&metadata["resolve"]["nodes"]).collect();
    let mut reach: BTreeSet<&str> =
        nodes.iter().map(|node| text(&node["id"])).filter(|id| is(id, "tch") || is(id, "torch-sys")).collect();
    loop {
        let before = reach.len();
        for node in &nodes {
            if list(&node["deps"]).any(|dependency| !for_tests(dependency) && reach.contains(text(&dependency["pkg"])))
            {
                reach.insert(text(&node["id"]));
            }
        }
        if reach.len() == before {
            break;
        }
    }
    let found: BTreeSet<_> = members(metadata)
        .filter(|package| reach.contains(text(&package["id"])))
        .map(|package| text(&package["name"]))
        .collect();
    let allowed = BTreeSet::from(["earmark", "earmark-pipeline", "earmark-report", "earmark-training"]);
    if found == allowed { vec![] } else { vec![format!("{found:?} reach libtorch, it should be {allowed:?}")] }
}

/// The tag-only binary depends on neither libtorch nor XGBoost.
fn tag_only(tree: &str) -> Vec<String> {
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut breaches: Vec<_> = NOT_IN_TAG_ONLY
        .iter()
        .filter(|name| names.contains(*name))
        .map(|name| format!("earmark without default features depends on {name}"))
        .collect();
    if !names.contains("earmark-tagging") {
        breaches.push("earmark without default features does not depend on earmark-tagging".into());
    }
    breaches
}

/// Every crate uses the workspace's lints and has its line in ARCHITECTURE.md.
fn manifests(root: &Path, metadata: &Value) -> Vec<String> {
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap_or_default();
    let mut breaches = Vec::new();
    for package in members(metadata).filter(|package| text(&package["name"]) != "xtask") {
        let manifest = Path::new(text(&package["manifest_path"]));
        let lints = fs::read_to_string(manifest).unwrap_or_default();
        if !lints.contains("[lints]\nworkspace = true") {
            breaches.push(format!("{} lacks `[lints]`, `workspace = true`", manifest.display()));
        }
        let folder = manifest.parent().and_then(Path::file_name).unwrap_or_default().display().to_string();
        if !map.contains(&format!("`{folder}`")) && !map.contains(&format!("crates/{folder}")) {
            breaches.push(format!("ARCHITECTURE.md has no line on `{folder}`"));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(dependencies: &[(&str, &[&str])]) -> Value {
        let packages: Vec<_> = dependencies
            .iter()
            .map(|(name, names)| {
                let names: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
                json!({"id": name, "name": name, "dependencies": names})
            })
            .collect();
        let nodes: Vec<_> = dependencies
            .iter()
            .map(|(name, names)| {
                let names: Vec<_> =
                    names.iter().map(|name| json!({"pkg": name, "dep_kinds": [{"kind": null}]})).collect();
                json!({"id": name, "deps": names})
            })
            .collect();
        let members: Vec<_> = packages.iter().map(|package| &package["id"]).filter(|id| *id != "tch").collect();
        json!({"packages": packages, "workspace_members": members, "resolve": {"nodes": nodes}})
    }

    #[test]
    fn the_order_is_kept() {
        let good =
            workspace(&[("earmark", &["earmark-audio", "anyhow"]), ("earmark-audio", &[]), ("xtask", &["anyhow"])]);
        assert_eq!(order(&good), Vec::<String>::new());
        let upward = workspace(&[("earmark-audio", &["earmark-tagging"]), ("earmark-tagging", &[])]);
        assert_eq!(order(&upward), ["earmark-audio depends on earmark-tagging, which does not come before it"]);
        let foreign = workspace(&[("earmark-nets", &["ort"])]);
        assert_eq!(order(&foreign), ["earmark-nets depends on ort, which only another crate may use"]);
        assert_eq!(order(&workspace(&[("xtask", &["earmark-files"])])).len(), 1);
        assert_eq!(order(&workspace(&[("earmark-new", &[])])).len(), 1);
    }

    #[test]
    fn what_is_forbidden_is_found() {
        let bad = workspace(&[("earmark-pipeline", &["clap", "csv"]), ("earmark-tagging", &["csv"])]);
        assert_eq!(forbidden(&bad).len(), 2);
    }

    #[test]
    fn libtorch_stays_where_it_is() {
        let good: [(&str, &[&str]); 6] = [
            ("tch", &[]),
            ("earmark-training", &["tch"]),
            ("earmark-pipeline", &["earmark-training"]),
            ("earmark-tagging", &[]),
            ("earmark-report", &["earmark-pipeline"]),
            ("earmark", &["earmark-report"]),
        ];
        assert_eq!(who_reaches_libtorch(&workspace(&good)), Vec::<String>::new());
        let mut bad = good;
        bad[3].1 = &["earmark-training"];
        assert_eq!(who_reaches_libtorch(&workspace(&bad)).len(), 1);
        assert_eq!(
            tag_only("earmark v0.1.0\nearmark-tagging v0.1.0\ntch v0.24.0"),
            ["earmark without default features depends on tch"]
        );
    }
}
