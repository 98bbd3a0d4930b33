//! The systems of a run - its learners, their averages, the stack - and how good they are.

use std::collections::HashSet;

use anyhow::Context;
use earmark_stacking::averages::{arithmetic, geometric};
use earmark_stacking::{Differences, Intervals, Resampling, Scores, Table, bootstrap, bootstrap_difference, score};
use rayon::prelude::*;
use serde::Serialize;

use crate::gather;
use crate::recipe::Recipe;
use crate::run::{ClipRow, Run};

/// The system that the others are measured by.
pub const STACK: &str = "stack";
pub const ARITHMETIC: &str = "arithmetic mean";
const GEOMETRIC: &str = "geometric mean";

/// `results.json`.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How the intervals were made: percentiles of the bootstrap over clips.
    pub resampling: Resampling,
    /// Learners, averages and stack, in this order.
    pub systems: Vec<System>,
    /// The stack against the best single learner, and against the arithmetic mean.
    pub differences: Vec<Comparison>,
}

/// What a system is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Learner,
    Average,
    Stack,
}

/// A learner, an average or the stack, judged.
#[derive(Debug, Serialize)]
pub struct System {
    /// The learner's name, `arithmetic mean`, `geometric mean` or `stack`.
    pub name: String,
    #[serde(skip)]
    pub kind: Kind,
    /// On the training clips, each predicted by models that never saw it.
    pub out_of_fold: Judged,
    /// On the test clips, where their labels are known.
    pub test: Option<Judged>,
}

/// Probabilities, and how good they are. In JSON: scores and intervals, as one object.
#[derive(Debug, Serialize)]
pub struct Judged {
    #[serde(skip)]
    pub table: Table,
    /// The class of each row of the table.
    #[serde(skip)]
    pub truth: Vec<usize>,
    #[serde(flatten)]
    pub scores: Scores,
    pub intervals: Intervals,
}

/// By how much one system is better than another, on the same clips.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The system's name.
    pub system: String,
    /// The name of the one that it is compared with.
    pub against: String,
    /// Out of fold. The best learner is chosen by these same clips, which favours it a little.
    pub out_of_fold: Differences,
    /// On the test clips, where their labels are known.
    pub test: Option<Differences>,
}

impl Judged {
    /// Judges a table by the classes of its rows.
    pub fn new(labels: &[String], truth: Vec<usize>, table: Table, resampling: &Resampling) -> anyhow::Result<Self> {
        let (scores, intervals) = (score(labels, &truth, &table)?, bootstrap(&truth, &table, resampling));
        Ok(Self { table, truth, scores, intervals })
    }

    /// By how much this is better than another on the same clips; none where they are other clips.
    fn against(&self, other: &Self, resampling: &Resampling) -> Option<Differences> {
        let same = self.table.names() == other.table.names();
        same.then(|| bootstrap_difference(&self.truth, &self.table, &other.table, resampling))
    }
}

/// The classes of clips, as indices into the labels.
pub fn truth(clips: &[&ClipRow], labels: &[String]) -> anyhow::Result<Vec<usize>> {
    let index = |clip: &&ClipRow| {
        let found = labels.iter().position(|label| *label == clip.label);
        found.with_context(|| format!("clip {} has the label {:?}, which is not in labels.txt", clip.fname, clip.label))
    };
    clips.iter().map(index).collect()
}

/// The tables of all systems of a run with level 2 on one set, by name: `oof` or `test`.
///
/// # Errors
/// The first table that is missing or damaged.
pub fn tables(run: &Run, set: &str) -> anyhow::Result<Vec<(String, Table)>> {
    let tables = Reader::new(run, true)?.tables(set)?;
    Ok(tables.into_iter().map(|(_, name, table)| (name, table)).collect())
}

impl Results {
    /// Of a run with level 2.
    ///
    /// # Errors
    /// The first table that is missing or damaged.
    pub fn of(run: &Run) -> anyhow::Result<Self> {
        Reader::new(run, true)?.results()
    }

    /// Of a run as far as it has come: learners of which a fold is done; averages and stack if they are there.
    ///
    /// # Errors
    /// A table that is damaged.
    pub fn so_far(run: &Run) -> anyhow::Result<Self> {
        Reader::new(run, false)?.results()
    }
}

struct Reader<'a> {
    run: &'a Run,
    /// Whether a table that is missing is an error.
    whole: bool,
    /// Whether level 2 is there and fits the run; without it, the jobs themselves are read.
    stacked: bool,
    recipe: Recipe,
    labels: Vec<String>,
    clips: Vec<ClipRow>,
}

impl<'a> Reader<'a> {
    fn new(run: &'a Run, whole: bool) -> anyhow::Result<Self> {
        let fault = if run.has_level2() { run.level2_fault()? } else { Some(not_stacked(run)) };
        let stacked = fault.is_none();
        anyhow::ensure!(stacked || !whole, fault.unwrap_or_default());
        Ok(Self { run, whole, stacked, recipe: run.recipe()?, labels: run.labels()?, clips: run.clips()? })
    }

