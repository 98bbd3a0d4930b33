//! A job's state on disk: after an epoch, or after the batch at which the job was stopped.
//!
//! `checkpoint.json` names the file that holds the arrays, and its SHA-256; it is replaced last. So
//! whenever a job is killed, the `checkpoint.json` on disk is complete and matches its arrays.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use earmark_nets::{Array, Weights};
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::events;
use crate::history::Epoch;

/// The progress within an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochProgress {
    pub batches: usize,
    /// The sum over the crops, as in the next two fields.
    pub loss: f64,
    pub correct: f64,
    pub crops: f64,
    pub seconds: f64,
}

/// The state after an epoch, or within one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    pub weights: Weights,
    /// The moving average of the weights, if the recipe requests one.
    pub average: Option<Weights>,
    /// The optimizer's state, by the names of memory and parameter.
    pub optimizer: BTreeMap<String, Weights>,
    /// The weights of the best epoch, if the recipe keeps those.
    pub best: Option<Weights>,
    pub history: Vec<Epoch>,
    /// The progress within the epoch that follows the history.
    pub part: EpochProgress,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    fingerprint: String,
    file: String,
    sha256: String,
    history: Vec<Epoch>,
    #[serde(default)]
    part: EpochProgress,
}

const INDEX: &str = "checkpoint.json";

/// The name prefix of the optimizer's arrays.
const OPTIMIZER: &str = "optimizer.";

/// Decides after which epochs the state is saved, so that saving takes little of the time: large
/// networks have hundreds of megabytes, and a GPU may need only seconds for an epoch.
#[derive(Debug, Default)]
pub(crate) struct SavePace {
    /// When the last save ended, and how long it took.
    last: Option<(Instant, Duration)>,
}

/// The least time between two saves of a job's state, as a multiple of what a save takes.
pub const SAVE_PACE: u32 = 20;

impl SavePace {
    pub fn is_due(&self) -> bool {
        self.last.is_none_or(|(end, took)| end.elapsed() >= SAVE_PACE * took)
    }

    /// Runs a save and remembers how long it took.
    pub fn save<T>(&mut self, save: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = save();
        self.last = Some((Instant::now(), begin.elapsed()));
        result
    }
}

/// Writes `history.csv` and TensorBoard's events. They may be ahead of the saved state; a job that
/// resumes writes them again.
pub(crate) fn save_history(folder: &Path, history: &[Epoch]) -> Result<(), TrainingError> {
    earmark_files::write_atomic(&folder.join("history.csv"), history_csv(history).as_bytes())?;
    // Ignore errors: the history has the same numbers, and a failure to write events must not end
    // the job.
    let _ = events::follow(folder, history);
    Ok(())
}

/// Saves the state; the previous one is removed once this one is complete.
pub(crate) fn save(folder: &Path, fingerprint: &str, state: &State) -> Result<(), TrainingError> {
    let named = |prefix: &str, weights: &Weights| -> Vec<(String, Array)> {
        weights.0.iter().map(|(name, array)| (format!("{prefix}/{name}"), array.clone())).collect()
    };
    let mut arrays = named("weights", &state.weights);
    arrays.extend(state.average.iter().flat_map(|average| named("average", average)));
    arrays.extend(state.best.iter().flat_map(|best| named("best", best)));
    arrays.extend(state.optimizer.iter().flat_map(|(name, memory)| named(&format!("{OPTIMIZER}{name}"), memory)));
    let bytes = Weights(arrays.into_iter().collect()).to_safetensors()?;

    // Each state has its own file name: the previous file stays until the index names the new one.
    let file = match (state.history.len(), state.part.batches) {
        (epochs, 0) => format!("checkpoint-{epochs:05}.safetensors"),
        (epochs, batches) => format!("checkpoint-{epochs:05}-{batches:05}.safetensors"),
    };
    earmark_files::write_atomic(&folder.join(&file), &bytes)?;
    let (history, part) = (state.history.clone(), state.part.clone());
    let sha256 = earmark_files::sha256(&bytes);
    let index = Index { fingerprint: fingerprint.to_owned(), file, sha256, history, part };
    let json = serde_json::to_vec_pretty(&index).map_err(|error| damaged(&folder.join(INDEX), &error))?;
    // The index comes last: a history that is ahead is written again, but one that lags behind
    // would stay so.
    earmark_files::write_atomic(&folder.join(INDEX), &json)?;
    remove_arrays_but(folder, Some(&index.file));
    Ok(())
}

