//! A table as NumPy's `X.npy`, `[rows, size]`, with `X.csv` (path, start, end) and `X.json` (the
//! model) beside it.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use earmark_files::{AtomicFile, FileError};
use earmark_tables::CsvFile;

use crate::error::{EmbeddingsError, Fault};
use crate::open::open;
use crate::table::{Embeddings, ModelId, Row, check_count, check_size};

/// The header of `X.csv`.
const COLUMNS: [&str; 3] = ["path", "start", "end"];
/// Maximum size of `X.json`.
const MOST_JSON: u64 = 1 << 16;
/// Maximum size of `X.csv`.
const MOST_CSV: u64 = 2 << 30;

fn beside(path: &Path) -> (PathBuf, PathBuf) {
    (path.with_extension("csv"), path.with_extension("json"))
}

/// Checks that the files beside `X.npy` are missing or belong to a table.
pub(crate) fn check_place(path: &Path) -> Result<(), EmbeddingsError> {
    let (csv, json) = beside(path);
    let has_our_header = |path: &Path| {
        let mut line = String::new();
        let read = File::open(path).and_then(|file| BufReader::new(file.take(64)).read_line(&mut line));
        read.is_ok() && line.trim_end() == COLUMNS.join(",")
    };
    for (path, is_ours) in [(&csv, has_our_header(&csv)), (&json, model(&json).is_ok())] {
        if path.exists() && !is_ours {
            return Err(EmbeddingsError::Occupied { path: path.clone() });
        }
    }
    Ok(())
}

/// Writes the three files. They get their names together: a reader that finds `X.npy` finds the
/// others, and never those of an earlier table.
pub(crate) fn write(table: &Embeddings, path: &Path) -> Result<(), EmbeddingsError> {
    let (csv, json) = beside(path);
    let array = filled(path, |file| {
        file.write_all(&earmark_features::npy(&[table.rows().len(), table.size()], &[]))?;
        table.values().iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
    })?;
    let rows = filled(&csv, |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(COLUMNS)?;
        for Row { path, start, end } in table.rows() {
            csv.write_record([path, &start.to_string(), &end.to_string()])?;
        }
        csv.flush()
    })?;
    let model = table.model.as_ref().map(|model| {
        filled(&json, |file| {
            serde_json::to_writer_pretty(&mut *file, model)?;
            file.write_all(b"\n")
        })
    });
    let model = model.transpose()?;
    for old in [path, &json] {
        if old.exists() {
            std::fs::remove_file(old).map_err(FileError::of("remove", old))?;
        }
    }
    rows.commit()?;
    model.map(AtomicFile::commit).transpose()?;
    Ok(array.commit()?)
}

/// A file that is complete and synced, and does not have its name yet.
fn filled(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> std::io::Result<()>,
) -> Result<AtomicFile, FileError> {
    let mut file = AtomicFile::create(path)?;
    let mut buffered = BufWriter::with_capacity(1 << 20, file.file());
    fill(&mut buffered).and_then(|()| buffered.flush()).map_err(FileError::of("write", path))?;
    drop(buffered);
    file.sync()?;
    Ok(file)
}

pub(crate) fn read(path: &Path) -> Result<Embeddings, EmbeddingsError> {
    let (csv, json) = beside(path);
    let (size, values) = array(path)?;
    let expected = values.len() / size;
    let rows = rows(&csv)?;
    if rows.len() != expected {
        return Err(EmbeddingsError::of(&csv)(Fault::Rows { found: rows.len(), expected }));
    }
    let model = if json.exists() { Some(model(&json)?) } else { None };
    Embeddings::of(size, rows, values, model).map_err(|fault| {
        let of = if matches!(fault, Fault::Times { .. }) { &csv } else { path };
        EmbeddingsError::of(of)(fault)
    })
}

fn rows(path: &Path) -> Result<Vec<Row>, EmbeddingsError> {
    let (file, bytes) = open(path, MOST_CSV)?;
    let mut text = String::new();
    if let Err(error) = file.take(bytes).read_to_string(&mut text) {
        return Err(match error.kind() {
            ErrorKind::InvalidData => EmbeddingsError::of(path)(Fault::NotText),
            _ => FileError::of("read", path)(error).into(),
        });
    }
    let csv = CsvFile::parse(&text).map_err(EmbeddingsError::of(path))?;
    if let Some(name) = COLUMNS.into_iter().find(|name| csv.column(name).is_none()) {
        return Err(EmbeddingsError::of(path)(Fault::Column { name }));
    }
    csv.deserialize().map_err(EmbeddingsError::of(path))
}

