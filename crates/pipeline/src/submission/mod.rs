//! Scores a submission as Kaggle's leaderboards do.

mod read;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use earmark_stacking::{Interval, Resampling, Table, bootstrap_mean};
use earmark_tables::{StringRecord, text_table};
use serde::Serialize;

use crate::error::{PipelineError, Result};
use crate::evaluate::{Evaluation, MultiLabel, ScoreTables, SingleLabel, interval_note};
use crate::predict::{MAX_LABELS, kaggle_label};
use crate::text::{shortened, with_interval};
use read::{Sheet, Truth, none};

/// The scores of a submission. `earmark evaluate --submission --json` prints them as JSON.
#[derive(Debug, Serialize)]
pub struct SubmissionScores {
    /// The file of the submission.
    pub submission: PathBuf,
    /// The file of the true labels.
    pub truth: PathBuf,
    /// Number of clips with the usage `Ignored`.
    pub ignored: usize,
    /// Labels of the submission that no clip of the truth has: each one counts as wrong.
    pub unknown_labels: BTreeSet<String>,
    /// A warning for each unknown label, with the line of its first occurrence.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// How the intervals were computed.
    pub resampling: Resampling,
    /// All clips, then those of each usage.
    pub sets: Vec<SetScores>,
}

/// The scores on the clips of one usage.
#[derive(Debug, Serialize)]
pub struct SetScores {
    /// `all`, `Public` or `Private`.
    pub usage: String,
    /// Number of clips with that usage.
    pub clips: usize,
    /// The scores on these clips.
    #[serde(flatten)]
    pub scores: ModelScores,
}

/// Scores of labels, or of probabilities.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ModelScores {
    /// Scores of up to three labels per clip.
    Labels {
        /// Mean average precision at 3.
        map_at_3: f64,
        /// Share of clips whose first label is correct.
        accuracy: f64,
        /// The confidence intervals of both scores.
        intervals: LabelIntervals,
    },
    /// Scores of a table of probabilities.
    Probabilities(Box<Evaluation>),
    /// Scores of a table of probabilities of clips that may have several labels. The thresholds are
    /// those of the best F1 on these same clips.
    MultiLabel(Box<Evaluation<MultiLabel>>),
}

/// Intervals of the scores of labels.
#[derive(Debug, Serialize)]
pub struct LabelIntervals {
    /// The interval of mAP@3.
    pub map_at_3: Interval,
    /// The interval of the accuracy.
    pub accuracy: Interval,
}

/// Scores a submission on all clips of the truth and on the clips of each usage. A submission has
/// the columns `fname,label` with up to three labels, or `fname` and a column of probabilities for
/// each class. The truth has the columns `fname`, `label` and, optionally, `usage` (Public, Private
/// or Ignored). If it has a column `labels` instead of `label`, with commas between the labels,
/// clips may have several, and the submission must be a table of probabilities.
///
/// # Errors
/// [`PipelineError::Submission`] with file and line.
pub fn evaluate_submission(submission: &Path, truth: &Path) -> Result<SubmissionScores> {
    let truth = Truth::read(truth)?;
    let submission = Sheet::read(submission)?;
    let has_labels = submission.file.header == vec!["fname", "label"];
    if has_labels && truth.several {
        let reason = format!(
            "clips of {} may have several labels, so the columns must be `fname` and the probabilities of each class",
            truth.path.display()
        );
        return Err(PipelineError::Submission(submission.at(1, &reason)));
    }
    let answers = answers(&submission, &truth)?;
    let answers =
        if has_labels { labels(&submission, &answers)? } else { probabilities(&submission, &answers, &truth)? };
    scores_of(&submission, &truth, &answers)
}

