//! What a part of a run was made from, as SHA-256 sums, so that parts of two runs are not taken for one.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ClipRow, Run};

/// What a job or level 2 was made from.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Of `labels.txt`.
    labels: String,
    /// Of the clips in `splits.csv`: names, sets, folds, files, and the labels to learn from.
    splits: String,
    /// Which labels are verified, by `splits.csv`. Older runs have none, nor the next.
    #[serde(default)]
    verified: Option<String>,
    /// Of `[data]` in `recipe.toml`.
    #[serde(default)]
    data: Option<String>,
    /// Of what else `recipe.toml` says of it: for a job the learner, its front end and the seed, for level 2 all.
    #[serde(rename = "learner")]
    settings: String,
}

impl Run {
    /// What a job of a learner would be made from now.
    pub(super) fn origin_of_job(&self, learner: &str) -> anyhow::Result<Origin> {
        let recipe = self.recipe_text()?;
        let of_name = |known: &&Value| known["name"] == learner;
        let settings = recipe["learners"].as_array().and_then(|learners| learners.iter().find(of_name));
        let settings = settings.with_context(|| format!("recipe.toml has no learner {learner}"))?;
        let front_end = settings["features"].as_str().map(|name| &recipe["features"][name]);
        self.origin(&recipe, &serde_json::json!([settings, front_end, recipe["seed"]]))
    }

    /// What level 2 would be made from now.
    pub(super) fn origin_of_level2(&self) -> anyhow::Result<Origin> {
        let recipe = self.recipe_text()?;
        self.origin(&recipe, &recipe)
    }

    /// The text, not what is read of it: settings that a later version adds make no other run of an old one.
    fn recipe_text(&self) -> anyhow::Result<Value> {
        let path = self.path("recipe.toml");
        toml::from_str(&earmark_files::read_to_string(&path)?).with_context(|| path.display().to_string())
    }

    fn origin(&self, recipe: &Value, settings: &Value) -> anyhow::Result<Origin> {
        let sum = |value: &Value| earmark_files::sha256(value.to_string().as_bytes());
        let clips = self.clips()?;
        // Labels of test clips may become known later.
        let label = |clip: &ClipRow| (clip.set == "train").then(|| clip.label.clone());
        let splits: Vec<_> =
            clips.iter().map(|clip| (&clip.fname, &clip.set, label(clip), clip.fold, &clip.sha256)).collect();
        let verified: Vec<bool> = clips.iter().filter(|clip| clip.set == "train").map(|clip| clip.verified).collect();
        Ok(Origin {
            labels: earmark_files::sha256_file(&self.path("labels.txt"))?,
            splits: sum(&serde_json::json!(splits)),
            verified: Some(sum(&serde_json::json!(verified))),
            data: Some(sum(&recipe["data"])),
            settings: sum(settings),
        })
    }

    /// The files of this run that differ from those that a part of it was made from, as words; none if none does.
    pub(super) fn others(&self, of_part: &Origin, of_run: &Origin) -> Option<String> {
        let same = |then: &Option<String>, now: &Option<String>| then.is_none() || then == now;
        let is_same = [
            ("labels.txt", of_part.labels == of_run.labels),
            ("splits.csv", of_part.splits == of_run.splits && same(&of_part.verified, &of_run.verified)),
            ("recipe.toml", of_part.settings == of_run.settings && same(&of_part.data, &of_run.data)),
        ];
        let others = is_same.into_iter().filter(|(_, same)| !same);
        let others: Vec<String> = others.map(|(name, _)| self.path(name).display().to_string()).collect();
        (!others.is_empty()).then(|| others.join(", another "))
    }
}
