//! A table of embeddings.

use serde::{Deserialize, Serialize};

use crate::error::{EmbeddingsError, Fault};

/// Maximum number of rows.
const MOST_ROWS: usize = 1 << 23;
/// Maximum number of values of a row.
const MOST_SIZE: usize = 1 << 16;
/// Maximum number of values: 4 GiB, 2.8 million rows of 384 values.
const MOST_VALUES: usize = 1 << 30;
/// Maximum number of bytes of a path.
const MOST_PATH: usize = 1 << 13;
/// Maximum number of bytes of all paths.
const MOST_PATHS: usize = 1 << 30;

/// What a row is the embedding of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The sound file.
    pub path: String,
    /// Start of the part, in seconds from the start of the clip.
    pub start: f64,
    /// Its end; for a whole clip its length.
    pub end: f64,
}

/// The network that computed embeddings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelId {
    /// The model's name.
    #[serde(rename = "model")]
    pub name: String,
    /// The SHA-256 of its ONNX file.
    pub sha256: String,
}

/// A table of embeddings: rows of `size` finite values.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// The model, unless the table comes from elsewhere.
    pub model: Option<ModelId>,
    size: usize,
    rows: Vec<Row>,
    values: Vec<f32>,
    /// Number of bytes of all paths.
    path_bytes: usize,
}

impl Embeddings {
    /// An empty table of embeddings of `size` values.
    pub fn new(size: usize, model: Option<ModelId>) -> Self {
        Self { model, size, rows: Vec::new(), values: Vec::new(), path_bytes: 0 }
    }

    /// A table with `[rows, size]` values.
    pub(crate) fn of(size: usize, rows: Vec<Row>, values: Vec<f32>, model: Option<ModelId>) -> Result<Self, Fault> {
        let path_bytes = rows.iter().map(|row| row.path.len()).sum();
        let table = Self { model, size, rows, values, path_bytes };
        check_size(size)?;
        check_count(table.rows.len(), size, path_bytes)?;
        table.rows.iter().zip(table.values.chunks_exact(size)).enumerate().try_for_each(check_row)?;
        Ok(table)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`EmbeddingsError::Row`]: another number of values, values that are not finite, an end
    /// before the start, or a table that is full.
    pub fn push(&mut self, row: Row, values: &[f32]) -> Result<(), EmbeddingsError> {
        let shape = || Fault::Shape {
            what: "the embedding".to_owned(),
            found: format!("[{}]", values.len()),
            expected: format!("[{}]", self.size),
        };
        let fits = if values.len() == self.size { Ok(()) } else { Err(shape()) };
        let checked = fits
            .and_then(|()| check_count(self.rows.len() + 1, self.size, self.path_bytes + row.path.len()))
            .and_then(|()| check_row((self.rows.len(), (&row, values))));
        checked.map_err(|fault| EmbeddingsError::Row { path: row.path.clone(), fault })?;
        self.path_bytes += row.path.len();
        self.rows.push(row);
        self.values.extend_from_slice(values);
        Ok(())
    }

    /// Number of values of a row.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What the rows are the embeddings of.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The values, `[rows, size]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Checks the number of values of a row.
pub(crate) fn check_size(size: usize) -> Result<(), Fault> {
    if size == 0 {
        let (what, found) = ("the embedding".to_owned(), "[0]".to_owned());
        return Err(Fault::Shape { what, found, expected: "at least one value".to_owned() });
    }
    at_most("values in a row", size, MOST_SIZE)
}

/// Checks the numbers of rows, of values, and of the bytes of paths.
pub(crate) fn check_count(rows: usize, size: usize, path_bytes: usize) -> Result<(), Fault> {
    at_most("rows", rows, MOST_ROWS)?;
    at_most("values", rows.saturating_mul(size), MOST_VALUES)?;
    at_most("bytes of paths", path_bytes, MOST_PATHS)
}

fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Fault> {
    match found <= most {
        true => Ok(()),
        false => Err(Fault::TooLarge { what, found: found as u64, most: most as u64 }),
    }
}

/// Checks one row: its times and its values.
fn check_row((row, (of, values)): (usize, (&Row, &[f32]))) -> Result<(), Fault> {
    let &Row { start, end, ref path } = of;
    at_most("bytes in a path", path.len(), MOST_PATH)?;
    if !(start.is_finite() && end.is_finite() && 0.0 <= start && start <= end) {
        return Err(Fault::Times { row, start, end });
    }
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Fault::NotFinite { row }),
    }
}
