//! The files of level 2, and its manifest, which has the checksums of its inputs and its tables.
//! Without the manifest, the predictions of one stack could be combined with the recipe of another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use earmark_stacking::ChoiceRecord;
use serde::{Deserialize, Serialize};

use super::Run;
use super::provenance::Provenance;
use crate::error::{Context, Result};

/// The name of the manifest, and its name in runs of format 1 and older.
const MANIFEST: [&str; 2] = ["manifest.json", "made.json"];

/// The file that says how `kind = "auto"` has chosen.
pub(crate) const CHOICE: &str = "choice.json";

/// The manifest, written after all other files.
#[derive(Debug, Serialize, Deserialize)]
struct Level2Manifest {
    #[serde(rename = "origin")]
    provenance: Provenance,
    /// SHA-256 by path in the run.
    files: BTreeMap<String, String>,
}

/// `level2/train_scores.json`: how well the stack fits the clips that it was fitted on. It says
/// nothing about other clips.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainScores {
    /// Training clips that are used.
    pub clips: usize,
    /// Number of features.
    pub columns: usize,
    /// On the training clips, by the stack that was fitted on all of them.
    #[serde(flatten)]
    pub merits: TrainMerits,
}

/// The scores of a stack on the clips that it was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TrainMerits {
    /// Of clips with one label.
    SingleLabel {
        /// Share of the clips whose most probable label is the true one.
        accuracy: f64,
        /// Mean average precision at 3.
        map_at_3: f64,
    },
    /// Of clips that may have several labels.
    MultiLabel {
        /// The mean of the classes' average precision.
        macro_average_precision: f64,
        /// Label-weighted label-ranking average precision.
        lwlrap: f64,
    },
}

impl Run {
    /// Whether the learners are stacked.
    pub fn has_level2(&self) -> bool {
        self.path("level2/oof.csv").exists()
    }

    /// The path of a file of level 2 that had another name in runs of format 1 and older: the one
    /// that exists.
    fn level2_file(&self, [name, former]: [&str; 2]) -> PathBuf {
        let [path, before] = [name, former].map(|name| self.path("level2").join(name));
        if before.exists() && !path.exists() { before } else { path }
    }

    /// The path of `level2/ablation.csv`, which shows what each learner contributes to the stack.
    pub fn ablation_file(&self) -> PathBuf {
        self.level2_file(["ablation.csv", "without.csv"])
    }

    /// How well the stack fits the clips that it was fitted on; `None` if that was not stored.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn train_scores(&self) -> Result<Option<TrainScores>> {
        let path = self.level2_file(["train_scores.json", "fit.json"]);
        if !path.exists() {
            return Ok(None);
        }
        serde_json::from_slice(&earmark_files::read(&path)?).with_context(|| path.display().to_string())
    }

    /// How the combination of the learners was chosen; `None` if the recipe sets it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn choice(&self) -> Result<Option<ChoiceRecord>> {
        let path = self.path("level2").join(CHOICE);
        if !path.exists() {
            return Ok(None);
        }
        serde_json::from_slice(&earmark_files::read(&path)?).with_context(|| path.display().to_string())
    }

    /// Stores the manifest: the provenance of level 2, and the SHA-256 of its files by their paths
    /// in the run. Removes files that level 2 has under former names.
    pub(crate) fn store_level2_manifest(&self, files: BTreeMap<String, String>) -> Result<()> {
        let manifest = Level2Manifest { provenance: self.provenance_of_level2()?, files };
        let path = self.path("level2").join(MANIFEST[0]);
        earmark_files::write_atomic(&path, &serde_json::to_vec_pretty(&manifest)?)?;
        for former in [MANIFEST[1], "without.csv", "fit.json"] {
            // If it cannot be removed, it is ignored anyway.
            let _ = std::fs::remove_file(self.path("level2").join(former));
        }
        Ok(())
    }

    /// Why level 2 does not belong to the run as it is now; `None` if it does, or if it is older
    /// than manifests.
    ///
    /// # Errors
    /// The manifest, or a file that it names, cannot be read.
    pub fn level2_fault(&self) -> Result<Option<String>> {
        let path = self.level2_file(MANIFEST);
        if !path.exists() {
            // Runs of older formats may have none.
            let is_lost = self.has_level2() && super::format::of(&self.folder)? >= 2;
            let lost =
                || format!("{} is missing; `earmark stack {}` recreates it", path.display(), self.folder.display());
            return Ok(is_lost.then(lost));
        }
        let again = || format!("`earmark stack {}` recreates it", self.folder.display());
        let manifest: Level2Manifest = serde_json::from_slice(&earmark_files::read(&path)?)
            .with_context(|| format!("{} is damaged; {}", path.display(), again()))?;
        if let Some(others) = self.others(&manifest.provenance, &self.provenance_of_level2()?) {
            let folder = self.path("level2");
            return Ok(Some(format!("{} was made with a different {others}; {}", folder.display(), again())));
        }
        for (name, checksum) in &manifest.files {
            let path = self.path(name);
            if !path.exists() || earmark_files::sha256_file(&path)? != *checksum {
                let what = "is missing, damaged or left by a stack that did not finish";
                return Ok(Some(format!("{} {what}; {}", path.display(), again())));
            }
        }
        Ok(None)
    }
}
