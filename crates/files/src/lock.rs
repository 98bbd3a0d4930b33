//! Lock files.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Opens a file to be locked with [`File::try_lock`], and creates it if it is missing. The file is
/// never written to, and a link in its place is not followed.
///
/// # Errors
/// The file cannot be created or opened, or there is a link or a folder in its place.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    loop {
        let opened = match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => open(path, &options),
            made => return made,
        };
        // The process that held the lock may have removed the file in the meantime.
        if !opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return opened;
        }
    }
}

fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    match std::fs::symlink_metadata(path)?.is_file() {
        true => options.open(path),
        false => Err(io::Error::other("it is a link or a folder, where a file should be")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_it_outlives_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = open_lock(&path).unwrap();
        first.try_lock().unwrap();
        let second = open_lock(&path).unwrap();
        assert!(matches!(second.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
        drop(first);
        second.try_lock().unwrap();
        assert!(open_lock(folder.path()).unwrap_err().to_string().contains("a folder"));
        assert_eq!(open_lock(&path.join("inside")).unwrap_err().kind(), ErrorKind::NotADirectory);
        assert_eq!(open_lock(&folder.path().join("no/lock")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [link, lost] = ["link", "lost"].map(|name| folder.path().join(name));
        std::fs::write(folder.path().join("file"), b"").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        std::os::unix::fs::symlink("nothing", &lost).unwrap();
        for path in [link, lost] {
            assert!(open_lock(&path).unwrap_err().to_string().contains("it is a link"));
        }
    }
}
