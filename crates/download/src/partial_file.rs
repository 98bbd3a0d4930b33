//! A partially downloaded file and its version.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use earmark_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};

use crate::error::{DownloadError, write_failed};

/// The server's metadata about the version of a partial file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) url: String,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

impl Version {
    /// The strong ETag, which guarantees identical bytes. A weak one does not, and must not be used
    /// in `If-Range`.
    pub(super) fn strong(&self) -> Option<&str> {
        self.etag.as_deref().filter(|tag| !tag.starts_with("W/"))
    }

    /// Whether a partial file of this version cannot be continued with the other version.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let differ =
            |ours: &Option<String>, theirs: &Option<String>| ours.is_some() && theirs.is_some() && ours != theirs;
        let same = self.strong().is_some() && self.etag == other.etag;
        !same && (differ(&self.etag, &other.etag) || differ(&self.last_modified, &other.last_modified))
    }
}

/// A partial file `NAME.part`, with its version in a file next to it.
pub(super) struct PartialFile {
    path: PathBuf,
    url: String,
}

impl PartialFile {
    /// The partial file of `name` in a folder, fetched from `url`. An unfinished restart of a
    /// killed process is removed.
    pub(super) fn new(folder: &Path, name: &str, url: &str) -> Result<Self, DownloadError> {
        let part = Self { path: folder.join(format!("{name}.part")), url: url.to_owned() };
        remove(&part.new_path())?;
        Ok(part)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes; 0 if it does not exist.
    pub(super) fn length(&self) -> Result<u64, FileError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(source) => Err(FileError::of("read", &self.path)(source)),
        }
    }

    /// Its version; empty if it is not known or the part came from another URL.
    pub(super) fn version(&self) -> Version {
        let text = std::fs::read_to_string(self.version_path()).unwrap_or_default();
        let version: Version = toml::from_str(&text).unwrap_or_default();
        if version.url == self.url { version } else { Version::default() }
    }

    /// Opens it for appending.
    pub(super) fn append(&self) -> Result<Writer<'_>, DownloadError> {
        let file = OpenOptions::new().append(true).open(&self.path).map_err(write_failed(&self.path))?;
        Ok(Writer { part: self, file, path: self.path.clone(), length: self.length()?, rival: None })
    }

    /// Opens it for writing from the start. An existing partial file is not replaced until the new
    /// one is longer.
    pub(super) fn restart(&self, version: Version) -> Result<Writer<'_>, DownloadError> {
        let have = self.length()?;
        let (path, rival) = match have {
            0 => {
                self.keep(&version)?;
                (self.path.clone(), None)
            }
            _ => (self.new_path(), Some((have, version))),
        };
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path);
        Ok(Writer { part: self, file: file.map_err(write_failed(&path))?, path, length: 0, rival })
    }

    /// Renames the complete file to its final path.
    pub(super) fn commit(&self, whole: &Path) -> Result<(), DownloadError> {
        std::fs::rename(&self.path, whole).map_err(write_failed(whole))?;
        self.remove()
    }

    /// Removes the partial file and its version.
    pub(super) fn remove(&self) -> Result<(), DownloadError> {
        remove(&self.path)?;
        remove(&self.version_path())
    }

    fn keep(&self, version: &Version) -> Result<(), DownloadError> {
        let text = toml::to_string(version).unwrap_or_default();
        Ok(write_atomic(&self.version_path(), text.as_bytes())?)
    }

    fn version_path(&self) -> PathBuf {
        self.path.with_extension("part.toml")
    }

    /// The path of a restart until it is longer than the partial file.
    fn new_path(&self) -> PathBuf {
        self.path.with_extension("part.new")
    }
}

/// Writes one response of the server to a partial file.
pub(super) struct Writer<'a> {
    part: &'a PartialFile,
    file: File,
    path: PathBuf,
    length: u64,
    /// For a restart: the length of the existing partial file, which it replaces once it is longer,
    /// and its own version.
    rival: Option<(u64, Version)>,
}

impl Writer<'_> {
    /// The current length of the file in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether this is the partial file itself, and not a restart that is still shorter.
    pub(super) fn is_part(&self) -> bool {
        self.rival.is_none()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file.write_all(bytes).map_err(write_failed(&self.path))?;
        self.length += bytes.len() as u64;
        if let Some((_, version)) = self.rival.take_if(|(have, _)| self.length > *have) {
            // If the process is killed in between, the old version with the new bytes only causes
            // another restart.
            std::fs::rename(&self.path, &self.part.path).map_err(write_failed(&self.part.path))?;
            self.path.clone_from(&self.part.path);
            self.part.keep(&version)?;
        }
        Ok(())
    }

    /// Syncs the file to disk.
    pub(super) fn sync(&self) -> Result<(), DownloadError> {
        self.file.sync_all().map_err(write_failed(&self.path))
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // A restart that is not longer than the partial file is discarded; if it cannot be removed
        // now, the next call removes it.
        if !self.is_part() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

pub(super) fn remove(path: &Path) -> Result<(), DownloadError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(FileError::of("remove", path)(source).into()),
        _ => Ok(()),
    }
}