fn model(path: &Path) -> Result<ModelId, EmbeddingsError> {
    let (file, bytes) = open(path, MOST_JSON)?;
    serde_json::from_reader(file.take(bytes)).map_err(EmbeddingsError::of(path))
}

/// The array of a file: the number of values of a row, and the values.
fn array(path: &Path) -> Result<(usize, Vec<f32>), EmbeddingsError> {
    let fault = || EmbeddingsError::of(path);
    let (mut file, bytes) = open(path, u64::MAX)?;
    let (header, offset) = header(&mut file).map_err(FileError::of("read", path))?.map_err(fault())?;
    let (rows, size) = shape(&header).map_err(fault())?;
    let expected = (rows as u64 * size as u64) * 4 + offset;
    if bytes != expected {
        return Err(EmbeddingsError::of(path)(Fault::Length { found: bytes, expected }));
    }
    let mut values = Vec::with_capacity(rows * size);
    let mut block = vec![0; 1 << 20];
    while values.len() < rows * size {
        let block_bytes = (4 * (rows * size - values.len())).min(block.len());
        let block = &mut block[..block_bytes];
        file.read_exact(block).map_err(FileError::of("read", path))?;
        values.extend(block.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])));
    }
    Ok((size, values))
}

/// The text of the header (NumPy Enhancement Proposal 1), and where the data starts.
fn header(file: &mut File) -> std::io::Result<Result<(String, u64), Fault>> {
    let signature = Fault::Signature { verb: "start", format: "NumPy" };
    let mut start = Vec::new();
    file.take(10).read_to_end(&mut start)?;
    let &[0x93, b'N', b'U', b'M', b'P', b'Y', 1..=3, _, low, high] = start.as_slice() else {
        return Ok(Err(signature));
    };
    let mut length = u64::from(u16::from_le_bytes([low, high]));
    let mut offset = 10;
    if start[6] > 1 {
        let mut rest = [0; 2];
        if file.read_exact(&mut rest).is_err() {
            return Ok(Err(signature));
        }
        length += u64::from(u16::from_le_bytes(rest)) << 16;
        offset = 12;
    }
    let mut text = Vec::new();
    file.take(length.min(1 << 16)).read_to_end(&mut text)?;
    let damaged = Fault::Damaged { what: "the header" };
    Ok(match String::from_utf8(text) {
        Ok(text) if text.len() as u64 == length => Ok((text, offset + length)),
        _ => Err(damaged),
    })
}

/// Rows and size, from a header with the keys `descr`, `fortran_order` and `shape`.
fn shape(header: &str) -> Result<(usize, usize), Fault> {
    let damaged = || Fault::Damaged { what: "the header" };
    let value = |key: &str| {
        let (_, rest) = header.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let descr = value("descr").ok_or_else(damaged)?;
    let found = descr.split([',', '}']).next().unwrap_or_default().trim();
    if found != "'<f4'" {
        let (what, found) = ("the array".to_owned(), found.chars().take(80).collect());
        return Err(Fault::Type { what, found, expected: "'<f4' (float32)" });
    }
    let wrong = |found: &str| Fault::Shape {
        what: "the array".to_owned(),
        found: found.chars().take(80).collect(),
        expected: "[rows, size] in C order".to_owned(),
    };
    if !value("fortran_order").ok_or_else(damaged)?.starts_with("False") {
        return Err(wrong("[rows, size] in Fortran order"));
    }
    let axes = value("shape").and_then(|text| text.strip_prefix('(')?.split_once(')')).ok_or_else(damaged)?.0;
    let numbers: Vec<Option<usize>> =
        axes.split(',').map(str::trim).filter(|axis| !axis.is_empty()).map(|axis| axis.parse().ok()).collect();
    let &[Some(rows), Some(size)] = numbers.as_slice() else { return Err(wrong(&format!("({axes})"))) };
    check_size(size)?;
    check_count(rows, size, 0)?;
    Ok((rows, size))
}
