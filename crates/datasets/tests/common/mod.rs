//! Shared code of the tests: folders of files.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use earmark_datasets::ClipEntry;

/// Creates a folder with these files and contents; audio files need not be valid, since nothing
/// decodes them.
pub fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(&root.path().join(name), text);
    }
    root
}

pub fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub fn names(items: &[ClipEntry]) -> Vec<&str> {
    items.iter().map(|item| item.name.as_str()).collect()
}

pub fn folds(items: &[ClipEntry]) -> Vec<Option<usize>> {
    items.iter().map(|item| item.fold).collect()
}
