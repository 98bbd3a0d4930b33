//! Code shared by the readers of container formats.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::AudioError;
use crate::mp4::Edit;
use crate::source::Patch;

/// The contents of a file's header.
#[derive(Default)]
pub(crate) struct Header {
    /// The file starts with the signature of a known format.
    pub(crate) known: bool,
    /// The file starts like MP4, and its boxes were read.
    pub(crate) mp4: bool,
    /// The file is WAV with channels that have no place, such as front left.
    pub(crate) lacks_places: bool,
    /// Lengths to correct for the decoder.
    pub(crate) patches: Vec<Patch>,
    /// The announced number of frames, where the decoder does not know it.
    pub(crate) frames: Option<u64>,
    /// The part of the decoded sound that is to be played.
    pub(crate) edit: Option<Edit>,
    /// The file ends before its sound does.
    pub(crate) cut: bool,
}

/// `N` bytes at `position`; none if the file is too short.
pub(crate) fn read_at<const N: usize>(
    file: &mut File,
    position: u64,
    length: u64,
    path: &Path,
) -> Result<Option<[u8; N]>, AudioError> {
    if position.saturating_add(N as u64) > length {
        return Ok(None);
    }
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(position)).map_err(|error| AudioError::io(path, error))?;
    file.read_exact(&mut bytes).map_err(|error| AudioError::io(path, error))?;
    Ok(Some(bytes))
}
