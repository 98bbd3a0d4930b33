//! Generates valid and invalid archives.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use md5::{Digest, Md5};

pub fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pseudorandom bytes, always the same.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(step).collect()
}

/// An entry of a zip archive, and its metadata in the archive.
#[derive(Clone)]
pub struct Zipped {
    pub name: Vec<u8>,
    /// The name in the local header, if it differs.
    pub local_name: Option<Vec<u8>>,
    pub data: Vec<u8>,
    pub deflate: bool,
    pub flags: u16,
    pub method: Option<u16>,
    pub mode: u32,
    pub size: Option<u32>,
    /// The compressed size in the 64-bit field of the directory.
    pub packed: Option<u64>,
    pub crc: Option<u32>,
}

impl Zipped {
    pub fn new(name: impl Into<Vec<u8>>, data: &[u8]) -> Self {
        Self {
            name: name.into(),
            local_name: None,
            data: data.to_vec(),
            deflate: true,
            flags: 0,
            method: None,
            mode: 0o100_644,
            size: None,
            packed: None,
            crc: None,
        }
    }
}

/// A zip archive of these entries.
pub fn zip(entries: &[Zipped]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let place = archive.len() as u32;
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&entry.data).unwrap();
        let packed = if entry.deflate { packed.finish().unwrap() } else { entry.data.clone() };
        let mut crc = flate2::Crc::new();
        crc.update(&entry.data);
        let method = entry.method.unwrap_or(if entry.deflate { 8 } else { 0 });
        let middle = |name: &[u8], wide: Option<u64>| {
            let mut middle = Vec::new();
            for field in [20, entry.flags, method, 0, 33] {
                middle.extend(u16::to_le_bytes(field));
            }
            let crc = entry.crc.unwrap_or(crc.sum());
            let packed = wide.map_or(packed.len() as u32, |_| u32::MAX);
            for field in [crc, packed, entry.size.unwrap_or(entry.data.len() as u32)] {
                middle.extend(field.to_le_bytes());
            }
            middle.extend((name.len() as u16).to_le_bytes());
            middle.extend(wide.map_or(0_u16, |_| 12).to_le_bytes());
            middle
        };
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        archive.extend(0x0403_4b50_u32.to_le_bytes());
        archive.extend(middle(local_name, None));
        archive.extend(local_name);
        archive.extend(&packed);

        directory.extend(0x0201_4b50_u32.to_le_bytes());
        directory.extend((3_u16 << 8 | 20).to_le_bytes());
        directory.extend(middle(&entry.name, entry.packed));
        directory.extend([0; 6]); // comment, disk, internal attributes
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(place.to_le_bytes());
        directory.extend(&entry.name);
        if let Some(packed) = entry.packed {
            directory.extend([1, 0, 8, 0]);
            directory.extend(packed.to_le_bytes());
        }
    }
    let start = archive.len() as u32;
    archive.extend(&directory);
    archive.extend(0x0605_4b50_u32.to_le_bytes());
    archive.extend([0; 4]);
    archive.extend((entries.len() as u16).to_le_bytes());
    archive.extend((entries.len() as u16).to_le_bytes());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0; 2]);
    archive
}

/// A zip archive of valid entries.
pub fn good_zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    zip(&files.iter().map(|(name, data)| Zipped::new(*name, data)).collect::<Vec<_>>())
}

/// An entry of a tar archive: name, type flag, data; the data of a link is its target.
pub type Taped<'a> = (&'a [u8], u8, &'a [u8]);

/// A compressed tar archive of these entries.
pub fn tar_gz(entries: &[Taped]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, kind, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_mode(0o644);
        let link = matches!(kind, b'1' | b'2');
        header.set_size(if link { 0 } else { data.len() as u64 });
        if link {
            header.as_gnu_mut().unwrap().linkname[..data.len()].copy_from_slice(data);
        }
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        if !link {
            archive.extend_from_slice(data);
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
    }
    archive.resize(archive.len() + 1024, 0);
    gz(&archive)
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}
