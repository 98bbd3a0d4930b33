//! Reads a table of events. Errors name the file and line.

use std::path::{Path, PathBuf};

use earmark_stacking::{Event, LATEST_EVENT};
use earmark_tables::{CsvFile, StringRecord};

use crate::error::{PipelineError, Result};
use crate::text::none_or_first;

/// A CSV file of events.
pub(super) struct EventTable {
    pub path: PathBuf,
    pub rows: Vec<Row>,
}

/// A row: a recording with an event, or only a recording.
pub(super) struct Row {
    pub line: u64,
    pub path: String,
    pub event: Option<Event>,
}

impl EventTable {
    pub fn read(path: &Path) -> Result<Self> {
        let at = |line: u64, reason: &str| format!("{}, line {line}: {reason}", path.display());
        let text = earmark_files::read_to_string(path)?;
        let file = CsvFile::parse(&text)
            .map_err(|error| PipelineError::Detection(at(error.line, &error.fault.to_string())))?
            .trimmed();
        let column = |name: &str| {
            file.column(name).ok_or_else(|| {
                let found = file.header.iter().collect::<Vec<_>>().join(", ");
                let reason = format!("no column `{name}`; the columns are {found}; needed are path, label, start, end");
                PipelineError::Detection(at(1, &reason))
            })
        };
        let columns = [column("path")?, column("label")?, column("start")?, column("end")?];
        let (mut rows, mut faults) = (Vec::new(), Vec::new());
        for (line, record) in &file.rows {
            match row(*line, record, columns) {
                Ok(row) => rows.push(row),
                Err(reason) => faults.push(at(*line, &reason)),
            }
        }
        none_or_first(faults).map_err(PipelineError::Detection)?;
        Ok(Self { path: path.to_owned(), rows })
    }

    pub fn at(&self, line: u64, reason: &str) -> String {
        format!("{}, line {line}: {reason}", self.path.display())
    }
}

fn row(line: u64, record: &StringRecord, columns: [usize; 4]) -> Result<Row, String> {
    let [path, label, start, end] = columns.map(|column| record.get(column).unwrap_or_default());
    if path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    let event = match [label, start, end].map(str::is_empty) {
        [true, true, true] => None,
        [false, false, false] => Some(event(label, start, end)?),
        _ => {
            let reason = "label, start and end must all have a value, or all be empty for a recording without events";
            return Err(reason.to_owned());
        }
    };
    Ok(Row { line, path: path.to_owned(), event })
}

fn event(label: &str, start: &str, end: &str) -> Result<Event, String> {
    let time = |name: &str, text: &str| match text.parse::<f64>() {
        Ok(value) if (0.0..=LATEST_EVENT).contains(&value) => Ok(value),
        _ => Err(format!("{name} is `{text}`, must be a number of seconds from 0 to {LATEST_EVENT}")),
    };
    let (onset, offset) = (time("start", start)?, time("end", end)?);
    if offset < onset {
        return Err(format!("the event ends at {end} s, before it starts at {start} s"));
    }
    Ok(Event { label: label.to_owned(), onset, offset })
}
