//! Invariants for arbitrary bytes that are unpacked as an archive.

use std::fs;
use std::path::Path;

use earmark_download::{DownloadError, UnpackLimits, unpack_archive};

/// Limits of the unpacked files.
const LIMITS: UnpackLimits = UnpackLimits { files: 64, file_bytes: 1 << 20, total_bytes: 4 << 20 };

/// Unpacks the bytes; the first one selects ZIP or tar. Either all files are within the limits and
/// the folder, or there is an error. Returns whether the bytes were unpacked.
pub fn check(bytes: &[u8]) -> bool {
    let [kind, bytes @ ..] = bytes else { return false };
    let in_memory = Some(Path::new("/dev/shm").to_owned()).filter(|folder| folder.is_dir());
    let place = tempfile::tempdir_in(in_memory.unwrap_or_else(std::env::temp_dir)).unwrap();
    let archive = place.path().join(["a.zip", "a.tar.gz"][usize::from(kind % 2)]);
    let folder = place.path().join("to");
    fs::write(&archive, bytes).unwrap();
    fs::create_dir(&folder).unwrap();
    let unpacked = unpack_archive(&archive, &folder, LIMITS);
    let beside: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
    assert_eq!(fs::read(&archive).unwrap(), bytes);
    assert!(size(&folder) <= LIMITS.total_bytes);
    match unpacked {
        Ok(()) => true,
        // Readable bytes must not cause a disk error.
        Err(DownloadError::File(error)) => panic!("{error}"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// The total size of the files below a folder. Fails on anything that is neither a file nor a
/// folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let size_of = |path: &Path| {
        let metadata = fs::symlink_metadata(path).unwrap();
        assert!(metadata.is_dir() || metadata.is_file(), "{}", path.display());
        if metadata.is_dir() { size(path) } else { metadata.len() }
    };
    entries.map(|path| size_of(&path)).sum()
}
