//! Unpacking of untrusted archives: every entry is checked before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use earmark_files::{FileError, create_folder};

use crate::checksum::Checksum;
use crate::error::{DownloadError, Unsafe, write_failed};
use crate::registry::{Archive, Known, UnpackLimits};

/// The kind of an entry, as declared by the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
    Link,
    Special,
    /// Metadata that is not unpacked.
    Note,
}

/// Writes the archives of one data set into one folder, which must be empty and not used by other
/// processes.
pub(super) struct Unpacker<'a> {
    root: &'a Path,
    limits: UnpackLimits,
    archive: &'a Archive,
    /// The listed files of this archive that were found so far.
    listed: BTreeSet<&'a str>,
    entries: u64,
    /// Bytes written from all archives.
    bytes: u64,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(root: &'a Path, limits: UnpackLimits, first: &'a Archive) -> Self {
        Self { root, limits, archive: first, listed: BTreeSet::new(), entries: 0, bytes: 0 }
    }

    /// Starts an archive.
    pub(super) fn begin(&mut self, archive: &'a Archive) {
        (self.archive, self.listed) = (archive, BTreeSet::new());
    }

    /// Finishes the archive, and checks that it contained every listed file.
    pub(super) fn end(&self) -> Result<(), DownloadError> {
        let Known::Files { checksums, .. } = &self.archive.known else { return Ok(()) };
        let mut missing = checksums.keys().filter(|name| !self.listed.contains(name.as_str()));
        match missing.next() {
            None => Ok(()),
            Some(first) => Err(DownloadError::MissingEntries {
                archive: self.archive.name.clone(),
                first: first.clone(),
                count: 1 + missing.count(),
            }),
        }
    }

    /// Unpacks one entry of the archive, with the name and the size that it declares.
    pub(super) fn entry(
        &mut self,
        name: &[u8],
        kind: EntryKind,
        size: u64,
        data: &mut dyn Read,
    ) -> Result<(), DownloadError> {
        self.allow(1)?;
        self.entries += 1;
        let path = match kind {
            EntryKind::Note => return Ok(()),
            EntryKind::Link => return Err(self.refused(name, Unsafe::Link)),
            EntryKind::Special => return Err(self.refused(name, Unsafe::Special)),
            EntryKind::File | EntryKind::Folder => safe_path(name).map_err(|reason| self.refused(name, reason))?,
        };
        let parts: Vec<&str> = path.into_iter().skip(self.archive.strip).collect();
        let archive = self.archive;
        let checksum = match (&archive.known, parts.join("/")) {
            (_, path) if path.is_empty() => return Ok(()),
            (Known::Archive(_), _) => None,
            (Known::Files { .. }, _) if kind == EntryKind::Folder => return Ok(()),
            (Known::Files { checksums, also }, path) => match checksums.get_key_value(&path) {
                Some((listed, checksum)) => {
                    self.listed.insert(listed);
                    Some(checksum)
                }
                None if also.contains(&path) => None,
                None => return Ok(()),
            },
        };
        let path = parts.iter().fold(self.root.to_owned(), |path, part| path.join(part));
        match kind {
            EntryKind::Folder => self.folder(name, &path),
            _ => self.file(name, &path, size, checksum, data),
        }
    }

    /// Checks that this many more entries are within the limit.
    pub(super) fn allow(&self, more: u64) -> Result<(), DownloadError> {
        let limit = self.limits.files;
        match self.entries.saturating_add(more) <= limit {
            true => Ok(()),
            false => Err(DownloadError::TooManyEntries { archive: self.archive.name.clone(), limit }),
        }
    }

    /// Bytes that may still be written.
    pub(super) fn room(&self) -> u64 {
        self.limits.total_bytes.saturating_sub(self.bytes)
    }

    /// The error for a damaged archive, or a damaged entry of it.
    pub(super) fn damaged(&self, entry: Option<&[u8]>, reason: &str) -> DownloadError {
        let entry = entry.map(|name| String::from_utf8_lossy(name).into_owned());
        DownloadError::Damaged { archive: self.archive.name.clone(), entry, reason: reason.to_owned() }
    }

    fn refused(&self, name: &[u8], reason: Unsafe) -> DownloadError {
        let entry = String::from_utf8_lossy(name).escape_debug().to_string();
        DownloadError::Unsafe { archive: self.archive.name.clone(), entry, reason }
    }

    /// Creates a folder of the archive and its parents, which can only fail because of a file from
    /// the archive.
    fn folder(&self, name: &[u8], path: &Path) -> Result<(), DownloadError> {
        create_folder(path).map_err(|error| match error.source.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => self.refused(name, Unsafe::Duplicate),
            _ => error.into(),
        })
    }

    fn file(
        &mut self,
        name: &[u8],
        path: &Path,
        size: u64,
        checksum: Option<&Checksum>,
        data: &mut dyn Read,
    ) -> Result<(), DownloadError> {
        let UnpackLimits { file_bytes, total_bytes, .. } = self.limits;
        if size > file_bytes {
            return Err(self.refused(name, Unsafe::TooLarge(file_bytes)));
        }
        if size > self.room() {
            return Err(self.refused(name, Unsafe::TooMuch(total_bytes)));
        }
        self.folder(name, path.parent().unwrap_or(self.root))?;
        // `create_new` detects every duplicate name, even on file systems that do not distinguish
        // `A` from `a`.
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => self.refused(name, Unsafe::Duplicate),
                _ => write_failed(path)(error),
            })?;
        let mut hasher = checksum.map(Checksum::hasher);
        let mut block = vec![0; 1 << 16];
        let mut left = size;
        loop {
            let n = match data.read(&mut block) {
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.damaged(Some(name), &error.to_string())),
            };
            let more = || self.damaged(Some(name), &format!("it has more bytes than the {size} that it declares"));
            left = left.checked_sub(n as u64).ok_or_else(more)?;
            if n == 0 {
                break;
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(&block[..n]);
            }
            file.write_all(&block[..n]).map_err(write_failed(path))?;
        }
        if left > 0 {
            return Err(self.damaged(Some(name), &format!("it has {} bytes, but declares {size}", size - left)));
        }
        if let Some((expected, found)) = checksum.zip(hasher.map(|hasher| hasher.finish()))
            && *expected != found
        {
            let (archive, entry) = (self.archive.name.clone(), String::from_utf8_lossy(name).into_owned());
            return Err(DownloadError::WrongEntry { archive, entry, expected: expected.clone(), found });
        }
        file.sync_all().map_err(write_failed(path))?;
        self.bytes += size;
        Ok(())
    }
}

