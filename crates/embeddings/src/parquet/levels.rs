//! Runs of small numbers: repetition and definition levels, and indices of a dictionary ("RLE /
//! bit-packing hybrid").

use super::thrift::{Reader, Writer};
use crate::error::Fault;

/// Reads `count` numbers of `width` bits, and calls `each` with a number and how often it follows
/// in a row.
pub fn read(
    bytes: &[u8],
    width: u32,
    count: usize,
    mut each: impl FnMut(u32, usize) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let damaged = || Fault::Damaged { what: "a run of numbers in a page" };
    if width > 32 {
        return Err(damaged());
    }
    let mut reader = Reader { bytes };
    let mut left = count;
    while left > 0 {
        let header = reader.varint().map_err(|_| damaged())?;
        let length = usize::try_from(header >> 1).map_err(|_| damaged())?;
        if length == 0 {
            return Err(damaged());
        }
        if header & 1 == 0 {
            let value = take(&mut reader, width.div_ceil(8) as usize).ok_or_else(damaged)?;
            let value = value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
            let run = length.min(left);
            each(value, run)?;
            left -= run;
            continue;
        }
        // The last group may be cut short by a sloppy writer.
        let packed = length.saturating_mul(width as usize).min(reader.bytes.len());
        let packed = take(&mut reader, packed).ok_or_else(damaged)?;
        for index in 0..length.saturating_mul(8).min(left) {
            each(unpack(packed, width, index).ok_or_else(damaged)?, 1)?;
            left -= 1;
        }
    }
    Ok(())
}

fn take<'a>(reader: &mut Reader<'a>, length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = reader.bytes.split_at_checked(length)?;
    reader.bytes = rest;
    Some(taken)
}

/// A number of a bit-packed run; the lowest bits come first.
fn unpack(packed: &[u8], width: u32, index: usize) -> Option<u32> {
    if width == 0 {
        return Some(0);
    }
    let first = index * width as usize;
    let bytes = packed.get(first / 8..(first + width as usize).div_ceil(8))?;
    let bits = bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    Some((bits >> (first % 8) & ((1 << width) - 1)) as u32)
}

/// Writes runs of levels 0 and 1, preceded by their length, as a page has them.
pub fn write(runs: impl Iterator<Item = (u8, usize)>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes.extend([0; 4]);
    for (level, count) in runs.filter(|(_, count)| *count > 0) {
        writer.varint((count as u64) << 1);
        writer.bytes.push(level);
    }
    let length = (writer.bytes.len() - 4) as u32;
    writer.bytes[..4].copy_from_slice(&length.to_le_bytes());
    writer.bytes
}
