//! The values of a column.

use std::fs::File;

use super::format::numbers;
use super::levels;
use super::metadata::{Leaf, Metadata};
use super::page::{Failed, Page, Pages};
use crate::error::Fault;

/// A type of values.
pub trait Physical: Clone {
    /// Its number in the specification.
    const TYPE: i32;

    /// Takes a plainly encoded value.
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

impl Physical for f32 {
    const TYPE: i32 = numbers::FLOAT;

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (value, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(f32::from_le_bytes(*value))
    }
}

impl Physical for f64 {
    const TYPE: i32 = numbers::DOUBLE;

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (value, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(f64::from_le_bytes(*value))
    }
}

impl Physical for Vec<u8> {
    const TYPE: i32 = numbers::BYTE_ARRAY;

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        *bytes = rest;
        Some(value.to_owned())
    }
}

/// A column of a file.
pub struct Column<'a> {
    name: &'static str,
    leaf: Leaf,
    metadata: &'a Metadata,
    /// Where the metadata starts, behind all pages.
    end: u64,
}

impl<'a> Column<'a> {
    /// The column `name` of a file whose metadata starts at `end`.
    pub fn new(metadata: &'a Metadata, name: &'static str, end: u64) -> Result<Self, Fault> {
        Ok(Self { name, leaf: metadata.leaf(name)?, metadata, end })
    }

    /// Reads the column of all row groups into `sink`: calls `repetition` with the runs of
    /// repetition levels of each page, and then `each` with its values.
    pub fn read<T: Physical, S>(
        &self,
        file: &mut File,
        sink: &mut S,
        repetition: impl Fn(&mut S, u32, usize) -> Result<(), Fault>,
        each: impl Fn(&mut S, T) -> Result<(), Fault>,
    ) -> Result<(), Failed> {
        let Leaf { column, physical, most_repetition, .. } = self.leaf;
        if physical != T::TYPE {
            let name = |number: i32| *numbers::TYPES.get(number as usize).unwrap_or(&"unknown");
            let what = format!("the column {}", self.name);
            return Err(Fault::Type { what, found: name(physical).to_owned(), expected: name(T::TYPE) }.into());
        }
        for group in &self.metadata.groups {
            let chunk = &group.chunks[column];
            if most_repetition == 0 && chunk.values != group.rows {
                return Err(Fault::Damaged { what: "the number of values of a column" }.into());
            }
            let mut pages = Pages::new(file, chunk, self.end)?;
            let (mut left, mut dictionary) = (chunk.values, Vec::new());
            while left > 0 {
                let page = pages.next()?;
                if page.is_dictionary {
                    dictionary = Vec::new();
                    plain(page.bytes(), page.values, |value| {
                        dictionary.push(value);
                        Ok(())
                    })?;
                    continue;
                }
                left = left.checked_sub(page.values as u64).ok_or(Fault::Damaged { what: "a page" })?;
                let values = page.split(self.leaf, self.name, |level, run| repetition(sink, level, run))?;
                decode(&page, values, &dictionary, |value| each(sink, value))?;
            }
        }
        Ok(())
    }
}

/// Decodes the values of a data page.
fn decode<T: Physical>(
    page: &Page,
    values: &[u8],
    dictionary: &[T],
    mut each: impl FnMut(T) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match page.encoding {
        numbers::PLAIN => plain(values, page.values, each),
        numbers::PLAIN_DICTIONARY | numbers::RLE_DICTIONARY => {
            let damaged = || Fault::Damaged { what: "the dictionary of a column" };
            let Some((width, indices)) = values.split_first() else {
                return if page.values == 0 { Ok(()) } else { Err(damaged()) };
            };
            levels::read(indices, u32::from(*width), page.values, |index, run| {
                let value = dictionary.get(index as usize).ok_or_else(damaged)?;
                (0..run).try_for_each(|_| each(value.clone()))
            })
        }
        other => Err(Fault::Unsupported { what: format!("the encoding {other} of values") }),
    }
}

/// Decodes plainly encoded values.
fn plain<T: Physical>(
    mut bytes: &[u8],
    count: usize,
    mut each: impl FnMut(T) -> Result<(), Fault>,
) -> Result<(), Fault> {
    (0..count).try_for_each(|_| each(T::take(&mut bytes).ok_or(Fault::Damaged { what: "the values of a page" })?))
}
