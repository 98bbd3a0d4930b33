//! What must hold for any bytes that are unpacked as an archive.

use std::fs;
use std::path::Path;

use earmark_download::{DownloadError, UnpackLimits, unpack_archive};

/// What an archive may hold here.
const LIMITS: UnpackLimits = UnpackLimits { files: 64, file_bytes: 1 << 20, total_bytes: 4 << 20 };

/// Unpacks the bytes, the first of which says whether they are a ZIP or a tar: files within the
/// limits and within the folder, or an error. Says whether they were unpacked.
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
        // Bytes that can be read are never a failure of the disk.
        Err(DownloadError::File(error)) => panic!("{error}"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// Bytes of the files below a folder, which are files or folders and nothing else.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let size_of = |path: &Path| {
        let metadata = fs::symlink_metadata(path).unwrap();
        assert!(metadata.is_dir() || metadata.is_file(), "{}", path.display());
        if metadata.is_dir() { size(path) } else { metadata.len() }
    };
    entries.map(|path| size_of(&path)).sum()
}