/// The submission's row for each clip of the truth, in the order of the truth.
fn answers<'a>(submission: &'a Sheet, truth: &Truth) -> Result<Vec<&'a (u64, StringRecord)>> {
    let known: HashSet<&str> = truth.names.iter().map(String::as_str).collect();
    let (mut faults, mut rows) = (Vec::new(), HashMap::new());
    for row in &submission.file.rows {
        let (line, name) = (row.0, &row.1[0]);
        if let Some((before, _)) = rows.insert(name, row) {
            faults.push(submission.at(line, &format!("the clip `{name}` was on line {before} already")));
        } else if !known.contains(name) && !truth.ignored.contains(name) {
            faults.push(submission.at(line, &format!("the clip `{name}` is not in {}", truth.path.display())));
        }
    }
    for (name, line) in truth.names.iter().zip(&truth.lines).filter(|(name, _)| !rows.contains_key(name.as_str())) {
        let place = format!("{}, line {line}", truth.path.display());
        faults.push(format!("{} has no row of the clip `{name}` ({place})", submission.path.display()));
    }
    none(faults)?;
    Ok(truth.names.iter().filter_map(|name| rows.get(name.as_str()).copied()).collect())
}

/// A submission's answers for the clips of the truth.
enum Answers {
    /// Up to three labels per clip, the most probable one first.
    Labels(Vec<Vec<String>>),
    /// The true classes of each clip as column indices, and the table.
    Probabilities(Vec<Vec<usize>>, Table),
}

fn labels(submission: &Sheet, rows: &[&(u64, StringRecord)]) -> Result<Answers> {
    let (mut faults, mut answers) = (Vec::new(), Vec::new());
    for (line, fields) in rows {
        let labels: Vec<String> = fields[1].split_whitespace().map(str::to_owned).collect();
        if labels.is_empty() || labels.len() > MAX_LABELS {
            let reason = format!("{} labels where there must be one to three, with spaces between them", labels.len());
            faults.push(submission.at(*line, &reason));
        }
        answers.push(labels);
    }
    none(faults)?;
    Ok(Answers::Labels(answers))
}

fn probabilities(submission: &Sheet, rows: &[&(u64, StringRecord)], truth: &Truth) -> Result<Answers> {
    let columns: Vec<String> = submission.file.header.iter().skip(1).map(kaggle_label).collect();
    let (mut faults, mut classes, mut data) = (Vec::new(), Vec::new(), Vec::new());
    for ((line, labels), name) in truth.lines.iter().zip(&truth.labels).zip(&truth.names) {
        let mut of_clip = Vec::new();
        for label in labels {
            match columns.iter().position(|column| column == label) {
                Some(class) => of_clip.push(class),
                None => faults.push(format!(
                    "{}, line {line}: the label `{label}` of the clip `{name}` is not a column of {}",
                    truth.path.display(),
                    submission.path.display()
                )),
            }
        }
        classes.push(of_clip);
    }
    for (line, fields) in rows {
        for (field, column) in fields.iter().skip(1).zip(&columns) {
            match field.parse::<f32>() {
                // A sum of probabilities may be rounded to slightly more than 1.
                Ok(value) if (0.0..=1.000_01).contains(&value) => data.push(value),
                _ => faults.push(submission.at(*line, &format!("`{field}` for `{column}` is not a probability"))),
            }
        }
    }
    none(faults)?;
    let table = Table::new(truth.names.clone(), columns, data);
    let table = table.map_err(|error| PipelineError::Submission(format!("{}: {error}", submission.path.display())))?;
    Ok(Answers::Probabilities(classes, table))
}

fn scores_of(submission: &Sheet, truth: &Truth, answers: &Answers) -> Result<SubmissionScores> {
    let resampling = Resampling::default();
    let mut sets = Vec::new();
    for usage in ["all", "Public", "Private"] {
        let of_usage = |clip: &usize| usage == "all" || truth.usages[*clip].as_deref() == Some(usage);
        let clips: Vec<usize> = (0..truth.names.len()).filter(of_usage).collect();
        if !clips.is_empty() {
            let scores = scores(&clips, truth, answers, &resampling)?;
            sets.push(SetScores { usage: usage.to_owned(), clips: clips.len(), scores });
        }
    }
    let known: HashSet<&String> = truth.labels.iter().flatten().collect();
    let unknown = match answers {
        Answers::Labels(labels) => labels.iter().flatten().filter(|label| !known.contains(label)).cloned().collect(),
        Answers::Probabilities(..) => BTreeSet::new(),
    };
    Ok(SubmissionScores {
        submission: submission.path.clone(),
        truth: truth.path.clone(),
        ignored: truth.ignored.len(),
        warnings: unknown_labels(submission, truth, &unknown),
        unknown_labels: unknown,
        resampling,
        sets,
    })
}

