//! The edit list of an M4A file: which part of what the decoder gives is to be heard.
//!
//! An AAC encoder puts some thousand frames of priming before the sound, and the edit list says how many. The decoder
//! leaves it unread. Source: ISO/IEC 14496-12, 8.6.6; Apple's QuickTime File Format, appendix G.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;

/// The part to be heard, in units of its scales.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edit {
    /// Where it starts, units of the track.
    start: u64,
    /// Units of the track in a second.
    track_scale: u32,
    /// How long it is, units of the movie; 0 for all.
    duration: u64,
    /// Units of the movie in a second.
    movie_scale: u32,
}

impl Edit {
    /// The frames to be heard, of those decoded.
    pub(crate) fn frames(&self, sample_rate: u32) -> Range<u64> {
        let rescaled = |units: u64, scale: u32| {
            let frames = u128::from(units) * u128::from(sample_rate) / u128::from(scale.max(1));
            u64::try_from(frames).unwrap_or(u64::MAX)
        };
        let start = rescaled(self.start, self.track_scale);
        // A movie counted in milliseconds would cut the last frames by its rounding.
        let exact = self.duration > 0 && self.movie_scale >= sample_rate;
        let length = if exact { rescaled(self.duration, self.movie_scale) } else { u64::MAX };
        start..start.saturating_add(length)
    }
}

type Name = [u8; 4];

/// The edit of the first audio track; none where it has no list, or one of several parts.
pub(crate) fn edit(file: &mut File, length: u64) -> Result<Option<Edit>> {
    let Some(movie) = child(file, 0..length, b"moov")? else { return Ok(None) };
    let Some(movie_scale) = time_scale(file, movie.clone(), b"mvhd")? else { return Ok(None) };
    for (name, track) in children(file, movie)? {
        if &name != b"trak" {
            continue;
        }
        let Some(media) = child(file, track.clone(), b"mdia")? else { continue };
        let Some(handler) = child(file, media.clone(), b"hdlr")? else { continue };
        if bytes(file, handler, 12)?.get(8..12) != Some(b"soun") {
            continue;
        }
        let Some(track_scale) = time_scale(file, media, b"mdhd")? else { return Ok(None) };
        let Some(edits) = child(file, track, b"edts")? else { return Ok(None) };
        let Some(list) = child(file, edits, b"elst")? else { return Ok(None) };
        let list = bytes(file, list, 28)?;
        let only_one = list.get(4..8) == Some(&1u32.to_be_bytes());
        let long = list.first() == Some(&1);
        let (duration, start) = if long {
            (number(&list, 8, 8), number(&list, 16, 8))
        } else {
            (number(&list, 8, 4), number(&list, 12, 4))
        };
        // A start of -1 is a pause before the sound.
        let pause = if long { u64::MAX } else { u64::from(u32::MAX) };
        let (Some(duration), Some(start)) = (duration, start.filter(|start| only_one && *start != pause)) else {
            return Ok(None);
        };
        return Ok(Some(Edit { start, track_scale, duration, movie_scale }));
    }
    Ok(None)
}

/// Units in a second, from the header `name` in a box.
fn time_scale(file: &mut File, parent: Range<u64>, name: &Name) -> Result<Option<u32>> {
    let Some(header) = child(file, parent, name)? else { return Ok(None) };
    let header = bytes(file, header, 24)?;
    let at = if header.first() == Some(&1) { 20 } else { 12 };
    Ok(number(&header, at, 4).map(|scale| scale as u32))
}

fn child(file: &mut File, parent: Range<u64>, name: &Name) -> Result<Option<Range<u64>>> {
    Ok(children(file, parent)?.into_iter().find(|(found, _)| found == name).map(|(_, inside)| inside))
}

/// Names and contents of the boxes in a range of the file.
fn children(file: &mut File, parent: Range<u64>) -> Result<Vec<(Name, Range<u64>)>> {
    /// More boxes side by side are no file that anyone wrote on purpose.
    const MOST: usize = 10_000;
    let mut found = Vec::new();
    let mut at = parent.start;
    while at + 8 <= parent.end && found.len() < MOST {
        let head = bytes(file, at..parent.end, 16)?;
        let mut inside = at + 8;
        let size = match number(&head, 0, 4) {
            Some(0) => parent.end - at,
            Some(1) => {
                inside += 8;
                number(&head, 8, 8).unwrap_or(0)
            }
            Some(size) => size,
            None => break,
        };
        let end = at.saturating_add(size);
        if end < inside || end > parent.end {
            break;
        }
        found.push(([head[4], head[5], head[6], head[7]], inside..end));
        at = end;
    }
    Ok(found)
}

/// The first bytes of a range, at most `most`.
fn bytes(file: &mut File, range: Range<u64>, most: u64) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    file.take(most.min(range.end - range.start)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A big-endian number of `size` bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    Some(bytes.get(at..at + size)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
