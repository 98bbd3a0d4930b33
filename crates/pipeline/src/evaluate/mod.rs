//! The models of a run - its learners, their averages, the stack - and their scores.

mod jobs;
mod multi_label_text;
mod scoring;
mod store;
mod text;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use earmark_datasets::Task;
use earmark_files::did_you_mean;
use earmark_stacking::averages::arithmetic;
use earmark_stacking::{Resampling, Table};
use rayon::prelude::*;
use serde::Serialize;

pub use jobs::{JobScores, JobsTable, evaluate_jobs};
pub(crate) use scoring::truth;
pub use scoring::{MultiLabel, Scoring, SingleLabel};
pub use text::{ScoreTables, interval_note};

use crate::base_predictions::{self, BasePredictions};
use crate::error::{PipelineError, Result};
use crate::names::{ARITHMETIC, GEOMETRIC, STACK};
use crate::recipe::Recipe;
use crate::run::{ClipRow, Run};

/// The scores of a run whose learners are stacked.
///
/// # Errors
/// The folder is not a run; [`PipelineError::NotStacked`]; the first table that is missing or
/// damaged.
pub fn evaluate(folder: &Path) -> Result<RunResults> {
    Reader::new(&Run::open(folder)?, true)?.results()
}

/// The scores of a run that need not be finished: the learners with at least one finished fold, and
/// the averages and the stack if they exist.
///
/// # Errors
/// The folder is not a run; a table is damaged.
pub fn evaluate_so_far(folder: &Path) -> Result<RunResults> {
    Reader::new(&Run::open(folder)?, false)?.results()
}

/// The results of a run of either task.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum RunResults {
    /// Each clip has one label.
    SingleLabel(Results),
    /// A clip may have several labels.
    MultiLabel(Results<MultiLabel>),
}

impl fmt::Display for RunResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SingleLabel(results) => results.fmt(f),
            Self::MultiLabel(results) => results.fmt(f),
        }
    }
}

/// `results.json`.
#[derive(Debug, Serialize)]
#[serde(bound = "")]
pub struct Results<S: Scoring = SingleLabel> {
    /// How the intervals were computed: percentiles of the bootstrap over clips.
    pub resampling: Resampling,
    /// Learners, averages and stack, in this order.
    #[serde(rename = "systems")]
    pub models: Vec<Model<S>>,
    /// The stack compared with the best single learner, and with the arithmetic mean.
    pub differences: Vec<Comparison<S>>,
}

/// The kind of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// A learner of the recipe.
    Learner,
    /// A mean of all learners' probabilities.
    Average,
    /// Level 2.
    Stack,
}

/// A learner, an average or the stack, with its scores.
#[derive(Debug, Serialize)]
#[serde(bound = "")]
pub struct Model<S: Scoring = SingleLabel> {
    /// The learner's name, `arithmetic mean`, `geometric mean` or `stack`.
    pub name: String,
    /// Whether it is a learner, an average or the stack.
    #[serde(skip)]
    pub kind: ModelKind,
    /// On the training clips, each predicted by models that were not trained on it.
    pub out_of_fold: Evaluation<S>,
    /// On the test clips, if their labels are known.
    pub test: Option<Evaluation<S>>,
}

/// Probabilities and their scores. JSON has only the scores and intervals, as one object.
#[derive(Debug, Serialize)]
#[serde(bound = "")]
pub struct Evaluation<S: Scoring = SingleLabel> {
    /// The probabilities.
    #[serde(skip)]
    pub table: Table,
    /// The true labels of each row of the table.
    #[serde(skip)]
    pub truth: Vec<S::Truth>,
    /// The scores.
    #[serde(flatten)]
    pub scores: S::Scores,
    /// The confidence intervals of the scores.
    pub intervals: S::Intervals,
}

/// How much better one model is than another, on the same clips.
#[derive(Debug, Serialize)]
#[serde(bound = "")]
pub struct Comparison<S: Scoring = SingleLabel> {
    /// The model's name.
    #[serde(rename = "system")]
    pub model: String,
    /// The name of the model that it is compared with.
    pub against: String,
    /// Out of fold. The best learner is chosen on these same clips, which favors it slightly.
    pub out_of_fold: S::Differences,
    /// On the test clips, if their labels are known.
    pub test: Option<S::Differences>,
}

impl<S: Scoring> Evaluation<S> {
    /// Scores a table against the true labels of its rows. If there are thresholds, they are chosen
    /// on the same rows.
    pub fn new(labels: &[String], truth: Vec<S::Truth>, table: Table, resampling: &Resampling) -> Result<Self> {
        Self::scored(labels, truth, table, None, resampling)
    }

    /// Scores a table; `before` has the scores out of fold, if the table is of test clips.
    fn scored(
        labels: &[String],
        truth: Vec<S::Truth>,
        table: Table,
        before: Option<&S::Scores>,
        resampling: &Resampling,
    ) -> Result<Self> {
        let scores = S::score(labels, &truth, &table, before)?;
        let intervals = S::intervals(&truth, &table, resampling);
        Ok(Self { table, truth, scores, intervals })
    }

