//! The folder of a run: what lies where, and how it is read and written.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use earmark_datasets::{ClipEntry, Manifest, Splits};
use earmark_files::FileError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::gather::fold_count;
use crate::recipe::Recipe;

mod compare;
pub mod format;
mod level2;
mod marks;
mod provenance;

use compare::{RecipeChanges, clip_changes, listed, with_learners_of};
use provenance::Identity;

/// The split that learns from all training clips.
pub const FULL: &str = "full";

const RECIPE: &str = "recipe.toml";
const LABELS: &str = "labels.txt";
const CLIPS: &str = "splits.csv";
/// Held while a run begins.
const LOCK: &str = "lock";

/// A run's folder.
#[derive(Debug)]
pub struct Run {
    /// The folder itself.
    pub folder: PathBuf,
    /// What it is a run of, once that was needed.
    identity: OnceLock<Identity>,
}

/// A clip of a run: what level 2 and the scores need to know of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipRow {
    /// Its name in the data set.
    pub fname: String,
    /// `train` or `test`.
    pub set: String,
    /// Its label; empty for a test clip whose label nobody told.
    pub label: String,
    /// Whether a person checked the label.
    pub verified: bool,
    /// Its fold; empty for a test clip.
    pub fold: Option<usize>,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// The features of all clips, in a run's folder.
pub const CACHE: &str = "cache";

/// A row of a job's `history.csv`.
#[derive(Debug, Deserialize)]
pub struct Epoch {
    pub epoch: usize,
    pub loss: f64,
    pub accuracy: f64,
    pub held_out_accuracy: Option<f64>,
    pub seconds: f64,
}

/// A job that this process holds against others, until this is dropped.
#[derive(Debug)]
pub struct Held {
    lock: PathBuf,
    _file: File,
    /// False where the file system has no locks: then nobody is kept away.
    pub locked: bool,
}

impl Held {
    /// Removes the lock of a job that is done: who takes it for free now, finds that.
    pub fn done(self) {
        // What cannot be removed is an empty file.
        let _ = std::fs::remove_file(&self.lock);
    }
}

impl Run {
    /// The recipe in a file, for a run in `folder`: what it does not say is as it was when the run
    /// began. Fails at the start, before any clip is decoded, where the run has another recipe
    /// already.
    ///
    /// # Errors
    /// No good recipe; a run of a newer format, or of a recipe that differs in more than new
    /// learners.
    pub fn recipe_for(folder: &Path, file: &Path) -> anyhow::Result<Recipe> {
        let recipe = Recipe::read(file)?.with_defaults_of(format::of(folder)?);
        recipe.validate().with_context(|| format!("recipe {}", file.display()))?;
        let run = Self::at(folder);
        if run.path(CLIPS).exists() {
            run.recipe_changes(&recipe)?;
        }
        Ok(recipe)
    }

    /// Whether a run can be written in `folder`. Fails at the start, likewise.
    ///
    /// # Errors
    /// The folder holds files that are no run's, or cannot be written to.
    pub fn check_place(folder: &Path) -> anyhow::Result<()> {
        // What a run leaves that ended before it began.
        let begun = folder.join(format::FILE).exists();
        let is_ours = |name: &str| {
            name.starts_with('.')
                || [CACHE, LOCK].contains(&name)
                || begun && [RECIPE, LABELS, format::FILE].contains(&name)
        };
        if !folder.join(CLIPS).exists() {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let foreign = entries.map(|entry| entry.file_name()).find(|name| !is_ours(&name.to_string_lossy()));
            anyhow::ensure!(
                foreign.is_none(),
                "--out {}: the folder is not empty and is not a run (it has {}); give the run a folder of its own",
                folder.display(),
                foreign.unwrap_or_default().display()
            );
        }
        let probe = folder.join(".earmark-probe");
        earmark_files::write_atomic(&probe, b"")?;
        match std::fs::remove_file(&probe) {
            // Another process, with another job of this run, tried the same.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.with_context(|| format!("cannot remove {}", probe.display())),
        }
    }

