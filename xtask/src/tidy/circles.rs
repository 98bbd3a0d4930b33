//! Import cycles: modules of a crate that import each other.
//!
//! An import is a path `crate::...`, `super::...` or `self::...` in code outside of tests. A
//! re-export (`pub use`) counts as an import from the defining module. The root of a crate is not a
//! module here, because it declares all others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::scan::{code, without_tests};

/// Allowed cycles: a registry lists its families, which use its types.
const MEANT: [(&str, &[&str]); 1] = [("nets", &["registry", "families"])];

type Modules = BTreeMap<Vec<String>, String>;

/// The import cycles of all crates.
pub fn breaches(root: &Path, tracked: &[String]) -> Vec<String> {
    let mut crates: BTreeMap<&str, Modules> = BTreeMap::new();
    for path in tracked {
        let Some((name, file)) = path.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/")) else {
            continue;
        };
        let Ok(text) = fs::read_to_string(root.join(path)) else { continue };
        if let Some(module) = module(file) {
            crates.entry(name).or_default().insert(module, code(without_tests(&text)));
        }
    }
    let circles =
        crates.iter().flat_map(|(name, modules)| circles(modules).into_iter().map(move |circle| (name, circle)));
    let is_meant = |name: &str, circle: &[String]| {
        let of_crate = MEANT.iter().filter(|(other, _)| *other == name);
        of_crate.into_iter().any(|(_, meant)| circle.iter().all(|module| meant.contains(&top(module))))
    };
    circles
        .filter(|(name, circle)| !is_meant(name, circle))
        .map(|(name, circle)| format!("crates/{name}: a circle of modules: {}", circle.join(" <-> ")))
        .collect()
}

fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

/// The module path of a file; `None` for files of other targets and of tests.
fn module(file: &str) -> Option<Vec<String>> {
    let path = file.strip_suffix(".rs")?;
    if path.starts_with("bin/") || path == "main" || path.ends_with("tests") {
        return None;
    }
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if ["lib", "mod"].contains(&module.last().map_or("", String::as_str)) {
        module.pop();
    }
    Some(module)
}

/// The strongly connected components of more than one module.
fn circles(modules: &Modules) -> Vec<Vec<String>> {
    let edges: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> =
        modules.iter().map(|(module, code)| (module, imports(modules, module, code))).collect();
    let reach = |from: &Vec<String>| {
        let mut reached: BTreeSet<&Vec<String>> = BTreeSet::new();
        let mut todo: Vec<&Vec<String>> = edges.get(from).into_iter().flatten().collect();
        while let Some(next) = todo.pop() {
            if reached.insert(next) {
                todo.extend(edges.get(next).into_iter().flatten());
            }
        }
        reached
    };
    let reached: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> =
        modules.keys().map(|module| (module, reach(module))).collect();
    let mut found = BTreeSet::new();
    for module in modules.keys().filter(|module| reached[module].contains(module)) {
        let circle = reached[module].iter().filter(|other| reached[*other].contains(module));
        found.insert(circle.map(|other| other.join("::")).collect::<Vec<_>>());
    }
    found.into_iter().collect()
}

/// The modules that a module imports from, except the root and itself.
fn imports(modules: &Modules, module: &[String], code: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for path in paths(code) {
        if let Some(target) = resolve(modules, module, &path, 0) {
            found.insert(target);
        }
    }
    found.remove(module);
    found.remove(&Vec::new());
    found
}

/// The module that defines the item of a path.
fn resolve(modules: &Modules, from: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
    let mut at: Vec<String> = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" => from.to_vec(),
        "super" => from[..from.len().checked_sub(1)?].to_vec(),
        name => {
            let child = [from, &[name.to_owned()]].concat();
            modules.contains_key(&child).then_some(())?;
            from.to_vec()
        }
    };
    let names = match path[0].as_str() {
        "crate" | "self" | "super" => &path[1..],
        _ => path,
    };
    for (index, name) in names.iter().enumerate() {
        if name == "super" {
            at.pop()?;
            continue;
        }
        let child = [&at[..], std::slice::from_ref(name)].concat();
        if modules.contains_key(&child) {
            at = child;
            continue;
        }
        // The module re-exports the name from another one.
        if depth < 4
            && let Some(original) = exports(modules.get(&at)?).into_iter().find(|path| path.last() == Some(name))
        {
            let path = [&original[..], &names[index + 1..]].concat();
            return resolve(modules, &at, &path, depth + 1).or(Some(at));
        }
        break;
    }
    Some(at)
}