    /// How much better this is than another on the same clips; `None` if they have different clips.
    fn against(&self, other: &Self, resampling: &Resampling) -> Option<S::Differences> {
        let same = self.table.names() == other.table.names();
        same.then(|| S::differences(&self.truth, &self.table, &other.table, resampling))
    }
}

/// The tables of all models of a run with level 2, by model name; `set` is `oof` or `test`.
///
/// # Errors
/// The first table that is missing or damaged.
fn tables(run: &Run, set: &str) -> Result<Vec<(String, Table)>> {
    let tables = Reader::new(run, true)?.tables(set)?;
    Ok(tables.into_iter().map(|(_, name, table)| (name, table)).collect())
}

/// The table of one model of a run with level 2; `set` is `oof` or `test`.
///
/// # Errors
/// The errors of [`tables`]; [`PipelineError::Prediction`]: the run has no such model.
pub(crate) fn table(run: &Run, set: &str, model: &str) -> Result<Table> {
    let mut tables = tables(run, set)?;
    match tables.iter().position(|(name, _)| name == model) {
        Some(index) => Ok(tables.swap_remove(index).1),
        None => {
            let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
            let (meant, run, names) = (did_you_mean(model, names.clone()), run.folder.display(), names.join(", "));
            Err(PipelineError::Prediction(format!("{run} has no model {model:?}; its models are {names}{meant}")))
        }
    }
}

/// A model with its predictions for one set.
type ModelTable = (ModelKind, String, Table);

impl<S: Scoring> Results<S> {
    /// Scores the predictions that level 2 was fitted on, and the predictions of level 2: out of
    /// fold, and for the test clips.
    pub(crate) fn of_tables(labels: &[String], clips: &[ClipRow], sets: [(BasePredictions, Table); 2]) -> Result<Self> {
        let [out_of_fold, on_test] = sets.map(|(base, stack)| -> Result<Vec<ModelTable>> {
            let learners = base.learners.into_iter().map(|(name, table)| (ModelKind::Learner, name, table));
            let learners: Vec<ModelTable> = learners.collect();
            let count = learners.len();
            let mut tables = with_averages::<S>(learners, count, stack.names().len())?;
            tables.push((ModelKind::Stack, STACK.to_owned(), stack));
            Ok(tables)
        });
        Scorer { labels, clips, whole: true }.results(out_of_fold?, on_test?)
    }
}

/// Adds the averages to the tables of the learners if every learner has all clips.
fn with_averages<S: Scoring>(mut tables: Vec<ModelTable>, learners: usize, clips: usize) -> Result<Vec<ModelTable>> {
    let whole: Vec<&Table> =
        tables.iter().map(|(_, _, table)| table).filter(|table| table.names().len() == clips).collect();
    if whole.len() == learners && learners > 0 {
        let names = whole[0].names();
        let ordered = whole.iter().map(|table| table.reordered(names)).collect::<Result<Vec<_>, _>>()?;
        let ordered: Vec<&Table> = ordered.iter().collect();
        let averages = [(ARITHMETIC, arithmetic(&ordered)?), (GEOMETRIC, S::geometric(&ordered)?)];
        tables.extend(averages.map(|(name, table)| (ModelKind::Average, name.to_owned(), table)));
    }
    Ok(tables)
}

/// Scores tables against the labels of a run's clips.
struct Scorer<'a> {
    labels: &'a [String],
    clips: &'a [ClipRow],
    /// Whether a table must have every clip.
    whole: bool,
}

impl Scorer<'_> {
    fn results<S: Scoring>(&self, out_of_fold: Vec<ModelTable>, mut on_test: Vec<ModelTable>) -> Result<Results<S>> {
        let resampling = Resampling::default();
        let mut tests = self.clips.iter().filter(|clip| !clip.is_train()).peekable();
        if tests.peek().is_none() || tests.any(|clip| clip.label.is_empty()) {
            on_test.clear();
        }
        let mut of_test = |name: &str| {
            let index = on_test.iter().position(|(_, other, _)| other == name)?;
            Some(on_test.swap_remove(index).2)
        };
        let both: Vec<(ModelTable, Option<Table>)> = out_of_fold
            .into_iter()
            .map(|table| {
                let test = of_test(&table.1);
                (table, test)
            })
            .collect();
        let scored = |((kind, name, table), test): (ModelTable, Option<Table>)| -> Result<Model<S>> {
            let out_of_fold = self.scored(table, "train", None, &resampling)?;
            let test = test.map(|table| self.scored(table, "test", Some(&out_of_fold), &resampling)).transpose()?;
            Ok(Model { name, kind, out_of_fold, test })
        };
        let models: Vec<Model<S>> = both.into_par_iter().map(scored).collect::<Result<_>>()?;
        let differences = differences(&models, &resampling);
        Ok(Results { resampling, models, differences })
    }

    /// Scores a table on those clips of a set that it has, in the run's order.
    fn scored<S: Scoring>(
        &self,
        table: Table,
        set: &str,
        before: Option<&Evaluation<S>>,
        resampling: &Resampling,
    ) -> Result<Evaluation<S>> {
        let known: HashSet<&String> = table.names().iter().collect();
        let has = |clip: &&ClipRow| clip.set == set && (self.whole || known.contains(&clip.fname));
        let clips: Vec<&ClipRow> = self.clips.iter().filter(has).collect();
        let names: Vec<String> = clips.iter().map(|clip| clip.fname.clone()).collect();
        let (truth, before) = (truth::<S>(&clips, self.labels)?, before.map(|before| &before.scores));
        Evaluation::scored(self.labels, truth, table.reordered(&names)?, before, resampling)
    }
}

