//! The pages of an Ogg file: whether the last stream is complete. Source: RFC 3533, 6.
//!
//! The decoder does not detect that a chain of streams is truncated within the headers of its last
//! stream.

use std::fs::File;
use std::io::{BufReader, Read, Result, Seek, SeekFrom};

/// The length of the fixed part of a page header.
const HEAD: u64 = 27;

/// Whether the last page is complete and ends its stream. Data after the pages is ignored.
pub(crate) fn is_whole(file: &mut File, length: u64) -> Result<bool> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut position, mut ended) = (0, false);
    while position < length {
        let mut head = Vec::new();
        reader.by_ref().take(HEAD).read_to_end(&mut head)?;
        if !head.starts_with(b"OggS") {
            break;
        }
        let Some(segments) = head.get(HEAD as usize - 1) else { return Ok(false) };
        let mut table = Vec::new();
        reader.by_ref().take(u64::from(*segments)).read_to_end(&mut table)?;
        let body: i64 = table.iter().map(|length| i64::from(*length)).sum();
        position += HEAD + u64::from(*segments) + body as u64;
        ended = head[5] & 4 != 0 && position <= length;
        reader.seek_relative(body)?;
    }
    Ok(ended)
}
