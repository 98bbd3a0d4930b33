//! The part of a file's metadata that its columns need.

use super::format::{MODEL, SHA256, numbers};
use super::thrift::Reader;
use crate::error::Fault;
use crate::table::ModelId;

/// What the footer of a file declares.
#[derive(Debug, Default)]
pub struct Metadata {
    schema: Vec<Node>,
    pub groups: Vec<Group>,
    pub model: Option<ModelId>,
}

/// A node of the schema; the nodes are in depth-first order.
#[derive(Debug, Default)]
struct Node {
    name: String,
    physical: Option<i32>,
    repetition: i32,
    children: usize,
}

/// A row group.
#[derive(Debug, Default)]
pub struct Group {
    pub rows: u64,
    /// The chunks of its columns, in the order of the leaves of the schema.
    pub chunks: Vec<Chunk>,
}

/// The part of a column in a row group.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// Whether it is in another file.
    pub elsewhere: bool,
    pub codec: i32,
    pub values: u64,
    /// Size with the headers of its pages, in bytes.
    pub bytes: u64,
    pub data_page: u64,
    pub dictionary_page: Option<u64>,
}

/// A leaf of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Leaf {
    /// Its place among the chunks of a row group.
    pub column: usize,
    pub physical: i32,
    pub most_definition: u32,
    pub most_repetition: u32,
}

impl Metadata {
    /// Reads a footer.
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut metadata = Self::default();
        let (mut model, mut sha256) = (None, None);
        Reader { bytes }.structure(|reader, field| {
            match field.id {
                2 => metadata.schema = reader.list(field, Node::read)?,
                4 => metadata.groups = reader.list(field, Group::read)?,
                5 => {
                    for (key, value) in reader.list(field, pair)? {
                        match key.as_str() {
                            MODEL => model = Some(value),
                            SHA256 => sha256 = Some(value),
                            _ => {}
                        }
                    }
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        metadata.model = model.zip(sha256).map(|(name, sha256)| ModelId { name, sha256 });
        Ok(metadata)
    }

    /// The only leaf of the column `name` of the table.
    pub fn leaf(&self, name: &'static str) -> Result<Leaf, Fault> {
        let damaged = || Fault::Damaged { what: "the schema" };
        let (mut column, mut found) = (0, None);
        // The open groups: how many nodes they still have, and the levels below them.
        let mut open: Vec<(usize, u32, u32)> = Vec::new();
        let mut top = "";
        for (index, node) in self.schema.iter().enumerate() {
            let (definition, repetition) =
                open.last().map_or((0, 0), |&(_, definition, repetition)| (definition, repetition));
            let counts = index > 0 && node.repetition != numbers::REQUIRED;
            let repeats = index > 0 && node.repetition == numbers::REPEATED;
            let levels = (definition + u32::from(counts), repetition + u32::from(repeats));
            if open.len() == 1 {
                top = &node.name;
            }
            if let Some((left, ..)) = open.last_mut() {
                *left -= 1;
            }
            if node.children > 0 {
                open.push((node.children, levels.0, levels.1));
            } else if let Some(physical) = node.physical.filter(|_| index > 0) {
                if top == name {
                    let leaf = Leaf { column, physical, most_definition: levels.0, most_repetition: levels.1 };
                    if found.replace(leaf).is_some() {
                        let what = format!("the column {name} with several parts");
                        return Err(Fault::Unsupported { what });
                    }
                }
                column += 1;
            }
            while open.last().is_some_and(|(left, ..)| *left == 0) {
                open.pop();
            }
            if open.is_empty() && index + 1 < self.schema.len() {
                return Err(damaged());
            }
        }
        if self.groups.iter().any(|group| group.chunks.len() != column) {
            return Err(damaged());
        }
        found.ok_or(Fault::Column { name })
    }
}

impl Node {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut node = Self::default();
        reader.structure(|reader, field| {
            match field.id {
                1 => node.physical = Some(reader.i32(field)?),
                3 => node.repetition = reader.i32(field)?,
                4 => node.name = reader.text(field)?,
                5 => node.children = reader.size(field)? as usize,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(node)
    }
}

impl Group {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut group = Self::default();
        reader.structure(|reader, field| {
            match field.id {
                1 => group.chunks = reader.list(field, Chunk::read)?,
                3 => group.rows = reader.size(field)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(group)
    }
}

impl Chunk {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut chunk = Self::default();
        reader.structure(|reader, field| {
            match field.id {
                1 => chunk.elsewhere = !reader.text(field)?.is_empty(),
                3 => reader.nested(field, |reader, field| {
                    match field.id {
                        4 => chunk.codec = reader.i32(field)?,
                        5 => chunk.values = reader.size(field)?,
                        7 => chunk.bytes = reader.size(field)?,
                        9 => chunk.data_page = reader.size(field)?,
                        11 => chunk.dictionary_page = Some(reader.size(field)?),
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(chunk)
    }
}

fn pair(reader: &mut Reader<'_>) -> Result<(String, String), Fault> {
    let (mut key, mut value) = (String::new(), String::new());
    reader.structure(|reader, field| {
        match field.id {
            1 => key = reader.text(field)?,
            2 => value = reader.text(field)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((key, value))
}
