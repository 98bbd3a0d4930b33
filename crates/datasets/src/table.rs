//! Tables, read into rows with their line numbers: CSV files with a header, and JSON lines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use earmark_tables::{CsvFile, StringRecord};
use serde_json::{Map, Value};

use crate::error::{DatasetError, Location};

/// A table: its header, and its rows with their line numbers. Spaces around values and a byte-order
/// mark are removed.
pub(crate) struct ClipTable {
    path: PathBuf,
    header: Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
}

impl ClipTable {
    /// Reads a CSV file.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8, or has no header; a row has more or fewer fields than
    /// the header; or a quotation mark is not closed, so that rows would be read as part of a
    /// field.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let text = earmark_files::read_to_string(path)?;
        let file = CsvFile::parse(&text).map_err(|error| DatasetError::Table {
            place: Location { path: path.to_owned(), line: Some(error.line) },
            reason: error.fault.to_string(),
        })?;
        let owned = |record: &StringRecord| record.iter().map(str::to_owned).collect();
        let CsvFile { header, rows } = file.trimmed();
        let rows = rows.iter().map(|(line, row)| (*line, owned(row))).collect();
        Ok(Self { path: path.to_owned(), header: owned(&header), rows })
    }

    /// Reads a file with one JSON object per line, whose keys are the columns. Missing keys become
    /// empty values.
    ///
    /// # Errors
    /// The file cannot be read or is not UTF-8, or a line is not a JSON object.
    pub fn read_jsonl(path: &Path) -> Result<Self, DatasetError> {
        let text = earmark_files::read_to_string(path)?;
        let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines().zip(1..);
        let mut objects: Vec<(u64, Map<String, Value>)> = Vec::new();
        for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
            let place = Location { path: path.to_owned(), line: Some(number) };
            let object = serde_json::from_str(line).map_err(|error| error.to_string());
            objects.push((number, object.map_err(|reason| DatasetError::Table { place, reason })?));
        }
        let header: BTreeSet<&String> = objects.iter().flat_map(|(_, object)| object.keys()).collect();
        let header: Vec<String> = header.into_iter().cloned().collect();
        let fields = |object: &Map<String, Value>| header.iter().map(|key| field(object.get(key))).collect();
        let rows = objects.iter().map(|(line, object)| (*line, fields(object))).collect();
        Ok(Self { path: path.to_owned(), header, rows })
    }

    /// The index of the first of `names` that is a column.
    pub fn find(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|column| column == name))
    }

    /// Like [`ClipTable::find`], for a required column.
    pub fn column(&self, names: &[&str]) -> Result<usize, DatasetError> {
        self.find(names).ok_or_else(|| DatasetError::MissingColumn {
            place: self.place(1),
            wanted: names.join(" or "),
            found: self.header.clone(),
        })
    }

    /// Splits the table into the rows that `belong` and those that do not.
    pub fn partition(self, belong: impl Fn(&[String]) -> bool) -> (Self, Self) {
        let (yes, no) = self.rows.into_iter().partition(|(_, fields)| belong(fields));
        let part = |rows| Self { path: self.path.clone(), header: self.header.clone(), rows };
        (part(yes), part(no))
    }

    /// The rows with their line numbers, counted from 1.
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

    /// A row's value in a boolean column.
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

    /// The location of a line of this file.
    pub fn place(&self, line: u64) -> Location {
        Location { path: self.path.clone(), line: Some(line) }
    }

    /// The name of a column.
    pub fn name(&self, column: usize) -> String {
        self.header.get(column).cloned().unwrap_or_default()
    }
}

/// Converts a JSON value to a CSV field.
fn field(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(other) => other.to_string(),
    }
}
