//! The report of a check, as data and as text.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use earmark_tables::{counted, text_table};
use serde::Serialize;

use super::problem::Problem;
use crate::task::Task;
use crate::violation::Severity;

/// The maximum number of problems per kind, and of files per problem, in the text.
const SHOWN: usize = 20;

/// The contents of a data set, and its problems.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The folder or file that was checked.
    pub data: String,
    /// Clips to train on.
    pub train: usize,
    /// Clips to predict.
    pub test: usize,
    /// Clips in its tables that are neither ([`Manifest::excluded`](crate::Manifest::excluded)).
    pub excluded: usize,
    /// Whether a clip may have several labels.
    pub task: Task,
    /// The number of labels of all training clips; the same as `train` if each has one.
    pub labels: usize,
    /// The classes, sorted by name.
    pub classes: Vec<Class>,
    /// Training clips in each fold that the data set defines; empty if it defines none.
    pub folds: Vec<usize>,
    /// The number of groups, such as original recordings, that the training clips form; none if no
    /// clip has a group.
    pub groups: Option<usize>,
    /// Lengths of the clips that could be decoded; none if there are none.
    pub lengths: Option<Lengths>,
    /// Clips by sample rate, Hz.
    pub sample_rates: BTreeMap<u32, usize>,
    /// Clips by number of channels.
    pub channels: BTreeMap<usize, usize>,
    /// The number of problems that must be fixed.
    pub errors: usize,
    /// The number of problems that should be reviewed.
    pub warnings: usize,
    /// All problems, errors first.
    pub problems: Vec<Problem>,
}

/// A class and its clips.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class {
    /// Its name.
    pub label: String,
    /// Clips to train on.
    pub train: usize,
    /// Clips to predict with a known label.
    pub test: usize,
    /// Total length of its clips that could be decoded, seconds.
    pub seconds: f64,
}

/// Lengths of clips, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lengths {
    /// Total length.
    pub total: f64,
    /// Length of the shortest clip.
    pub shortest: f64,
    /// Median length.
    pub median: f64,
    /// Length of the longest clip.
    pub longest: f64,
}

/// The report as text of several lines.
impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self))
    }
}

fn text(report: &CheckReport) -> String {
    let mut text = format!(
        "{}: {}, {}, {} classes\n\n",
        report.data,
        counted(report.train, "training clip"),
        counted(report.test, "test clip"),
        report.classes.len()
    );
    let mut rows = vec![["class", "train", "test", "seconds"].map(str::to_owned).to_vec()];
    rows.extend(report.classes.iter().map(|class| {
        vec![class.label.clone(), class.train.to_string(), class.test.to_string(), format!("{:.1}", class.seconds)]
    }));
    text += &text_table(&rows);
    text.push('\n');
    if let Some(lengths) = &report.lengths {
        let lengths = [lengths.shortest, lengths.median, lengths.longest, lengths.total].map(|of| format!("{of:.2}"));
        let [shortest, median, longest, total] = lengths;
        let _ = writeln!(text, "seconds   shortest {shortest}, median {median}, longest {longest}, all {total}");
    }
    let list = |counts: Vec<String>| if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let clips = |(value, n): (String, &usize)| format!("{value}: {}", counted(*n, "clip"));
    let rates = report.sample_rates.iter().map(|(rate, n)| clips((format!("{rate} Hz"), n))).collect();
    let channels = report.channels.iter().map(|(channels, n)| clips((channels.to_string(), n))).collect();
    let _ = writeln!(text, "rates     {}", list(rates));
    let _ = writeln!(text, "channels  {}", list(channels));
    if report.task == Task::MultiLabel {
        let _ = writeln!(text, "labels    {:.2} per training clip", report.labels as f64 / report.train.max(1) as f64);
    }
    let folds = list(report.folds.iter().map(usize::to_string).collect());
    let _ = writeln!(text, "excluded  {}", counted(report.excluded, "clip"));
    let _ = writeln!(text, "folds     {folds}");
    let _ = writeln!(text, "groups    {}", report.groups.map_or_else(|| "none".to_owned(), |n| n.to_string()));
    text + &problems(report)
}

/// The problems as text, grouped by kind.
fn problems(report: &CheckReport) -> String {
    let mut kinds: BTreeMap<_, Vec<&Problem>> = BTreeMap::new();
    for problem in &report.problems {
        kinds.entry((problem.severity, problem.kind)).or_default().push(problem);
    }
    let mut text = String::new();
    for ((severity, _), problems) in kinds {
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        text.push('\n');
        for problem in problems.iter().take(SHOWN) {
            let _ = writeln!(text, "{severity}: {}", described(problem));
        }
        if problems.len() > SHOWN {
            let _ = writeln!(text, "  and {} more of this kind; --json lists them all", problems.len() - SHOWN);
        }
    }
    let _ = writeln!(text, "\n{}, {}", counted(report.errors, "error"), counted(report.warnings, "warning"));
    text
}

/// The message, with the files unless it already names them.
fn described(problem: &Problem) -> String {
    match problem.files.as_slice() {
        [file] if !problem.message.contains(file.as_str()) => format!("{file}: {}", problem.message),
        [] | [_] => problem.message.clone(),
        files => {
            let mut text = problem.message.clone();
            for file in files.iter().take(SHOWN) {
                let _ = write!(text, "\n  {file}");
            }
            if files.len() > SHOWN {
                let _ = write!(text, "\n  and {} more", files.len() - SHOWN);
            }
            text
        }
    }
}
