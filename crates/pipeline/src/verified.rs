//! Unverified labels that count as verified because the stack of another run predicts them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use earmark_datasets::Manifest;
use earmark_files::FileError;
use earmark_stacking::most_probable;
use serde::Serialize;

use crate::error::{Context, Result, ensure};
use crate::evaluate;
use crate::events::{Note, Observer, note};
use crate::names::STACK;
use crate::run::Run;

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
    /// The most probable labels by the SHA-256 of the file. There are several if copies of a file
    /// have different predictions.
    predicted: HashMap<String, Vec<String>>,
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
    /// Reads the predictions of the run in `folder`.
    ///
    /// # Errors
    /// The run is not finished.
    pub fn open(folder: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let run = Run::open(folder)?;
            let table = evaluate::table(&run, "oof", STACK)?;
            let rows = table.names().iter().zip(table.rows());
            let best: HashMap<&str, &String> =
                rows.map(|(name, row)| (name.as_str(), &table.columns()[most_probable(row)])).collect();
            let mut predicted: HashMap<String, Vec<String>> = HashMap::new();
            for clip in run.clips()?.into_iter().filter(|clip| clip.set == "train") {
                if let Some(label) = best.get(clip.fname.as_str()) {
                    predicted.entry(clip.sha256).or_default().push((*label).clone());
                }
            }
            Ok(Self { folder: folder.to_owned(), predicted, table: earmark_files::sha256(&table.to_csv()) })
        };
        read().with_context(|| format!("--verified-by {}", folder.display()))
    }

    /// Marks each unverified training clip as verified if its label is the most probable one, for
    /// all copies of the clip. `checksums` are the SHA-256 of the clips' files, training clips
    /// first.
    ///
    /// # Errors
    /// The run has none of these clips.
    pub fn verify(&self, manifest: &mut Manifest, checksums: &[String], observer: &dyn Observer) -> Result<()> {
        let (mut agreed, mut doubted, mut unknown) = (0, 0, 0);
        for (clip, sha256) in manifest.train.iter_mut().zip(checksums).filter(|(clip, _)| !clip.verified) {
            let label = clip.label().map(|label| &manifest.labels[label]);
            match self.predicted.get(sha256) {
                Some(predicted) if predicted.iter().all(|predicted| Some(predicted) == label) => {
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
