//! What a job leaves, and the mark by which it is known to be done, whole, and of this run.

use std::path::Path;

use anyhow::Context;
use earmark_features::InputScaling;
use earmark_nets::Weights;
use earmark_stacking::Table;
use earmark_training::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ClipRow, Run};

/// The mark's file, in a job's folder.
const MARK: &str = "job.json";

/// What a job is known by.
pub struct Mark {
    origin: Origin,
    fingerprint: String,
}

/// The mark of a finished job, written last.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    fingerprint: String,
    weights_sha256: String,
    predictions_sha256: String,
    #[serde(default)]
    scaling: InputScaling,
    /// Runs of before it was kept have none.
    #[serde(default)]
    origin: Option<Origin>,
}

/// What a job learned from, as SHA-256 sums, so that jobs of two runs are not taken for one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    /// Of `labels.txt`.
    labels: String,
    /// Of the clips in `splits.csv`: names, sets, folds, files, and the labels to learn from.
    splits: String,
    /// Of the learner, its front end and the seed, as `recipe.toml` has them.
    learner: String,
}

impl Run {
    /// Whether a job has left its mark.
    pub fn has_mark(&self, learner: &str, split: &str) -> bool {
        self.job(learner, split).join(MARK).exists()
    }

    /// Whether a job is done; what it left is checked against its mark.
    ///
    /// # Errors
    /// A file of the job is damaged, or the job is one of other settings.
    pub fn is_done(&self, learner: &str, split: &str, fingerprint: &str) -> anyhow::Result<bool> {
        if !self.has_mark(learner, split) {
            return Ok(false);
        }
        let folder = self.job(learner, split);
        let done = self.done(&folder)?;
        anyhow::ensure!(
            done.fingerprint == fingerprint,
            "{} was trained with other settings, labels or clips; choose another --out, or remove it",
            folder.display()
        );
        Ok(true)
    }

    fn done(&self, folder: &Path) -> anyhow::Result<Done> {
        let path = folder.join(MARK);
        let damaged =
            |path: &Path| format!("{} is damaged; remove {} to train it anew", path.display(), folder.display());
        let done: Done = serde_json::from_slice(&earmark_files::read(&path)?).with_context(|| damaged(&path))?;
        for (name, sum) in
            [("weights.safetensors", &done.weights_sha256), ("predictions.csv", &done.predictions_sha256)]
        {
            let path = folder.join(name);
            anyhow::ensure!(earmark_files::sha256_file(&path)? == *sum, "{} (its SHA-256 differs)", damaged(&path));
        }
        Ok(done)
    }

    /// What a job of now is known by later. Taken before it begins: the run's files may change until it ends.
    pub fn mark(&self, learner: &str, fingerprint: String) -> anyhow::Result<Mark> {
        Ok(Mark { origin: self.origin(learner)?, fingerprint })
    }

    /// Stores what a job has made, its mark last.
    pub fn store(
        &self,
        learner: &str,
        split: &str,
        Mark { origin, fingerprint }: Mark,
        outcome: &Outcome,
        names: Vec<String>,
        labels: &[String],
    ) -> anyhow::Result<()> {
        let folder = self.job(learner, split);
        let weights = outcome.weights.to_safetensors()?;
        let predictions = Table::new(names, labels.to_vec(), outcome.probabilities.clone())?.to_csv();
        let done = Done {
            origin: Some(origin),
            fingerprint,
            weights_sha256: earmark_files::sha256(&weights),
            predictions_sha256: earmark_files::sha256(&predictions),
            scaling: outcome.scaling.clone(),
        };
        earmark_files::write_atomic(&folder.join("weights.safetensors"), &weights)?;
        earmark_files::write_atomic(&folder.join("predictions.csv"), &predictions)?;
        Ok(earmark_files::write_atomic(&folder.join(MARK), &serde_json::to_vec_pretty(&done)?)?)
    }

    /// What a finished job predicted.
    pub fn predictions(&self, learner: &str, split: &str) -> anyhow::Result<Table> {
        let folder = self.job(learner, split);
        anyhow::ensure!(
            self.has_mark(learner, split),
            "the job {learner}/{split} is not done: run `earmark train` again"
        );
        let done = self.done(&folder)?;
        if let Some(origin) = &done.origin {
            self.check_origin(&folder, origin, &self.origin(learner)?)?;
        }
        Ok(Table::from_csv(&folder.join("predictions.csv"))?)
    }

    /// What a job of now would learn from.
    fn origin(&self, learner: &str) -> anyhow::Result<Origin> {
        // The text, not what is read of it: settings that a later version adds make no other run of an old one.
        let recipe: Value = toml::from_str(&earmark_files::read_to_string(&self.path("recipe.toml"))?)?;
        let of_name = |known: &&Value| known["name"] == learner;
        let settings = recipe["learners"].as_array().and_then(|learners| learners.iter().find(of_name));
        let settings = settings.with_context(|| format!("recipe.toml has no learner {learner}"))?;
        let front_end = settings["features"].as_str().map(|name| &recipe["features"][name]);
        let decisive = serde_json::json!([settings, front_end, recipe["seed"]]);
        // Labels of test clips may become known later.
        let clips = self.clips()?;
        let label = |clip: &ClipRow| (clip.set == "train").then(|| clip.label.clone());
        let clips: Vec<_> =
            clips.iter().map(|clip| (&clip.fname, &clip.set, label(clip), clip.fold, &clip.sha256)).collect();
        Ok(Origin {
            labels: earmark_files::sha256_file(&self.path("labels.txt"))?,
            splits: earmark_files::sha256(serde_json::json!(clips).to_string().as_bytes()),
            learner: earmark_files::sha256(decisive.to_string().as_bytes()),
        })
    }

    fn check_origin(&self, job: &Path, of_job: &Origin, of_run: &Origin) -> anyhow::Result<()> {
        let parts = [
            ("labels.txt", of_job.labels == of_run.labels),
            ("splits.csv", of_job.splits == of_run.splits),
            ("recipe.toml", of_job.learner == of_run.learner),
        ];
        let others: Vec<String> = parts
            .into_iter()
            .filter(|(_, same)| !same)
            .map(|(name, _)| self.path(name).display().to_string())
            .collect();
        anyhow::ensure!(
            others.is_empty(),
            "{} is of another run, or the run was changed since: it was trained with another {} than the one here; \
             remove the job and train it anew, or put back what was here",
            job.display(),
            others.join(", another ")
        );
        Ok(())
    }

    /// What a finished job learned, and the scaling before its network.
    pub fn weights(&self, learner: &str, split: &str) -> anyhow::Result<(Weights, InputScaling)> {
        let folder = self.job(learner, split);
        let done = self.done(&folder)?;
        let path = folder.join("weights.safetensors");
        let weights = Weights::from_safetensors(&earmark_files::read(&path)?);
        Ok((weights.with_context(|| path.display().to_string())?, done.scaling))
    }
}
