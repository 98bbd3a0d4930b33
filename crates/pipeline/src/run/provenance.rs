//! What a part of a run was made from, as SHA-256 checksums, so that parts of two runs are not
//! taken for one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Context, PipelineError, Result};

use super::identity::Identity;
use super::{CLIPS, ClipRow, LABELS, RECIPE, Run};

/// What a job or level 2 was made from.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Of `labels.txt`.
    labels: String,
    /// Of the clips in `splits.csv`: names, sets, folds, files, and the labels to train on.
    splits: String,
    /// Which labels are verified, by `splits.csv`. Older runs have none, nor the next.
    #[serde(default)]
    verified: Option<String>,
    /// Of `[data]` in `recipe.toml`.
    #[serde(default)]
    data: Option<String>,
    /// Of what else `recipe.toml` says of it: for a job the learner, its front end and the seed,
    /// for level 2 all.
    #[serde(rename = "learner")]
    settings: String,
}

impl Run {
    /// Reads what the run is of, where that was not needed before.
    ///
    /// # Errors
    /// The recipe, labels or clips cannot be read.
    pub(crate) fn compute_identity(&self) -> Result<()> {
        self.identity().map(|_| ())
    }

    fn identity(&self) -> Result<&Identity> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let path = self.path(RECIPE);
        let recipe = toml::from_str(&earmark_files::read_to_string(&path)?);
        let clips = self.clips()?;
        // Labels of test clips may become known later.
        let label = |clip: &ClipRow| (clip.set == "train").then(|| clip.label.clone());
        let splits: Vec<_> =
            clips.iter().map(|clip| (&clip.fname, &clip.set, label(clip), clip.fold, &clip.sha256)).collect();
        let verified: Vec<bool> = clips.iter().filter(|clip| clip.set == "train").map(|clip| clip.verified).collect();
        let identity = Identity {
            recipe: recipe.with_context(|| path.display().to_string())?,
            labels: earmark_files::sha256_file(&self.path(LABELS))?,
            splits: sha256(&serde_json::json!(splits)),
            verified: sha256(&serde_json::json!(verified)),
        };
        Ok(self.identity.get_or_init(|| identity))
    }

    /// What a job of a learner would be made from now.
    pub(super) fn provenance_of_job(&self, learner: &str) -> Result<Provenance> {
        let recipe = &self.identity()?.recipe;
        let of_name = |known: &&Value| known["name"] == learner;
        let settings = recipe["learners"].as_array().and_then(|learners| learners.iter().find(of_name));
        let settings = settings.ok_or_else(|| {
            PipelineError::Damaged(format!("{} has no learner {learner}", self.path(RECIPE).display()))
        })?;
        let front_end = settings["features"].as_str().map(|name| &recipe["features"][name]);
        self.provenance(&serde_json::json!([settings, front_end, recipe["seed"]]))
    }

    /// What level 2 would be made from now.
    pub(super) fn provenance_of_level2(&self) -> Result<Provenance> {
        self.provenance(&self.identity()?.recipe)
    }

    fn provenance(&self, settings: &Value) -> Result<Provenance> {
        let identity = self.identity()?;
        Ok(Provenance {
            labels: identity.labels.clone(),
            splits: identity.splits.clone(),
            verified: Some(identity.verified.clone()),
            data: Some(sha256(&identity.recipe["data"])),
            settings: sha256(settings),
        })
    }

    /// The files of this run that differ from those that a part of it was made from, as words; none
    /// if none does.
    pub(super) fn others(&self, of_part: &Provenance, of_run: &Provenance) -> Option<String> {
        let same = |then: &Option<String>, now: &Option<String>| then.is_none() || then == now;
        let is_same = [
            (LABELS, of_part.labels == of_run.labels),
            (CLIPS, of_part.splits == of_run.splits && same(&of_part.verified, &of_run.verified)),
            (RECIPE, of_part.settings == of_run.settings && same(&of_part.data, &of_run.data)),
        ];
        let others = is_same.into_iter().filter(|(_, same)| !same);
        let others: Vec<String> = others.map(|(name, _)| self.path(name).display().to_string()).collect();
        (!others.is_empty()).then(|| others.join(", another "))
    }
}

fn sha256(value: &Value) -> String {
    earmark_files::sha256(value.to_string().as_bytes())
}
