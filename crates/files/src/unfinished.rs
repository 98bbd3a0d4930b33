//! The temporary files of this process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A temporary file, while it exists.
#[derive(Debug)]
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    pub fn new(path: &Path) -> Self {
        // Of a relative path, in case the process changes its folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        Self(path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Removes the temporary files of [`crate::AtomicFile`]s that are not committed: for a process that
/// a signal ends.
pub fn remove_unfinished() {
    for path in UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // Another one may have been renamed meanwhile.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use crate::AtomicFile;

    #[test]
    fn only_unfinished_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        AtomicFile::create(&folder.path().join("done")).unwrap().commit().unwrap();
        let open = AtomicFile::create(&folder.path().join("open")).unwrap();
        assert_eq!(names(), 2);
        super::remove_unfinished();
        assert_eq!(names(), 1);
        assert!(open.commit().is_err());
    }
}
