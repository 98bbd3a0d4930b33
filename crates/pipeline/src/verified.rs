//! Unverified labels that count as verified because the stack of another run predicts them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use earmark_datasets::{Manifest, Task};
use earmark_files::FileError;
use earmark_stacking::{Table, best_thresholds, most_probable};
use serde::Serialize;

use crate::error::{Context, Result, ensure};
use crate::evaluate::{self, MultiLabel, truth};
use crate::events::{Note, Observer, note};
use crate::names::STACK;
use crate::run::{ClipRow, Run};

/// The file in which a run records which other run verified its labels.
const FILE: &str = "verified.json";

impl Run {
    /// Whether labels were verified by the predictions of another run.
    pub fn is_verified_by_a_run(&self) -> bool {
        self.path(FILE).exists()
    }
}

/// The out-of-fold predictions of a finished run's stack for its training clips, by models that
/// were not trained on them.
pub(crate) struct Verifier {
    folder: PathBuf,
    /// The predicted labels by the SHA-256 of the file. There are several predictions if copies of
    /// a file differ.
    predicted: HashMap<String, Vec<BTreeSet<String>>>,
    /// SHA-256 of the table of predictions.
    table: String,
}

/// `verified.json`.
#[derive(Serialize)]
struct Noted<'a> {
    run: &'a Path,
    out_of_fold_sha256: &'a str,
}

impl Verifier {
    /// Reads the predictions of the run in `folder`, for data of a task.
    ///
    /// # Errors
    /// The run is not finished, or is of another task.
    pub fn open(folder: &Path, task: Task) -> Result<Self> {
        let read = || -> Result<Self> {
            let run = Run::open(folder)?;
            let of_run = run.task()?;
            ensure!(
                of_run == task,
                Options,
                "a clip of that run has {}, one of these data {}",
                labels_of(of_run),
                labels_of(task)
            );
            let table = evaluate::table(&run, "oof", STACK)?;
            let clips = run.clips()?;
            let train: Vec<&ClipRow> = clips.iter().filter(|clip| clip.is_train()).collect();
            let mut predicted: HashMap<String, Vec<BTreeSet<String>>> = HashMap::new();
            for (clip, labels) in train.iter().zip(predictions(task, &train, &table)?) {
                predicted.entry(clip.sha256.clone()).or_default().push(labels);
            }
            Ok(Self { folder: folder.to_owned(), predicted, table: earmark_files::sha256(&table.to_csv()) })
        };
        read().with_context(|| format!("--verified-by {}", folder.display()))
    }

    /// Marks each unverified training clip as verified if its labels are those predicted for all
    /// copies of the clip. `checksums` are the SHA-256 of the clips' files, training clips
    /// first.
    ///
    /// # Errors
    /// The run has none of these clips.
    pub fn verify(&self, manifest: &mut Manifest, checksums: &[String], observer: &dyn Observer) -> Result<()> {
        let (mut agreed, mut doubted, mut unknown) = (0, 0, 0);
        for (clip, sha256) in manifest.train.iter_mut().zip(checksums).filter(|(clip, _)| !clip.verified) {
            let labels: BTreeSet<&String> = clip.labels.iter().map(|&label| &manifest.labels[label]).collect();
            match self.predicted.get(sha256) {
                Some(predicted) if predicted.iter().all(|predicted| predicted.iter().eq(labels.iter().copied())) => {
                    clip.verified = true;
                    agreed += 1;
                }
                Some(_) => doubted += 1,
                None => unknown += 1,
            }
        }
        let folder = self.folder.display();
        ensure!(
            agreed + doubted + unknown == 0 || agreed + doubted > 0,
            Options,
            "--verified-by {folder}: that run has none of the unverified clips"
        );
        note(observer, Note::Verified { run: self.folder.clone(), agreed, doubted, unknown });
        Ok(())
    }

    /// Stores in a run's folder which run verified its labels.
    pub fn store(&self, run: &Run) -> Result<()> {
        let noted = Noted {
            run: &std::path::absolute(&self.folder).map_err(FileError::of("find", &self.folder))?,
            out_of_fold_sha256: &self.table,
        };
        Ok(earmark_files::write_atomic(&run.path(FILE), &serde_json::to_vec_pretty(&noted)?)?)
    }
}

/// The labels that a table predicts for clips: the most probable one or, if a clip may have
/// several, those that reach their thresholds. The thresholds are those of the table's best F1,
/// which are also those of the run's bundle.
fn predictions(task: Task, clips: &[&ClipRow], table: &Table) -> Result<Vec<BTreeSet<String>>> {
    let names: Vec<String> = clips.iter().map(|clip| clip.fname.clone()).collect();
    let table = table.reordered(&names)?;
    let labels = table.columns();
    Ok(match task {
        Task::SingleLabel => table.rows().map(|row| BTreeSet::from([labels[most_probable(row)].clone()])).collect(),
        Task::MultiLabel => {
            let thresholds = best_thresholds(&truth::<MultiLabel>(clips, labels)?, &table);
            let given = |row: &[f32]| -> BTreeSet<String> {
                let answers = row.iter().zip(&thresholds).zip(labels);
                answers.filter(|((value, threshold), _)| value >= threshold).map(|(_, label)| label.clone()).collect()
            };
            table.rows().map(given).collect()
        }
    })
}

/// How many labels a clip has, for messages.
fn labels_of(task: Task) -> &'static str {
    match task {
        Task::SingleLabel => "one label",
        Task::MultiLabel => "any number of labels",
    }
}
