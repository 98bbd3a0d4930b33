//! The pages of a column chunk.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::format::numbers;
use super::levels;
use super::metadata::{Chunk, Leaf};
use super::thrift::Reader;
use crate::error::Fault;

/// Maximum size of the header of a page.
const MOST_HEADER: u64 = 1 << 16;
/// Maximum size of a page, compressed or not.
const MOST_PAGE: u64 = 64 << 20;

/// A page, uncompressed.
pub struct Page {
    pub is_dictionary: bool,
    /// Number of its values, including nulls.
    pub values: usize,
    pub encoding: i32,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Header {
    kind: i32,
    uncompressed: u64,
    compressed: u64,
    values: u64,
    encoding: i32,
    level_encodings: [i32; 2],
}

/// Reads the pages of a chunk in turn.
pub struct Pages<'a> {
    file: &'a mut File,
    codec: i32,
    position: u64,
    end: u64,
}

/// An error of the disk, or a fault of the file.
pub enum Failed {
    Io(std::io::Error),
    Fault(Fault),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<'a> Pages<'a> {
    /// The pages of a chunk in a file whose metadata starts at `most`.
    pub fn new(file: &'a mut File, chunk: &Chunk, most: u64) -> Result<Self, Fault> {
        let position = chunk.dictionary_page.filter(|page| *page > 0).unwrap_or(chunk.data_page).min(chunk.data_page);
        let end = position.checked_add(chunk.bytes).filter(|end| *end <= most);
        let end = end.ok_or(Fault::Damaged { what: "the position of a column" })?;
        if chunk.elsewhere {
            return Err(Fault::Unsupported { what: "a table of several files".to_owned() });
        }
        let codec = chunk.codec;
        if ![numbers::UNCOMPRESSED, numbers::SNAPPY].contains(&codec) {
            let name = numbers::CODECS.get(codec as usize).unwrap_or(&"unknown");
            return Err(Fault::Unsupported { what: format!("{name} compression") });
        }
        Ok(Self { file, codec, position, end })
    }

    /// The next page with values.
    pub fn next(&mut self) -> Result<Page, Failed> {
        loop {
            let header = self.header()?;
            let compressed = self.position + header.compressed;
            if compressed > self.end || header.compressed > MOST_PAGE || header.uncompressed > MOST_PAGE {
                return Err(Fault::Damaged { what: "the size of a page" }.into());
            }
            let is_dictionary = match header.kind {
                numbers::DATA_PAGE => false,
                numbers::DICTIONARY_PAGE => true,
                numbers::INDEX_PAGE => {
                    self.position = compressed;
                    continue;
                }
                _ => return Err(Fault::Unsupported { what: "a data page of version 2".to_owned() }.into()),
            };
            if !is_dictionary && header.level_encodings.iter().any(|&encoding| encoding != numbers::RLE) {
                return Err(Fault::Unsupported { what: "an old encoding of levels".to_owned() }.into());
            }
            let mut bytes = vec![0; header.compressed as usize];
            self.file.seek(SeekFrom::Start(self.position))?;
            self.file.read_exact(&mut bytes)?;
            self.position = compressed;
            let bytes = if self.codec == numbers::SNAPPY { unpack(&bytes, header.uncompressed)? } else { bytes };
            let values = usize::try_from(header.values).map_err(|_| Fault::Damaged { what: "a page" })?;
            return Ok(Page { is_dictionary, values, encoding: header.encoding, bytes });
        }
    }

    /// Reads the header of a page, and moves behind it.
    fn header(&mut self) -> Result<Header, Failed> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.position))?;
        Read::by_ref(self.file).take((self.end - self.position).min(MOST_HEADER)).read_to_end(&mut bytes)?;
        let mut reader = Reader { bytes: &bytes };
        let mut header = Header::default();
        reader.structure(|reader, field| {
            match field.id {
                1 => header.kind = reader.i32(field)?,
                2 => header.uncompressed = reader.size(field)?,
                3 => header.compressed = reader.size(field)?,
                of @ (5 | 7) => reader.nested(field, |reader, field| {
                    let of_data = of == 5;
                    match field.id {
                        1 => header.values = reader.size(field)?,
                        2 => header.encoding = reader.i32(field)?,
                        // In the header of a dictionary, 3 says whether it is sorted.
                        level @ (3 | 4) if of_data => header.level_encodings[level as usize - 3] = reader.i32(field)?,
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        self.position += (bytes.len() - reader.bytes.len()) as u64;
        Ok(header)
    }
}

/// Decompresses a page by Snappy. The declared size is checked before memory is allocated.
fn unpack(bytes: &[u8], expected: u64) -> Result<Vec<u8>, Fault> {
    let damaged = || Fault::Damaged { what: "a compressed page" };
    let length = snap::raw::decompress_len(bytes).map_err(|_| damaged())?;
    if length as u64 != expected {
        return Err(damaged());
    }
    snap::raw::Decoder::new().decompress_vec(bytes).map_err(|_| damaged())
}

impl Page {
    /// Splits a data page: calls `repetition` with the runs of repetition levels, checks that no
    /// value is null, and returns the encoded values.
    pub fn split(
        &self,
        leaf: Leaf,
        name: &'static str,
        repetition: impl FnMut(u32, usize) -> Result<(), Fault>,
    ) -> Result<&[u8], Fault> {
        let mut rest = self.bytes.as_slice();
        let mut of = |most| if most > 0 { with_length(&mut rest) } else { Ok(&[][..]) };
        let (repetitions, definitions) = (of(leaf.most_repetition)?, of(leaf.most_definition)?);
        if leaf.most_definition > 0 {
            let present = |level, _| if level == leaf.most_definition { Ok(()) } else { Err(Fault::Null { name }) };
            levels::read(definitions, width(leaf.most_definition), self.values, present)?;
        }
        if leaf.most_repetition > 0 {
            levels::read(repetitions, width(leaf.most_repetition), self.values, repetition)?;
        }
        Ok(rest)
    }

    /// The bytes of a dictionary page.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Number of bits of levels up to `most`.
fn width(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}

/// Takes the bytes that follow their length.
fn with_length<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let damaged = || Fault::Damaged { what: "the levels of a page" };
    let (length, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
    let (taken, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    *bytes = rest;
    Ok(taken)
}
