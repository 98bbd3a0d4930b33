//! Thrift's compact protocol, in which Parquet's metadata is written.
//!
//! Source: the specification, `doc/specs/thrift-compact-protocol.md` of Apache Thrift.

use crate::error::Fault;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
/// Maximum depth of nested structures that are skipped.
const DEEPEST: u32 = 32;

/// Reads structures; every element that is read advances it by at least one byte.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The bytes that are not yet read.
    pub bytes: &'a [u8],
}

/// A field of a structure: its number, and the type of its value.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub id: i16,
    kind: u8,
}

fn damaged() -> Fault {
    Fault::Damaged { what: "the metadata" }
}

impl<'a> Reader<'a> {
    /// Reads a structure: `read` takes the value of each field, or returns false to skip it.
    pub fn structure(&mut self, mut read: impl FnMut(&mut Self, Field) -> Result<bool, Fault>) -> Result<(), Fault> {
        let mut id = 0_i16;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(());
            }
            id = match byte >> 4 {
                0 => i16::try_from(self.zigzag()?).map_err(|_| damaged())?,
                delta => id.checked_add(i16::from(delta)).ok_or_else(damaged)?,
            };
            let field = Field { id, kind: byte & 15 };
            if !read(self, field)? {
                self.skip(field.kind, 0)?;
            }
        }
    }

    /// The value of a field that is a 32-bit integer.
    pub fn i32(&mut self, field: Field) -> Result<i32, Fault> {
        i32::try_from(self.integer(field)?).map_err(|_| damaged())
    }

    /// The value of a field that is a size or a position.
    pub fn size(&mut self, field: Field) -> Result<u64, Fault> {
        u64::try_from(self.integer(field)?).map_err(|_| damaged())
    }

    fn integer(&mut self, field: Field) -> Result<i64, Fault> {
        match field.kind {
            I16 | I32 | I64 => self.zigzag(),
            _ => Err(damaged()),
        }
    }

    /// The value of a field that is a text. Other bytes than UTF-8 become U+FFFD.
    pub fn text(&mut self, field: Field) -> Result<String, Fault> {
        match field.kind {
            BINARY => Ok(String::from_utf8_lossy(self.binary()?).into_owned()),
            _ => Err(damaged()),
        }
    }

    /// The value of a field that is a structure.
    pub fn nested(
        &mut self,
        field: Field,
        read: impl FnMut(&mut Self, Field) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        if field.kind != STRUCT {
            return Err(damaged());
        }
        self.structure(read)
    }

    /// The value of a field that is a list of structures.
    pub fn list<T>(
        &mut self,
        field: Field,
        mut read: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        if field.kind != LIST {
            return Err(damaged());
        }
        let (kind, count) = self.list_header()?;
        if kind != STRUCT {
            return Err(damaged());
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn list_header(&mut self) -> Result<(u8, u64), Fault> {
        let byte = self.byte()?;
        let count = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
        // Every element has at least one byte.
        if count > self.bytes.len() as u64 {
            return Err(damaged());
        }
        Ok((byte & 15, count))
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let (&byte, rest) = self.bytes.split_first().ok_or_else(damaged)?;
        self.bytes = rest;
        Ok(byte)
    }

    pub fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err(damaged())
    }

    fn zigzag(&mut self) -> Result<i64, Fault> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(self.varint()?).map_err(|_| damaged())?;
        let (value, rest) = self.bytes.split_at_checked(length).ok_or_else(damaged)?;
        self.bytes = rest;
        Ok(value)
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), Fault> {
        if depth > DEEPEST {
            return Err(damaged());
        }
        match kind {
            TRUE | FALSE => {}
            BYTE => drop(self.byte()?),
            I16 | I32 | I64 => drop(self.varint()?),
            DOUBLE => self.bytes = self.bytes.get(8..).ok_or_else(damaged)?,
            BINARY => drop(self.binary()?),
            LIST | SET => {
                let (kind, count) = self.list_header()?;
                (0..count).try_for_each(|_| self.skip_element(kind, depth + 1))?;
            }
            MAP => {
                let count = self.varint()?;
                if count > 0 {
                    let kinds = self.byte()?;
                    let both = |reader: &mut Self| {
                        reader.skip_element(kinds >> 4, depth + 1)?;
                        reader.skip_element(kinds & 15, depth + 1)
                    };
                    (0..count).try_for_each(|_| both(self))?;
                }
            }
            STRUCT => loop {
                let byte = self.byte()?;
                if byte == 0 {
                    break;
                }
                if byte >> 4 == 0 {
                    self.varint()?;
                }
                self.skip(byte & 15, depth + 1)?;
            },
            _ => return Err(damaged()),
        }
        Ok(())
    }

    /// Skips an element of a collection, where a boolean has a byte of its own.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Result<(), Fault> {
        match kind {
            TRUE | FALSE => self.byte().map(drop),
            kind => self.skip(kind, depth),
        }
    }
}

/// Writes structures.
#[derive(Debug, Default)]
pub struct Writer {
    pub bytes: Vec<u8>,
    /// The number of the last field of each open structure.
    last: Vec<i16>,
}

impl Writer {
    /// Writes a structure that is not a field: the outermost, or an element of a list.
    pub fn structure(&mut self, fill: impl FnOnce(&mut Self)) {
        self.last.push(0);
        fill(self);
        self.last.pop();
        self.bytes.push(0);
    }

    pub fn i32(&mut self, id: i16, value: i32) {
        self.field(id, I32);
        self.zigzag(i64::from(value));
    }

    pub fn i64(&mut self, id: i16, value: u64) {
        self.field(id, I64);
        self.zigzag(value as i64);
    }

    pub fn text(&mut self, id: i16, value: &str) {
        self.field(id, BINARY);
        self.binary(value);
    }

    pub fn nested(&mut self, id: i16, fill: impl FnOnce(&mut Self)) {
        self.field(id, STRUCT);
        self.structure(fill);
    }

    /// A field that is a list of structures.
    pub fn list<T>(&mut self, id: i16, items: &[T], each: impl Fn(&mut Self, &T)) {
        self.list_header(id, STRUCT, items.len());
        for item in items {
            self.structure(|writer| each(writer, item));
        }
    }

    /// A field that is a list of 32-bit integers.
    pub fn integers(&mut self, id: i16, items: &[i32]) {
        self.list_header(id, I32, items.len());
        items.iter().for_each(|item| self.zigzag(i64::from(*item)));
    }

    /// A field that is a list of texts.
    pub fn texts(&mut self, id: i16, items: &[&str]) {
        self.list_header(id, BINARY, items.len());
        items.iter().for_each(|item| self.binary(item));
    }

    fn field(&mut self, id: i16, kind: u8) {
        let last = self.last.last_mut();
        let delta = id - last.map_or(0, |last| std::mem::replace(last, id));
        // All structures here have ascending fields without wide gaps.
        debug_assert!((1..16).contains(&delta));
        self.bytes.push((delta as u8) << 4 | kind);
    }

    fn list_header(&mut self, id: i16, kind: u8, count: usize) {
        self.field(id, LIST);
        match count {
            0..15 => self.bytes.push((count as u8) << 4 | kind),
            _ => {
                self.bytes.push(15 << 4 | kind);
                self.varint(count as u64);
            }
        }
    }

    pub fn varint(&mut self, mut value: u64) {
        while value > 127 {
            self.bytes.push((value & 127) as u8 | 128);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn zigzag(&mut self, value: i64) {
        self.varint((value << 1 ^ value >> 63) as u64);
    }

    fn binary(&mut self, value: &str) {
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }
}
