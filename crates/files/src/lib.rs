//! Files written whole or not at all, and their checksums; and parts of messages.
//!
//! Earmark writes its files with [`write_atomic`]: to a temporary file in the same folder, which is
//! synced and renamed. A reader never sees a partial file, and a full disk, a kill or a power
//! failure leaves the previous file in place. There are two exceptions:
//! - A cache entry is an [`AtomicFile`] that is not synced: its readers check every byte, and an
//!   entry that a power failure has corrupted is recomputed.
//! - A download grows under a separate name over several calls and is renamed when its checksum
//!   matches. Its contents are unpacked and synced file by file into a folder that nothing reads;
//!   the folder is renamed when it is complete.

mod library;
mod lock;
mod messages;
mod place;
mod shared;
mod unfinished;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use library::library_places;
pub use lock::open_lock;
pub use messages::{did_you_mean, similar, with_causes, with_suggestion};
use place::is_stream;
pub use place::{missing_folder, resolve, same_file, user_cache};
pub use shared::sweep_unlocked;
use unfinished::Unfinished;
pub use unfinished::remove_unfinished;

/// A temporary file that has not been written to for this long is considered abandoned.
pub const ABANDONED: Duration = Duration::from_secs(86_400);

/// The prefix of the names of temporary files.
const TEMPORARY: &str = ".earmark-";

/// A failed operation on a file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// The operation, as a verb: "read", "write".
    pub action: &'static str,
    /// The error of the operating system.
    pub source: std::io::Error,
}

impl FileError {
    /// Wraps an operating system error with the failed operation (a verb) and the file:
    /// `map_err(FileError::of("read", path))`.
    pub fn of<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self { path: path.to_owned(), action, source }
    }
}

/// Writes `bytes` to `path` atomically, and creates its folder if it is missing.
///
/// # Errors
/// The folder cannot be created, or the file cannot be written, synced or renamed (no permission,
/// full disk).
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomic_with(path, |file| file.write_all(bytes).map_err(FileError::of("write", path)))
}

/// Like [`write_atomic`], for a file that `fill` writes piece by piece, at any position.
///
/// # Errors
/// Those of [`write_atomic`] and of `fill`; then `path` is unchanged.
pub fn write_atomic_with<T, E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    let mut file = AtomicFile::create(path)?;
    let made = fill(file.file())?;
    file.sync()?;
    file.commit()?;
    Ok(made)
}

/// A file that is written under a temporary name in its final folder, and removed unless it is
/// committed.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    temporary: tempfile::NamedTempFile,
    unfinished: Unfinished,
}

impl AtomicFile {
    /// Creates an empty file in the folder of `path` for writing and reading, and the folder if it
    /// is missing. If `path` is a link, the link is kept and its target is replaced.
    ///
    /// # Errors
    /// The folder or the file cannot be created, or `path` exists and is not a regular file.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let named = path;
        let path = &place(named).map_err(FileError::of("write", named))?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        create_folder(folder)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY);
        // By default temporary files are private; this one gets the permissions of any new file,
        // subject to the umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temporary = builder.tempfile_in(folder).map_err(FileError::of("write", path))?;
        let unfinished = Unfinished::new(temporary.path());
        Ok(AtomicFile { path: path.clone(), temporary, unfinished })
    }

    /// The file itself: the errors of the wrapper end in the temporary name, which is meaningless
    /// to users.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// The final path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the file to disk, so that a power failure cannot leave a committed file full of zeros.
    /// Only files whose readers detect that themselves can skip this.
    ///
    /// # Errors
    /// The disk fails or is full.
    pub fn sync(&self) -> Result<(), FileError> {
        self.temporary.as_file().sync_all().map_err(FileError::of("write", &self.path))
    }

    /// Renames the file to its final path, replacing any existing file. Tests stop a process at the
    /// `tracing` events before and after the renaming: everything that a run stores goes through
    /// this function.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn commit(self) -> Result<(), FileError> {
        // `unfinished` ends after the renaming.
        let Self { path, temporary, unfinished: _unfinished } = self;
        tracing::trace!(file = %path.display(), "renaming");
        temporary.persist(&path).map_err(|error| FileError::of("write", &path)(error.error))?;
        tracing::debug!(file = %path.display(), "written");
        Ok(())
    }
}

/// The path to rename to: renaming to `path` itself would replace a link or a device.
fn place(path: &Path) -> std::io::Result<PathBuf> {
    if is_stream(path) {
        return Err(std::io::Error::other("it is a stream of this process; name a file"));
    }
    match path.metadata() {
        Ok(found) if found.is_dir() => Err(std::io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => Err(std::io::Error::other("there is something that is no file")),
        Ok(_) if path.is_symlink() => path.canonicalize(),
        Err(error) if path.is_symlink() => Err(error),
        _ => Ok(path.to_owned()),
    }
}

/// Removes the temporary files in a folder (not recursively) that have not been written to for
/// `age`: those of killed processes. A file that cannot be removed only takes up space, so errors
/// are ignored.
pub fn sweep(folder: &Path, age: Duration) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let written = || entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let idle = || written().and_then(|written| written.elapsed().ok());
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) && idle().is_some_and(|idle| idle >= age) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Creates a folder and its parents; an existing folder is fine.
///
/// # Errors
/// The folder cannot be created, or a file has its name.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).map_err(FileError::of("create the folder", path))
}

/// Reads a file's bytes.
///
/// # Errors
/// The file cannot be opened or read.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    // Reading from a pipe instead of a file could block forever.
    if std::fs::metadata(path).is_ok_and(|of| !of.is_file()) {
        return Err(FileError::of("read", path)(std::io::Error::other("it is no regular file")));
    }
    std::fs::read(path).map_err(FileError::of("read", path))
}

