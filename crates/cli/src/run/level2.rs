//! The mark of level 2: what it was made from, and the sums of its tables. Without it, the answers of one stack could be
//! read beside the recipe of another.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::Run;
use super::provenance::Provenance;

/// The mark's file.
const MARK: &str = "level2/made.json";

/// The mark, written when all files are.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    origin: Provenance,
    /// SHA-256 by paths in the run.
    files: BTreeMap<String, String>,
}

impl Run {
    /// Whether the learners are stacked.
    pub fn has_level2(&self) -> bool {
        self.path("level2/oof.csv").exists()
    }

    /// Notes that level 2 was made of the run as it is now, and what its files are.
    pub fn mark_level2(&self, files: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let sum = |file: String| Ok((file.clone(), earmark_files::sha256_file(&self.path(&file))?));
        let made = Made { origin: self.provenance_of_level2()?, files: files.map(sum).collect::<anyhow::Result<_>>()? };
        Ok(earmark_files::write_atomic(&self.path(MARK), &serde_json::to_vec_pretty(&made)?)?)
    }

    /// Why level 2 is not that of the run as it is now; none if it is, or was made before there was a mark.
    ///
    /// # Errors
    /// The mark, or a file that it speaks of, cannot be read.
    pub fn level2_fault(&self) -> anyhow::Result<Option<String>> {
        let path = self.path(MARK);
        if !path.exists() {
            return Ok(None);
        }
        let anew = || format!("`earmark stack {}` makes it anew", self.folder.display());
        let made: Made = serde_json::from_slice(&earmark_files::read(&path)?)
            .with_context(|| format!("{} is damaged; {}", path.display(), anew()))?;
        if let Some(others) = self.others(&made.origin, &self.provenance_of_level2()?) {
            let folder = self.path("level2");
            return Ok(Some(format!(
                "{} was made with another {others} than the one here; {}",
                folder.display(),
                anew()
            )));
        }
        for (name, sum) in &made.files {
            let path = self.path(name);
            if !path.exists() || earmark_files::sha256_file(&path)? != *sum {
                let what = "is missing, damaged, or of a stack that was not finished";
                return Ok(Some(format!("{} {what}; {}", path.display(), anew())));
            }
        }
        Ok(None)
    }
}
