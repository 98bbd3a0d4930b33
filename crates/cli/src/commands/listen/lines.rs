//! The lines of the output.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use earmark_files::FileError;
use serde::Serialize;

use crate::output;

/// A line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Line<'a> {
    /// An event has begun.
    Start { id: u64, label: &'a str, start: f64, start_time: String, score: f32 },
    /// It has ended.
    End {
        id: u64,
        label: &'a str,
        start: f64,
        end: f64,
        duration: f64,
        start_time: String,
        end_time: String,
        score: f32,
    },
    /// Its clip is written.
    Clip { id: u64, label: &'a str, path: String },
    /// Sound was not tagged.
    Dropped { start: f64, end: f64, duration: f64, start_time: String, end_time: String },
}

/// Where lines go.
pub enum Lines {
    Stdout,
    File { file: File, path: PathBuf },
}

impl Lines {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        output::check_place("--output", path)?;
        Ok(Self::File { file: earmark_files::open_to_append(path)?, path: path.to_owned() })
    }

    /// Writes a line, whole or not at all.
    ///
    /// # Errors
    /// The disk is full, or nobody reads standard output.
    pub fn write(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
        let text = serde_json::to_string(line)? + "\n";
        let (file, path) = match self {
            Self::Stdout => return output::print(&text),
            Self::File { file, path } => (file, path),
        };
        let length = file.metadata().map_err(FileError::of("write", path))?.len();
        if let Err(error) = file.write_all(text.as_bytes()) {
            // Of a full disk, a part of the line may be written.
            file.set_len(length).unwrap_or_default();
            return Err(FileError::of("write", path)(error).into());
        }
        Ok(())
    }
}
