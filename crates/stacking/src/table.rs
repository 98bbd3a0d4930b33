//! A table of numbers with one row per clip: probabilities of a learner, or features of level 2.
//! Stored as CSV.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use earmark_tables::{CsvFile, StringRecord};

use crate::{Result, StackError};

/// The column with the name of the clip, as in FSDKaggle2018's files.
const NAME_COLUMN: &str = "fname";

/// A table with one row per clip and named columns.
///
/// Every number is finite, and the names of clips and of columns are unique; constructors check
/// this.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    names: Vec<String>,
    columns: Vec<String>,
    data: Vec<f32>,
}

impl Table {
    /// Creates a table from row-major `data`.
    ///
    /// # Shape
    /// `data`: `[names.len(), columns.len()]`, row-major.
    ///
    /// # Errors
    /// No columns, a wrong number of values, a duplicate name or column, or a number that is not
    /// finite.
    pub fn new(names: Vec<String>, columns: Vec<String>, data: Vec<f32>) -> Result<Table> {
        if columns.is_empty() {
            return Err(StackError::Shape("a table needs at least one column".to_owned()));
        }
        if names.len().checked_mul(columns.len()) != Some(data.len()) {
            let reason = format!("{} values do not make {} rows of {} columns", data.len(), names.len(), columns.len());
            return Err(StackError::Shape(reason));
        }
        if let Some(name) = first_duplicate(&names) {
            return Err(StackError::Duplicate { what: "clip", name: name.clone() });
        }
        if let Some(column) = first_duplicate(&columns) {
            return Err(StackError::Duplicate { what: "column", name: column.clone() });
        }
        if let Some(at) = data.iter().position(|value| !value.is_finite()) {
            let (name, column) = (&names[at / columns.len()], &columns[at % columns.len()]);
            return Err(StackError::NotFinite(format!(
                "column `{column}` of clip `{name}` is {}; it must be finite",
                data[at]
            )));
        }
        Ok(Table { names, columns, data })
    }

    /// The clips' names (fname), one per row.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// All numbers, row-major: `[names, columns]`.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The numbers of clip `i`, one per column.
    ///
    /// # Panics
    /// Like a slice, if there is no row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.columns.len()..(i + 1) * self.columns.len()]
    }

    /// The rows in order, with one number per column.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.columns.len())
    }

    /// The table as CSV: `fname`, then the columns. Reading it back returns the same numbers, bit
    /// for bit.
    pub fn to_csv(&self) -> Vec<u8> {
        let mut csv = String::new();
        let header = std::iter::once(NAME_COLUMN).chain(self.columns.iter().map(String::as_str));
        push_record(&mut csv, header.map(quoted));
        for (name, row) in self.names.iter().zip(self.rows()) {
            // `{:?}` prints the shortest decimal that parses to the same f32, with an exponent if
            // it is small.
            push_record(&mut csv, std::iter::once(quoted(name)).chain(row.iter().map(|value| format!("{value:?}"))));
        }
        csv.into_bytes()
    }

    /// Reads a file written by [`to_csv`](Self::to_csv) or pandas: `fname` first, then columns of
    /// numbers.
    ///
    /// # Errors
    /// The file cannot be read, is truncated or has no column `fname`; or a line has too few or too
    /// many fields, a field that is not a finite number, or a duplicate clip. Errors include the
    /// line.
    pub fn from_csv(path: &Path) -> Result<Table> {
        let text = earmark_files::read_to_string(path)?;
        let at = |line: u64, reason: String| StackError::Csv { path: path.to_owned(), line, reason };
        // Complete files end with a line break; without this check, `0.93` truncated to `0.9` would
        // be accepted.
        if !text.ends_with('\n') {
            return Err(at(
                text.lines().count().max(1) as u64,
                "the file is damaged: its last line is cut off".to_owned(),
            ));
        }
        let file = CsvFile::parse(&text).map_err(|error| at(error.line, error.fault.to_string()))?;
        let columns = header(&file.header).map_err(|reason| at(1, reason))?;
        let mut names = Vec::with_capacity(file.rows.len());
        let mut data = Vec::with_capacity(file.rows.len() * columns.len());
        let mut lines = HashMap::new();
        for (line, row) in &file.rows {
            let name = &row[0];
            for (column, field) in columns.iter().zip(row.iter().skip(1)) {
                let value = field.parse::<f32>().ok().filter(|value| value.is_finite());
                data.push(value.ok_or_else(|| at(*line, format!("`{field}` in column `{column}` is not a number")))?);
            }
            if let Some(before) = lines.insert(name, line) {
                return Err(at(*line, format!("the clip `{name}` was on line {before} already")));
            }
            names.push(name.to_owned());
        }
        Table::new(names, columns, data)
    }

    /// The rows of the clips `names`, in this order; other rows are omitted.
    ///
    /// # Errors
    /// A clip has no row (all missing clips are listed) or is requested twice.
    pub fn reordered(&self, names: &[String]) -> Result<Table> {
        let rows =
            positions(&self.names, names).map_err(|missing| StackError::Missing(format!("no row of {missing}")))?;
        let data = rows.iter().flat_map(|&i| self.row(i)).copied().collect();
        Table::new(names.to_vec(), self.columns.clone(), data)
    }

    /// The columns `columns`, in this order; other columns are omitted.
    ///
    /// # Errors
    /// A column is missing (all missing columns are listed) or is requested twice.
    pub fn selected(&self, columns: &[String]) -> Result<Table> {
        let picked =
            positions(&self.columns, columns).map_err(|missing| StackError::Missing(format!("no column {missing}")))?;
        let data = self.rows().flat_map(|row| picked.iter().map(|&j| row[j])).collect();
        Table::new(self.names.clone(), columns.to_vec(), data)
    }

    /// The same numbers with the columns renamed to `prefix/column`, so that tables of several
    /// learners can be combined.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Table {
        let columns = self.columns.iter().map(|column| format!("{prefix}/{column}")).collect();
        Table { names: self.names.clone(), columns, data: self.data.clone() }
    }

    /// Tables side by side: all columns of the first, then of the second, and so on.
    ///
    /// # Errors
    /// No tables, different clips or a different order of clips, or a duplicate column.
    pub fn hstack(tables: &[&Table]) -> Result<Table> {
        let names = same_names(tables)?.to_vec();
        let columns = tables.iter().flat_map(|table| table.columns.iter().cloned()).collect();
        let data = (0..names.len()).flat_map(|i| tables.iter().flat_map(move |table| table.row(i)).copied()).collect();
        Table::new(names, columns, data)
    }

    /// Tables stacked vertically: all rows of the first, then of the second, and so on.
    ///
    /// # Errors
    /// No tables, different columns or a different order of columns, or a duplicate clip.
    pub fn vstack(tables: &[&Table]) -> Result<Table> {
        let Some((first, others)) = tables.split_first() else {
            return Err(StackError::Missing("no table to combine".to_owned()));
        };
        if let Some(other) = others.iter().find(|table| table.columns != first.columns) {
            let reason = format!("the tables' columns differ: {:?} and {:?}", first.columns, other.columns);
            return Err(StackError::Mismatch(reason));
        }
        let names = tables.iter().flat_map(|table| table.names.iter().cloned()).collect();
        let data = tables.iter().flat_map(|table| table.data.iter().copied()).collect();
        Table::new(names, first.columns.clone(), data)
    }
}

