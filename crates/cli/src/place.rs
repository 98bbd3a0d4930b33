//! Where results may be written.

use std::path::{Component, Path};

/// Checks that what an option names can be written without folders that nobody has asked for, which
/// a mistyped path would leave behind: missing folders are created below the current folder;
/// elsewhere the folder that is to hold the result must exist.
///
/// # Errors
/// Names the option and the missing folder.
pub fn check(option: &str, path: &Path) -> anyhow::Result<()> {
    let current = std::env::current_dir().unwrap_or_default();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder.filter(|folder| !is_below(&current, folder)) else { return Ok(()) };
    anyhow::ensure!(
        folder.exists(),
        "{option} {}: the folder {} does not exist; create it first",
        path.display(),
        folder.display()
    );
    Ok(())
}

/// Whether a path leads to somewhere below a folder. To the root, only a relative path does: all
/// others would.
fn is_below(current: &Path, path: &Path) -> bool {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    !climbs && (path.is_relative() || current.parent().is_some() && path.starts_with(current))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_below_the_current_one_only() {
        let current = std::env::current_dir().unwrap();
        let there = tempfile::tempdir().unwrap();
        for path in ["x", "x.csv", "no/such/folder/x"] {
            check("--out", path.as_ref()).unwrap();
            check("--out", &current.join(path)).unwrap();
        }
        check("--out", &there.path().join("x")).unwrap();
        check("--out", "..".as_ref()).unwrap();
        check("--out", "/".as_ref()).unwrap();
        for path in [there.path().join("no/x"), "../no-such-folder/x".into(), "no/../../no-such-folder/x".into()] {
            let message = check("--to", &path).unwrap_err().to_string();
            let folder = path.parent().unwrap().display().to_string();
            assert!(message.starts_with("--to ") && message.contains(&format!("folder {folder} does")), "{message}");
        }
        assert!(!is_below("/".as_ref(), "/dta/runs".as_ref()));
        assert!(is_below("/".as_ref(), "dta/runs".as_ref()));
    }
}
