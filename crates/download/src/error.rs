//! What can go wrong on the way from a server to a folder.

use std::path::{Path, PathBuf};

use earmark_files::FileError;

use crate::sums::Sum;

/// Why a data set could not be fetched or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
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
        /// What the system said.
        source: std::io::Error,
    },
    /// The table of data sets says what cannot be.
    #[error("{}: {reason}", path.display())]
    Registry {
        /// The table.
        path: PathBuf,
        /// What is wrong, with the data set's and the archive's name.
        reason: String,
    },
    /// No data set has that name.
    #[error("there is no data set \"{name}\"; there are {}", known.join(", "))]
    UnknownSet {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The folder that was asked for is in use.
    #[error("{}: {reason}; name a folder that is not there yet", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        reason: String,
    },
    /// What is unpacked could not be moved to the folder that was asked for. Nothing was fetched.
    #[error(
        "{}: cannot take what is unpacked in {} ({source}); if it is a mount point or a link, name a folder in it, \
         such \
         as {}",
        to.display(), work.display(), to.join("data").display()
    )]
    NoWay {
        /// The folder of what is being fetched.
        work: PathBuf,
        /// The folder that was asked for.
        to: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder holds the data set, but no longer all of it.
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
        /// The files that there were.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Those of them that are there with their size.
        found_files: u64,
        /// Their bytes.
        found_bytes: u64,
    },
    /// Another process fetches into the same folder.
    #[error("{}: another download is at work here", path.display())]
    Busy {
        /// The folder of what is being fetched.
        path: PathBuf,
    },
    /// The server cannot be asked, and asking again would not help.
    #[error("cannot fetch {url}: {reason}")]
    Refused {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The connection broke again and again.
    #[error("cannot fetch {url}: {reason}; gave up after {attempts} attempts without progress{}", kept(*have))]
    Broken {
        /// The address.
        url: String,
        /// What happened last.
        reason: String,
        /// Attempts since the last progress.
        attempts: u32,
        /// Bytes that lie in the partial file.
        have: u64,
    },
    /// The server says, or sends, another number of bytes than the file has.
    #[error("{url}: the server gives {found} bytes, but the file has {expected}; this is not the file that is wanted")]
    WrongSize {
        /// The address.
        url: String,
        /// The file's size.
        expected: u64,
        /// The size found.
        found: u64,
    },
    /// The hub has another version of the file than the one that is pinned. Nothing was fetched.
    #[error(
        "{url}: {what} is {found}, but {pinned} is pinned; fetch the pinned version by other means and name the file, \
         or pin \
         this one"
    )]
    Pinned {
        /// The address.
        url: String,
        /// What differs: its SHA-256, or the commit.
        what: &'static str,
        /// What is pinned.
        pinned: String,
        /// What the hub has.
        found: String,
    },
    /// More bytes than any such archive may have.
    #[error("{url}: the server sends more than {limit} bytes, which is the limit for this data set")]
    TooLong {
        /// The address.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The bytes are not those that were published. What was fetched is removed.
    #[error(
        "{file}: its {} is {}, but must be {}; {size} bytes were fetched from {url} and are removed again",
        expected.kind(), found.digits(), expected.digits()
    )]
    WrongSum {
        /// The archive.
        file: String,
        /// The address.
        url: String,
        /// Its size.
        size: u64,
        /// The published checksum.
        expected: Sum,
        /// The checksum of what came.
        found: Sum,
    },
    /// A file of the archive is not the one that was published.
    #[error("{archive}: {entry}: its {} is {}, but must be {}", expected.kind(), found.digits(), expected.digits())]
    WrongEntry {
        /// The archive.
        archive: String,
        /// The file in it.
        entry: String,
        /// The published checksum.
        expected: Sum,
        /// The checksum found.
        found: Sum,
    },
    /// An archive that asks for what no data set needs. Nothing of it is kept.
    #[error("{archive}: {entry}: refused: {reason}")]
    Unsafe {
        /// The archive.
        archive: String,
        /// The entry in it.
        entry: String,
        /// What it asks for.
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
        /// The entry in it, where it is one entry's fault.
        entry: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// Files that should be in the archive are not.
    #[error("{archive}: {} of the files that it should hold are not in it, the first is {first}", count)]
    MissingEntries {
        /// The archive.
        archive: String,
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// A table of the data set does not fit its files.
    #[error("{}: {reason}", table.display())]
    Table {
        /// The table.
        table: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

/// What makes an entry of an archive unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// A path from the root.
    #[error("its path is absolute")]
    Absolute,
    /// A path that leads out of the folder.
    #[error("its path leads out of the folder")]
    Outside,
    /// A name that no system, or not every system, can have.
    #[error("its name cannot be a file's on every system")]
    Name,
    /// A name that is no text.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// A symbolic or hard link.
    #[error("it is a link")]
    Link,
    /// A device, a pipe, a socket, a sparse file.
    #[error("it is neither a file nor a folder")]
    Special,
    /// A name that an earlier entry had.
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
    /// Whether the archive is at fault, so that no second attempt with the same bytes can succeed.
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

/// An error of writing to `path`; a full disk is distinguished.
pub(super) fn write_failed(path: &Path) -> impl FnOnce(std::io::Error) -> DownloadError + '_ {
    move |source| match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
            DownloadError::NoSpace { path: path.to_owned(), source }
        }
        _ => FileError::of("write", path)(source).into(),
    }
}
