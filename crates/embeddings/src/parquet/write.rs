//! Writes a table.

use std::io::{BufWriter, Write};
use std::path::Path;

use earmark_files::{FileError, write_atomic_with};

use super::format::{MAGIC, MODEL, SHA256, numbers};
use super::levels;
use super::thrift::Writer;
use crate::error::EmbeddingsError;
use crate::table::{Embeddings, Row};

/// Maximum number of values of a page, 1 MiB, unless a row has more.
const PAGE_VALUES: usize = 1 << 18;
/// Maximum number of rows of a page.
const PAGE_ROWS: usize = 1 << 12;
/// Number of pages of a column in a row group.
const GROUP_PAGES: usize = 64;

/// The columns: the path of the leaf in the schema, and its type.
const COLUMNS: [(&[&str], i32); 4] = [
    (&["path"], numbers::BYTE_ARRAY),
    (&["start"], numbers::DOUBLE),
    (&["end"], numbers::DOUBLE),
    (&["embedding", "list", "element"], numbers::FLOAT),
];

/// A written column chunk.
struct Chunk {
    position: u64,
    bytes: u64,
    values: u64,
}

struct Group {
    rows: u64,
    chunks: Vec<Chunk>,
}

pub(crate) fn write(table: &Embeddings, path: &Path) -> Result<(), EmbeddingsError> {
    write_atomic_with(path, |file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        pages(table, &mut file).and_then(|()| file.flush()).map_err(FileError::of("write", path))
    })?;
    Ok(())
}

fn pages(table: &Embeddings, file: &mut impl Write) -> std::io::Result<()> {
    file.write_all(MAGIC)?;
    let (mut position, mut groups) = (MAGIC.len() as u64, Vec::new());
    let page_rows = (PAGE_VALUES / table.size()).clamp(1, PAGE_ROWS);
    let in_group = page_rows * GROUP_PAGES;
    for (rows, values) in table.rows().chunks(in_group).zip(table.values().chunks(in_group * table.size())) {
        let mut chunks = Vec::new();
        for column in 0..COLUMNS.len() {
            let mut chunk = Chunk { position, bytes: 0, values: 0 };
            let of_pages = rows.chunks(page_rows).zip(values.chunks(page_rows * table.size()));
            for (rows, values) in of_pages {
                let page = match column {
                    0 => strings(rows),
                    1 => rows.iter().flat_map(|row| row.start.to_le_bytes()).collect(),
                    2 => rows.iter().flat_map(|row| row.end.to_le_bytes()).collect(),
                    _ => lists(values, table.size()),
                };
                let count = if column < 3 { rows.len() } else { values.len() };
                let header = page_header(page.len(), count);
                file.write_all(&header)?;
                file.write_all(&page)?;
                chunk.bytes += (header.len() + page.len()) as u64;
                chunk.values += count as u64;
            }
            position += chunk.bytes;
            chunks.push(chunk);
        }
        groups.push(Group { rows: rows.len() as u64, chunks });
    }
    let footer = footer(table, &groups);
    file.write_all(&footer)?;
    file.write_all(&(footer.len() as u32).to_le_bytes())?;
    file.write_all(MAGIC)
}

fn strings(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend((row.path.len() as u32).to_le_bytes());
        bytes.extend(row.path.as_bytes());
    }
    bytes
}

/// A page of lists: the repetition levels (0 starts a list), the definition levels (nothing is
/// null), and the values.
fn lists(values: &[f32], size: usize) -> Vec<u8> {
    let runs = (0..values.len() / size).flat_map(|_| [(0, 1), (1, size - 1)]);
    let mut bytes = levels::write(runs);
    bytes.extend(levels::write(std::iter::once((1, values.len()))));
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn page_header(bytes: usize, values: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.structure(|header| {
        header.i32(1, numbers::DATA_PAGE);
        header.i32(2, bytes as i32);
        header.i32(3, bytes as i32);
        header.nested(5, |page| {
            page.i32(1, values as i32);
            page.i32(2, numbers::PLAIN);
            page.i32(3, numbers::RLE);
            page.i32(4, numbers::RLE);
        });
    });
    writer.bytes
}

fn footer(table: &Embeddings, groups: &[Group]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.structure(|file| {
        file.i32(1, 1);
        file.list(2, &SCHEMA, schema_node);
        file.i64(3, table.rows().len() as u64);
        file.list(4, groups, row_group);
        if let Some(model) = &table.model {
            file.list(5, &[(MODEL, &model.name), (SHA256, &model.sha256)], |pair, (key, value)| {
                pair.text(1, key);
                pair.text(2, value);
            });
        }
        file.text(6, concat!("earmark ", env!("CARGO_PKG_VERSION")));
    });
    writer.bytes
}

/// A node of the schema: its name, its type or number of children, whether it is repeated, and its
/// meaning (converted type, and the field of the logical type).
type Node = (&'static str, Result<i32, i32>, i32, Option<(i32, i16)>);

const SCHEMA: [Node; 7] = [
    ("schema", Err(4), numbers::REQUIRED, None),
    ("path", Ok(numbers::BYTE_ARRAY), numbers::REQUIRED, Some((numbers::UTF8, 1))),
    ("start", Ok(numbers::DOUBLE), numbers::REQUIRED, None),
    ("end", Ok(numbers::DOUBLE), numbers::REQUIRED, None),
    ("embedding", Err(1), numbers::REQUIRED, Some((numbers::LIST, 3))),
    ("list", Err(1), numbers::REPEATED, None),
    ("element", Ok(numbers::FLOAT), numbers::REQUIRED, None),
];

fn schema_node(writer: &mut Writer, &(name, kind, repetition, meaning): &Node) {
    if let Ok(physical) = kind {
        writer.i32(1, physical);
    }
    writer.i32(3, repetition);
    writer.text(4, name);
    if let Err(children) = kind {
        writer.i32(5, children);
    }
    if let Some((converted, logical)) = meaning {
        writer.i32(6, converted);
        writer.nested(10, |of| of.nested(logical, |_| {}));
    }
}

fn row_group(writer: &mut Writer, group: &Group) {
    writer.list(1, &group.chunks.iter().zip(COLUMNS).collect::<Vec<_>>(), |writer, (chunk, (path, physical))| {
        writer.i64(2, chunk.position);
        writer.nested(3, |of| {
            of.i32(1, *physical);
            of.integers(2, &[numbers::PLAIN, numbers::RLE]);
            of.texts(3, path);
            of.i32(4, numbers::UNCOMPRESSED);
            of.i64(5, chunk.values);
            of.i64(6, chunk.bytes);
            of.i64(7, chunk.bytes);
            of.i64(9, chunk.position);
        });
    });
    writer.i64(2, group.chunks.iter().map(|chunk| chunk.bytes).sum());
    writer.i64(3, group.rows);
}
