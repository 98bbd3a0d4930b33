//! Cutting a data set's table to the part of its files that was taken.

use std::path::Path;

use earmark_files::{FileError, write_atomic};

use crate::error::DownloadError;
use crate::registry::Rows;

impl Rows {
    /// Leaves the rows that are meant in the table below `root`. They must be exactly those whose
    /// files are there.
    pub(super) fn keep(&self, root: &Path) -> Result<(), DownloadError> {
        let path = root.join(&self.table);
        let wrong = |reason: String| DownloadError::Table { table: self.table.clone().into(), reason };
        let damaged = |error: csv::Error| wrong(error.to_string());
        let mut table = csv::Reader::from_path(&path).map_err(damaged)?;
        let header = table.headers().map_err(damaged)?.clone();
        let place = |column: &str| {
            let found = header.iter().position(|name| name == column);
            found.ok_or_else(|| wrong(format!("no column {column}")))
        };
        let (column, file) = (place(&self.column)?, place(&self.file)?);

        let mut kept = csv::Writer::from_writer(Vec::new());
        kept.write_record(&header).map_err(damaged)?;
        for row in table.records() {
            let row = row.map_err(damaged)?;
            let meant = row[column] == self.value;
            if meant != root.join(&self.folder).join(&row[file]).is_file() {
                let (column, value) = (&self.column, &row[column]);
                return Err(wrong(format!(
                    "{column} of {} is {value}, which its archive does not bear out",
                    &row[file]
                )));
            }
            if meant {
                kept.write_record(&row).map_err(damaged)?;
            }
        }
        let failed = |error: csv::IntoInnerError<_>| FileError {
            path: path.clone(),
            action: "write",
            source: error.into_error(),
        };
        let bytes = kept.into_inner().map_err(failed)?;
        Ok(write_atomic(&path, &bytes)?)
    }
}