    fn results(&self) -> anyhow::Result<Results> {
        let resampling = Resampling::default();
        let out_of_fold = self.judged("oof", "train", &resampling)?;
        let mut tests = self.clips.iter().filter(|clip| clip.set == "test").peekable();
        let known = tests.peek().is_some() && tests.all(|clip| !clip.label.is_empty());
        let mut on_test = if known { self.judged("test", "test", &resampling)? } else { Vec::new() };
        let systems = out_of_fold.into_iter().map(|(kind, name, out_of_fold)| {
            let place = on_test.iter().position(|(_, other, _)| *other == name);
            System { test: place.map(|place| on_test.swap_remove(place).2), name, kind, out_of_fold }
        });
        let systems: Vec<System> = systems.collect();
        let differences = differences(&systems, &resampling);
        Ok(Results { resampling, systems, differences })
    }

    /// All systems judged by the clips of a set that they have, in the run's order.
    fn judged(&self, folder: &str, set: &str, resampling: &Resampling) -> anyhow::Result<Vec<(Kind, String, Judged)>> {
        let judged = |(kind, name, table): (Kind, String, Table)| {
            let there: HashSet<&String> = table.names().iter().collect();
            let has = |clip: &&ClipRow| clip.set == set && (self.whole || there.contains(&clip.fname));
            let clips: Vec<&ClipRow> = self.clips.iter().filter(has).collect();
            let names: Vec<String> = clips.iter().map(|clip| clip.fname.clone()).collect();
            let judged = Judged::new(&self.labels, truth(&clips, &self.labels)?, table.reordered(&names)?, resampling)?;
            Ok((kind, name, judged))
        };
        self.tables(folder)?.into_par_iter().map(judged).collect()
    }

    /// The tables of all systems on one set: `oof` or `test`.
    fn tables(&self, set: &str) -> anyhow::Result<Vec<(Kind, String, Table)>> {
        let gathered = |name: &str| {
            let path = self.run.path(name);
            (self.whole || self.stacked && path.exists()).then(|| Table::from_csv(&path)).transpose()
        };
        let mut tables = Vec::new();
        for learner in &self.recipe.learners {
            let table = match gathered(&format!("{set}/{}.csv", learner.name))? {
                None => gather::so_far(self.run, &self.recipe, &learner.name, set, &self.clips, &self.labels)?,
                table => table,
            };
            tables.extend(table.map(|table| (Kind::Learner, learner.name.clone(), table)));
        }
        let clips = self.clips.iter().filter(|clip| (clip.set == "test") == (set == "test")).count();
        let whole: Vec<&Table> = tables.iter().map(|(_, _, table)| table).collect();
        if whole.len() == self.recipe.learners.len() && whole.iter().all(|table| table.names().len() == clips) {
            let ordered = whole.iter().map(|table| table.reordered(whole[0].names())).collect::<Result<Vec<_>, _>>()?;
            let ordered: Vec<&Table> = ordered.iter().collect();
            let averages = [(ARITHMETIC, arithmetic(&ordered)?), (GEOMETRIC, geometric(&ordered)?)];
            tables.extend(averages.map(|(name, table)| (Kind::Average, name.to_owned(), table)));
        }
        let stack = gathered(&format!("level2/{set}.csv"))?;
        tables.extend(stack.map(|table| (Kind::Stack, STACK.to_owned(), table)));
        Ok(tables)
    }
}

/// Why a run has no scores yet.
fn not_stacked(run: &Run) -> String {
    let folder = run.folder.display();
    format!(
        "the learners of {folder} are not stacked yet: `earmark train` goes on where it stopped, `earmark stack {folder}` \
         stacks them when all jobs are done; `earmark evaluate {folder} --jobs` and `earmark report {folder}` tell how far \
         it has come"
    )
}

/// The stack against the best single learner and against the arithmetic mean, where all have the same clips.
fn differences(systems: &[System], resampling: &Resampling) -> Vec<Comparison> {
    let Some(stack) = systems.iter().find(|system| system.kind == Kind::Stack) else { return Vec::new() };
    let map3 = |system: &&System| system.out_of_fold.scores.map3;
    let learners = systems.iter().filter(|system| system.kind == Kind::Learner);
    let best = learners.max_by(|a, b| map3(a).total_cmp(&map3(b)));
    let mean = systems.iter().find(|system| system.name == ARITHMETIC && system.kind == Kind::Average);
    let compared = best.into_iter().chain(mean).filter_map(|other| {
        let test = stack.test.as_ref().zip(other.test.as_ref());
        Some(Comparison {
            system: STACK.to_owned(),
            against: other.name.clone(),
            out_of_fold: stack.out_of_fold.against(&other.out_of_fold, resampling)?,
            test: test.and_then(|(stack, other)| stack.against(other, resampling)),
        })
    });
    compared.collect()
}
