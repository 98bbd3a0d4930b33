//! What a run's folder holds for a report, as far as the run has come.

use std::path::Path;

use anyhow::Context;
use earmark_stacking::averages::{arithmetic, geometric};
use earmark_stacking::{Differences, Intervals, Resampling, Scores, Table};
use earmark_stacking::{bootstrap, bootstrap_difference, score};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::gather::fold_count;
use crate::pretrained::{self, Origins};
use crate::recipe::Recipe;
use crate::results::truth;
use crate::run::{ClipRow, Run};

/// All that a report tells of, but the sounds.
pub struct Material {
    /// The folder's own name.
    pub name: String,
    pub recipe: Recipe,
    /// The recipe as it stands in the folder, defaults written out.
    pub recipe_text: String,
    pub labels: Vec<String>,
    pub clips: Vec<ClipRow>,
    pub folds: usize,
    pub origins: Origins,
    /// Of every learner and split, in the order of the recipe.
    pub jobs: Vec<JobState>,
    /// Learners of which a fold is done, then averages and stack if all are.
    pub systems: Vec<System>,
    /// Of the stack against others, by their names.
    pub differences: Vec<(String, Differences)>,
    pub importance: Vec<Importance>,
    pub without: Vec<Without>,
}

/// Where a job stands.
pub struct JobState {
    pub learner: String,
    pub split: String,
    pub done: bool,
    /// Epochs that it will have.
    pub epochs: usize,
    pub history: Vec<Epoch>,
}

/// A row of `history.csv`.
#[derive(Deserialize)]
pub struct Epoch {
    pub epoch: usize,
    pub loss: f64,
    pub accuracy: f64,
    pub held_out_accuracy: Option<f64>,
    pub seconds: f64,
}

/// What a system is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Learner,
    Average,
    Stack,
}

/// A learner, an average or the stack, judged.
pub struct System {
    pub name: String,
    pub kind: Kind,
    /// On training clips, each predicted by models that never saw it.
    pub out_of_fold: Judged,
    /// On test clips whose labels are known.
    pub test: Option<Judged>,
}

/// Probabilities, and how good they are.
pub struct Judged {
    pub table: Table,
    /// Of each row of the table.
    pub truth: Vec<usize>,
    pub scores: Scores,
    pub intervals: Intervals,
}

/// A row of `level2/importance.csv`.
#[derive(Deserialize)]
pub struct Importance {
    pub feature: String,
    pub learner: String,
    /// Of trees, the mean over their splits by the feature; of logistic regression, the mean absolute coefficient.
    gain: f64,
    /// The number of those splits; none for logistic regression.
    weight: Option<f64>,
}

impl Importance {
    /// What adds up over features.
    pub fn total(&self) -> f64 {
        self.gain * self.weight.unwrap_or(1.0)
    }
}

/// A row of `level2/without.csv`: the stack without one learner; of `-`, with all.
#[derive(Deserialize)]
pub struct Without {
    pub without: String,
    pub map_at_3: f64,
    pub accuracy: f64,
    pub macro_average_precision: f64,
}

impl Material {
    /// Reads a run, whole or not.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged. What is not there yet is no error.
    pub fn of(run: &Run) -> anyhow::Result<Self> {
        let (recipe, labels, clips) = (run.recipe()?, run.labels()?, run.clips()?);
        let folds = fold_count(&clips);
        let folder = run.folder.canonicalize().unwrap_or_else(|_| run.folder.clone());
        let reader = Reader { run, recipe: &recipe, labels: &labels, clips: &clips, folds };
        let jobs = reader.jobs()?;
        let systems = reader.systems()?;
        Ok(Self {
            name: folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
            recipe_text: earmark_files::read_to_string(&run.path("recipe.toml"))?,
            origins: pretrained::read(&run.folder)?,
            differences: differences(&systems),
            importance: rows_if_there(&run.path("level2/importance.csv"))?,
            without: rows_if_there(&run.path("level2/without.csv"))?,
            jobs,
            systems,
            recipe,
            labels,
            clips,
            folds,
        })
    }

