//! Where results may be written.

use std::path::{Component, Path};

/// The missing folder that must exist before `path` can be written, if any. Missing folders are
/// created only below the current folder; elsewhere a mistyped path would leave unwanted folders.
pub fn missing_folder(path: &Path) -> Option<&Path> {
    let current = std::env::current_dir().unwrap_or_default();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!is_below(&current, folder) && !folder.exists()).then_some(folder)
}

/// Whether a path is below a folder. Below the root, only relative paths count: every absolute path
/// would.
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
            assert_eq!(missing_folder(path.as_ref()), None);
            assert_eq!(missing_folder(&current.join(path)), None);
        }
        assert_eq!(missing_folder(&there.path().join("x")), None);
        assert_eq!(missing_folder("..".as_ref()), None);
        assert_eq!(missing_folder("/".as_ref()), None);
        for path in [there.path().join("no/x"), "../no-such-folder/x".into(), "no/../../no-such-folder/x".into()] {
            assert_eq!(missing_folder(&path), path.parent());
        }
        assert!(!is_below("/".as_ref(), "/dta/runs".as_ref()));
        assert!(is_below("/".as_ref(), "dta/runs".as_ref()));
    }
}
