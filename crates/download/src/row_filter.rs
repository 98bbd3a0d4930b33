//! Filtering of a data set's table to the files that are used.

use std::path::Path;

use earmark_files::{FileError, write_atomic};
use earmark_tables::CsvFile;

use crate::error::DownloadError;
use crate::registry::RowFilter;

impl RowFilter {
    /// Keeps only the selected rows in the table below `root`. They must be exactly those whose
    /// files exist.
    pub(super) fn keep(&self, root: &Path) -> Result<(), DownloadError> {
        let path = root.join(&self.table);
        let wrong = |reason: String| DownloadError::Table { table: self.table.clone().into(), reason };
        let text = earmark_files::read_to_string(&path)?;
        let table = CsvFile::parse(&text).map_err(|error| wrong(error.to_string()))?;
        let place = |column: &str| table.column(column).ok_or_else(|| wrong(format!("no column {column}")));
        let (column, file) = (place(&self.column)?, place(&self.file)?);

        let written = |error: csv::Error| wrong(error.to_string());
        let mut kept = csv::Writer::from_writer(Vec::new());
        kept.write_record(&table.header).map_err(written)?;
        for (_, row) in &table.rows {
            let meant = row[column] == self.value;
            if meant != root.join(&self.folder).join(&row[file]).is_file() {
                let (column, value) = (&self.column, &row[column]);
                return Err(wrong(format!("{column} of {} is {value}, but the archives say otherwise", &row[file])));
            }
            if meant {
                kept.write_record(row).map_err(written)?;
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
