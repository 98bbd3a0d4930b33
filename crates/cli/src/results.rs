//! The scores of a run: every learner, their averages, the stack.

use anyhow::Context;
use earmark_stacking::averages::{arithmetic, geometric};
use earmark_stacking::{
    Differences, Interval, Intervals, Resampling, Scores, Table, bootstrap, bootstrap_difference, score,
};
use rayon::prelude::*;
use serde::Serialize;

use crate::args::Evaluate;
use crate::jobs;
use crate::output;
use crate::run::{ClipRow, Run};
use crate::submission;

/// The system that the others are measured by.
pub const STACK: &str = "stack";
const ARITHMETIC: &str = "arithmetic mean";
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

/// One system's scores.
#[derive(Debug, Serialize)]
pub struct System {
    /// The learner's name, `arithmetic mean`, `geometric mean` or `stack`.
    pub name: String,
    /// On the training clips, each predicted by models that never saw it.
    pub out_of_fold: Judged,
    /// On the test clips, where their labels are known.
    pub test: Option<Judged>,
}

/// Scores, and how sure they are; one object in JSON.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// The scores.
    #[serde(flatten)]
    pub scores: Scores,
    /// Their intervals.
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

pub fn evaluate(options: &Evaluate) -> anyhow::Result<()> {
    match (&options.run, &options.submission, &options.truth) {
        (Some(run), ..) if options.jobs => jobs::print(&Run::open(run)?, options.json),
        (Some(run), ..) => print(&Run::open(run)?, options.json),
        (None, Some(submission), Some(truth)) => submission::evaluate(submission, truth, options.json),
        // The command line does not let this through.
        _ => anyhow::bail!("wanted a run, or --submission and --truth"),
    }
}

/// Prints the scores, judged anew from the run's tables.
pub fn print(run: &Run, as_json: bool) -> anyhow::Result<()> {
    let results = judge(run)?;
    if as_json { output::print_json(&results) } else { output::print(&text(&results)) }
}

/// The classes of clips, as indices into the labels.
pub fn truth(clips: &[&ClipRow], labels: &[String]) -> anyhow::Result<Vec<usize>> {
    let index = |clip: &&ClipRow| {
        let found = labels.iter().position(|label| *label == clip.label);
        found.with_context(|| format!("clip {} has the label {:?}, which is not in labels.txt", clip.fname, clip.label))
    };
    clips.iter().map(index).collect()
}

/// The scores of a table, with their intervals.
pub fn judged(labels: &[String], truth: &[usize], table: &Table, resampling: &Resampling) -> anyhow::Result<Judged> {
    Ok(Judged { scores: score(labels, truth, table)?, intervals: bootstrap(truth, table, resampling) })
}

/// The tables of all systems on clips whose labels are known.
struct Known {
    labels: Vec<String>,
    truth: Vec<usize>,
    tables: Vec<(String, Table)>,
}

impl Known {
    fn new(run: &Run, set: &str, clips: &[&ClipRow]) -> anyhow::Result<Self> {
        let labels = run.labels()?;
        let names: Vec<String> = clips.iter().map(|clip| clip.fname.clone()).collect();
        let tables = tables(run, set)?.into_iter().map(|(name, table)| Ok((name, table.reordered(&names)?)));
        Ok(Self { truth: truth(clips, &labels)?, tables: tables.collect::<anyhow::Result<_>>()?, labels })
    }

    fn judged(&self, resampling: &Resampling) -> anyhow::Result<Vec<Judged>> {
        let judged = |(_, table): &(String, Table)| judged(&self.labels, &self.truth, table, resampling);
        self.tables.par_iter().map(judged).collect()
    }

    /// By how much the stack is better than the system of this name.
    fn stack_against(&self, name: &str, resampling: &Resampling) -> Option<Differences> {
        let table = |wanted: &str| self.tables.iter().find(|(name, _)| name == wanted).map(|(_, table)| table);
        Some(bootstrap_difference(&self.truth, table(STACK)?, table(name)?, resampling))
    }
}

/// Scores of all systems, from the tables in the run's folder.
pub fn judge(run: &Run) -> anyhow::Result<Results> {
    let resampling = Resampling::default();
    let clips = run.clips()?;
    let (train, test): (Vec<&ClipRow>, _) = clips.iter().partition(|clip| clip.set == "train");
    let test_known = !test.is_empty() && test.iter().all(|clip| !clip.label.is_empty());

    let oof = Known::new(run, "oof", &train)?;
    let on_test = if test_known { Some(Known::new(run, "test", &test)?) } else { None };
    let mut of_test = on_test.as_ref().map_or(Ok(Vec::new()), |test| test.judged(&resampling))?.into_iter();
    let names = oof.tables.iter().map(|(name, _)| name.clone());
    let systems: Vec<System> = names
        .zip(oof.judged(&resampling)?)
        .map(|(name, out_of_fold)| System { name, out_of_fold, test: of_test.next() })
        .collect();

    let learners = systems.iter().take_while(|system| system.name != ARITHMETIC);
    let best = learners.max_by(|a, b| a.out_of_fold.scores.map3.total_cmp(&b.out_of_fold.scores.map3));
    let compared = best.map(|best| best.name.as_str()).into_iter().chain([ARITHMETIC]);
    let differences = compared.filter_map(|name| {
        Some(Comparison {
            system: STACK.to_owned(),
            against: name.to_owned(),
            out_of_fold: oof.stack_against(name, &resampling)?,
            test: on_test.as_ref().and_then(|test| test.stack_against(name, &resampling)),
        })
    });
    Ok(Results { resampling, differences: differences.collect(), systems })
}

