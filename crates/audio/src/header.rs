//! Reads a file's header before the decoder does: how many frames it announces, and how many the
//! file contains.

use std::fs::File;
use std::path::Path;

use crate::container::{Header, read_at};
use crate::mp4::{self, Boxes};
use crate::{AudioError, Limits, ogg, riff};

/// Reads the header of a file of `length` bytes.
///
/// # Errors
/// A WAV or AIFF file announces more frames than it contains, or a sample rate or channel count
/// outside the limits, or it has too many chunks or more sound than its header can announce; an MP4
/// file announces more packets than it has bytes, or has too many boxes; the file cannot be read.
pub(crate) fn read(file: &mut File, length: u64, path: &Path, limits: &Limits) -> Result<Header, AudioError> {
    let Some(start) = read_at::<12>(file, 0, length, path)? else { return Ok(Header::default()) };
    let form = &start[8..12];
    if &start[..4] == b"RIFF" && form == b"WAVE" {
        riff::wav(file, length, path, limits)
    } else if &start[..4] == b"FORM" && (form == b"AIFF" || form == b"AIFC") {
        riff::aiff(file, length, path, limits)
    } else if MP4.contains(&&start[4..8]) {
        let header = mp4(file, length, path)?;
        Ok(Header { known: &start[4..8] == MP4[0], ..header })
    } else if &start[..4] == b"OggS" {
        let whole = ogg::is_whole(file, length).map_err(|error| AudioError::io(path, error))?;
        Ok(Header { known: true, cut: !whole, ..Header::default() })
    } else {
        Ok(Header { known: is_known(&start), ..Header::default() })
    }
}

/// Whether a sound that starts with these twelve bytes can be read once, from its start to its end.
pub(crate) fn is_forward(start: &[u8]) -> bool {
    let is_aiff = start.starts_with(b"FORM") && (start.ends_with(b"AIFF") || start.ends_with(b"AIFC"));
    !is_aiff && !start.get(4..8).is_some_and(|name| MP4.contains(&name))
}

/// Whether a format starts with these bytes that is read up to its end without more checks.
pub(crate) fn is_known(start: &[u8]) -> bool {
    [&b"fLaC"[..], b"ID3", b"OggS"].iter().any(|mark| start.starts_with(mark))
}

/// The box that an MP4 file starts with, and the padding boxes that may precede it.
const MP4: [&[u8]; 4] = [b"ftyp", b"free", b"skip", b"wide"];

fn mp4(file: &mut File, length: u64, path: &Path) -> Result<Header, AudioError> {
    let boxes = Boxes::read(file, length).map_err(|error| AudioError::io(path, error))?;
    if boxes.count == Boxes::MOST {
        return Err(AudioError::damaged(path, format!("it has {} boxes or more", Boxes::MOST)));
    }
    if boxes.packets > length {
        let reason = format!("its fragments announce {} packets, it has {length} bytes", boxes.packets);
        return Err(AudioError::damaged(path, reason));
    }
    let edit = mp4::edit(file, length).unwrap_or_default();
    Ok(Header { mp4: true, patches: boxes.patches, edit, ..Header::default() })
}
