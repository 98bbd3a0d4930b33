//! FLAC: metadata blocks, then frames with checksums. Source: RFC 9639.

use crate::anatomy::{Anatomy, Kind};

pub fn flac(bytes: Vec<u8>) -> Anatomy {
    let mut file = Anatomy::new(bytes);
    file.cut("mark", 4);
    let mut at = 4;
    loop {
        let head = &file.bytes[at..at + 4];
        let (last, kind) = (head[0] & 0x80 != 0, head[0] & 0x7f);
        let size = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let name = format!("block {kind}");
        file.bits(format!("{name}, last"), 8 * at, 1, Kind::Code);
        file.bits(format!("{name}, kind"), 8 * at + 1, 7, Kind::Code);
        file.big(format!("{name}, length"), at + 1, 3, Kind::Length);
        file.cut(format!("{name} head"), at + 4);
        let inside = at + 4;
        if kind == 0 {
            stream_info(&mut file, 8 * inside);
        }
        if kind == 4 {
            file.little("vendor length", inside, 4, Kind::Length);
            let vendor = u32::from_le_bytes(file.bytes[inside..inside + 4].try_into().unwrap()) as usize;
            file.little("comments", inside + 4 + vendor, 4, Kind::Length);
        }
        at = inside + size;
        file.cut(format!("{name} end"), at);
        if last {
            break;
        }
    }
    file.header_end = at;
    let starts = frames(&file.bytes, at);
    assert!(!starts.is_empty(), "frames of FLAC are found");
    for (n, start) in starts.iter().enumerate() {
        file.cut(format!("frame {n}"), *start);
        file.cut(format!("frame {n} head"), start + 6);
        let fields =
            [("block size", 16, 4), ("rate", 20, 4), ("channels", 24, 4), ("depth", 28, 3), ("subframe", 49, 6)];
        for (field, bit, bits) in fields {
            if n != 1 {
                file.bits(format!("frame {n}, {field}"), 8 * start + bit, bits, Kind::Code);
            }
        }
    }
    file.cut("end", file.bytes.len() - 1);
    file.repair = repair;
    file
}

fn stream_info(file: &mut Anatomy, bit: usize) {
    let fields = [
        ("smallest block", 0, 16, Kind::Length),
        ("largest block", 16, 16, Kind::Length),
        ("smallest frame", 32, 24, Kind::Length),
        ("largest frame", 56, 24, Kind::Length),
        ("rate", 80, 20, Kind::Rate),
        ("channels", 100, 3, Kind::Code),
        ("depth", 103, 5, Kind::Depth),
        ("samples", 108, 36, Kind::Length),
        ("MD5", 144, 32, Kind::Code),
    ];
    for (name, offset, bits, kind) in fields {
        file.bits(name, bit + offset, bits, kind);
    }
}

/// The starts of the frames: the sync code, and a header whose checksum matches.
fn frames(bytes: &[u8], from: usize) -> Vec<usize> {
    let is_frame = |at: &usize| {
        bytes[*at] == 0xff && bytes[at + 1] & 0xfe == 0xf8 && {
            let length = head_length(&bytes[*at..]);
            bytes.len() > at + length && crc8(&bytes[*at..at + length]) == bytes[at + length]
        }
    };
    (from..bytes.len() - 16).filter(is_frame).collect()
}

/// The length of a frame's header before its checksum.
fn head_length(frame: &[u8]) -> usize {
    let number = (frame[4].leading_ones() as usize).max(1);
    let size = match frame[2] >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate = match frame[2] & 15 {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    4 + number + size + rate
}

/// Recomputes the checksums of all frames. A frame with a modified header is recognized by the
/// other fields of the header.
fn repair(bytes: &mut [u8]) {
    let mut starts = Vec::new();
    for at in 42..bytes.len().saturating_sub(16) {
        if bytes[at] == 0xff && bytes[at + 1] & 0xfe == 0xf8 && bytes[at + 3] & 1 == 0 && bytes[at + 4] < 4 {
            starts.push(at);
        }
    }
    for (n, start) in starts.iter().enumerate() {
        let length = head_length(&bytes[*start..]);
        bytes[start + length] = crc8(&bytes[*start..start + length]);
        let end = starts.get(n + 1).copied().unwrap_or(bytes.len());
        let sum = crc16(&bytes[*start..end - 2]).to_be_bytes();
        bytes[end - 2..end].copy_from_slice(&sum);
    }
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ byte, |sum: u8, _| if sum & 0x80 != 0 { sum << 1 ^ 0x07 } else { sum << 1 })
    })
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        let sum = sum ^ u16::from(*byte) << 8;
        (0..8).fold(sum, |sum: u16, _| if sum & 0x8000 != 0 { sum << 1 ^ 0x8005 } else { sum << 1 })
    })
}