    /// The run in `folder`, begun with this recipe and these data, or the same one as before, to
    /// which learners may be added. `sha256` are those of the clips' files, training clips first.
    /// Processes that begin one run wait for each other: the first one decides what run it is.
    ///
    /// # Errors
    /// The folder cannot be written to, or holds a run of another recipe, other labels or clips.
    pub fn begin(
        folder: &Path,
        recipe: &Recipe,
        manifest: &Manifest,
        splits: &Splits,
        sha256: &[String],
    ) -> anyhow::Result<Self> {
        let run = Self::at(folder);
        let _lock = run.wait_for_lock(LOCK)?;
        let clips = clip_rows(manifest, splits, sha256);
        if run.path(CLIPS).exists() {
            run.recipe_changes(recipe)?;
            run.check_clips(&manifest.labels, &clips)?;
            let before = earmark_files::read_to_string(&run.path(RECIPE))?;
            if let Some(text) = with_learners_of(&before, recipe)? {
                earmark_files::write_atomic(&run.path(RECIPE), text.as_bytes())?;
            }
        } else {
            format::write(folder)?;
            earmark_files::write_atomic(&run.path(RECIPE), toml::to_string(recipe)?.as_bytes())?;
            earmark_files::write_atomic(&run.path(LABELS), (manifest.labels.join("\n") + "\n").as_bytes())?;
            // Last: what has no clips is no run yet.
            earmark_files::write_atomic(&run.path(CLIPS), &clips_csv(&clips)?)?;
        }
        run.identity()?;
        Ok(run)
    }

    /// Whether the run still has every learner of a recipe that it was begun or continued with.
    ///
    /// # Errors
    /// Another process, with another recipe, has taken one back.
    pub fn check_recipe(&self, recipe: &Recipe) -> anyhow::Result<()> {
        let lost = RecipeChanges::between(&self.recipe()?, recipe)?.new_learners;
        anyhow::ensure!(
            lost.is_empty(),
            "another process has removed {} from the recipe of {}; the same command adds what is trained",
            lost.join(", "),
            self.folder.display()
        );
        Ok(())
    }

