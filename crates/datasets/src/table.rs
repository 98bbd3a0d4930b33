//! CSV files with a header, read into rows that know their line.

use std::path::{Path, PathBuf};

use crate::error::{DatasetError, Place};

/// A CSV file: its header, and its rows with their line numbers. Spaces around a value and a byte-order mark are not
/// part of it.
pub(crate) struct Table {
    path: PathBuf,
    header: Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
}

impl Table {
    /// Reads the whole file.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8, has no header, or a row has more or fewer fields than it.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let text = earmark_files::read_to_string(path)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let place = |line| Place { path: path.to_owned(), line };
        let damaged = |error: csv::Error| DatasetError::Csv {
            place: place(error.position().map(csv::Position::line)),
            reason: reason(&error),
        };
        let header: Vec<String> = reader.headers().map_err(damaged)?.iter().map(str::to_owned).collect();
        if header.iter().all(String::is_empty) {
            return Err(DatasetError::Csv { place: place(Some(1)), reason: "no header".to_owned() });
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(damaged)?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push((line, record.iter().map(str::to_owned).collect()));
        }
        Ok(Self { path: path.to_owned(), header, rows })
    }

    /// The place of the first of `names` that is a column.
    pub fn find(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|column| column == name))
    }

    /// Like [`Table::find`], for a column that must be there.
    pub fn column(&self, names: &[&str]) -> Result<usize, DatasetError> {
        self.find(names).ok_or_else(|| DatasetError::MissingColumn {
            place: self.place(1),
            wanted: names.join(" or "),
            found: self.header.clone(),
        })
    }

    /// The table without one column, if it is there.
    pub fn without(mut self, column: &str) -> Self {
        while let Some(at) = self.find(&[column]) {
            self.header.remove(at);
            self.rows.iter_mut().for_each(|(_, fields)| drop(fields.remove(at)));
        }
        self
    }

    /// The table with those rows only that `keep`.
    pub fn filter(mut self, keep: impl Fn(&[String]) -> bool) -> Self {
        self.rows.retain(|(_, fields)| keep(fields));
        self
    }

    /// Each row with its line, counted from 1.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &[String])> {
        self.rows.iter().map(|(line, fields)| (*line, fields.as_slice()))
    }

    /// A row's value in a column, which must not be empty.
    pub fn value<'a>(&self, line: u64, row: &'a [String], column: usize) -> Result<&'a str, DatasetError> {
        match row.get(column).map(String::as_str) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(DatasetError::Empty { place: self.place(line), column: self.name(column) }),
        }
    }

    /// A row's value in a column of 0 and 1.
    pub fn flag(&self, line: u64, row: &[String], column: usize) -> Result<bool, DatasetError> {
        match self.value(line, row, column)? {
            "1" | "True" | "true" => Ok(true),
            "0" | "False" | "false" => Ok(false),
            other => Err(self.bad_value(line, column, other, "0 or 1")),
        }
    }

    /// The error for a value that is not `wanted`.
    pub fn bad_value(&self, line: u64, column: usize, value: &str, wanted: &str) -> DatasetError {
        DatasetError::BadValue {
            place: self.place(line),
            column: self.name(column),
            value: value.to_owned(),
            wanted: wanted.to_owned(),
        }
    }

    /// A line of this file.
    pub fn place(&self, line: u64) -> Place {
        Place { path: self.path.clone(), line: Some(line) }
    }

    fn name(&self, column: usize) -> String {
        self.header.get(column).cloned().unwrap_or_default()
    }
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} fields, the header {expected_len}")
        }
        _ => error.to_string(),
    }
}