/// The parts of an entry's path, if it stays within the folder on every system.
fn safe_path(name: &[u8]) -> Result<Vec<&str>, Unsafe> {
    let name = std::str::from_utf8(name).map_err(|_| Unsafe::NotUtf8)?;
    if name.contains('\\') || name.contains(char::is_control) || name.is_empty() || name.len() > 4096 {
        return Err(Unsafe::Name);
    }
    let drive = name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic();
    if name.starts_with('/') || drive {
        return Err(Unsafe::Absolute);
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    match parts.iter().find(|part| **part == ".." || part.len() > 255) {
        None => Ok(parts),
        Some(&"..") => Err(Unsafe::Outside),
        Some(_) => Err(Unsafe::Name),
    }
}

/// The files below a folder: their relative paths, with slashes, and their sizes in bytes. Links
/// are not followed.
pub(super) fn contents(root: &Path) -> Result<BTreeMap<String, u64>, FileError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, place)) = folders.pop() {
        let failed = || FileError::of("list the folder", &folder);
        for entry in std::fs::read_dir(&folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let metadata = entry.metadata().map_err(failed())?;
            let name = format!("{place}{}", entry.file_name().to_string_lossy());
            if metadata.is_dir() {
                folders.push((entry.path(), name + "/"));
            } else {
                files.insert(name, metadata.len());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_folder() {
        assert_eq!(safe_path(b"./a//b/.c").unwrap(), ["a", "b", ".c"]);
        assert_eq!(safe_path("Hühner/gackern 1.wav".as_bytes()).unwrap(), ["Hühner", "gackern 1.wav"]);
        assert_eq!(safe_path(b"..a/b..").unwrap(), ["..a", "b.."]);
        let long = [b'a'; 256];
        for (name, reason) in [
            (&b"/etc/passwd"[..], Unsafe::Absolute),
            (b"C:/a", Unsafe::Absolute),
            (b"c:a", Unsafe::Absolute),
            (b"..", Unsafe::Outside),
            (b"a/../../b", Unsafe::Outside),
            (b"a/..", Unsafe::Outside),
            (b"..\\a", Unsafe::Name),
            (b"a\0b", Unsafe::Name),
            (b"a\nb", Unsafe::Name),
            (b"", Unsafe::Name),
            (&long, Unsafe::Name),
            (b"a\xff", Unsafe::NotUtf8),
        ] {
            assert_eq!(safe_path(name), Err(reason), "{}", String::from_utf8_lossy(name));
        }
    }
}