    /// The clips of a set, `train` or `test`.
    pub fn count(&self, set: &str) -> usize {
        self.clips.iter().filter(|clip| clip.set == set).count()
    }

    /// Whom the plots of a single system are of: the stack; without one, the learner of the highest mAP@3 among those
    /// that are judged by most clips.
    pub fn leader(&self) -> Option<&System> {
        let merit = |system: &&System| (system.kind == Kind::Stack, system.out_of_fold.truth.len());
        let map3 = |system: &System| system.out_of_fold.scores.map3;
        let others = |system: &&System| system.kind != Kind::Average;
        let better = |a: &&System, b: &&System| merit(a).cmp(&merit(b)).then(map3(a).total_cmp(&map3(b)));
        self.systems.iter().filter(others).max_by(better)
    }
}

/// What is read with.
struct Reader<'a> {
    run: &'a Run,
    recipe: &'a Recipe,
    labels: &'a [String],
    clips: &'a [ClipRow],
    folds: usize,
}

impl Reader<'_> {
    fn jobs(&self) -> anyhow::Result<Vec<JobState>> {
        let mut jobs = Vec::new();
        for learner in &self.recipe.learners {
            for split in self.recipe.splits(self.folds) {
                let folder = self.run.job(&learner.name, &split);
                let history = rows_if_there(&folder.join("history.csv"))?;
                let (done, learner, epochs) = (folder.join("job.json").exists(), learner.name.clone(), learner.epochs);
                jobs.push(JobState { learner, split, done, epochs, history });
            }
        }
        Ok(jobs)
    }

    fn systems(&self) -> anyhow::Result<Vec<System>> {
        let set = |name: &str| -> Vec<&ClipRow> { self.clips.iter().filter(|clip| clip.set == name).collect() };
        let (train, test) = (set("train"), set("test"));
        let test_known = !test.is_empty() && test.iter().all(|clip| !clip.label.is_empty());
        let on_train = self.tables("oof", &train)?;
        let on_test = if test_known { self.tables("test", &test)? } else { Vec::new() };
        let mut systems = Vec::new();
        for (kind, name, table) in on_train {
            let test_table = on_test.iter().find(|other| (other.0, &other.1) == (kind, &name));
            let test = test_table.map(|(_, _, table)| self.judged(table, &test)).transpose()?;
            systems.push(System { out_of_fold: self.judged(&table, &train)?, test, name, kind });
        }
        Ok(systems)
    }

    /// The tables of all systems that are there on one set: `oof` or `test`.
    fn tables(&self, set: &str, clips: &[&ClipRow]) -> anyhow::Result<Vec<(Kind, String, Table)>> {
        let mut tables = Vec::new();
        for learner in &self.recipe.learners {
            let path = self.run.path(&format!("{set}/{}.csv", learner.name));
            let table = if path.exists() { Some(Table::from_csv(&path)?) } else { self.of_jobs(&learner.name, set)? };
            tables.extend(table.map(|table| (Kind::Learner, learner.name.clone(), table)));
        }
        let whole: Vec<&Table> =
            tables.iter().map(|(_, _, table)| table).filter(|table| table.names().len() == clips.len()).collect();
        if whole.len() == self.recipe.learners.len() {
            let names: Vec<String> = clips.iter().map(|clip| clip.fname.clone()).collect();
            let ordered = whole.iter().map(|table| table.reordered(&names)).collect::<Result<Vec<_>, _>>()?;
            let ordered: Vec<&Table> = ordered.iter().collect();
            let averages = [("arithmetic mean", arithmetic(&ordered)?), ("geometric mean", geometric(&ordered)?)];
            tables.extend(averages.map(|(name, table)| (Kind::Average, name.to_owned(), table)));
        }
        let stack = self.run.path(&format!("level2/{set}.csv"));
        if stack.exists() {
            tables.push((Kind::Stack, "stack".to_owned(), Table::from_csv(&stack)?));
        }
        Ok(tables)
    }

    /// What a learner's jobs have predicted, before level 2 gathers it: of the folds, those that are done; the test clips
    /// once all of their networks are.
    fn of_jobs(&self, learner: &str, set: &str) -> anyhow::Result<Option<Table>> {
        let names = |wanted: &dyn Fn(&ClipRow) -> bool| -> Vec<String> {
            self.clips.iter().filter(|clip| wanted(clip)).map(|clip| clip.fname.clone()).collect()
        };
        let done = |split: &String| self.run.job(learner, split).join("job.json").exists();
        let rows = |split: &str, names: &[String]| -> anyhow::Result<Table> {
            Ok(self.run.predictions(learner, split)?.selected(self.labels)?.reordered(names)?)
        };
        if set == "test" {
            let splits = self.recipe.test_splits(self.folds);
            if !splits.iter().all(done) {
                return Ok(None);
            }
            let names = names(&|clip| clip.set == "test");
            let tables = splits.iter().map(|split| rows(split, &names)).collect::<Result<Vec<_>, _>>()?;
            return Ok(Some(arithmetic(&tables.iter().collect::<Vec<_>>())?));
        }
        let mut tables = Vec::new();
        for fold in 0..self.folds {
            let split = format!("fold{fold}");
            if done(&split) {
                tables.push(rows(&split, &names(&|clip| clip.fold == Some(fold)))?);
            }
        }
        if tables.is_empty() { Ok(None) } else { Ok(Some(Table::vstack(&tables.iter().collect::<Vec<_>>())?)) }
    }

    /// Judges a table by the clips that it has.
    fn judged(&self, table: &Table, clips: &[&ClipRow]) -> anyhow::Result<Judged> {
        let there: std::collections::HashSet<&String> = table.names().iter().collect();
        let clips: Vec<&ClipRow> = clips.iter().copied().filter(|clip| there.contains(&clip.fname)).collect();
        let names: Vec<String> = clips.iter().map(|clip| clip.fname.clone()).collect();
        let (table, truth) = (table.reordered(&names)?, truth(&clips, self.labels)?);
        let scores = score(self.labels, &truth, &table)?;
        let intervals = bootstrap(&truth, &table, &Resampling::default());
        Ok(Judged { table, truth, scores, intervals })
    }
}

