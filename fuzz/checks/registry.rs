//! Invariants for arbitrary bytes that are read as a registry of data sets.

use std::path::{Component, Path};

use earmark_download::{DownloadError, Registry};

/// Writes the bytes to `path` and reads them: the names of archives are plain names without a path,
/// or there is an error. Returns whether they are a registry.
pub fn check(path: &Path, bytes: &[u8]) -> bool {
    std::fs::write(path, bytes).unwrap();
    match Registry::read(path) {
        Ok(registry) => {
            for archive in registry.sets().flat_map(|set| &set.archives) {
                let parts: Vec<_> = Path::new(&archive.name).components().collect();
                assert!(matches!(parts[..], [Component::Normal(_)]), "{archive:?}");
            }
            true
        }
        // Valid text can always be read.
        Err(DownloadError::File(error)) if std::str::from_utf8(bytes).is_ok() => panic!("{error}"),
        Err(_) => false,
    }
}
