//! MP3: an optional ID3 tag, then frames, the first of which may contain counts. Source: ISO/IEC
//! 11172-3; LAME's tag.

use crate::anatomy::{Anatomy, Kind};

pub fn mp3(bytes: Vec<u8>) -> Anatomy {
    let mut file = Anatomy::new(bytes);
    let mut at = 0;
    if file.bytes.starts_with(b"ID3") {
        let size = file.bytes[6..10].iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
        file.cut("ID3 head", 10);
        file.big("ID3, version", 3, 1, Kind::Code);
        file.big("ID3, flags", 5, 1, Kind::Code);
        file.big("ID3, length", 6, 4, Kind::Length);
        file.big("ID3, first frame's length", 14, 4, Kind::Length);
        file.cut("ID3 first frame", 20);
        at = 10 + size;
    }
    let mut n = 0;
    while let Some(length) = frame_length(&file.bytes[at.min(file.bytes.len())..]) {
        file.cut(format!("frame {n}"), at);
        file.cut(format!("frame {n} head"), at + 4);
        file.cut(format!("frame {n} side"), at + 20);
        if n < 3 {
            let fields = [("version", 11, 2), ("layer", 13, 2), ("check", 15, 1), ("bit rate", 16, 4), ("rate", 20, 2)];
            let more = [("padding", 22, 1), ("mode", 24, 2), ("mode's extension", 26, 2), ("main data", 32, 9)];
            for (name, bit, bits) in fields.into_iter().chain(more) {
                file.bits(format!("frame {n}, {name}"), 8 * at + bit, bits, Kind::Code);
            }
            for byte in (6..36).step_by(3) {
                file.big(format!("frame {n}, side byte {byte}"), at + byte, 1, Kind::Code);
            }
        }
        if n == 0 {
            counts(&mut file, at, length);
        }
        if n == 1 {
            file.header_end = at;
        }
        at += length;
        n += 1;
    }
    assert!(n > 5, "frames of MP3 are found");
    file.cut("end", file.bytes.len() - 1);
    file
}

/// Adds the counts that encoders write into the first frame.
fn counts(file: &mut Anatomy, at: usize, length: usize) {
    let frame = &file.bytes[at..at + length];
    let mark = frame.windows(4).position(|mark| mark == b"Xing" || mark == b"Info").unwrap();
    let at = at + mark;
    file.cut("counts", at);
    file.big("counts, flags", at + 4, 4, Kind::Code);
    file.bits("counts, low flags", 8 * at + 60, 4, Kind::Code);
    file.big("counts, frames", at + 8, 4, Kind::Length);
    file.big("counts, bytes", at + 12, 4, Kind::Length);
    file.bits("delay", 8 * (at + 141), 12, Kind::Length);
    file.bits("padding", 8 * (at + 141) + 12, 12, Kind::Length);
    file.big("tag, bytes", at + 148, 4, Kind::Length);
    file.big("tag, checksum", at + 154, 2, Kind::Code);
}

/// The length of an MPEG-1 layer III frame in bytes.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    const BIT_RATES: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    let head = bytes.get(..4)?;
    if head[0] != 0xff || head[1] & 0xfe != 0xfa {
        return None;
    }
    let rate = [44_100, 48_000, 32_000][usize::from(head[2] >> 2 & 3)];
    let length = 144_000 * BIT_RATES[usize::from(head[2] >> 4)] / rate + usize::from(head[2] >> 1 & 1);
    (bytes.len() >= length).then_some(length)
}
