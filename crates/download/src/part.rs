//! A file that is on its way, and what is known of its version.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use earmark_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};

use crate::error::{DownloadError, write_failed};

/// What the server said of the version that a partial file is of.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) url: String,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

impl Version {
    /// The tag that promises equal bytes; a weak one does not, and must not be asked for.
    pub(super) fn strong(&self) -> Option<&str> {
        self.etag.as_deref().filter(|tag| !tag.starts_with("W/"))
    }

    /// Whether a part of that version cannot be gone on with in this one.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let differ =
            |ours: &Option<String>, theirs: &Option<String>| ours.is_some() && theirs.is_some() && ours != theirs;
        let same = self.strong().is_some() && self.etag == other.etag;
        !same && (differ(&self.etag, &other.etag) || differ(&self.last_modified, &other.last_modified))
    }
}

/// A partial file `NAME.part`, beside it what is known of its version.
pub(super) struct Part {
    path: PathBuf,
    url: String,
}

impl Part {
    /// The part of the file `name` in a folder, as `url` gives it. What a killed process wrote of a
    /// new start goes.
    pub(super) fn new(folder: &Path, name: &str, url: &str) -> Result<Self, DownloadError> {
        let part = Self { path: folder.join(format!("{name}.part")), url: url.to_owned() };
        remove(&part.new_path())?;
        Ok(part)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes; 0 if it is not there.
    pub(super) fn length(&self) -> Result<u64, FileError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(source) => Err(FileError::of("read", &self.path)(source)),
        }
    }

    /// What is known of its version; nothing, if it came from elsewhere.
    pub(super) fn version(&self) -> Version {
        let text = std::fs::read_to_string(self.version_path()).unwrap_or_default();
        let version: Version = toml::from_str(&text).unwrap_or_default();
        if version.url == self.url { version } else { Version::default() }
    }

    /// To write on at its end.
    pub(super) fn append(&self) -> Result<Writer<'_>, DownloadError> {
        let file = OpenOptions::new().append(true).open(&self.path).map_err(write_failed(&self.path))?;
        Ok(Writer { part: self, file, path: self.path.clone(), length: self.length()?, rival: None })
    }

    /// To write from the first byte on. A part that is there is not touched before what comes is
    /// longer.
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

    /// Gives the whole file its name.
    pub(super) fn commit(&self, whole: &Path) -> Result<(), DownloadError> {
        std::fs::rename(&self.path, whole).map_err(write_failed(whole))?;
        self.remove()
    }

    /// Removes the partial file and what is known of it.
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

    /// Where a new start lies until it is longer than the part.
    fn new_path(&self) -> PathBuf {
        self.path.with_extension("part.new")
    }
}

/// What one answer of the server brings, on its way into a part.
pub(super) struct Writer<'a> {
    part: &'a Part,
    file: File,
    path: PathBuf,
    length: u64,
    /// In a new start: the length to be exceeded before it takes the part's place, and its version.
    rival: Option<(u64, Version)>,
}

impl Writer<'_> {
    /// Bytes of the file so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether this is the part: a new start may still be shorter than what was there before.
    pub(super) fn is_part(&self) -> bool {
        self.rival.is_none()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file.write_all(bytes).map_err(write_failed(&self.path))?;
        self.length += bytes.len() as u64;
        if let Some((_, version)) = self.rival.take_if(|(have, _)| self.length > *have) {
            // Killed in between, the old version beside the new bytes only leads to another new
            // start.
            std::fs::rename(&self.path, &self.part.path).map_err(write_failed(&self.part.path))?;
            self.path.clone_from(&self.part.path);
            self.part.keep(&version)?;
        }
        Ok(())
    }

    /// Waits until the disk has it all.
    pub(super) fn sync(&self) -> Result<(), DownloadError> {
        self.file.sync_all().map_err(write_failed(&self.path))
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // What came of a new start is worth less than the part; what cannot be removed now is
        // removed by the next call.
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
