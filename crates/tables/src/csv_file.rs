//! CSV files (RFC 4180), read into rows with their line numbers.

use std::collections::BTreeSet;

use csv::StringRecord;
use serde::de::DeserializeOwned;

/// A CSV file: its header, and its rows, which have as many fields as the header. A byte-order mark
/// and empty lines are not part of it.
#[derive(Clone, Debug)]
pub struct CsvFile {
    /// The names of the columns.
    pub header: StringRecord,
    /// Each row with the line that it starts on, counted from 1.
    pub rows: Vec<(u64, StringRecord)>,
}

impl CsvFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`CsvFault`], with its line.
    pub fn parse(text: &str) -> Result<Self, CsvError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(line) = unclosed_quote(text) {
            return Err(CsvError { line, fault: CsvFault::UnclosedQuote });
        }
        let mut rows = Vec::new();
        let mut options = csv::ReaderBuilder::new();
        for record in options.has_headers(false).flexible(true).from_reader(text.as_bytes()).records() {
            let record = record.map_err(|error| CsvError {
                line: error.position().map_or(1, csv::Position::line),
                fault: CsvFault::Malformed(error),
            })?;
            rows.push((record.position().map_or(1, |position| line_of(text, position)), record));
        }
        if rows.first().is_none_or(|(_, header)| header.iter().all(|name| name.trim().is_empty())) {
            return Err(CsvError { line: 1, fault: CsvFault::NoHeader });
        }
        let (line, header) = rows.remove(0);
        let mut seen = BTreeSet::new();
        if let Some(name) = header.iter().map(str::trim).find(|name| !name.is_empty() && !seen.insert(*name)) {
            return Err(CsvError { line, fault: CsvFault::DuplicateColumn(name.to_owned()) });
        }
        match rows.iter().find(|(_, row)| row.len() != header.len()) {
            Some((line, row)) => {
                let fault = CsvFault::FieldCount { found: row.len(), expected: header.len() };
                Err(CsvError { line: *line, fault })
            }
            None => Ok(Self { header, rows }),
        }
    }

    /// Trims the spaces around each name and value.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        self.header.trim();
        self.rows.iter_mut().for_each(|(_, row)| row.trim());
        self
    }

    /// The index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The rows as values of a type whose fields are columns.
    ///
    /// # Errors
    /// [`CsvFault::Malformed`]: a column is missing, or a value does not parse.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<Vec<T>, CsvError> {
        let of = |(line, row): &(u64, StringRecord)| {
            row.deserialize(Some(&self.header))
                .map_err(|error| CsvError { line: *line, fault: CsvFault::Malformed(error) })
        };
        self.rows.iter().map(of).collect()
    }
}

/// Why a text is not a CSV file, and on which line.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct CsvError {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub fault: CsvFault,
}

/// Why a text is not a CSV file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvFault {
    /// A quoted field is not closed, so the rows after it would be read as part of it.
    #[error(
        "a field starts with a quotation mark and does not end with one before a comma or the end of the line (in a \
         quoted field a quotation mark is written twice)"
    )]
    UnclosedQuote,
    /// The file is empty, or its first line has no column name.
    #[error("no header")]
    NoHeader,
    /// Two columns have the same name.
    #[error("the header has the column {0:?} twice")]
    DuplicateColumn(String),
    /// A row has more or fewer fields than the header.
    #[error("expected {expected} fields, found {found}")]
    FieldCount {
        /// Number of fields in the row.
        found: usize,
        /// Number of fields in the header.
        expected: usize,
    },
    /// A value of the wrong type, or a missing column.
    #[error(transparent)]
    Malformed(csv::Error),
}

/// The line of a record. The position that the reader reports may precede the end of the previous
/// line and any empty lines.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| [b'\r', b'\n'].contains(byte)).filter(|&&byte| byte == b'\n');
    position.line() + skipped.count() as u64
}

