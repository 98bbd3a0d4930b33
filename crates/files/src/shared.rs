//! Files in a folder that several processes write to concurrently, such as a cache.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::{ABANDONED, AtomicFile, FileError, TEMPORARY};

impl AtomicFile {
    /// Marks the file as being written for [`sweep_unlocked`], until it is closed. Does nothing on
    /// a file system without locks.
    pub fn lock(&mut self) {
        let _ = self.file().try_lock();
    }

    /// Renames the file to its final path if no file exists there; otherwise returns this one. A
    /// file that other processes may have mapped is never replaced: on network file systems they
    /// would lose its pages.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn settle_new(self) -> Result<Option<Self>, FileError> {
        let Self { path, temporary, unfinished } = self;
        match temporary.persist_noclobber(&path) {
            Ok(_) => Ok(None),
            Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => {
                Ok(Some(AtomicFile { path, temporary: taken.file, unfinished }))
            }
            // The file system supports neither hard links nor renaming without replacing.
            Err(other) if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) => {
                AtomicFile { path, temporary: other.file, unfinished }.commit().map(|()| None)
            }
            Err(other) => Err(FileError::of("write", &path)(other.error)),
        }
    }
}

/// Removes the temporary files in a folder (not recursively) that no process is writing: those that
/// are not locked by [`AtomicFile::lock`] and have not been written to for `idle`, which must cover
/// the time from creating a file to locking it. On a file system without locks, removes those that
/// are older than [`ABANDONED`]. A file that cannot be removed only takes up space, so errors are
/// ignored.
pub fn sweep_unlocked(folder: &Path, idle: Duration) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            continue;
        }
        let written = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let Some(unwritten) = written.and_then(|written| written.elapsed().ok()) else { continue };
        // A recent file must not be locked here, not even briefly: its writer does not wait for the
        // lock and would continue without it.
        if unwritten < idle {
            continue;
        }
        // The lock is held until the file is removed, so that only one of two concurrent sweeps
        // removes it.
        let Ok(file) = File::open(entry.path()) else { continue };
        let needed = match file.try_lock() {
            Ok(()) => Duration::ZERO,
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(_)) => ABANDONED,
        };
        if unwritten >= needed {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_first_of_two_writers_keeps_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entry");
        let [mut first, mut second] = [(), ()].map(|()| AtomicFile::create(&path).unwrap());
        first.file().write_all(b"first").unwrap();
        second.file().write_all(b"second").unwrap();
        assert!(first.settle_new().unwrap().is_none());
        let second = second.settle_new().unwrap().expect("the name is taken");
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        std::fs::remove_file(&path).unwrap();
        assert!(second.settle_new().unwrap().is_none());
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn files_that_are_being_written_are_not_swept() {
        let folder = tempfile::tempdir().unwrap();
        let minute = Duration::from_secs(60);
        let file = |name: &str| AtomicFile::create(&folder.path().join(name)).unwrap();
        let (mut written, mut left, _young) = (file("written"), file("left"), file("young"));
        written.lock();
        for file in [&mut written, &mut left] {
            file.file().set_modified(SystemTime::now() - minute).unwrap();
        }
        sweep_unlocked(folder.path(), minute);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        written.commit().unwrap();
        left.commit().unwrap_err();
    }
}
