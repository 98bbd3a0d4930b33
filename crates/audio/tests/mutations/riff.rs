//! WAV and AIFF: nested chunks.

use crate::anatomy::{Anatomy, Kind};

pub fn wav(bytes: Vec<u8>) -> Anatomy {
    let mut file = Anatomy::new(bytes);
    file.little("RIFF length", 4, 4, Kind::Length);
    file.cut("RIFF", 12);
    let mut width = 0;
    let mut at = 12;
    while at + 8 <= file.bytes.len() {
        let name = String::from_utf8_lossy(&file.bytes[at..at + 4]).into_owned();
        let size = u32::from_le_bytes(file.bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        let inside = at + 8;
        file.cut(format!("{name} head"), inside);
        file.little(format!("{name} length"), at + 4, 4, Kind::Length);
        file.big(format!("{name} name"), at, 4, Kind::Code);
        match &name[..] {
            "fmt " => {
                file.little("codec", inside, 2, Kind::Code);
                file.little("channels", inside + 2, 2, Kind::Channels);
                file.little("rate", inside + 4, 4, Kind::Rate);
                file.little("bytes a second", inside + 8, 4, Kind::Length);
                file.little("block", inside + 12, 2, Kind::Length);
                file.little("depth", inside + 14, 2, Kind::Depth);
                if size >= 40 {
                    file.little("extension length", inside + 16, 2, Kind::Length);
                    file.little("valid bits", inside + 18, 2, Kind::Depth);
                    file.little("channel mask", inside + 20, 4, Kind::Length);
                    file.little("sub-format", inside + 24, 2, Kind::Code);
                }
                // Only floats can be NaN or infinite.
                let extended = file.bytes[inside] == 0xfe;
                let is_float = file.bytes[inside + if extended { 24 } else { 0 }] == 3;
                width = if is_float { usize::from(file.bytes[inside + 14]) / 8 } else { 0 };
            }
            "data" => {
                file.header_end = inside;
                let last = size.saturating_sub(width);
                for (place, offset) in [("first", 0), ("middle", size / 2 / 8 * 8), ("last", last)] {
                    file.cut(format!("{place} sample"), inside + offset + 1);
                    if width > 0 {
                        file.little(format!("{place} sample"), inside + offset, width, Kind::Float);
                    }
                }
            }
            _ => {}
        }
        at = inside + size + size % 2;
        file.cut(format!("{name} end"), at);
    }
    file
}

pub fn aiff(bytes: Vec<u8>) -> Anatomy {
    let mut file = Anatomy::new(bytes);
    file.big("FORM length", 4, 4, Kind::Length);
    file.big("FORM kind", 8, 4, Kind::Code);
    file.cut("FORM", 12);
    let mut width = 0;
    let mut at = 12;
    while at + 8 <= file.bytes.len() {
        let name = String::from_utf8_lossy(&file.bytes[at..at + 4]).into_owned();
        let size = u32::from_be_bytes(file.bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        let inside = at + 8;
        file.cut(format!("{name} head"), inside);
        file.big(format!("{name} length"), at + 4, 4, Kind::Length);
        file.big(format!("{name} name"), at, 4, Kind::Code);
        match &name[..] {
            "COMM" => {
                file.big("channels", inside, 2, Kind::Channels);
                file.big("frames", inside + 2, 4, Kind::Length);
                file.big("depth", inside + 6, 2, Kind::Depth);
                // The rate is an 80-bit float: sign, exponent, mantissa. 2^31 has the exponent
                // 0x401E.
                file.big("rate, exponent", inside + 8, 2, Kind::Code);
                file.bits("rate, exponent's end", 8 * inside + 72, 4, Kind::Code);
                file.bits("rate, exponent's middle", 8 * inside + 76, 4, Kind::Code);
                file.big("rate, mantissa", inside + 10, 8, Kind::Rate);
                if size > 18 {
                    file.big("codec", inside + 18, 4, Kind::Code);
                    let codec = &file.bytes[inside + 18..inside + 22];
                    width = [&b"fl32"[..], b"fl64"].iter().position(|name| codec == *name).map_or(0, |n| 4 << n);
                }
            }
            "SSND" => {
                file.header_end = inside + 8;
                file.big("offset", inside, 4, Kind::Length);
                file.big("alignment", inside + 4, 4, Kind::Length);
                for (place, offset) in [("first", 8), ("middle", size / 16 * 8), ("last", size - width.max(1))] {
                    file.cut(format!("{place} sample"), inside + offset);
                    if width > 0 {
                        file.big(format!("{place} sample"), inside + offset, width, Kind::Float);
                    }
                }
            }
            _ => {}
        }
        at = inside + size + size % 2;
        file.cut(format!("{name} end"), at);
    }
    file
}