/// The line of the first field that starts with a quotation mark and is not closed by one. The
/// `csv` crate extends such a field to the next quotation mark, across any number of rows.
fn unclosed_quote(text: &str) -> Option<u64> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        FieldStarts,
        Plain,
        Quoted,
        /// A quotation mark in a quoted field: the end of the field, or the first of an escaped
        /// pair.
        Closing,
    }
    let (mut state, mut line, mut opened) = (State::FieldStarts, 1, 1);
    for byte in text.bytes() {
        state = match (state, byte) {
            (State::FieldStarts, b'"') => {
                opened = line;
                State::Quoted
            }
            (State::Quoted, b'"') => State::Closing,
            (State::Closing, b'"') | (State::Quoted, _) => State::Quoted,
            (_, b',' | b'\n' | b'\r') => State::FieldStarts,
            (State::Closing, _) => return Some(opened),
            _ => State::Plain,
        };
        line += u64::from(byte == b'\n');
    }
    (state == State::Quoted).then_some(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_mark_without_partner_is_found() {
        let whole = ["", "a,b\n1,2", "a,\"b, c\"\r\n\"1 \"\"x\"\"\",2\n", "a,5\" pipe\n", "a,\"two\nlines\"\nb,\"\"\n"];
        assert!(whole.iter().all(|text| unclosed_quote(text).is_none()));
        let torn = [("a,b\n1,\"x\n2,y\n", 2), ("a,\"x\nb,\"y\n", 1), ("a\n\"x\" y\n", 2), ("a\r\n\"", 2)];
        assert_eq!(torn.map(|(text, _)| unclosed_quote(text)), torn.map(|(_, line)| Some(line)));
    }

    #[test]
    fn rows_know_their_line() {
        let text = "\u{feff}fname, label\r\n\r\na.wav, Dog \n\"two\nlines\",x\n\nb.wav,\"a, \"\"b\"\"\"";
        let file = CsvFile::parse(text).unwrap().trimmed();
        assert_eq!(file.header, vec!["fname", "label"]);
        assert_eq!((file.column("label"), file.column("fold")), (Some(1), None));
        let rows: Vec<(u64, Vec<&str>)> = file.rows.iter().map(|(line, row)| (*line, row.iter().collect())).collect();
        let expected =
            [(3, vec!["a.wav", "Dog"]), (4, vec!["two\nlines", "x"]), (7, vec!["b.wav", "a, \"b\""])].to_vec();
        assert_eq!(rows, expected);
        let untrimmed = CsvFile::parse(text).unwrap();
        assert_eq!((&untrimmed.header[1], &untrimmed.rows[0].1[1]), (" label", " Dog "));
    }

    #[test]
    fn a_fault_has_its_line() {
        let fault = |text: &str| CsvFile::parse(text).unwrap_err();
        assert!(matches!(fault(""), CsvError { line: 1, fault: CsvFault::NoHeader }));
        assert!(matches!(fault(" ,\na,b"), CsvError { line: 1, fault: CsvFault::NoHeader }));
        assert!(matches!(fault("a,b\n1,2\n\n\"1,2"), CsvError { line: 4, fault: CsvFault::UnclosedQuote }));
        assert!(
            matches!(fault("a,b, a\n"), CsvError { line: 1, fault: CsvFault::DuplicateColumn(name) } if name == "a")
        );
        let expected = CsvError { line: 4, fault: CsvFault::FieldCount { found: 3, expected: 2 } };
        assert_eq!(fault("a,b\n1,2\n\n1,2,3\n").to_string(), expected.to_string());
    }

    #[test]
    fn rows_become_values() {
        #[derive(serde::Deserialize, Debug, PartialEq)]
        struct Row {
            b: u32,
            a: Option<String>,
        }
        let rows = CsvFile::parse("a,b\n,1\nx,2\n").unwrap().deserialize::<Row>().unwrap();
        assert_eq!(rows, [Row { b: 1, a: None }, Row { b: 2, a: Some("x".to_owned()) }]);
        let error = CsvFile::parse("a,b\n,1\n\nx,y\n").unwrap().deserialize::<Row>().unwrap_err();
        assert!(matches!(error, CsvError { line: 4, fault: CsvFault::Malformed(_) }), "{error}");
        assert!(CsvFile::parse("a\nx\n").unwrap().deserialize::<Row>().is_err());
    }
}
