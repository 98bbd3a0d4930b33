//! The parts of an M4A file that the decoder ignores or trusts too much.
//!
//! The edit list specifies which part of the decoder's output is to be played: an AAC encoder
//! inserts a few thousand frames of priming before the sound. Source: ISO/IEC 14496-12, 8.6.6;
//! Apple's QuickTime File Format, appendix G.
//!
//! A run in a fragment announces its number of packets, without a table if all are alike; the
//! decoder would count them one by one, even if the file announces four billion. Source: ISO/IEC
//! 14496-12, 8.8.8.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;

use crate::source::Patch;

/// The part to be played, in units of the two time scales.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edit {
    /// Its start, in units of the track.
    start: u64,
    /// Units of the track per second.
    track_scale: u32,
    /// Its length, in units of the movie; 0 for everything.
    duration: u64,
    /// Units of the movie per second.
    movie_scale: u32,
}

impl Edit {
    /// The range of decoded frames to be played.
    pub(crate) fn frames(&self, sample_rate: u32) -> Range<u64> {
        let rescaled = |units: u64, scale: u32| {
            let frames = u128::from(units) * u128::from(sample_rate) / u128::from(scale.max(1));
            u64::try_from(frames).unwrap_or(u64::MAX)
        };
        let start = rescaled(self.start, self.track_scale);
        // If the movie's time scale is milliseconds, rounding would cut the last frames.
        let exact = self.duration > 0 && self.movie_scale >= sample_rate;
        let length = if exact { rescaled(self.duration, self.movie_scale) } else { u64::MAX };
        start..start.saturating_add(length)
    }
}

type Name = [u8; 4];

/// The edit of the first audio track; none if it has no edit list, or one with several parts.
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

/// Units per second, from the header `name` in a box.
fn time_scale(file: &mut File, parent: Range<u64>, name: &Name) -> Result<Option<u32>> {
    let Some(header) = child(file, parent, name)? else { return Ok(None) };
    let header = bytes(file, header, 24)?;
    let at = if header.first() == Some(&1) { 20 } else { 12 };
    Ok(number(&header, at, 4).map(|scale| scale as u32))
}

fn child(file: &mut File, parent: Range<u64>, name: &Name) -> Result<Option<Range<u64>>> {
    Ok(children(file, parent)?.into_iter().find(|(found, _)| found == name).map(|(_, inside)| inside))
}

/// A summary of the boxes of a file.
#[derive(Default)]
pub(crate) struct Boxes {
    /// Announced packets of all runs of all fragments.
    pub(crate) packets: u64,
    /// Number of boxes in the file and its fragments; counting stops at [`Boxes::MOST`].
    pub(crate) count: u32,
    /// The length of a box that is declared only as extending to the end of the file, if the length
    /// can be represented: the decoder would look for more boxes right after the header of such a
    /// box.
    pub(crate) patches: Vec<Patch>,
}

impl Boxes {
    /// Half a day in one-second fragments has fewer; this many headers are read in half a second.
    pub(crate) const MOST: u32 = 500_000;

    /// The path of nested boxes to the number of packets.
    const PATH: [&Name; 3] = [b"moof", b"traf", b"trun"];

    /// Walks a file of `length` bytes as the decoder will.
    pub(crate) fn read(file: &mut File, length: u64) -> Result<Self> {
        let mut boxes = Boxes::default();
        boxes.walk(file, 0..length, 0)?;
        Ok(boxes)
    }

    /// Walks the contents of a box, or of the file, at this depth of the path.
    fn walk(&mut self, file: &mut File, parent: Range<u64>, depth: usize) -> Result<()> {
        let Some(name) = Self::PATH.get(depth) else {
            // Version and flags, then the number.
            let packets = number(&bytes(file, parent, 8)?, 4, 4).unwrap_or(0);
            self.packets = self.packets.saturating_add(packets);
            return Ok(());
        };
        let mut at = parent.start;
        while self.count < Self::MOST
            && let Some(head) = Head::read(file, at..parent.end)?
        {
            self.count += 1;
            let size = match head.size {
                Some(size) => size,
                None if depth == 0 => {
                    let rest = u32::try_from(parent.end - at).unwrap_or(u32::MAX);
                    self.patches.push((at, rest.to_be_bytes()));
                    u64::from(rest)
                }
                // The decoder reports this as damage.
                None => break,
            };
            let end = at.saturating_add(size).min(parent.end);
            if head.name == **name {
                self.walk(file, head.inside.min(end)..end, depth + 1)?;
            }
            at = end;
        }
        Ok(())
    }
}

/// The header of a box.
struct Head {
    name: Name,
    /// The size including the header; none if the box extends to the end of its parent.
    size: Option<u64>,
    /// Where its content starts.
    inside: u64,
}

impl Head {
    /// The header at the start of a range; none if there is no complete one.
    fn read(file: &mut File, range: Range<u64>) -> Result<Option<Self>> {
        let at = range.start;
        let head = bytes(file, range, 16)?;
        let (Some(size), Some(name)) = (number(&head, 0, 4), head.get(4..8)) else { return Ok(None) };
        let name = [name[0], name[1], name[2], name[3]];
        let (size, length) = match size {
            0 => (None, 8),
            1 => (Some(number(&head, 8, 8).unwrap_or(0)), 16),
            size => (Some(size), 8),
        };
        let whole = size.is_none_or(|size| size >= length);
        Ok(whole.then_some(Head { name, size, inside: at + length }))
    }
}

/// Names and contents of the boxes in a range of the file.
fn children(file: &mut File, parent: Range<u64>) -> Result<Vec<(Name, Range<u64>)>> {
    /// No real file has more sibling boxes than this.
    const MOST: usize = 10_000;
    let mut found = Vec::new();
    let mut at = parent.start;
    while let Some(head) = Head::read(file, at..parent.end)?.filter(|_| found.len() < MOST) {
        let end = head.size.map_or(parent.end, |size| at.saturating_add(size));
        if end > parent.end {
            break;
        }
        found.push((head.name, head.inside..end));
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
