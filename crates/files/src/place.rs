//! Where results may be written.

use std::path::{Component, Path, PathBuf};

/// The missing folder that must exist before `path` can be written, if any. Missing folders are
/// created only below the current folder; elsewhere a mistyped path would leave unwanted folders.
pub fn missing_folder(path: &Path) -> Option<&Path> {
    let current = std::env::current_dir().unwrap_or_default();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!is_below(&current, folder) && !folder.exists()).then_some(folder)
}

/// Whether two paths name the same file, which need not exist yet.
pub fn same_file(one: &Path, other: &Path) -> bool {
    one == other || resolve(one).is_some_and(|one| resolve(other) == Some(one))
}

/// The absolute path of a file without links. The file need not exist yet, but its folder must;
/// otherwise `None`.
pub fn resolve(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    })
}

/// Whether a path names a stream that the process has open, such as `/dev/stdout`. Its target may
/// be a regular file, which a rename would replace.
pub(crate) fn is_stream(path: &Path) -> bool {
    ["/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|stream| path.starts_with(stream))
}

/// The user's cache folder: `XDG_CACHE_HOME`, or `~/.cache`. None if neither is known.
pub fn user_cache() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    set.or_else(|| Some(home()?.join(".cache")))
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
    fn streams_are_not_replaced_by_a_file() {
        for stream in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            assert!(crate::write_atomic(stream.as_ref(), b"").is_err());
        }
        assert!(!is_stream("/dev/shm/x".as_ref()));
    }

    #[test]
    fn the_same_file_has_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(same_file(&path("new"), &path("./new")) && !same_file(&path("new"), &path("newer")));
        std::fs::write(path("a"), "").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("a"), path("b")).unwrap();
            assert!(same_file(&path("a"), &path("b")));
        }
        assert!(!same_file(&path("a"), &path("new")));
    }

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