/// The last saved state; `None` if nothing has been saved yet.
pub(crate) fn load(folder: &Path, fingerprint: &str) -> Result<Option<State>, TrainingError> {
    let path = folder.join(INDEX);
    if !path.exists() {
        return Ok(None);
    }
    let index: Index = serde_json::from_slice(&earmark_files::read(&path)?).map_err(|error| damaged(&path, &error))?;
    if index.fingerprint != fingerprint {
        return Err(TrainingError::OtherJob { folder: folder.to_owned() });
    }
    let path = folder.join(&index.file);
    let bytes = match earmark_files::read(&path) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => return Err(damaged(&path, &"it is missing")),
        bytes => bytes?,
    };
    if earmark_files::sha256(&bytes) != index.sha256 {
        return Err(damaged(&path, &"its SHA-256 is not the one in checkpoint.json"));
    }
    let arrays = Weights::from_safetensors(&bytes).map_err(|error| damaged(&path, &error))?;
    let mut state = State { history: index.history, part: index.part, ..State::default() };
    for (name, array) in arrays.0 {
        let (part, name) = name.split_once('/').unwrap_or(("", &name));
        let weights = match part {
            "weights" => &mut state.weights,
            "average" => state.average.get_or_insert_default(),
            "best" => state.best.get_or_insert_default(),
            part if part.starts_with(OPTIMIZER) => {
                state.optimizer.entry(part[OPTIMIZER.len()..].to_owned()).or_default()
            }
            _ => return Err(damaged(&path, &format!("it holds an array named {part}/{name}"))),
        };
        weights.0.insert(name.to_owned(), array);
    }
    Ok(Some(state))
}

/// Removes the checkpoint of a finished job.
pub(crate) fn remove(folder: &Path) {
    // Ignore errors: a leftover file only takes up space, and the job's results are stored
    // elsewhere.
    let _ = std::fs::remove_file(folder.join(INDEX));
    remove_arrays_but(folder, None);
}

fn remove_arrays_but(folder: &Path, keep: Option<&str>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let old = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("checkpoint-") && name.ends_with(".safetensors") && Some(&*name) != keep
    });
    for entry in old {
        let _ = std::fs::remove_file(entry.path());
    }
}

fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> TrainingError {
    TrainingError::Damaged { path: PathBuf::from(path), reason: reason.to_string() }
}

fn history_csv(history: &[Epoch]) -> String {
    let mut csv = String::from("epoch,learning_rate,loss,accuracy,held_out_accuracy,seconds\n");
    for epoch in history {
        let held_out = epoch.held_out_accuracy.map_or(String::new(), |accuracy| accuracy.to_string());
        let Epoch { epoch, learning_rate, loss, accuracy, seconds, .. } = epoch;
        csv += &format!("{epoch},{learning_rate},{loss},{accuracy},{held_out},{seconds:.3}\n");
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let array = Array { shape: vec![2], data: vec![0.25, -3.5] };
        let weights = Weights([("a.weight".to_owned(), array)].into());
        let epoch = Epoch {
            epoch: 1,
            learning_rate: 0.1,
            loss: 2.5,
            accuracy: 0.5,
            held_out_accuracy: Some(0.25),
            seconds: 1.0,
        };
        let part = EpochProgress { batches: 3, loss: 0.1, correct: 2.0, crops: 24.0, seconds: 0.7 };
        let optimizer = [("mean".to_owned(), weights.clone()), ("square".to_owned(), weights.clone())].into();
        let (average, best) = (Some(weights.clone()), Some(weights.clone()));
        State { weights, average, optimizer, best, history: vec![epoch], part }
    }

    #[test]
    fn save_and_load_is_the_identity_and_only_the_last_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path(), "f").unwrap(), None);
        save(folder.path(), "f", &state()).unwrap();
        let mut later = state();
        later.history.push(later.history[0].clone());
        save(folder.path(), "f", &later).unwrap();
        assert_eq!(load(folder.path(), "f").unwrap(), Some(later));
        let arrays = std::fs::read_dir(folder.path()).unwrap().flatten();
        assert_eq!(arrays.filter(|entry| entry.file_name().to_string_lossy().contains("safetensors")).count(), 1);
        assert!(matches!(load(folder.path(), "g"), Err(TrainingError::OtherJob { .. })));
        remove(folder.path());
        assert_eq!(load(folder.path(), "f").unwrap(), None);
    }

    #[test]
    fn a_slow_save_is_made_less_often() {
        let mut pace = SavePace::default();
        assert!(pace.is_due(), "the first epoch is saved");
        pace.save(|| std::thread::sleep(Duration::from_millis(20)));
        assert!(!pace.is_due());
        pace.last = pace.last.map(|(end, took)| (end - SAVE_PACE * took, took));
        assert!(pace.is_due());
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), "f", &state()).unwrap();
        for name in ["checkpoint-00001-00003.safetensors", INDEX] {
            let path = folder.path().join(name);
            let whole = std::fs::read(&path).unwrap();
            let mut bytes = whole.clone();
            let last = bytes.len() - 2;
            bytes[last] ^= 0x80;
            std::fs::write(&path, &bytes).unwrap();
            let message = load(folder.path(), "f").unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("damaged"), "{message}");
            std::fs::write(&path, &whole).unwrap();
        }
        std::fs::remove_file(folder.path().join("checkpoint-00001-00003.safetensors")).unwrap();
        assert!(matches!(load(folder.path(), "f"), Err(TrainingError::Damaged { .. })));
    }
}
