//! The format of a run's folder, in `run.json`. docs/stability.md says what it promises.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The format that this version writes, and the highest that it reads.
pub const FORMAT: u32 = 1;

pub const FILE: &str = "run.json";

/// `run.json`. Later formats may have more keys, so unknown ones are no error.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The version of Earmark that began the run.
    #[serde(default = "unknown")]
    earmark: String,
}

fn unknown() -> String {
    "a later version".to_owned()
}

/// A run that a later version of Earmark has written.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file} has format {format}, written by Earmark {earmark}; this is Earmark {}, which reads formats up to \
     {FORMAT}: update Earmark to {earmark} or later",
    env!("CARGO_PKG_VERSION")
)]
pub struct NewerFormat {
    file: String,
    format: u32,
    earmark: String,
}

/// The format of the run in `folder`: [`FORMAT`] where there is none yet, 0 for a run that is older
/// than `run.json`.
///
/// # Errors
/// [`NewerFormat`]; `run.json` cannot be read.
pub fn of(folder: &Path) -> anyhow::Result<u32> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(if folder.join(super::CLIPS).exists() { 0 } else { FORMAT });
    }
    let header: Header =
        serde_json::from_slice(&earmark_files::read(&path)?).with_context(|| path.display().to_string())?;
    if header.format > FORMAT {
        let Header { format, earmark } = header;
        // Somebody else's text: no escape code of it may reach a terminal.
        let earmark = earmark.escape_debug().to_string();
        return Err(NewerFormat { file: path.display().to_string(), format, earmark }.into());
    }
    Ok(header.format)
}

/// Writes the format of a run that is about to begin.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let header = Header { format: FORMAT, earmark: env!("CARGO_PKG_VERSION").to_owned() };
    Ok(earmark_files::write_atomic(&folder.join(FILE), &serde_json::to_vec_pretty(&header)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_runs_are_refused_and_older_ones_have_format_0() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(of(folder.path()).unwrap(), FORMAT);
        write(folder.path()).unwrap();
        assert_eq!(of(folder.path()).unwrap(), FORMAT);
        let newer = r#"{"format": 2, "earmark": "0.7.0", "more": []}"#;
        std::fs::write(folder.path().join(FILE), newer).unwrap();
        let error = of(folder.path()).unwrap_err();
        let NewerFormat { format, earmark, .. } = error.downcast_ref().unwrap();
        assert_eq!((*format, earmark.as_str()), (2, "0.7.0"));
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        std::fs::write(folder.path().join("recipe.toml"), "").unwrap();
        assert_eq!(of(folder.path()).unwrap(), FORMAT, "a recipe alone is no run");
        std::fs::write(folder.path().join("splits.csv"), "").unwrap();
        assert_eq!(of(folder.path()).unwrap(), 0);
    }
}
