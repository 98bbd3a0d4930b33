//! Errors of fetching and unpacking.

use std::path::{Path, PathBuf};

use earmark_files::{FileError, did_you_mean};

use crate::checksum::Checksum;

/// Why a data set could not be fetched or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The note of a file's checksum is damaged.
    #[error("{} is damaged: it must hold a SHA-256; remove it to trust the next file again", path.display())]
    Note {
        /// The note.
        path: PathBuf,
    },
    /// A file or folder that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The disk is full.
    #[error(
        "cannot write {}: {source}; what was fetched so far is kept: make room and run the same command again",
        path.display()
    )]
    NoSpace {
        /// The file being written.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The table of data sets is invalid.
    #[error("{}: {reason}", path.display())]
    Registry {
        /// The table.
        path: PathBuf,
        /// The reason, with the names of the data set and the archive.
        reason: String,
    },
    /// No data set has this name.
    #[error("there is no data set \"{name}\"; there are {}{}", known.join(", "), did_you_mean(name, known))]
    UnknownSet {
        /// The name.
        name: String,
        /// The existing names.
        known: Vec<String>,
    },
    /// The target folder is in use.
    #[error("{}: {reason}; name a folder that is not there yet", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The contents of the folder.
        reason: String,
    },
    /// The unpacked data set could not be moved to the target folder. Nothing was fetched.
    #[error(
        "{}: cannot take what is unpacked in {} ({source}); if it is a mount point or a link, name a folder in it, \
         such \
         as {}",
        to.display(), work.display(), to.join("data").display()
    )]
    NoWay {
        /// The folder of what is being fetched.
        work: PathBuf,
        /// The target folder.
        to: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The folder contains the data set, but files are missing.
    #[error(
        "{}: of the {files} files ({bytes} bytes) of {title}, only {found_files} ({found_bytes} bytes) are left as \
         they \
         were; remove the folder and run the same command again",
        path.display()
    )]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// The data set's title.
        title: String,
        /// The number of files it had.
        files: u64,
        /// Their total size in bytes.
        bytes: u64,
        /// The number of these files that still exist with their size.
        found_files: u64,
        /// Their total size in bytes.
        found_bytes: u64,
    },
    /// Another process is downloading into the same folder.
    #[error("{}: another process is downloading to this folder; wait for it, or name another folder", path.display())]
    Busy {
        /// The folder of what is being fetched.
        path: PathBuf,
    },
    /// The request failed, and retrying would not help.
    #[error("cannot fetch {url}: {reason}")]
    Refused {
        /// The URL.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The connection failed repeatedly.
    #[error("cannot fetch {url}: {reason}; gave up after {attempts} attempts without progress{}", kept(*have))]
    Broken {
        /// The URL.
        url: String,
        /// The last failure.
        reason: String,
        /// The number of attempts since the last progress.
        attempts: u32,
        /// The size of the partial file in bytes.
        have: u64,
    },
    /// The size that the server announces or sends differs from that of the file.
    #[error("{url}: the server gives {found} bytes, but the file has {expected}; it is not the expected file")]
    WrongSize {
        /// The URL.
        url: String,
        /// The file's size.
        expected: u64,
        /// The size found.
        found: u64,
    },
    /// The hub has a different version of the file than the pinned one. Nothing was fetched.
    #[error(
        "{url}: {what} is {found}, but {pinned} is pinned; fetch the pinned version by other means and name the file, \
         or pin \
         this one"
    )]
    Pinned {
        /// The URL.
        url: String,
        /// What differs: the SHA-256 of the file, or the commit.
        what: &'static str,
        /// The pinned value.
        pinned: String,
        /// The value of the hub.
        found: String,
    },
    /// The archive exceeds the size limit.
    #[error("{url}: the server sends more than {limit} bytes, which is the limit for this data set")]
    TooLong {
        /// The URL.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The file's checksum differs from the published one. The fetched file was removed.
    #[error(
        "{file}: its {} is {}, but must be {}; {size} bytes were fetched from {url} and are removed again",
        expected.kind(), found.digits(), expected.digits()
    )]
    WrongSum {
        /// The archive.
        file: String,
        /// The URL.
        url: String,
        /// The size of the fetched file.
        size: u64,
        /// The published checksum.
        expected: Checksum,
        /// The checksum of the fetched file.
        found: Checksum,
    },
    /// The checksum of a file in the archive differs from the published one.
    #[error("{archive}: {entry}: its {} is {}, but must be {}", expected.kind(), found.digits(), expected.digits())]
    WrongEntry {
        /// The archive.
        archive: String,
        /// The file in it.
        entry: String,
        /// The published checksum.
        expected: Checksum,
        /// The checksum found.
        found: Checksum,
    },
    /// An archive with an unsafe entry. Nothing of it is kept.
    #[error("{archive}: {entry}: refused: {reason}")]
    Unsafe {
        /// The archive.
        archive: String,
        /// The entry.
        entry: String,
        /// Why the entry is unsafe.
        reason: Unsafe,
    },
    /// More entries than allowed.
    #[error("{archive}: refused: more than {limit} entries, which is the limit for this data set")]
    TooManyEntries {
        /// The archive.
        archive: String,
        /// The limit.
        limit: u64,
    },
    /// An archive that cannot be read.
    #[error("{archive}: {}damaged: {reason}", entry.as_ref().map_or(String::new(), |entry| format!("{entry}: ")))]
    Damaged {
        /// The archive.
        archive: String,
        /// The entry, if only one is affected.
        entry: Option<String>,
        /// The reason.
        reason: String,
    },
    /// Files are missing from the archive.
    #[error("{archive}: {} of the expected files are missing, the first is {first}", count)]
    MissingEntries {
        /// The archive.
        archive: String,
        /// The number of missing files.
        count: usize,
        /// One of them.
        first: String,
    },
    /// A table of the data set does not fit its files.
    #[error("{}: {reason}", table.display())]
    Table {
        /// The table.
        table: PathBuf,
        /// The mismatch.
        reason: String,
    },
}

