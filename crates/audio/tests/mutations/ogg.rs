//! Ogg Vorbis: pages with checksums, three headers, then audio. Source: RFC 3533, the Vorbis I
//! specification.

use crate::anatomy::{Anatomy, Kind};

pub fn ogg(bytes: Vec<u8>) -> Anatomy {
    let mut file = Anatomy::new(bytes);
    let pages = pages(&file.bytes);
    for (n, page) in pages.iter().enumerate() {
        let at = page.start;
        file.cut(format!("page {n}"), at);
        file.cut(format!("page {n} head"), at + 27);
        file.cut(format!("page {n} table"), page.body);
        file.big(format!("page {n}, version"), at + 4, 1, Kind::Code);
        file.bits(format!("page {n}, flags"), 8 * at + 44, 4, Kind::Code);
        file.little(format!("page {n}, position"), at + 6, 8, Kind::Length);
        file.little(format!("page {n}, serial"), at + 14, 4, Kind::Code);
        file.little(format!("page {n}, number"), at + 18, 4, Kind::Length);
        file.little(format!("page {n}, checksum"), at + 22, 4, Kind::Code);
        file.big(format!("page {n}, segments"), at + 26, 1, Kind::Length);
        file.big(format!("page {n}, first segment"), at + 27, 1, Kind::Length);
        file.big(format!("page {n}, last segment"), page.body - 1, 1, Kind::Length);
        file.cut(format!("page {n} middle"), (page.body + page.end) / 2);
    }
    let identification = find(&file.bytes, b"\x01vorbis");
    file.little("version", identification, 4, Kind::Length);
    file.little("channels", identification + 4, 1, Kind::Channels);
    file.little("rate", identification + 5, 4, Kind::Rate);
    file.little("most bits a second", identification + 9, 4, Kind::Length);
    file.bits("long block", 8 * (identification + 21), 4, Kind::Code);
    file.bits("short block", 8 * (identification + 21) + 4, 4, Kind::Code);
    file.big("framing", identification + 22, 1, Kind::Code);
    let comments = find(&file.bytes, b"\x03vorbis");
    let vendor = u32::from_le_bytes(file.bytes[comments..comments + 4].try_into().unwrap()) as usize;
    file.little("vendor length", comments, 4, Kind::Length);
    file.little("comments", comments + 4 + vendor, 4, Kind::Length);
    file.little("first comment's length", comments + 8 + vendor, 4, Kind::Length);
    let setup = find(&file.bytes, b"\x05vorbis");
    file.little("codebooks", setup, 1, Kind::Length);
    file.little("codebook, mark", setup + 1, 3, Kind::Code);
    file.little("codebook, dimensions", setup + 4, 2, Kind::Length);
    file.little("codebook, entries", setup + 6, 3, Kind::Length);
    for offset in (9..90).step_by(9) {
        file.big(format!("set-up, byte {offset}"), setup + offset, 1, Kind::Code);
    }
    file.header_end = pages.iter().map(|page| page.start).find(|start| *start > setup).unwrap();
    file.cut("end", file.bytes.len() - 1);
    file.repair = repair;
    file
}

/// A page, where its body starts, and where it ends.
struct Page {
    start: usize,
    body: usize,
    end: usize,
}

fn pages(bytes: &[u8]) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut start = 0;
    while bytes.len() >= start + 27 && &bytes[start..start + 4] == b"OggS" {
        let body = start + 27 + usize::from(bytes[start + 26]);
        let Some(table) = bytes.get(start + 27..body) else { break };
        let end = body + table.iter().map(|length| usize::from(*length)).sum::<usize>();
        pages.push(Page { start, body, end: end.min(bytes.len()) });
        start = end;
    }
    pages
}

fn find(bytes: &[u8], mark: &[u8]) -> usize {
    bytes.windows(mark.len()).position(|window| window == mark).unwrap() + mark.len()
}

fn repair(bytes: &mut [u8]) {
    for page in pages(bytes) {
        bytes[page.start + 22..page.start + 26].fill(0);
        let sum = crc32(&bytes[page.start..page.end]).to_le_bytes();
        bytes[page.start + 22..page.start + 26].copy_from_slice(&sum);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| {
        let sum = sum ^ u32::from(*byte) << 24;
        (0..8).fold(sum, |sum: u32, _| if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 })
    })
}
