//! Compares two runs on the same clips.

mod text;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use earmark_datasets::Task;
use earmark_stacking::{PairedScores, Resampling, Table, compare as compare_tables, compare_multi_label};
use serde::Serialize;

use crate::error::Result;
use crate::evaluate::{self, MultiLabel, SingleLabel, truth};
use crate::incomparable::{Incomparable, Relabelled};
use crate::names::STACK;
use crate::run::{ClipRow, Run};

/// What to compare.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// The model, the same of both runs: a learner's name, `arithmetic mean`, `geometric mean` or
    /// `stack`.
    pub model: String,
    /// Whether to compare only the clips that both runs have. Otherwise a clip that only one of
    /// them has is an error.
    pub common: bool,
}

impl Default for CompareOptions {
    /// The stacks, on the same clips.
    fn default() -> Self {
        Self { model: STACK.to_owned(), common: false }
    }
}

/// The scores of two runs, and how much higher those of the second are.
#[derive(Debug, Serialize)]
pub struct RunComparison {
    /// The folders of the runs: A and B.
    pub runs: [PathBuf; 2],
    /// The model.
    pub model: String,
    /// What the clips may have.
    pub task: Task,
    /// How the intervals were computed: percentiles of the bootstrap over clips.
    pub resampling: Resampling,
    /// The number of clips that only A has, and that only B has.
    pub only: [usize; 2],
    /// On the training clips, each predicted by models that were not trained on it.
    pub out_of_fold: PairedScores,
    /// On the test clips, if both runs have some and their labels are known.
    pub test: Option<PairedScores>,
}

/// Compares a model of two runs with level 2 on the same clips. Both runs are only read.
///
/// ```no_run,standalone_crate
/// use earmark_pipeline::{CompareOptions, compare};
///
/// let comparison = compare("runs/a".as_ref(), "runs/b".as_ref(), &CompareOptions::default())?;
/// for score in &comparison.out_of_fold.scores {
///     println!("{}: {:+.4} in {:?}", score.name, score.difference, score.interval);
/// }
/// # Ok::<(), earmark_pipeline::PipelineError>(())
/// ```
///
/// # Errors
/// A folder is not a run with level 2, or has no such model; [`Incomparable`]: the tasks, classes,
/// clips or labels of the runs differ.
pub fn compare(a: &Path, b: &Path, options: &CompareOptions) -> Result<RunComparison> {
    let sides = [Side::open(a, &options.model)?, Side::open(b, &options.model)?];
    let runs = sides.each_ref().map(|side| side.folder.clone());
    let [task, other] = sides.each_ref().map(|side| side.task);
    if task != other {
        return Err(Incomparable::Tasks { runs, tasks: [task, other] }.into());
    }
    same_classes(&sides)?;
    let resampling = Resampling::default();
    let training = Clips::of(&sides, TRAINING, options.common)?;
    let out_of_fold = training.scores(&sides, task, &resampling)?;
    let test = Clips::of(&sides, TEST, options.common)?;
    let known = |clips: &Vec<&ClipRow>| clips.iter().all(|clip| !clip.label.is_empty());
    let is_scored = test.both.iter().all(known) && !test.both[0].is_empty();
    let of_test = is_scored.then(|| test.scores(&sides, task, &resampling)).transpose()?;
    let only = [0, 1].map(|side| training.only[side].len() + if is_scored { test.only[side].len() } else { 0 });
    let (model, test) = (options.model.clone(), of_test);
    Ok(RunComparison { runs, model, task, resampling, only, out_of_fold, test })
}

/// A set of clips: its name for people, and its predictions in [`Side::tables`].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Set {
    name: &'static str,
    table: usize,
}

const TRAINING: Set = Set { name: "training", table: 0 };
const TEST: Set = Set { name: "test", table: 1 };

/// One of the two runs.
struct Side {
    folder: PathBuf,
    task: Task,
    labels: Vec<String>,
    clips: Vec<ClipRow>,
    /// The model's predictions, out of fold and for the test clips.
    tables: [Table; 2],
}

impl Side {
    fn open(folder: &Path, model: &str) -> Result<Self> {
        let run = Run::open(folder)?;
        let table = |set: &str| evaluate::table(&run, set, model);
        let tables = [table("oof")?, table("test")?];
        let (task, labels, clips) = (run.task()?, run.labels()?, run.clips()?);
        Ok(Self { folder: folder.to_owned(), task, labels, clips, tables })
    }

