//! What a job leaves, and the mark by which it is known to be done, whole, and of this run.

use std::path::Path;

use anyhow::Context;
use earmark_features::InputScaling;
use earmark_nets::Weights;
use earmark_stacking::Table;
use earmark_training::Outcome;
use serde::{Deserialize, Serialize};

use super::provenance::Provenance;
use super::{Held, Run};

/// The mark's file, in a job's folder.
const MARK: &str = "job.json";
/// Why the job failed when it was last tried, in its folder.
const FAILURE: &str = "failure.txt";

/// What a job is known by.
pub struct Mark {
    origin: Provenance,
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
    origin: Option<Provenance>,
}

impl Run {
    /// Whether a job has left its mark.
    pub fn has_mark(&self, learner: &str, split: &str) -> bool {
        self.job(learner, split).join(MARK).exists()
    }

    /// Whether a learner is of use or in use: all its jobs are done, or another process has one of
    /// them.
    pub fn is_trained(&self, learner: &str, splits: &[String]) -> bool {
        let is_held = |split: &String| self.hold(learner, split).map_or(true, |held| held.map(Held::done).is_none());
        splits.iter().all(|split| self.has_mark(learner, split)) || splits.iter().any(is_held)
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
            let anew = folder.display();
            anyhow::ensure!(path.exists(), "{} is missing; remove {anew} to train it anew", path.display());
            anyhow::ensure!(earmark_files::sha256_file(&path)? == *sum, "{} (its SHA-256 differs)", damaged(&path));
        }
        Ok(done)
    }

    /// What a job of now is known by later. Taken before it begins: the run's files may change until it ends.
    pub fn mark(&self, learner: &str, fingerprint: String) -> anyhow::Result<Mark> {
        Ok(Mark { origin: self.provenance_of_job(learner)?, fingerprint })
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

    /// Notes why a job failed, for the report; or that it did not, this time.
    pub fn note_failure(&self, learner: &str, split: &str, reason: Option<&str>) {
        let path = self.job(learner, split).join(FAILURE);
        // The reason is told in any case, and where the disk is the reason, it cannot be noted.
        let _ = match reason {
            Some(reason) => earmark_files::write_atomic(&path, reason.as_bytes()).is_ok(),
            None => std::fs::remove_file(&path).is_ok(),
        };
    }

    /// Why a job failed when it was last tried.
    pub fn failure(&self, learner: &str, split: &str) -> Option<String> {
        std::fs::read_to_string(self.job(learner, split).join(FAILURE)).ok()
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
            let others = self.others(origin, &self.provenance_of_job(learner)?);
            anyhow::ensure!(
                others.is_none(),
                "{} is of another run, or the run was changed since: it was trained with another {} than the one here; \
                 remove the job and train it anew, or put back what was here",
                folder.display(),
                others.unwrap_or_default()
            );
        }
        Ok(Table::from_csv(&folder.join("predictions.csv"))?)
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
