//! `earmark train --verified-by RUN`: labels that nobody verified, verified by what another run says of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use earmark_datasets::Manifest;
use earmark_stacking::most_probable;
use serde::Serialize;

use crate::progress::Bars;
use crate::run::Run;
use crate::systems::{self, STACK};

/// Where a run notes by which other its labels were verified.
const FILE: &str = "verified.json";

/// Whether another run has verified labels of this one.
pub fn is_noted(run: &Run) -> bool {
    run.path(FILE).exists()
}

/// What the stack of a finished run says of its training clips, out of fold: by models that never saw them.
pub struct Verifier {
    folder: PathBuf,
    /// The most probable labels by the SHA-256 of files: several where copies of one are judged apart.
    said: HashMap<String, Vec<String>>,
    /// SHA-256 of the table.
    table: String,
}

/// `verified.json`.
#[derive(Serialize)]
struct Noted<'a> {
    run: &'a Path,
    out_of_fold_sha256: &'a str,
}

impl Verifier {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// No finished run.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let read = || -> anyhow::Result<Self> {
            let run = Run::open(folder)?;
            let tables = systems::tables(&run, "oof")?;
            let (_, table) = tables.iter().find(|(name, _)| name == STACK).context("it has no stack")?;
            let rows = table.names().iter().zip(table.rows());
            let best: HashMap<&str, &String> =
                rows.map(|(name, row)| (name.as_str(), &table.columns()[most_probable(row)])).collect();
            let mut said: HashMap<String, Vec<String>> = HashMap::new();
            for clip in run.clips()?.into_iter().filter(|clip| clip.set == "train") {
                if let Some(label) = best.get(clip.fname.as_str()) {
                    said.entry(clip.sha256).or_default().push((*label).clone());
                }
            }
            Ok(Self { folder: folder.to_owned(), said, table: earmark_files::sha256(&table.to_csv()) })
        };
        read().with_context(|| format!("--verified-by {}", folder.display()))
    }

    /// Counts as verified each unverified clip to learn from whose label is the most probable one; of copies, to all. `sums`
    /// are the SHA-256 of the clips' files, those to learn from first.
    ///
    /// # Errors
    /// The run knows none of these clips.
    pub fn take_over(&self, manifest: &mut Manifest, sums: &[String], bars: &Bars) -> anyhow::Result<()> {
        let (mut agreed, mut doubted, mut unknown) = (0, 0, 0);
        for (item, sum) in manifest.train.iter_mut().zip(sums).filter(|(item, _)| !item.verified) {
            let label = item.label.map(|label| &manifest.labels[label]);
            match self.said.get(sum) {
                Some(said) if said.iter().all(|said| Some(said) == label) => {
                    item.verified = true;
                    agreed += 1;
                }
                Some(_) => doubted += 1,
                None => unknown += 1,
            }
        }
        let folder = self.folder.display();
        anyhow::ensure!(
            agreed + doubted + unknown == 0 || agreed + doubted > 0,
            "--verified-by {folder}: that run has none of the unverified clips"
        );
        let of_them = if unknown > 0 { format!(", and {unknown} are not in that run") } else { String::new() };
        bars.line(&format!("verified by {folder}: {agreed} labels; {doubted} stay unverified{of_them}"));
        Ok(())
    }

    /// Notes in a run's folder who verified its labels.
    pub fn remember(&self, run: &Run) -> anyhow::Result<()> {
        let noted = Noted { run: &std::path::absolute(&self.folder)?, out_of_fold_sha256: &self.table };
        Ok(earmark_files::write_atomic(&run.path(FILE), &serde_json::to_vec_pretty(&noted)?)?)
    }
}