/// The tables of all systems on one set, by name: `oof` or `test`.
pub fn tables(run: &Run, set: &str) -> anyhow::Result<Vec<(String, Table)>> {
    let mut tables = Vec::new();
    for learner in run.recipe()?.learners {
        tables.push((learner.name.clone(), Table::from_csv(&run.path(&format!("{set}/{}.csv", learner.name)))?));
    }
    let learners: Vec<&Table> = tables.iter().map(|(_, table)| table).collect();
    let averages = [(ARITHMETIC, arithmetic(&learners)?), (GEOMETRIC, geometric(&learners)?)];
    let stack = Table::from_csv(&run.path(&format!("level2/{set}.csv")))?;
    let others = averages.into_iter().chain([(STACK, stack)]).map(|(name, table)| (name.to_owned(), table));
    tables.extend(others.collect::<Vec<_>>());
    Ok(tables)
}

/// The scores as tables: one line per system, out of fold and on the test clips; what the stack is better by; average
/// precision by class.
pub fn text(results: &Results) -> String {
    let of_test: Option<Vec<_>> =
        results.systems.iter().map(|system| system.test.as_ref().map(|test| (&system.name, test))).collect();
    let oof = results.systems.iter().map(|system| (&system.name, &system.out_of_fold)).collect();
    let sets = [Some(("out of fold", oof)), of_test.map(|systems| ("test", systems))];
    let scores: String = sets.into_iter().flatten().map(|(set, systems)| scores_text(set, systems) + "\n").collect();
    let differences = output::table(&differences_rows(results));
    let note = interval_note(&results.resampling);
    format!("{scores}{differences}{note}\n\n{}", output::table(&class_rows(results)))
}

/// What the brackets are.
pub fn interval_note(resampling: &Resampling) -> String {
    format!(
        "In brackets: {} % intervals, of {} resamples of the clips.",
        resampling.level * 100.0,
        resampling.resamples
    )
}

fn scores_text(set: &str, systems: Vec<(&String, &Judged)>) -> String {
    let header = [set, "mAP@3", "accuracy", "macro AP", "macro AUC", "ECE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(systems.into_iter().map(|(name, judged)| [vec![name.clone()], judged.cells()].concat()));
    output::table(&rows)
}

impl Judged {
    /// mAP@3, accuracy, macro AP, macro AUC, ECE; the first three with their intervals.
    pub fn cells(&self) -> Vec<String> {
        let Self { scores, intervals } = self;
        vec![
            with_interval(scores.map3, intervals.map3),
            with_interval(scores.accuracy, intervals.accuracy),
            with_interval(scores.macro_average_precision, intervals.macro_average_precision),
            cell(scores.macro_roc_auc),
            cell(scores.expected_calibration_error),
        ]
    }
}

fn differences_rows(results: &Results) -> Vec<Vec<String>> {
    let has_test = results.differences.iter().any(|comparison| comparison.test.is_some());
    let header = ["better by", "mAP@3", "accuracy", "test mAP@3", "test accuracy"];
    let mut rows = vec![header[..if has_test { 5 } else { 3 }].iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>()];
    for comparison in &results.differences {
        let sets = [Some(&comparison.out_of_fold), comparison.test.as_ref()];
        let cells = sets.into_iter().flatten().flat_map(|set| [set.map3, set.accuracy]).map(|difference| {
            let Interval { low, high } = difference.interval;
            format!("{:+.4} [{low:+.3}, {high:+.3}]", difference.value)
        });
        let name = format!("{} than {}", comparison.system, comparison.against);
        rows.push([name].into_iter().chain(cells).collect());
    }
    rows
}

fn class_rows(results: &Results) -> Vec<Vec<String>> {
    let header = ["average precision, out of fold".to_owned(), "clips".to_owned()];
    let names = results.systems.iter().map(|system| system.name.clone());
    let mut rows = vec![header.into_iter().chain(names).collect::<Vec<_>>()];
    let classes = results.systems.first().map_or(0, |system| system.out_of_fold.scores.per_class.len());
    for class in 0..classes {
        let scores = || results.systems.iter().map(|system| &system.out_of_fold.scores.per_class[class]);
        let first = scores().next().map_or((String::new(), 0), |score| (score.label.clone(), score.clips));
        let cells = scores().map(|score| cell(score.average_precision));
        rows.push([first.0, first.1.to_string()].into_iter().chain(cells).collect());
    }
    rows
}

/// A score, or a dash where there is none.
pub fn cell(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.4}") }
}

/// A score with its interval.
pub fn with_interval(value: f64, Interval { low, high }: Interval) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.4} [{low:.3}, {high:.3}]") }
}
