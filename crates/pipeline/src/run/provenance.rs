//! The inputs of a part of a run, as SHA-256 checksums, so that parts of two runs cannot be mixed
//! up.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Context, PipelineError, Result};

use super::identity::Identity;
use super::{CLIPS, ClipRow, LABELS, RECIPE, Run};

/// The checksums of the inputs of a job or of level 2.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The checksum of `labels.txt`.
    labels: String,
    /// The checksum of the clips in `splits.csv`: names, sets, folds, files, and training labels.
    splits: String,
    /// Which labels are verified in `splits.csv`. Older runs have neither this nor `data`.
    #[serde(default)]
    verified: Option<String>,
    /// The checksum of `[data]` in `recipe.toml`.
    #[serde(default)]
    data: Option<String>,
    /// The checksum of the other relevant settings in `recipe.toml`: for a job the learner, its
    /// front end and the seed, for level 2 all settings.
    #[serde(rename = "learner")]
    settings: String,
}

impl Run {
    /// Computes the identity of the run, unless that was done before.
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

    /// The current provenance of a job of a learner.
    pub(super) fn provenance_of_job(&self, learner: &str) -> Result<Provenance> {
        let (settings, front_end) = self.learner(learner)?;
        let front_end = front_end.map(|(_, front_end)| front_end);
        self.provenance(&serde_json::json!([settings, front_end, self.identity()?.recipe["seed"]]))
    }

    /// The current settings of a job of a learner, under their keys in the recipe, with the learner
    /// by name.
    pub(super) fn settings_of_job(&self, learner: &str) -> Result<Value> {
        let recipe = &self.identity()?.recipe;
        let (settings, front_end) = self.learner(learner)?;
        let features: Map<_, _> =
            front_end.map(|(name, front_end)| (name.to_owned(), front_end.clone())).into_iter().collect();
        let learners = serde_json::json!({ learner: settings });
        Ok(serde_json::json!({
            "seed": recipe["seed"], "data": recipe["data"], "features": features, "learners": learners
        }))
    }

    /// The settings of a learner in the recipe, and the name and the settings of its front end.
    fn learner(&self, learner: &str) -> Result<(&Value, Option<(&str, &Value)>)> {
        let recipe = &self.identity()?.recipe;
        let of_name = |known: &&Value| known["name"] == learner;
        let settings = recipe["learners"].as_array().and_then(|learners| learners.iter().find(of_name));
        let settings = settings.ok_or_else(|| {
            PipelineError::Damaged(format!("{} has no learner {learner}", self.path(RECIPE).display()))
        })?;
        let front_end = settings["features"].as_str().map(|name| (name, &recipe["features"][name]));
        Ok((settings, front_end))
    }

    /// The current provenance of level 2.
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

    /// The files of this run that differ from those that a part was made from, as text; `None` if
    /// none differ.
    pub(super) fn others(&self, of_part: &Provenance, of_run: &Provenance) -> Option<String> {
        let same = |then: &Option<String>, now: &Option<String>| then.is_none() || then == now;
        let is_same = [
            (LABELS, of_part.labels == of_run.labels),
            (CLIPS, of_part.splits == of_run.splits && same(&of_part.verified, &of_run.verified)),
            (RECIPE, of_part.settings == of_run.settings && same(&of_part.data, &of_run.data)),
        ];
        let others = is_same.into_iter().filter(|(_, same)| !same);
        let others: Vec<String> = others.map(|(name, _)| self.path(name).display().to_string()).collect();
        (!others.is_empty()).then(|| others.join(" and a different "))
    }
}

fn sha256(value: &Value) -> String {
    earmark_files::sha256(value.to_string().as_bytes())
}
