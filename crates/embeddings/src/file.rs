//! Files of tables, in the format that their extension names.

use std::path::Path;

use crate::error::EmbeddingsError;
use crate::table::{Embeddings, check_size};
use crate::{npy, parquet};

/// A format of files.
#[derive(Debug, Clone, Copy)]
enum Format {
    Npy,
    Parquet,
}

impl Embeddings {
    /// Checks whether a table may be written to a file: its extension, and the files beside it.
    ///
    /// # Errors
    /// [`EmbeddingsError::Extension`], [`EmbeddingsError::Occupied`].
    pub fn check_place(path: &Path) -> Result<(), EmbeddingsError> {
        match format(path)? {
            Format::Npy => npy::check_place(path),
            Format::Parquet => Ok(()),
        }
    }

    /// Writes the table, atomically. Besides `X.npy` it writes `X.csv` with the columns path, start
    /// and end, and `X.json` with the model.
    ///
    /// # Errors
    /// Those of [`Embeddings::check_place`]; the disk.
    pub fn write(&self, path: &Path) -> Result<(), EmbeddingsError> {
        Self::check_place(path)?;
        check_size(self.size()).map_err(EmbeddingsError::of(path))?;
        match format(path)? {
            Format::Npy => npy::write(self, path),
            Format::Parquet => parquet::write(self, path),
        }
    }

    /// Reads a table. Columns that it does not have are ignored.
    ///
    /// Memory: the table, and at most 256 MiB, or for `X.npy` some times the size of `X.csv`. A
    /// table has at most 2^23 rows of at most 65,536 values, 2^30 values in all, and 1 GiB of
    /// paths.
    ///
    /// # Errors
    /// [`EmbeddingsError::Extension`]; [`EmbeddingsError::Unreadable`]; the disk.
    pub fn read(path: &Path) -> Result<Self, EmbeddingsError> {
        match format(path)? {
            Format::Npy => npy::read(path),
            Format::Parquet => parquet::read(path),
        }
    }
}

fn format(path: &Path) -> Result<Format, EmbeddingsError> {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("npy") => Ok(Format::Npy),
        Some("parquet") => Ok(Format::Parquet),
        _ => Err(EmbeddingsError::Extension { path: path.to_owned() }),
    }
}