/// The stack against the best single learner and against the arithmetic mean, on the same clips.
fn differences(systems: &[System]) -> Vec<(String, Differences)> {
    let Some(stack) = systems.iter().find(|system| system.kind == Kind::Stack) else { return Vec::new() };
    let map3 = |system: &System| system.out_of_fold.scores.map3;
    let learners = systems.iter().filter(|system| system.kind == Kind::Learner);
    let best = learners.max_by(|a, b| map3(a).total_cmp(&map3(b)));
    let average = systems.iter().find(|system| system.kind == Kind::Average);
    let others = [("the best single learner", best), ("the mean of all learners", average)];
    let others = others.into_iter().filter_map(|(what, other)| Some((what, other?)));
    let comparable = others.filter(|(_, other)| other.out_of_fold.truth.len() == stack.out_of_fold.truth.len());
    comparable
        .map(|(what, other)| {
            let (a, b) = (&stack.out_of_fold, &other.out_of_fold);
            let by = bootstrap_difference(&a.truth, &a.table, &b.table, &Resampling::default());
            let name = if other.kind == Kind::Learner { format!("{what}, {}", other.name) } else { what.to_owned() };
            (name, by)
        })
        .collect()
}

/// The rows of a CSV file; none if there is no such file.
fn rows_if_there<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = earmark_files::read(path)?;
    let rows = csv::Reader::from_reader(bytes.as_slice()).into_deserialize().collect::<Result<_, _>>();
    rows.with_context(|| path.display().to_string())
}