/// Why an entry of an archive is unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// An absolute path.
    #[error("its path is absolute")]
    Absolute,
    /// A path that leads out of the folder.
    #[error("its path leads out of the folder")]
    Outside,
    /// A name that is not valid on all systems.
    #[error("its name is not a valid file name on every system")]
    Name,
    /// A name that is not valid UTF-8.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// A symbolic or hard link.
    #[error("it is a link")]
    Link,
    /// A device, a pipe, a socket, a sparse file.
    #[error("it is neither a file nor a folder")]
    Special,
    /// The name of an earlier entry.
    #[error("an earlier entry has the same name")]
    Duplicate,
    /// One file beyond the limit.
    #[error("it is larger than {0} bytes, which is the limit for a file of this data set")]
    TooLarge(u64),
    /// All files together beyond the limit.
    #[error("the files are larger together than {0} bytes, which is the limit for this data set")]
    TooMuch(u64),
}

impl DownloadError {
    /// Whether the archive itself is faulty, so that retrying with the same bytes cannot succeed.
    pub(super) fn blames_archive(&self) -> bool {
        matches!(
            self,
            Self::WrongEntry { .. }
                | Self::Unsafe { .. }
                | Self::TooManyEntries { .. }
                | Self::Damaged { .. }
                | Self::MissingEntries { .. }
        )
    }
}

fn kept(have: u64) -> String {
    match have {
        0 => String::new(),
        _ => format!("; the {have} bytes fetched so far are kept: run the same command again to go on"),
    }
}

/// Converts an error of writing to `path`; a full disk gets its own variant.
pub(super) fn write_failed(path: &Path) -> impl FnOnce(std::io::Error) -> DownloadError + '_ {
    move |source| match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
            DownloadError::NoSpace { path: path.to_owned(), source }
        }
        _ => FileError::of("write", path)(source).into(),
    }
}