/// The paths that a module re-exports.
fn exports(code: &str) -> Vec<Vec<String>> {
    let starts = ["pub use ", "pub(crate) use ", "pub(super) use "];
    let uses = starts.iter().flat_map(|start| code.match_indices(start).map(|(at, start)| &code[at + start.len()..]));
    uses.filter_map(|rest| rest.split_once(';')).flat_map(|(tree, _)| expand(tree)).collect()
}

/// All paths in a module's code that begin with `crate`, `super` or `self`, and those of its
/// imports.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut rest = code;
    let mut plain = String::new();
    while let Some(at) = find_use(rest) {
        let is_public = rest[..at].trim_end().ends_with("pub") || rest[..at].trim_end().ends_with(')');
        plain += &rest[..at];
        let (tree, after) = rest[at + 4..].split_once(';').unwrap_or((&rest[at + 4..], ""));
        if !is_public {
            paths.extend(expand(tree));
        }
        rest = after;
    }
    plain += rest;
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in plain.match_indices(start) {
            let is_word = plain[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !is_word {
                let end = plain[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                let path = &plain[at..at + end.unwrap_or(plain.len() - at)];
                paths.push(path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect());
            }
        }
    }
    paths
}

/// The position of the next `use` item in a source.
fn find_use(code: &str) -> Option<usize> {
    let is_item = |at: &usize| {
        let before = code[..*at].trim_end_matches(' ');
        before.is_empty() || before.ends_with(['\n', ';', '}', '{', ')']) || before.ends_with("pub")
    };
    code.match_indices("use ").map(|(at, _)| at).find(is_item)
}

/// The paths of a tree `a::{b, c::{d, e as f}}`.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    if let Some((head, inner)) = tree.split_once('{') {
        let prefix: Vec<String> =
            head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let inner = inner.trim().strip_suffix('}').unwrap_or(inner);
        let mut paths = Vec::new();
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let parts = expand(&inner[start..at]);
                    paths.extend(parts.into_iter().map(|path| [&prefix[..], &path[..]].concat()));
                    start = at + 1;
                }
                _ => {}
            }
        }
        return paths;
    }
    let path = tree.split(" as ").next().unwrap_or(tree);
    let names: Vec<String> =
        path.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() { Vec::new() } else { vec![names] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(sources: &[(&str, &str)]) -> Modules {
        sources.iter().map(|(file, text)| (module(file).unwrap(), (*text).to_owned())).collect()
    }

    #[test]
    fn circles_are_found() {
        let straight = [
            ("lib.rs", "mod a; mod b; pub use a::A; use crate::b::B;"),
            ("a.rs", "use crate::b::{self, B};"),
            ("b.rs", "use std::fmt;"),
        ];
        assert!(circles(&modules(&straight)).is_empty());
        let circle = [("lib.rs", "pub use a::A;"), ("a.rs", "use crate::b::B;"), ("b.rs", "fn f(a: &crate::A) {}")];
        assert_eq!(circles(&modules(&circle)), [["a", "b"]]);
        let nested = [("x/mod.rs", "mod y;\nuse y::Y;"), ("x/y.rs", "use super::X;")];
        assert_eq!(circles(&modules(&nested)), [["x", "x::y"]]);
        let exported =
            [("x/mod.rs", "mod y;\npub use y::Y;"), ("x/y.rs", "use super::X;"), ("z.rs", "use crate::x::Y;")];
        assert!(circles(&modules(&exported)).is_empty());
    }
}
