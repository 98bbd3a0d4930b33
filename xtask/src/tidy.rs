//! `cargo xtask tidy`: the rules that no compiler knows. It lists every breach, not only the first.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::steps::{cargo, metadata, output};

/// The crates in the order of the data's way; each may depend only on those before it.
const ORDER: [&str; 9] = [
    "earmark-files",
    "earmark-audio",
    "earmark-features",
    "earmark-datasets",
    "earmark-nets",
    "earmark-training",
    "earmark-stacking",
    "earmark-tagging",
    "earmark",
];

/// Outside crates that only one of ours may name in its manifest.
const ONLY_IN: [(&str, &str); 4] = [
    ("tch", "earmark-training"),
    ("torch-sys", "earmark-training"),
    ("ort", "earmark-tagging"),
    ("libloading", "earmark-stacking"),
];

/// What a binary without the feature `train` must not hold.
const NOT_IN_TAG_ONLY: [&str; 7] =
    ["tch", "torch-sys", "earmark-training", "earmark-stacking", "ureq", "rustls", "pytorch-reader"];

const MOST_BYTES: u64 = 1 << 20;
const MOST_LINES: usize = 500;
const TEXT: [&str; 8] = ["rs", "toml", "md", "py", "sh", "yml", "yaml", "run"];

pub fn tidy(root: &Path) -> Result<()> {
    let metadata = metadata(root)?;
    let tree = output(&mut cargo(root, "tree -p earmark --no-default-features -e normal --prefix none --locked"))?;
    let mut breaches = order(&metadata);
    breaches.extend(who_reaches_libtorch(&metadata));
    breaches.extend(tag_only(&tree));
    breaches.extend(manifests(root, &metadata));
    for path in tracked_files(root)? {
        breaches.extend(file(root, &path));
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the rules:\n  {}", breaches.len(), breaches.join("\n  "));
    }
    Ok(())
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

/// Each crate depends, its tests included, only on crates before it, and on no outside crate that is another's.
fn order(metadata: &Value) -> Vec<String> {
    let place = |name: &str| ORDER.iter().position(|&other| other == name);
    let mut breaches = Vec::new();
    for package in members(metadata) {
        let name = text(&package["name"]);
        if name != "xtask" && place(name).is_none() {
            breaches.push(format!("{name} has no place in the order of the crates (ORDER in xtask/src/tidy.rs)"));
        }
        for dependency in list(&package["dependencies"]).map(|dependency| text(&dependency["name"])) {
            if place(dependency).is_some() && place(name) <= place(dependency) {
                breaches.push(format!("{name} depends on {dependency}, which does not come before it"));
            }
            if ONLY_IN.iter().any(|&(outside, ours)| outside == dependency && ours != name) {
                breaches.push(format!("{name} depends on {dependency}, which is another crate's alone"));
            }
        }
    }
    breaches
}

/// Whether an edge of the resolved graph is there for tests alone.
fn for_tests(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).all(|kind| kind["kind"] == "dev")
}

/// In the resolved graph, tests aside, exactly these reach libtorch.
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
    let allowed = BTreeSet::from(["earmark", "earmark-training"]);
    if found == allowed { vec![] } else { vec![format!("{found:?} reach libtorch, it should be {allowed:?}")] }
}

/// The tag-only binary holds no libtorch and no XGBoost.
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

/// Every crate takes the workspace's lints and has its line on the map.
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

/// What git keeps; an unpacked archive without git has nothing to check here.
fn tracked_files(root: &Path) -> Result<Vec<String>> {
    if !root.join(".git").exists() {
        eprintln!("no git checkout: the rules for files are left out");
        return Ok(vec![]);
    }
    let listing = output(Command::new("git").current_dir(root).args(["ls-files", "-z"]))?;
    Ok(listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// The rules for one tracked file.
fn file(root: &Path, path: &str) -> Vec<String> {
    let Ok(metadata) = fs::symlink_metadata(root.join(path)) else { return vec![] }; // Deleted, not yet committed.
    if metadata.len() > MOST_BYTES {
        return vec![format!("{path} is larger than {MOST_BYTES} bytes")];
    }
    let kind = path.rsplit(['.', '/']).next().unwrap_or_default();
    if !metadata.is_file() || !TEXT.contains(&kind) {
        return vec![];
    }
    let Ok(content) = fs::read_to_string(root.join(path)) else { return vec![format!("{path} is no UTF-8 text")] };
    let mut breaches = Vec::new();
    let lines = content.lines().count();
    if kind == "rs" && lines > MOST_LINES {
        breaches.push(format!("{path} has {lines} lines, more than {MOST_LINES}"));
    }
    for (number, line) in (1..).zip(content.lines()) {
        if line.ends_with([' ', '\t']) {
            breaches.push(format!("{path}:{number}: white space at the end of the line"));
        }
        if kind == "md" {
            breaches.extend(
                recipes(line)
                    .filter(|recipe| !root.join(recipe).is_file())
                    .map(|recipe| format!("{path}:{number}: {recipe} does not exist")),
            );
        }
    }
    breaches
}

/// The recipes of ours that a line of a document names.
fn recipes(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("recipes/").filter_map(|(start, _)| {
        let name = &line[start..];
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c))).unwrap_or(name.len());
        let name = name[..end].trim_end_matches('.');
        name.ends_with(".toml").then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tidy() {
        if let Err(error) = super::tidy(&crate::root()) {
            panic!("{error:#}");
        }
    }

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
        assert_eq!(order(&foreign), ["earmark-nets depends on ort, which is another crate's alone"]);
        assert_eq!(order(&workspace(&[("xtask", &["earmark-files"])])).len(), 1);
        assert_eq!(order(&workspace(&[("earmark-new", &[])])).len(), 1);
    }

    #[test]
    fn libtorch_stays_where_it_is() {
        let good: [(&str, &[&str]); 4] = [
            ("tch", &[]),
            ("earmark-training", &["tch"]),
            ("earmark", &["earmark-training"]),
            ("earmark-tagging", &[]),
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

    #[test]
    fn recipes_in_a_line() {
        let line = "run `recipes/best.toml` (or recipes/quick_start.toml.), not recipes/ alone";
        assert_eq!(recipes(line).collect::<Vec<_>>(), ["recipes/best.toml", "recipes/quick_start.toml"]);
    }
}
