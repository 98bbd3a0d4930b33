//! The format of a run's folder, in `run.json`. docs/stability.md has the guarantees.

use std::path::Path;

use earmark_datasets::Task;
use serde::{Deserialize, Serialize};

use crate::error::{Context, PipelineError, Result};

/// The format that this version writes, and the highest that it reads.
pub const FORMAT: u32 = 2;

pub const FILE: &str = "run.json";

/// `run.json`. Later formats may have more keys, so unknown keys are accepted.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The version of Earmark that began the run.
    #[serde(default = "unknown")]
    earmark: String,
    /// Whether clips may have several labels.
    #[serde(default, skip_serializing_if = "is_single")]
    task: Task,
}

fn is_single(task: &Task) -> bool {
    *task == Task::SingleLabel
}

fn unknown() -> String {
    "a later version".to_owned()
}

/// The format of the run in `folder`: [`FORMAT`] if there is none yet, 0 if the run is older than
/// `run.json`.
///
/// # Errors
/// [`PipelineError::NewerFormat`]; `run.json` cannot be read.
pub fn of(folder: &Path) -> Result<u32> {
    match header(folder)? {
        Some(header) => Ok(header.format),
        None => Ok(if folder.join(super::CLIPS).exists() { 0 } else { FORMAT }),
    }
}

/// Whether a run without `run.json` had one: its recipe has a key that runs from before `run.json`
/// have under its former name.
///
/// # Errors
/// The recipe cannot be read.
pub fn is_lost(folder: &Path) -> Result<bool> {
    let recipe = earmark_files::read_to_string(&folder.join(super::RECIPE))?;
    Ok(recipe.lines().any(|line| line.starts_with("on_decode_error")))
}

/// Whether the clips of the run in `folder` may have several labels.
///
/// # Errors
/// Those of [`of`].
pub fn task(folder: &Path) -> Result<Task> {
    Ok(header(folder)?.map_or(Task::SingleLabel, |header| header.task))
}

fn header(folder: &Path) -> Result<Option<Header>> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let header: Header =
        serde_json::from_slice(&earmark_files::read(&path)?).with_context(|| path.display().to_string())?;
    if header.format > FORMAT {
        let Header { format, earmark, .. } = header;
        // The text comes from a foreign file: do not send its escape codes to a terminal.
        let earmark = earmark.escape_debug().to_string();
        return Err(PipelineError::NewerFormat { file: path, format, earmark, newest: FORMAT });
    }
    Ok(Some(header))
}

/// Writes the format of a run that is about to begin.
pub(crate) fn write(folder: &Path, task: Task) -> Result<()> {
    let header = Header { format: FORMAT, earmark: env!("CARGO_PKG_VERSION").to_owned(), task };
    Ok(earmark_files::write_atomic(&folder.join(FILE), &serde_json::to_vec_pretty(&header)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_runs_are_refused_and_older_ones_have_format_0() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(of(folder.path()).unwrap(), FORMAT);
        for task in [Task::MultiLabel, Task::SingleLabel] {
            write(folder.path(), task).unwrap();
            assert_eq!((of(folder.path()).unwrap(), super::task(folder.path()).unwrap()), (FORMAT, task));
        }
        let newer = r#"{"format": 3, "earmark": "0.7.0", "more": []}"#;
        std::fs::write(folder.path().join(FILE), newer).unwrap();
        let error = of(folder.path()).unwrap_err();
        assert!(
            matches!(&error, PipelineError::NewerFormat { format: 3, earmark, .. } if earmark == "0.7.0"),
            "{error}"
        );
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        std::fs::write(folder.path().join("recipe.toml"), "").unwrap();
        assert_eq!(of(folder.path()).unwrap(), FORMAT, "a recipe alone is no run");
        std::fs::write(folder.path().join("splits.csv"), "").unwrap();
        assert_eq!(of(folder.path()).unwrap(), 0);
    }
}