    fn of_set(&self, set: Set) -> Vec<&ClipRow> {
        self.clips.iter().filter(|clip| clip.is_train() == (set == TRAINING)).collect()
    }
}

fn same_classes(sides: &[Side; 2]) -> Result<(), Incomparable> {
    let beyond = |a: &Side, b: &Side| a.labels.iter().filter(|label| !b.labels.contains(label)).cloned().collect();
    let only: [Vec<String>; 2] = [beyond(&sides[0], &sides[1]), beyond(&sides[1], &sides[0])];
    if only.iter().all(Vec::is_empty) {
        return Ok(());
    }
    Err(Incomparable::Classes { runs: sides.each_ref().map(|side| side.folder.clone()), only })
}

/// The clips of a set.
struct Clips<'a> {
    set: Set,
    /// Those that both runs have, in the order of the first, as each run has them.
    both: [Vec<&'a ClipRow>; 2],
    /// The names of those that only one run has.
    only: [Vec<String>; 2],
}

impl<'a> Clips<'a> {
    fn of(sides: &'a [Side; 2], set: Set, common: bool) -> Result<Self, Incomparable> {
        let [a, b] = sides.each_ref().map(|side| side.of_set(set));
        let in_b: HashMap<&str, &ClipRow> = b.iter().map(|clip| (clip.fname.as_str(), *clip)).collect();
        let in_a: HashSet<&str> = a.iter().map(|clip| clip.fname.as_str()).collect();
        let pairs = a.iter().filter_map(|clip| Some((*clip, *in_b.get(clip.fname.as_str())?)));
        let (both_a, both_b): (Vec<_>, Vec<_>) = pairs.unzip();
        let only = [
            a.iter().filter(|clip| !in_b.contains_key(clip.fname.as_str())).map(|clip| clip.fname.clone()).collect(),
            b.iter().filter(|clip| !in_a.contains(clip.fname.as_str())).map(|clip| clip.fname.clone()).collect(),
        ];
        let runs = || sides.each_ref().map(|side| side.folder.clone());
        if set == TRAINING && both_a.is_empty() {
            let first = |clips: &[&ClipRow]| clips.first().map_or("none".to_owned(), |clip| clip.fname.clone());
            return Err(Incomparable::NothingInCommon { runs: runs(), names: [first(&a), first(&b)] });
        }
        // A run without test clips can be compared out of fold.
        let is_needed = set == TRAINING || !a.is_empty() && !b.is_empty();
        if !common && is_needed && only.iter().any(|names: &Vec<String>| !names.is_empty()) {
            return Err(Incomparable::Clips { runs: runs(), set: set.name, only });
        }
        Ok(Self { set, both: [both_a, both_b], only })
    }

    fn scores(&self, sides: &[Side; 2], task: Task, resampling: &Resampling) -> Result<PairedScores> {
        same_labels(sides, self)?;
        let (labels, clips) = (&sides[0].labels, &self.both[0]);
        let names: Vec<String> = clips.iter().map(|clip| clip.fname.clone()).collect();
        let table = |side: &Side| side.tables[self.set.table].reordered(&names)?.selected(labels);
        let (a, b) = (table(&sides[0])?, table(&sides[1])?);
        Ok(match task {
            Task::SingleLabel => compare_tables(&truth::<SingleLabel>(clips, labels)?, &a, &b, resampling),
            Task::MultiLabel => compare_multi_label(&truth::<MultiLabel>(clips, labels)?, &a, &b, resampling),
        })
    }
}

fn same_labels(sides: &[Side; 2], clips: &Clips<'_>) -> Result<(), Incomparable> {
    let sorted = |clip: &ClipRow| {
        let mut labels: Vec<String> = clip.labels().map(str::to_owned).collect();
        labels.sort();
        labels
    };
    let [a, b] = &clips.both;
    let both = a.iter().zip(b).map(|(a, b)| Relabelled { name: a.fname.clone(), labels: [sorted(a), sorted(b)] });
    let clips: Vec<Relabelled> = both.filter(|clip| clip.labels[0] != clip.labels[1]).collect();
    if clips.is_empty() {
        return Ok(());
    }
    Err(Incomparable::Labels { runs: sides.each_ref().map(|side| side.folder.clone()), clips })
}