    /// A run that is there.
    ///
    /// # Errors
    /// The folder is no run, or one of a newer format.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let run = Self::at(folder);
        anyhow::ensure!(folder.exists(), "{}: there is no such folder", folder.display());
        anyhow::ensure!(run.path(CLIPS).exists(), "{} is no run: it has no {CLIPS}", folder.display());
        format::of(folder)?;
        Ok(run)
    }

    /// The folder of a run, whether there is one or not.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), identity: OnceLock::new() }
    }

    /// What is new in a recipe.
    ///
    /// # Errors
    /// It differs in something else; the error has the keys and both values.
    fn recipe_changes(&self, recipe: &Recipe) -> anyhow::Result<RecipeChanges> {
        let of_run = self.recipe()?;
        let splits = of_run.splits(fold_count(&self.clips()?));
        let mut changes = RecipeChanges::between(&of_run, recipe)?;
        // A learner that never was whole, such as one that diverged when it was added, can be taken
        // back.
        changes.gone_learners.retain(|learner| self.is_trained(learner, &splits));
        let gone =
            changes.gone_learners.iter().map(|name| format!("learners.{name} is in the run, but not in the recipe"));
        changes.differences.extend(gone.collect::<Vec<_>>());
        let folder = self.folder.display();
        let remedy = match changes.level2_alone() {
            true => format!("change `[stack]` in {folder}/{RECIPE} likewise and run `earmark stack {folder}`"),
            false => "choose another --out, or remove that folder".to_owned(),
        };
        anyhow::ensure!(
            changes.differences.is_empty(),
            "the recipe differs from that of the run in {folder}: {}; {remedy}",
            listed(&changes.differences)
        );
        Ok(changes)
    }

    fn check_clips(&self, labels: &[String], clips: &[ClipRow]) -> anyhow::Result<()> {
        let other = format!("the data differ from those of the run in {}", self.folder.display());
        let remedy = "choose another --out, or remove that folder";
        let changes = clip_changes(&self.clips()?, clips);
        anyhow::ensure!(changes.is_none(), "{other}: {}; {remedy}", changes.unwrap_or_default());
        anyhow::ensure!(self.labels()? == labels, "{other}: the classes are not those of {LABELS}; {remedy}");
        Ok(())
    }

    /// Removes the temporary files that a kill has left, once all jobs are done and level 2 is held: at once
    /// where nobody else can be writing, elsewhere after a day. The cache keeps house itself.
    pub fn sweep(&self, jobs: impl Iterator<Item = PathBuf>) {
        for folder in jobs.chain(["oof", "test", "level2", "bundle"].map(|name| self.path(name))) {
            earmark_files::sweep(&folder, Duration::ZERO);
        }
        for folder in ["", "report"] {
            earmark_files::sweep(&self.path(folder), earmark_files::ABANDONED);
        }
    }

    /// A path in the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The recipe that the run was begun with.
    pub fn recipe(&self) -> anyhow::Result<Recipe> {
        Recipe::read(&self.path(RECIPE))
    }

    /// The classes.
    pub fn labels(&self) -> anyhow::Result<Vec<String>> {
        Ok(earmark_files::read_to_string(&self.path(LABELS))?.lines().map(str::to_owned).collect())
    }

    /// The clips, in the order of every table of the run: training clips, then test clips.
    pub fn clips(&self) -> anyhow::Result<Vec<ClipRow>> {
        let path = self.path(CLIPS);
        let bytes = earmark_files::read(&path)?;
        let damaged = || format!("{} is damaged", path.display());
        let rows: Vec<ClipRow> = csv::Reader::from_reader(bytes.as_slice())
            .into_deserialize()
            .collect::<Result<_, _>>()
            .with_context(damaged)?;
        // A sum that was cut short is still a text.
        anyhow::ensure!(bytes.ends_with(b"\n"), "{}: line {} is cut off", damaged(), rows.len() + 1);
        Ok(rows)
    }

    /// The folder of a job.
    pub fn job(&self, learner: &str, split: &str) -> PathBuf {
        self.folder.join("jobs").join(learner).join(split)
    }

    /// Takes a job, so that no other process works on it; none if one does. The lock is the system's and advisory: it ends
    /// with the process, and reaches as far as the folder's file system carries it.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn hold(&self, learner: &str, split: &str) -> anyhow::Result<Option<Held>> {
        let folder = self.job(learner, split);
        earmark_files::create_folder(&folder)?;
        let lock = folder.join("lock");
        let file = earmark_files::open_lock(&lock).map_err(FileError::of("open", &lock))?;
        let locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if has_no_locks(&error) => false,
            Err(TryLockError::Error(source)) => return Err(FileError::of("lock", &lock)(source).into()),
        };
        Ok(Some(Held { lock, _file: file, locked }))
    }

    /// Waits until no other process is at level 2, and keeps others from it until the file is dropped: when two have shared
    /// the jobs, both may come to it.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn hold_level2(&self) -> anyhow::Result<File> {
        earmark_files::create_folder(&self.path("level2"))?;
        self.wait_for_lock("level2/lock")
    }

    fn wait_for_lock(&self, name: &str) -> anyhow::Result<File> {
        let lock = self.path(name);
        let file = earmark_files::open_lock(&lock).map_err(FileError::of("open", &lock))?;
        match file.lock() {
            Err(error) if !has_no_locks(&error) => Err(FileError::of("lock", &lock)(error).into()),
            _ => Ok(file),
        }
    }

    /// The epochs of a job, as far as it has come.
    pub fn history(&self, learner: &str, split: &str) -> anyhow::Result<Vec<Epoch>> {
        rows_if_there(&self.job(learner, split).join("history.csv"))
    }
}

/// Whether a file system has no locks: it says so, or, as some network ones, that there are none to be had (ENOLCK).
fn has_no_locks(error: &std::io::Error) -> bool {
    let enolck = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(enolck)
}

/// The rows of a CSV file; none if there is no such file.
pub fn rows_if_there<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = earmark_files::read(path)?;
    let rows = csv::Reader::from_reader(bytes.as_slice()).into_deserialize().collect::<Result<_, _>>();
    rows.with_context(|| path.display().to_string())
}

/// All clips of a data set: training clips, then test clips.
fn clip_rows(manifest: &Manifest, splits: &Splits, sha256: &[String]) -> Vec<ClipRow> {
    let train = manifest.train.iter().zip(&splits.fold_of).map(|(item, &fold)| (item, "train", Some(fold)));
    let clips = train.chain(manifest.test.iter().map(|item| (item, "test", None)));
    let row = |((item, set, fold), sha256): ((&ClipEntry, &str, _), &String)| ClipRow {
        fname: item.name.clone(),
        set: set.to_owned(),
        label: item.label.map_or(String::new(), |label| manifest.labels[label].clone()),
        verified: item.verified,
        fold,
        sha256: sha256.clone(),
    };
    clips.zip(sha256).map(row).collect()
}

fn clips_csv(clips: &[ClipRow]) -> anyhow::Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    clips.iter().try_for_each(|clip| csv.serialize(clip))?;
    csv.into_inner().context("cannot write CSV")
}
