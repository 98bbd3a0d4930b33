//! Unpacking of archives.

use std::path::Path;

use crate::checksum::Checksum;
use crate::error::DownloadError;
use crate::registry::{Archive, Known, UnpackLimits};
use crate::unpacker::Unpacker;
use crate::{tar, zip};

/// Unpacks an archive at `path`; `read` is called with the number of bytes read so far.
pub(super) fn unpack<'a>(
    unpacker: &mut Unpacker<'a>,
    archive: &'a Archive,
    path: &Path,
    read: impl FnMut(u64),
) -> Result<(), DownloadError> {
    unpacker.begin(archive);
    match archive.name.ends_with(".zip") {
        true => zip::unpack(path, unpacker, read)?,
        false => tar::unpack(path, unpacker, read)?,
    }
    unpacker.end()
}

/// Unpacks one archive, a `.zip` or else a tar archive, into an empty folder. For the fuzz target.
///
/// # Errors
/// Those of a download.
pub fn unpack_archive(path: &Path, folder: &Path, limits: UnpackLimits) -> Result<(), DownloadError> {
    let archive = Archive {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        url: String::new(),
        size: None,
        known: Known::Archive(Checksum::Sha256(String::new())),
        strip: 0,
    };
    unpack(&mut Unpacker::new(folder, limits, &archive), &archive, path, |_| ())
}