/// The scores on some clips, given as indices into the truth.
fn scores(clips: &[usize], truth: &Truth, answers: &Answers, resampling: &Resampling) -> Result<ModelScores> {
    match answers {
        Answers::Labels(labels) => {
            let place = |&clip: &usize| labels[clip].iter().position(|label| truth.labels[clip].contains(label));
            let precisions: Vec<f64> =
                clips.iter().map(|clip| place(clip).map_or(0.0, |place| 1.0 / (place + 1) as f64)).collect();
            let hits: Vec<f64> = clips.iter().map(|clip| if place(clip) == Some(0) { 1.0 } else { 0.0 }).collect();
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let interval = |values: &[f64]| bootstrap_mean(values, resampling);
            let intervals = LabelIntervals { map_at_3: interval(&precisions), accuracy: interval(&hits) };
            Ok(ModelScores::Labels { map_at_3: mean(&precisions), accuracy: mean(&hits), intervals })
        }
        Answers::Probabilities(classes, table) => {
            let names: Vec<String> = clips.iter().map(|&clip| truth.names[clip].clone()).collect();
            let (labels, table) = (table.columns(), table.reordered(&names)?);
            let classes = clips.iter().map(|&clip| &classes[clip]);
            Ok(if truth.several {
                let scores = Evaluation::new(labels, classes.cloned().collect(), table, resampling)?;
                ModelScores::MultiLabel(Box::new(scores))
            } else {
                let scores = Evaluation::new(labels, classes.flatten().copied().collect(), table, resampling)?;
                ModelScores::Probabilities(Box::new(scores))
            })
        }
    }
}

/// A warning for each label that no clip has, with the first line that has it. Such a submission is
/// scored nevertheless: a few clips need not cover every class.
fn unknown_labels(submission: &Sheet, truth: &Truth, unknown: &BTreeSet<String>) -> Vec<String> {
    let has = |fields: &StringRecord, label: &String| fields[1].split_whitespace().any(|other| other == label);
    let warning = |label: &String| {
        let first = submission.file.rows.iter().find(|(_, fields)| has(fields, label));
        let reason = format!("no clip of {} has the label `{label}`: it counts as wrong", truth.path.display());
        submission.at(first.map_or(1, |(line, _)| *line), &reason)
    };
    shortened(unknown.iter().map(warning).collect())
}

/// As text for people: one line per usage.
impl fmt::Display for SubmissionScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = match self.sets.first().map(|set| &set.scores) {
            Some(ModelScores::MultiLabel(_)) => MultiLabel::COLUMNS,
            Some(ModelScores::Probabilities(_)) => SingleLabel::COLUMNS,
            Some(ModelScores::Labels { .. }) | None => &["mAP@3", "accuracy"],
        };
        let header = ["", "clips"].into_iter().chain(columns.iter().copied());
        let mut rows = vec![header.map(str::to_owned).collect::<Vec<_>>()];
        rows.extend(self.sets.iter().map(|set| {
            let scores = match &set.scores {
                ModelScores::Labels { map_at_3, accuracy, intervals } => {
                    vec![with_interval(*map_at_3, intervals.map_at_3), with_interval(*accuracy, intervals.accuracy)]
                }
                ModelScores::Probabilities(scores) => SingleLabel::cells(scores),
                ModelScores::MultiLabel(scores) => MultiLabel::cells(scores),
            };
            [vec![set.usage.clone(), set.clips.to_string()], scores].concat()
        }));
        writeln!(f, "{}{}", text_table(&rows), interval_note(&self.resampling))?;
        match self.sets.first().map(|set| &set.scores) {
            Some(ModelScores::MultiLabel(_)) => writeln!(f, "F1 is at the thresholds with the best F1 on these clips."),
            _ => Ok(()),
        }
    }
}
