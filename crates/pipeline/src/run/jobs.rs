//! The files of a job, and the record that shows that the job is done, undamaged, and part of this
//! run.

use std::path::Path;

use earmark_features::InputScaling;
use earmark_nets::Weights;
use earmark_stacking::Table;
use earmark_training::{Outcome, Split};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::provenance::Provenance;
use super::{JobLock, Run};
use crate::error::{Context, PipelineError, Result, ensure};

/// The file of the record in a job's folder.
const RECORD: &str = "job.json";
/// The file in a job's folder with the reason why its last attempt failed.
const FAILURE: &str = "failure.txt";

/// What identifies a job before it begins.
#[derive(Debug)]
pub(crate) struct JobIdentity {
    provenance: Provenance,
    settings: Value,
    fingerprint: String,
}

/// How the files of a run differ from those that a job was trained with.
#[derive(Debug)]
pub(crate) struct OtherInputs {
    /// The files that differ.
    pub files: String,
    /// The settings that the job was trained with, and those of the run; `None` for a job of an
    /// older version, which has only their checksum.
    pub settings: Option<(Value, Value)>,
}

/// `job.json` of a finished job; it is written last.
#[derive(Debug, Serialize, Deserialize)]
pub struct JobRecord {
    fingerprint: String,
    weights_sha256: String,
    predictions_sha256: String,
    #[serde(default)]
    scaling: InputScaling,
    /// Older runs do not have it.
    #[serde(default, rename = "origin")]
    provenance: Option<Provenance>,
    /// The settings that it was trained with, from the run's recipe. Older runs do not have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Value>,
}

impl Run {
    /// Whether a job has a record. [`Run::predictions`] also checks the files.
    pub fn has_record(&self, learner: &str, split: Split) -> bool {
        self.job(learner, split).join(RECORD).exists()
    }

    /// Whether a learner is trained or in training: all its jobs are done, or another process has
    /// locked one of them.
    pub(crate) fn is_trained(&self, learner: &str, splits: &[Split]) -> bool {
        let is_held =
            |split: &Split| self.lock_job(learner, *split).map_or(true, |lock| lock.map(JobLock::done).is_none());
        splits.iter().all(|split| self.has_record(learner, *split)) || splits.iter().any(is_held)
    }

    /// Whether a job has a record, and its files are those of the record.
    ///
    /// # Errors
    /// A file of the job is missing or damaged.
    pub(crate) fn is_whole(&self, learner: &str, split: Split) -> Result<bool> {
        let has_record = self.has_record(learner, split);
        has_record.then(|| self.record(&self.job(learner, split))).transpose()?;
        Ok(has_record)
    }

    /// What a job that is done was trained with, if that is not what the run has now.
    ///
    /// # Errors
    /// The record is damaged; a file of the run cannot be read.
    pub(crate) fn trained_with_others(&self, learner: &str, split: Split) -> Result<Option<OtherInputs>> {
        if !self.has_record(learner, split) {
            return Ok(None);
        }
        let record = self.read_record(&self.job(learner, split))?;
        let Some(provenance) = &record.provenance else { return Ok(None) };
        let Some(files) = self.others(provenance, &self.provenance_of_job(learner)?) else { return Ok(None) };
        let now = self.settings_of_job(learner)?;
        Ok(Some(OtherInputs { files, settings: record.settings.map(|then| (then, now)) }))
    }

    /// Whether a job is done; its files are checked against its record.
    ///
    /// # Errors
    /// A file of the job is damaged, or the job was trained with other settings.
    pub(crate) fn is_done(&self, learner: &str, split: Split, fingerprint: &str) -> Result<bool> {
        if !self.has_record(learner, split) {
            return Ok(false);
        }
        let folder = self.job(learner, split);
        let record = self.record(&folder)?;
        ensure!(
            record.fingerprint == fingerprint,
            OtherRun,
            "{} was trained with other settings, labels or clips; choose another --out, or remove it",
            folder.display()
        );
        Ok(true)
    }

    fn read_record(&self, folder: &Path) -> Result<JobRecord> {
        let path = folder.join(RECORD);
        serde_json::from_slice(&earmark_files::read(&path)?).with_context(|| damaged(&path, folder))
    }

