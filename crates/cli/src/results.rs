//! `earmark evaluate`: scores for people to read, or as JSON.

use earmark_stacking::{Interval, Resampling};

use crate::args::Evaluate;
use crate::run::Run;
use crate::systems::{Judged, Results};
use crate::{jobs, output, submission};

pub fn evaluate(options: &Evaluate) -> anyhow::Result<()> {
    match (&options.run, &options.submission, &options.truth) {
        (Some(run), ..) if options.jobs => jobs::print(&Run::open(run)?, options.json),
        (Some(run), ..) => print(&Results::of(&Run::open(run)?)?, options.json),
        (None, Some(submission), Some(truth)) => submission::evaluate(submission, truth, options.json),
        // The command line does not let this through.
        _ => anyhow::bail!("wanted a run, or --submission and --truth"),
    }
}

/// Prints the scores.
pub fn print(results: &Results, as_json: bool) -> anyhow::Result<()> {
    if as_json { output::print_json(results) } else { output::print(&text(results)) }
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
        let Self { scores, intervals, .. } = self;
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
