//! Reads a table.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use earmark_files::FileError;

use super::column::Column;
use super::format::MAGIC;
use super::metadata::Metadata;
use super::page::Failed;
use crate::error::{EmbeddingsError, Fault};
use crate::open::open;
use crate::table::{Embeddings, Row, check_count, check_size};

/// Maximum size of the metadata.
const MOST_METADATA: u64 = 4 << 20;
/// Bytes after the metadata: its length and the signature.
const TAIL: u64 = 8;

pub(crate) fn read(path: &Path) -> Result<Embeddings, EmbeddingsError> {
    let (mut file, bytes) = open(path, u64::MAX)?;
    table(&mut file, bytes).map_err(|failed| match failed {
        Failed::Io(error) => FileError::of("read", path)(error).into(),
        Failed::Fault(fault) => EmbeddingsError::of(path)(fault),
    })
}

fn table(file: &mut File, bytes: u64) -> Result<Embeddings, Failed> {
    let (metadata, end) = footer(file, bytes)?;
    let mut rows: Vec<Row> = Vec::new();
    let column = |name| Column::new(&metadata, name, end);
    let mut path_bytes = 0;
    let mut paths = (&mut rows, &mut path_bytes);
    column("path")?.read(
        file,
        &mut paths,
        |_, _, _| Err(nested()),
        |(rows, path_bytes), path: Vec<u8>| {
            **path_bytes += path.len();
            check_count(rows.len() + 1, 1, **path_bytes)?;
            let path = String::from_utf8(path).map_err(|_| Fault::Utf8 { row: rows.len() })?;
            rows.push(Row { path, start: 0.0, end: 0.0 });
            Ok(())
        },
    )?;
    for (name, set) in [("start", set_start as fn(&mut Row, f64)), ("end", set_end)] {
        let mut times = (&mut rows, 0);
        column(name)?.read(
            file,
            &mut times,
            |_, _, _| Err(nested()),
            |(rows, row), value: f64| {
                set(rows.get_mut(*row).ok_or(Fault::Damaged { what: "the number of rows of a column" })?, value);
                *row += 1;
                Ok(())
            },
        )?;
    }
    // A plainly encoded file has at least four bytes per value.
    let fits = usize::try_from(bytes / 4).unwrap_or(usize::MAX);
    let mut lists = Lists { values: Vec::with_capacity(fits), ..Lists::default() };
    column("embedding")?.read(file, &mut lists, Lists::level, |lists, value: f32| {
        lists.values.push(value);
        Ok(())
    })?;
    let size = lists.finish(rows.len())?;
    Ok(Embeddings::of(size, rows, lists.values, metadata.model)?)
}

fn nested() -> Fault {
    Fault::Unsupported { what: "a list of paths or of times".to_owned() }
}

fn set_start(row: &mut Row, start: f64) {
    row.start = start;
}

fn set_end(row: &mut Row, end: f64) {
    row.end = end;
}

/// The metadata, and where it starts.
fn footer(file: &mut File, bytes: u64) -> Result<(Metadata, u64), Failed> {
    let signature = |verb| Failed::from(Fault::Signature { verb, format: "Parquet" });
    let mut start = Vec::new();
    Read::by_ref(file).take(4).read_to_end(&mut start)?;
    if start != MAGIC {
        return Err(signature("start"));
    }
    let Some(most) = bytes.checked_sub(TAIL + MAGIC.len() as u64) else { return Err(signature("end")) };
    let mut tail = [0; TAIL as usize];
    file.seek(SeekFrom::Start(bytes - TAIL))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    if magic != *MAGIC {
        return Err(signature("end"));
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > most {
        return Err(Fault::Damaged { what: "the metadata" }.into());
    }
    if length > MOST_METADATA {
        let what = "bytes of metadata";
        return Err(Fault::TooLarge { what, found: length, most: MOST_METADATA }.into());
    }
    let position = bytes - TAIL - length;
    let mut metadata = vec![0; length as usize];
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(&mut metadata)?;
    Ok((Metadata::read(&metadata)?, position))
}

/// The values of a column of lists that have the same length.
#[derive(Default)]
struct Lists {
    values: Vec<f32>,
    /// Number of finished lists.
    lists: usize,
    /// Length of the open list.
    open: usize,
    /// Length of each list, known after the first.
    size: Option<usize>,
}

impl Lists {
    /// A run of repetition levels: 0 starts a list, 1 continues it.
    fn level(&mut self, level: u32, run: usize) -> Result<(), Fault> {
        match level {
            0 => (0..run).try_for_each(|_| {
                self.close()?;
                self.open = 1;
                check_count(self.lists + 1, self.size.unwrap_or(1), 0)
            }),
            1 if self.open > 0 => {
                self.open = self.open.saturating_add(run);
                check_size(self.open)
            }
            _ => Err(Fault::Unsupported { what: "a list of lists as embedding".to_owned() }),
        }
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.open == 0 {
            return Ok(());
        }
        let size = *self.size.get_or_insert(self.open);
        if self.open != size {
            let (what, found) = (format!("row {}", self.lists), format!("[{}]", self.open));
            return Err(Fault::Shape { what, found, expected: format!("[{size}]") });
        }
        self.lists += 1;
        self.open = 0;
        Ok(())
    }

    /// Closes the last list; returns the number of values of each of the `rows` lists.
    fn finish(&mut self, rows: usize) -> Result<usize, Fault> {
        self.close()?;
        let size = self.size.unwrap_or(0);
        check_size(size)?;
        if self.lists != rows || self.values.len() != rows * size {
            return Err(Fault::Damaged { what: "the number of embeddings" });
        }
        Ok(size)
    }
}
