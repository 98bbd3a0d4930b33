//! What must hold for any bytes that are read as a table of data sets to download.

use std::path::{Component, Path};

use earmark_download::{DownloadError, Registry};

/// Puts the bytes at `path` and reads them: archives whose names are names and no paths, or an
/// error. Says whether they are a registry.
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
        // Bytes that are text can be read.
        Err(DownloadError::File(error)) if std::str::from_utf8(bytes).is_ok() => panic!("{error}"),
        Err(_) => false,
    }
}