    /// The record of a job whose files are those that it names.
    fn record(&self, folder: &Path) -> Result<JobRecord> {
        let record = self.read_record(folder)?;
        for (name, checksum) in
            [("weights.safetensors", &record.weights_sha256), ("predictions.csv", &record.predictions_sha256)]
        {
            let (path, job) = (folder.join(name), folder.display());
            ensure!(path.exists(), Damaged, "{} is missing; remove {job} to train it again", path.display());
            let is_whole = earmark_files::sha256_file(&path)? == *checksum;
            ensure!(is_whole, Damaged, "{} (its SHA-256 differs)", damaged(&path, folder));
        }
        Ok(record)
    }

    /// The identity of a job. It is computed before the job begins, because the run's files may
    /// change until it ends.
    pub(crate) fn identify_job(&self, learner: &str, fingerprint: String) -> Result<JobIdentity> {
        let (provenance, settings) = (self.provenance_of_job(learner)?, self.settings_of_job(learner)?);
        Ok(JobIdentity { provenance, settings, fingerprint })
    }

    /// Stores the results of a job, its record last.
    pub(crate) fn store_job(
        &self,
        learner: &str,
        split: Split,
        JobIdentity { provenance, settings, fingerprint }: JobIdentity,
        outcome: &Outcome,
        names: Vec<String>,
        labels: &[String],
    ) -> Result<()> {
        let folder = self.job(learner, split);
        let weights = outcome.weights.to_safetensors()?;
        let predictions = Table::new(names, labels.to_vec(), outcome.probabilities.clone())?.to_csv();
        let record = JobRecord {
            provenance: Some(provenance),
            fingerprint,
            weights_sha256: earmark_files::sha256(&weights),
            predictions_sha256: earmark_files::sha256(&predictions),
            scaling: outcome.scaling.clone(),
            settings: Some(settings),
        };
        earmark_files::write_atomic(&folder.join("weights.safetensors"), &weights)?;
        earmark_files::write_atomic(&folder.join("predictions.csv"), &predictions)?;
        Ok(earmark_files::write_atomic(&folder.join(RECORD), &serde_json::to_vec_pretty(&record)?)?)
    }

    /// Stores the reason why a job failed, for the report, or removes it if the job did not fail
    /// this time.
    pub(crate) fn store_failure(&self, learner: &str, split: Split, reason: Option<&str>) {
        let path = self.job(learner, split).join(FAILURE);
        // The error reports the reason in any case, and if the disk is the reason, it cannot be
        // stored.
        let _ = match reason {
            Some(reason) => earmark_files::write_atomic(&path, reason.as_bytes()).is_ok(),
            None => std::fs::remove_file(&path).is_ok(),
        };
    }

    /// The reason why the last attempt of a job failed.
    pub fn failure(&self, learner: &str, split: Split) -> Option<String> {
        std::fs::read_to_string(self.job(learner, split).join(FAILURE)).ok()
    }

    /// The predictions of a finished job.
    pub fn predictions(&self, learner: &str, split: Split) -> Result<Table> {
        let folder = self.job(learner, split);
        if !self.has_record(learner, split) {
            return Err(PipelineError::JobNotDone(format!("{learner}/{split}")));
        }
        let record = self.record(&folder)?;
        if let Some(provenance) = &record.provenance {
            let others = self.others(provenance, &self.provenance_of_job(learner)?);
            ensure!(
                others.is_none(),
                OtherRun,
                "{} was trained with a different {}; remove the job and train it again, or restore what it was \
                 trained with",
                folder.display(),
                others.unwrap_or_default()
            );
        }
        Ok(Table::from_csv(&folder.join("predictions.csv"))?)
    }

    /// The weights of a finished job, and the scaling of its network's input.
    pub(crate) fn weights(&self, learner: &str, split: Split) -> Result<(Weights, InputScaling)> {
        let folder = self.job(learner, split);
        let record = self.record(&folder)?;
        let path = folder.join("weights.safetensors");
        let weights = Weights::from_safetensors(&earmark_files::read(&path)?);
        Ok((weights.with_context(|| path.display().to_string())?, record.scaling))
    }
}

fn damaged(path: &Path, folder: &Path) -> String {
    format!("{} is damaged; remove {} to train it again", path.display(), folder.display())
}