/// Opens a file of lines to append to it, and creates it if it is missing. If a killed process left
/// the last line unfinished, it is ended first.
///
/// # Errors
/// The file cannot be opened, read or written, or is a pipe.
pub fn open_to_append(path: &Path) -> Result<File, FileError> {
    let open = || -> std::io::Result<File> {
        let mut file = File::options().create(true).append(true).read(true).open(path)?;
        let mut last = *b"\n";
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        Ok(file)
    };
    open().map_err(FileError::of("append to", path))
}

/// Whether a file starts with these bytes.
///
/// # Errors
/// The file cannot be opened or read.
pub fn starts_with(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(FileError::of("open", path))?;
    file.take(bytes.len() as u64).read_to_end(&mut start).map_err(FileError::of("read", path))?;
    Ok(start == bytes)
}

/// Reads a file's text.
///
/// # Errors
/// The file cannot be opened or read, or is not UTF-8.
pub fn read_to_string(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(FileError::of("read", path))
}

/// SHA-256 of `bytes`, 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, read in blocks.
///
/// # Errors
/// The file cannot be opened or read.
pub fn sha256_file(path: &Path) -> Result<String, FileError> {
    let mut file = File::open(path).map_err(FileError::of("read", path))?;
    let mut checksum = Checksum::default();
    let mut block = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut block).map_err(FileError::of("read", path))?;
        if n == 0 {
            return Ok(checksum.take());
        }
        checksum.add(&block[..n]);
    }
}

/// SHA-256 of bytes that come piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Checksum(Sha256);

impl Checksum {
    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of the bytes so far, as of [`sha256`]; the next ones begin a new one.
    pub fn take(&mut self) -> String {
        hex(&self.0.finalize_reset())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_last_line_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        for (before, after) in [(None, "x\n"), (Some(""), "x\n"), (Some("a\n"), "a\nx\n"), (Some("a\nb"), "a\nb\nx\n")]
        {
            let path = folder.path().join("log");
            let _ = std::fs::remove_file(&path);
            if let Some(text) = before {
                std::fs::write(&path, text).unwrap();
            }
            open_to_append(&path).unwrap().write_all(b"x\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn writes_whole_files_in_new_folders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "two");
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file is left: {left:?}");
    }

    #[test]
    fn what_fails_half_way_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.txt");
        write_atomic(&path, b"old").unwrap();
        let failed = write_atomic_with(&path, |file| {
            file.write_all(b"half").map_err(FileError::of("write", &path))?;
            Err::<(), _>(FileError::of("write", &path)(std::io::Error::other("no more")))
        });
        assert!(failed.unwrap_err().to_string().contains("kept.txt: no more"));
        assert_eq!(read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    /// Passes the path of the file to write to the process that runs [`one_file`].
    #[cfg(unix)]
    const PLACE: &str = "EARMARK_TEST_PLACE";

    #[cfg(unix)]
    #[test]
    #[ignore = "the next test runs it"]
    fn one_file() {
        write_atomic(Path::new(&std::env::var_os(PLACE).unwrap()), b"").unwrap();
    }

    /// The umask applies to the whole process, so each one is tested in a separate process.
    #[cfg(unix)]
    #[test]
    fn rights_are_those_that_the_umask_leaves() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for (umask, rights) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("002", 0o664)] {
            let path = folder.path().join(umask);
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
            let printed = shell.args(["--exact", "tests::one_file", "--ignored"]).env(PLACE, &path).output().unwrap();
            assert!(printed.status.success(), "{printed:?}");
            let found = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(found, rights, "{found:o} under umask {umask}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_is_no_file_is_left_alone() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let [file, link, lost, socket] = ["a/file", "link", "lost", "socket"].map(|name| folder.path().join(name));
        write_atomic(&file, b"old").unwrap();
        symlink("a/file", &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(read_to_string(&file).unwrap(), "new");
        symlink("nothing", &lost).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let refused = |path: &Path| write_atomic(path, b"").unwrap_err().to_string();
        assert!(refused(&lost).contains("lost: No such file"), "{}", refused(&lost));
        assert!(refused(&socket).contains("socket: there is something that is no file"), "{}", refused(&socket));
        assert!(refused(folder.path()).ends_with("is a directory"), "{}", refused(folder.path()));
        assert!(lost.is_symlink() && !socket.is_file());
    }

    #[test]
    fn only_old_temporary_files_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let (day, path) = (Duration::from_secs(86_400), folder.path().join("settled"));
        let _young = AtomicFile::create(&folder.path().join("young")).unwrap();
        let mut old = AtomicFile::create(&folder.path().join("old")).unwrap();
        write_atomic(&path, b"").unwrap();
        let yesterday = std::time::SystemTime::now() - day;
        old.file().set_modified(yesterday).unwrap();
        File::open(&path).unwrap().set_modified(yesterday).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        sweep(folder.path(), day);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(path.exists());
        let error = old.commit().unwrap_err();
        assert!(error.to_string().contains("old"), "whose file was taken away is reported so: {error}");
    }

    #[test]
    fn names_the_file_that_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let blocker = folder.path().join("file");
        std::fs::write(&blocker, b"").unwrap();
        let error = write_atomic(&blocker.join("inside.txt"), b"x").unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn sha256_is_the_standard_one() {
        // FIPS 180-2, example B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), expected);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(sha256_file(&path).unwrap(), expected);
    }
}
