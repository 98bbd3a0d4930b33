//! The marker of a complete data set: a file in its folder with its origin and licence.

use std::collections::BTreeMap;
use std::path::Path;

use earmark_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};

use crate::error::DownloadError;
use crate::registry::{Archive, DataSet};
use crate::unpacker::contents;
use crate::{DownloadOptions, Downloaded};

const MARKER: &str = "earmark-download.toml";

#[derive(Serialize, Deserialize)]
struct Marker {
    name: String,
    title: String,
    home: String,
    licence: String,
    licence_url: String,
    credit: String,
    archives: Vec<Source>,
    /// The sizes of all files except this one, by path.
    files: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
struct Source {
    name: String,
    url: String,
    /// The archive's checksum; none if the files in it were verified instead.
    checksum: Option<String>,
}

/// Marks the folder as a complete data set.
pub(super) fn write(
    set: &DataSet,
    options: &DownloadOptions,
    folder: &Path,
    files: BTreeMap<String, u64>,
) -> Result<(), DownloadError> {
    let source = |archive: &Archive| Source {
        name: archive.name.clone(),
        url: options.address(archive),
        checksum: checksum(archive),
    };
    let mark = Marker {
        name: set.name.clone(),
        title: set.title.clone(),
        home: set.home.clone(),
        licence: set.licence.clone(),
        licence_url: set.licence_url.clone(),
        credit: set.credit.clone(),
        archives: set.archives.iter().map(source).collect(),
        files,
    };
    let path = folder.join(MARKER);
    let failed = |error| FileError { path: path.clone(), action: "write", source: std::io::Error::other(error) };
    let text = toml::to_string(&mark).map_err(failed)?;
    Ok(write_atomic(&path, text.as_bytes())?)
}

/// The data set, if `folder` contains it; none if the folder is missing or empty.
pub(super) fn find(set: &DataSet, folder: &Path) -> Result<Option<Downloaded>, DownloadError> {
    let occupied = |reason: String| DownloadError::Occupied { path: folder.to_owned(), reason };
    match std::fs::metadata(folder) {
        Err(_) => return Ok(None),
        Ok(there) if !there.is_dir() => return Err(occupied("this is a file".into())),
        Ok(_) => {}
    }
    let Ok(text) = std::fs::read_to_string(folder.join(MARKER)) else {
        return match std::fs::read_dir(folder).map_err(FileError::of("list the folder", folder))?.next() {
            None => Ok(None),
            Some(_) => Err(occupied("the folder is not empty".into())),
        };
    };
    let mark: Marker = toml::from_str(&text).map_err(|_| occupied(format!("its {MARKER} is damaged")))?;
    let theirs = mark.archives.iter().map(|source| (&source.name, source.checksum.clone()));
    let ours = set.archives.iter().map(|archive| (&archive.name, checksum(archive)));
    if mark.name != set.name || !theirs.eq(ours) {
        return Err(occupied(format!(
            "the folder holds {}, made of other archives than {} is now",
            mark.title, set.title
        )));
    }
    let there = contents(folder)?;
    let (mut found_files, mut found_bytes) = (0, 0_u64);
    // Additional files are ignored.
    for (_, size) in mark.files.iter().filter(|(name, size)| there.get(*name) == Some(size)) {
        (found_files, found_bytes) = (found_files + 1, found_bytes.saturating_add(*size));
    }
    let (files, bytes) = (mark.files.len() as u64, mark.files.values().copied().fold(0, u64::saturating_add));
    if found_files < files {
        let (path, title) = (folder.to_owned(), mark.title);
        return Err(DownloadError::Incomplete { path, title, files, bytes, found_files, found_bytes });
    }
    Ok(Some(Downloaded { folder: folder.to_owned(), files, bytes, already_there: true }))
}

fn checksum(archive: &Archive) -> Option<String> {
    archive.known.sum().map(ToString::to_string)
}
