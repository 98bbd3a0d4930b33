//! The MFCC statistics of a run's clips, and the record that shows that they belong to this run.

use earmark_features::mfcc_statistics_names;
use earmark_loader::ClipFeatures;
use earmark_stacking::Table;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Result, ensure};
use crate::recipe::Recipe;
use crate::run::{ClipRow, Run};

const TABLE: &str = "statistics.csv";
const RECORD: &str = "statistics.json";

/// The SHA-256 checksums of the statistics and of their inputs. Clip names are not enough: another
/// run can have another sound of the same name.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct StatisticsRecord {
    /// The checksum of the table.
    table: String,
    /// The checksum of the names and files of the clips in `splits.csv`.
    clips: String,
    /// The checksum of `[statistics]`.
    settings: String,
}

impl StatisticsRecord {
    fn of(table: &[u8], clips: &[ClipRow], recipe: &Recipe) -> Result<Self> {
        let files: Vec<_> = clips.iter().map(|clip| (&clip.fname, &clip.sha256)).collect();
        let sha256 = |json: serde_json::Value| earmark_files::sha256(json.to_string().as_bytes());
        Ok(Self {
            table: earmark_files::sha256(table),
            clips: sha256(serde_json::to_value(files)?),
            settings: sha256(serde_json::to_value(&recipe.statistics)?),
        })
    }
}

/// Writes the statistics of all clips, in the order of `splits.csv`, and then their record.
pub(crate) fn save(run: &Run, recipe: &Recipe, clips: &[ClipRow], features: &[ClipFeatures]) -> Result<()> {
    let names = clips.iter().map(|clip| clip.fname.clone()).collect();
    let values = features.iter().flat_map(|clip| clip.statistics.iter().copied()).collect();
    let table = Table::new(names, mfcc_statistics_names(&recipe.statistics), values)?.to_csv();
    let record = serde_json::to_vec_pretty(&StatisticsRecord::of(&table, clips, recipe)?)?;
    earmark_files::write_atomic(&run.path(TABLE), &table)?;
    Ok(earmark_files::write_atomic(&run.path(RECORD), &record)?)
}

/// The statistics of the clips of one set, `train` or `test`.
///
/// # Errors
/// They are missing, damaged, or of another run.
pub(crate) fn read(run: &Run, recipe: &Recipe, clips: &[ClipRow], set: &str) -> Result<Table> {
    let (path, record) = (run.path(TABLE), run.path(RECORD));
    let again = "the same `earmark train` writes it again";
    let bytes = earmark_files::read(&path).context(again)?;
    let expected = StatisticsRecord::of(&bytes, clips, recipe)?;
    let found: StatisticsRecord = serde_json::from_slice(&earmark_files::read(&record).context(again)?)
        .with_context(|| format!("{} is damaged; {again}", record.display()))?;
    let is_whole = found.table == expected.table;
    ensure!(is_whole, Damaged, "{} is damaged (its SHA-256 differs); {again}", path.display());
    ensure!(found == expected, OtherRun, "{} has other clips or settings than the run; {again}", path.display());
    let names: Vec<String> = clips.iter().filter(|clip| clip.set == set).map(|clip| clip.fname.clone()).collect();
    Ok(Table::from_csv(&path)?.reordered(&names)?)
}