/// Reads the tables of a run.
struct Reader<'a> {
    run: &'a Run,
    /// Whether a missing table is an error.
    whole: bool,
    /// Whether level 2 is complete and fits the run; if not, the predictions of the jobs are read.
    stacked: bool,
    task: Task,
    recipe: Recipe,
    labels: Vec<String>,
    clips: Vec<ClipRow>,
}

impl<'a> Reader<'a> {
    fn new(run: &'a Run, whole: bool) -> Result<Self> {
        let fault = if run.has_level2() { run.level2_fault()? } else { Some(not_stacked(run)) };
        let stacked = fault.is_none();
        if let (Some(fault), true) = (fault, whole) {
            return Err(if run.has_level2() {
                PipelineError::OtherRun(fault)
            } else {
                PipelineError::NotStacked(fault)
            });
        }
        let (task, recipe, labels, clips) = (run.task()?, run.recipe()?, run.labels()?, run.clips()?);
        Ok(Self { run, whole, stacked, task, recipe, labels, clips })
    }

    fn results(&self) -> Result<RunResults> {
        let scorer = Scorer { labels: &self.labels, clips: &self.clips, whole: self.whole };
        let (out_of_fold, on_test) = (self.tables("oof")?, self.tables("test")?);
        Ok(match self.task {
            Task::SingleLabel => RunResults::SingleLabel(scorer.results(out_of_fold, on_test)?),
            Task::MultiLabel => RunResults::MultiLabel(scorer.results(out_of_fold, on_test)?),
        })
    }

    /// The tables of all models for one set, `oof` or `test`.
    fn tables(&self, set: &str) -> Result<Vec<ModelTable>> {
        let stored = |name: &str| {
            let path = self.run.path(name);
            (self.whole || self.stacked && path.exists()).then(|| Table::from_csv(&path)).transpose()
        };
        let mut tables = Vec::new();
        for learner in &self.recipe.learners {
            let table = match stored(&format!("{set}/{}.csv", learner.name))? {
                None => {
                    base_predictions::so_far(self.run, &self.recipe, &learner.name, set, &self.clips, &self.labels)?
                }
                table => table,
            };
            tables.extend(table.map(|table| (ModelKind::Learner, learner.name.clone(), table)));
        }
        let clips = self.clips.iter().filter(|clip| clip.is_train() == (set == "oof")).count();
        let learners = self.recipe.learners.len();
        let mut tables = match self.task {
            Task::SingleLabel => with_averages::<SingleLabel>(tables, learners, clips)?,
            Task::MultiLabel => with_averages::<MultiLabel>(tables, learners, clips)?,
        };
        let stack = stored(&format!("level2/{set}.csv"))?;
        tables.extend(stack.map(|table| (ModelKind::Stack, STACK.to_owned(), table)));
        Ok(tables)
    }
}

/// Why a run has no scores yet.
fn not_stacked(run: &Run) -> String {
    let folder = run.folder.display();
    format!(
        "the learners of {folder} are not stacked yet: the same `earmark train` resumes the run, \
         `earmark stack {folder}` stacks them when all jobs are done; `earmark evaluate {folder} --jobs` and \
         `earmark report {folder}` show what is done so far"
    )
}

/// Compares the stack with the best single learner and with the arithmetic mean, if all have the
/// same clips.
fn differences<S: Scoring>(models: &[Model<S>], resampling: &Resampling) -> Vec<Comparison<S>> {
    let Some(stack) = models.iter().find(|model| model.kind == ModelKind::Stack) else { return Vec::new() };
    let merit = |model: &&Model<S>| S::merit(&model.out_of_fold.scores);
    let learners = models.iter().filter(|model| model.kind == ModelKind::Learner);
    let best = learners.max_by(|a, b| merit(a).total_cmp(&merit(b)));
    let mean = models.iter().find(|model| model.name == ARITHMETIC && model.kind == ModelKind::Average);
    let compared = best.into_iter().chain(mean).filter_map(|other| {
        let test = stack.test.as_ref().zip(other.test.as_ref());
        Some(Comparison {
            model: STACK.to_owned(),
            against: other.name.clone(),
            out_of_fold: stack.out_of_fold.against(&other.out_of_fold, resampling)?,
            test: test.and_then(|(stack, other)| stack.against(other, resampling)),
        })
    });
    compared.collect()
}
