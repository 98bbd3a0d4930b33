//! Rules for single files: size, white space, names of recipes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::steps::output;

const MOST_BYTES: u64 = 1 << 20;
const MOST_LINES: usize = 500;
const TEXT: [&str; 8] = ["rs", "toml", "md", "py", "sh", "yml", "yaml", "run"];

/// The files that git tracks; empty for an unpacked archive without git.
pub fn tracked_files(root: &Path) -> Result<Vec<String>> {
    if !root.join(".git").exists() {
        eprintln!("no git checkout: the rules for files are omitted");
        return Ok(vec![]);
    }
    let listing = output(Command::new("git").current_dir(root).args(["ls-files", "-z"]))?;
    Ok(listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// The violations of the rules in one tracked file.
pub fn breaches(root: &Path, path: &str) -> Vec<String> {
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

/// The recipes of this repository that a line of a document names.
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
    use super::*;

    #[test]
    fn recipes_in_a_line() {
        let line = "run `recipes/best.toml` (or recipes/quick_start.toml.), not recipes/ alone";
        assert_eq!(recipes(line).collect::<Vec<_>>(), ["recipes/best.toml", "recipes/quick_start.toml"]);
    }
}
