//! The working folder of a download, and the move to the target folder.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use earmark_files::{FileError, create_folder, open_lock};

use crate::error::{DownloadError, write_failed};

/// The working folder, locked against other processes.
pub(super) struct Place {
    pub(super) work: PathBuf,
    lock: PathBuf,
    _held: File,
}

impl Place {
    pub(super) fn new(to: &Path) -> Result<Self, DownloadError> {
        let occupied = |reason: &str| DownloadError::Occupied { path: to.to_owned(), reason: reason.to_owned() };
        let name = to.file_name().ok_or_else(|| occupied("this cannot be a data set's folder"))?;
        let mut beside = name.to_owned();
        beside.push(".download");
        let work = to.with_file_name(beside);
        create_folder(&work)?;
        let lock = work.join("lock");
        let held = open_lock(&lock).map_err(write_failed(&lock))?;
        held.try_lock().map_err(|error| not_held(error, &lock, &work))?;
        Ok(Self { work, lock, _held: held })
    }

    /// Tests whether a folder can be moved from here to `to`, which must be missing or an empty
    /// folder, by moving an empty folder. A folder cannot replace a mount point or a link, or be
    /// moved to another file system.
    pub(super) fn try_move(&self, to: &Path) -> Result<(), DownloadError> {
        let trial = self.work.join("trial");
        let failed = |source| DownloadError::NoWay { work: self.work.clone(), to: to.to_owned(), source };
        let there = std::fs::symlink_metadata(to).ok();
        if there.as_ref().is_some_and(std::fs::Metadata::is_symlink) {
            return Err(failed(io::Error::other("it is a link")));
        }
        create_folder(&trial)?;
        let moved = move_folder(&trial, to);
        // Restore the previous state.
        let _ = match (there, &moved) {
            (Some(_), Err(_)) => std::fs::create_dir(to),
            (None, Ok(())) => std::fs::remove_dir(to),
            _ => Ok(()),
        };
        remove_folder(&trial)?;
        moved.map_err(failed)
    }

    /// Cleans up. Errors are ignored, because leftovers do not affect the data set.
    pub(super) fn leave(self, archives: &[PathBuf], keep: bool) {
        let removed: &[PathBuf] = if keep { &[] } else { archives };
        for path in removed.iter().chain([&self.lock]) {
            let _ = std::fs::remove_file(path);
        }
        let _ = std::fs::remove_dir(&self.work);
    }
}

/// The error for a lock that was not acquired: another download holds it, or the file system does
/// not support locks.
fn not_held(error: TryLockError, lock: &Path, work: &Path) -> DownloadError {
    match error {
        TryLockError::WouldBlock => DownloadError::Busy { path: work.to_owned() },
        TryLockError::Error(source) => FileError::of("lock", lock)(source).into(),
    }
}

/// Moves a folder to a path that is missing or an empty folder, which must be removed first on
/// Windows.
pub(super) fn move_folder(from: &Path, to: &Path) -> io::Result<()> {
    let _ = std::fs::remove_dir(to);
    std::fs::rename(from, to)
}

/// Removes a folder with its contents; a missing folder is fine.
pub(super) fn remove_folder(path: &Path) -> Result<(), DownloadError> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(FileError::of("remove", path)(source).into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_not_held_is_not_always_somebody_elses() {
        let printed = |error| not_held(error, Path::new("work/lock"), Path::new("work")).to_string();
        let busy = "work: another process is downloading to this folder; wait for it, or name another folder";
        assert_eq!(printed(TryLockError::WouldBlock), busy);
        let error = io::Error::from(ErrorKind::Unsupported);
        assert_eq!(printed(TryLockError::Error(error)), "cannot lock work/lock: unsupported");
    }
}
