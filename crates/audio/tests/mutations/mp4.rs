//! AAC in M4A: nested boxes. Source: ISO/IEC 14496-12 and 14496-3.

use crate::anatomy::{Anatomy, Kind};

const PARENTS: [&str; 10] = ["moov", "trak", "mdia", "minf", "stbl", "dinf", "edts", "udta", "stsd", "mp4a"];

pub fn m4a(bytes: Vec<u8>) -> Anatomy {
    let mut file = Anatomy::new(bytes);
    let length = file.bytes.len();
    walk(&mut file, 0, length);
    file.cut("end", length - 1);
    file
}

fn walk(file: &mut Anatomy, mut at: usize, end: usize) {
    while at + 8 <= end {
        let size = u32::from_be_bytes(file.bytes[at..at + 4].try_into().unwrap()) as usize;
        let name = String::from_utf8_lossy(&file.bytes[at + 4..at + 8]).into_owned();
        if size < 8 || at + size > end {
            break;
        }
        let inside = at + 8;
        file.cut(name.clone(), at);
        file.cut(format!("{name} head"), inside);
        file.cut(format!("{name} middle"), (inside + at + size) / 2);
        file.big(format!("{name} length"), at, 4, Kind::Length);
        file.big(format!("{name} name"), at + 4, 4, Kind::Code);
        if name == "mdat" {
            file.header_end = inside;
        }
        inside_of(file, &name, inside, size - 8);
        if PARENTS.contains(&&name[..]) {
            let skip = match &name[..] {
                "stsd" => 8,
                "mp4a" => 28,
                _ => 0,
            };
            walk(file, inside + skip, at + size);
        }
        at += size;
    }
}

/// Adds the fields of a box: name, offset, size in bytes, and kind.
fn inside_of(file: &mut Anatomy, name: &str, at: usize, size: usize) {
    let fields: &[(&str, usize, usize, Kind)] = match name {
        "mvhd" => &[("scale", 12, 4, Kind::Rate), ("duration", 16, 4, Kind::Length)],
        "tkhd" => &[("track", 12, 4, Kind::Code), ("duration", 20, 4, Kind::Length)],
        "mdhd" => &[("scale", 12, 4, Kind::Rate), ("duration", 16, 4, Kind::Length)],
        "hdlr" => &[("kind", 8, 4, Kind::Code)],
        "elst" => &[("entries", 4, 4, Kind::Length), ("duration", 8, 4, Kind::Length), ("start", 12, 4, Kind::Length)],
        "stsd" => &[("entries", 4, 4, Kind::Length)],
        "mp4a" => &[
            ("version", 8, 2, Kind::Code),
            ("channels", 16, 2, Kind::Channels),
            ("depth", 18, 2, Kind::Depth),
            ("rate", 24, 4, Kind::Rate),
        ],
        "stts" => &[
            ("entries", 4, 4, Kind::Length),
            ("first count", 8, 4, Kind::Length),
            ("first duration", 12, 4, Kind::Length),
        ],
        "stsc" => &[
            ("entries", 4, 4, Kind::Length),
            ("first chunk", 8, 4, Kind::Length),
            ("samples a chunk", 12, 4, Kind::Length),
        ],
        "stsz" => {
            &[("one size", 4, 4, Kind::Length), ("entries", 8, 4, Kind::Length), ("first size", 12, 4, Kind::Length)]
        }
        "stco" => &[("entries", 4, 4, Kind::Length), ("first offset", 8, 4, Kind::Length)],
        "dref" | "sgpd" | "sbgp" => &[("entries", 4, 4, Kind::Length)],
        _ => &[],
    };
    if !fields.is_empty() {
        file.big(format!("{name}, version"), at, 1, Kind::Code);
    }
    for (field, offset, bytes, kind) in fields {
        file.big(format!("{name}, {field}"), at + offset, *bytes, *kind);
    }
    if name == "esds" {
        for offset in 4..size {
            file.big(format!("esds, byte {offset}"), at + offset, 1, Kind::Length);
        }
    }
}