/// The clip names, which must be the same in all tables and in the same order.
pub(crate) fn same_names<'a>(tables: &[&'a Table]) -> Result<&'a [String]> {
    let Some((first, others)) = tables.split_first() else {
        return Err(StackError::Missing("no table to combine".to_owned()));
    };
    for table in others {
        if table.names.len() != first.names.len() {
            let reason = format!("one table has {} clips, another {}", first.names.len(), table.names.len());
            return Err(StackError::Mismatch(reason));
        }
        if let Some((a, b)) = first.names.iter().zip(&table.names).find(|(a, b)| a != b) {
            return Err(StackError::Mismatch(format!("the tables' clips differ: `{a}` in one, `{b}` in another")));
        }
    }
    Ok(&first.names)
}

fn first_duplicate(names: &[String]) -> Option<&String> {
    let mut seen = HashSet::new();
    names.iter().find(|name| !seen.insert(*name))
}

/// The maximum number of names that an error lists; of the rest, it gives only the number.
const LISTED: usize = 10;

/// The index of each of `wanted` in `all`, or a list of the missing ones.
fn positions(all: &[String], wanted: &[String]) -> Result<Vec<usize>, String> {
    let at: HashMap<&String, usize> = all.iter().enumerate().map(|(i, name)| (name, i)).collect();
    let missing: Vec<&String> = wanted.iter().filter(|name| !at.contains_key(name)).collect();
    if missing.is_empty() {
        return Ok(wanted.iter().map(|name| at[name]).collect());
    }
    let listed: Vec<String> = missing.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let others = missing.len() - listed.len();
    let others = if others > 0 { format!(" and {others} more") } else { String::new() };
    Err(listed.join(", ") + &others)
}

fn header(names: &StringRecord) -> Result<Vec<String>, String> {
    let first = &names[0];
    if first != NAME_COLUMN {
        return Err(format!("no column `{NAME_COLUMN}`: the first is `{first}`"));
    }
    let columns: Vec<String> = names.iter().skip(1).map(str::to_owned).collect();
    match first_duplicate(&columns) {
        Some(column) => Err(format!("duplicate column `{column}`")),
        None if columns.is_empty() => Err(format!("no column but `{NAME_COLUMN}`")),
        None => Ok(columns),
    }
}

fn push_record(csv: &mut String, fields: impl Iterator<Item = String>) {
    for (i, field) in fields.enumerate() {
        if i > 0 {
            csv.push(',');
        }
        csv.push_str(&field);
    }
    csv.push('\n');
}

/// A field, quoted if RFC 4180 requires it.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
