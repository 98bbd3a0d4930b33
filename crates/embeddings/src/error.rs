//! What can go wrong with tables of embeddings.

use std::path::{Path, PathBuf};

use earmark_files::FileError;
use earmark_tables::CsvError;

/// What can go wrong with tables of embeddings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingsError {
    /// The name of a file ends in neither `.npy` nor `.parquet`.
    #[error("{}: the name of a file of embeddings ends in .npy or .parquet", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A file is not a table of embeddings, is damaged, or has a form that is not read.
    #[error("{} is not a readable table of embeddings: {fault}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
    /// The file that would be written beside a `.npy` file exists, and is something else.
    #[error("{} exists and is not of a table of embeddings; choose another name for the table", path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// A row does not fit into a table.
    #[error("{path}: {fault}")]
    Row {
        /// The path in the row.
        path: String,
        /// What is wrong.
        fault: Fault,
    },
    /// A query does not have the size of the table's rows.
    #[error(
        "the query has {found} values, and the rows have {expected}; name the model that made the table by --model"
    )]
    QuerySize {
        /// Number of values of the query.
        found: usize,
        /// Number of values of each row.
        expected: usize,
    },
    /// All values of a query are zero, or one is not finite: no row is nearer than another.
    #[error(
        "the embedding of the query has no direction: its values are all zero, or not finite; query with another sound"
    )]
    NoDirection,
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl EmbeddingsError {
    /// For `map_err`: the fault of a file.
    pub(crate) fn of<F: Into<Fault>>(path: &Path) -> impl Fn(F) -> Self + '_ {
        |fault| Self::Unreadable { path: path.to_owned(), fault: fault.into() }
    }
}

/// What is wrong with a table of embeddings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file does not start, or end, as its format requires.
    #[error("it does not {verb} as a {format} file does; it is another file, or it is truncated")]
    Signature {
        /// `start` or `end`.
        verb: &'static str,
        /// NumPy or Parquet.
        format: &'static str,
    },
    /// A part of the file contradicts the format or another part.
    #[error("{what} is damaged; write the file again")]
    Damaged {
        /// The part.
        what: &'static str,
    },
    /// The file has more or fewer bytes than its header declares.
    #[error("it has {found} bytes, and its header declares {expected}; it is truncated or damaged, so write it again")]
    Length {
        /// Its size in bytes.
        found: u64,
        /// The size that its header declares.
        expected: u64,
    },
    /// Numbers of another type.
    #[error("{what} is of type {found}, and {expected} is needed; convert it")]
    Type {
        /// The array or column.
        what: String,
        /// Its type.
        found: String,
        /// The type that is read.
        expected: &'static str,
    },
    /// An array that is not `[rows, size]`, or a row of another length than the first one.
    #[error("{what} has the shape {found}, and {expected} is needed")]
    Shape {
        /// The array or row.
        what: String,
        /// Its shape.
        found: String,
        /// The shape that is needed.
        expected: String,
    },
    /// A missing column.
    #[error("it has no column {name}; the columns are path, start, end, and in Parquet embedding")]
    Column {
        /// The column.
        name: &'static str,
    },
    /// A null in a column.
    #[error("the column {name} has a null; drop such rows")]
    Null {
        /// The column.
        name: &'static str,
    },
    /// Values that are NaN or infinite.
    #[error("row {row} has values that are NaN or infinite; drop this row, or embed the clip again")]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
    },
    /// Times that are no part of a clip.
    #[error("row {row} lasts from {start} s to {end} s; write times in seconds, start before end")]
    Times {
        /// The row, counted from 0.
        row: usize,
        /// Its start, in seconds.
        start: f64,
        /// Its end, in seconds.
        end: f64,
    },
    /// A path that is not UTF-8.
    #[error("the path of row {row} is not UTF-8; rename the file and embed it again")]
    Utf8 {
        /// The row, counted from 0.
        row: usize,
    },
    /// A CSV file that is not UTF-8.
    #[error("it is not UTF-8; rename files whose names are not, and embed them again")]
    NotText,
    /// The number of rows of the CSV file beside a `.npy` file differs from that of the array.
    #[error("it has {found} rows, and the array beside it has {expected}; they are of different tables")]
    Rows {
        /// Its number of rows.
        found: usize,
        /// The number of rows of the array.
        expected: usize,
    },
    /// A feature of Parquet that is not read.
    #[error("{what} is not read; write the file again by pyarrow.parquet.write_table with its defaults")]
    Unsupported {
        /// The feature.
        what: String,
    },
    /// More than is read or written.
    #[error("it has {found} {what}, and at most {most} are possible; split the table")]
    TooLarge {
        /// Items, in the plural.
        what: &'static str,
        /// Their number.
        found: u64,
        /// The maximum.
        most: u64,
    },
    /// A CSV file is malformed.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// A JSON file is malformed.
    #[error("{0}; remove the file, and name the model with --model")]
    Json(#[from] serde_json::Error),
}
