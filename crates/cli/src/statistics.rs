//! The MFCC statistics of a run's clips, and the mark by which they are known to be of this run.

use anyhow::Context;
use earmark_datasets::ClipFeatures;
use earmark_features::mfcc_statistics_names;
use earmark_stacking::Table;
use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;
use crate::run::{ClipRow, Run};

const TABLE: &str = "statistics.csv";
const MARK: &str = "statistics.json";

/// What statistics were made of, as SHA-256 sums, and their own. A run's name for a clip can stand for another sound in
/// another run.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// Of the table.
    table: String,
    /// Of the names and files of the clips in `splits.csv`.
    clips: String,
    /// Of `[statistics]`.
    settings: String,
}

impl Mark {
    fn of(table: &[u8], clips: &[ClipRow], recipe: &Recipe) -> anyhow::Result<Self> {
        let files: Vec<_> = clips.iter().map(|clip| (&clip.fname, &clip.sha256)).collect();
        let sum = |json: serde_json::Value| earmark_files::sha256(json.to_string().as_bytes());
        Ok(Self {
            table: earmark_files::sha256(table),
            clips: sum(serde_json::to_value(files)?),
            settings: sum(serde_json::to_value(&recipe.statistics)?),
        })
    }
}

/// Writes the statistics of all clips, which stand in the order of `splits.csv`, and then their mark.
pub fn save(run: &Run, recipe: &Recipe, heard: &[ClipFeatures]) -> anyhow::Result<()> {
    let clips = run.clips()?;
    let names = clips.iter().map(|clip| clip.fname.clone()).collect();
    let values = heard.iter().flat_map(|clip| clip.statistics.iter().copied()).collect();
    let table = Table::new(names, mfcc_statistics_names(&recipe.statistics), values)?.to_csv();
    let mark = serde_json::to_vec_pretty(&Mark::of(&table, &clips, recipe)?)?;
    earmark_files::write_atomic(&run.path(TABLE), &table)?;
    Ok(earmark_files::write_atomic(&run.path(MARK), &mark)?)
}

/// The statistics of the clips of one set, `train` or `test`.
///
/// # Errors
/// They are missing, damaged, or of another run.
pub fn read(run: &Run, recipe: &Recipe, clips: &[ClipRow], set: &str) -> anyhow::Result<Table> {
    let (path, mark) = (run.path(TABLE), run.path(MARK));
    let anew = "the same `earmark train` writes it anew";
    let bytes = earmark_files::read(&path).context(anew)?;
    let expected = Mark::of(&bytes, clips, recipe)?;
    let mark: Mark = serde_json::from_slice(&earmark_files::read(&mark).context(anew)?)
        .with_context(|| format!("{} is damaged; {anew}", mark.display()))?;
    anyhow::ensure!(mark.table == expected.table, "{} is damaged (its SHA-256 differs); {anew}", path.display());
    anyhow::ensure!(
        mark == expected,
        "{} is of another run, or the run was changed since: it has other clips or settings; {anew}",
        path.display()
    );
    let names: Vec<String> = clips.iter().filter(|clip| clip.set == set).map(|clip| clip.fname.clone()).collect();
    Ok(Table::from_csv(&path)?.reordered(&names)?)
}
