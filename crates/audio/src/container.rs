//! What the readers of container formats share.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::AudioError;
use crate::mp4::Edit;
use crate::source::Patch;

/// What the header says.
#[derive(Default)]
pub(crate) struct Header {
    /// A known format's mark stands at the start.
    pub(crate) known: bool,
    /// It begins as MP4 does, and its boxes were looked at.
    pub(crate) mp4: bool,
    /// Lengths to set right for the decoder.
    pub(crate) patches: Vec<Patch>,
    /// Frames announced, where the decoder does not know them.
    pub(crate) frames: Option<u64>,
    /// Which part of the decoded sound is to be played.
    pub(crate) edit: Option<Edit>,
    /// The file ends before its sound does.
    pub(crate) cut: bool,
}

/// `N` bytes at `position`; none when the file ends before.
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
