//! Scores detected events against a table of the true ones.

mod pairing;
mod read;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use earmark_stacking::{DetectionScore, DetectionScores, EventScores, EventSettings, RecordingEvents, score_events};
use earmark_tables::text_table;
use serde::Serialize;

use crate::error::{PipelineError, Result};
use crate::text::score;
use pairing::Recordings;
use read::EventTable;

/// How detected events are scored.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DetectionOptions {
    /// When an estimated event is correct.
    pub settings: EventSettings,
    /// Ignore estimated events in recordings that the reference does not list; otherwise they are
    /// an error.
    pub ignore_unlisted: bool,
}

/// The scores of detected events. `earmark evaluate-events --json` prints them as JSON.
#[derive(Debug, Serialize)]
pub struct DetectionReport {
    /// The file of the true events.
    pub reference: PathBuf,
    /// The file of the detected events.
    pub estimated: PathBuf,
    /// The number of recordings in the reference.
    pub recordings: usize,
    /// The recordings of the reference that are not among the estimated ones: their events count as
    /// missed.
    pub missing: Vec<String>,
    /// The recordings that only the estimated events have, ignored.
    pub unlisted: Vec<String>,
    /// A warning for missing and ignored recordings, and for labels that the reference lacks.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// When an estimated event is correct.
    pub settings: EventSettings,
    /// The scores.
    #[serde(flatten)]
    pub scores: EventScores,
}

/// Scores the events of one CSV file against those of another. Both have the columns `path`,
/// `label`, `start` and `end` (seconds); other columns are ignored. A row with only a path is a
/// recording without events.
///
/// The recordings are those of the reference. An estimated path names the recording of the
/// reference with the same path, or one of the two paths is the end of the other: `recs/a.wav` is
/// `a.wav`.
///
/// # Errors
/// [`PipelineError::Detection`] with file and line: a column is missing, a value is not a time, an
/// event ends before it starts, a recording is not in the reference, a path fits several
/// recordings, or two paths fit one. [`PipelineError::Stacking`]: a setting is out of range.
pub fn evaluate_events(reference: &Path, estimated: &Path, options: &DetectionOptions) -> Result<DetectionReport> {
    options.settings.check()?;
    let (truth, answers) = (EventTable::read(reference)?, EventTable::read(estimated)?);
    if truth.rows.is_empty() {
        let reason = format!("{} lists no recording to score by", reference.display());
        return Err(PipelineError::Detection(reason));
    }
    let recordings = Recordings::of(&truth);
    let pairs = recordings.pair(&answers, options.ignore_unlisted)?;
    let mut events = vec![RecordingEvents::default(); recordings.paths.len()];
    for row in &truth.rows {
        events[recordings.index[row.path.as_str()]].reference.extend(row.event.clone());
    }
    for (row, recording) in answers.rows.iter().filter_map(|row| Some((row, pairs.get(row.path.as_str())?))) {
        if let Some(recording) = recording {
            events[*recording].estimated.extend(row.event.clone());
        }
    }
    let found: HashSet<usize> = pairs.values().flatten().copied().collect();
    let is_missing = |recording: &usize| !found.contains(recording);
    let missing = (0..events.len()).filter(is_missing).map(|of| recordings.paths[of].to_owned()).collect();
    let unlisted = pairs.iter().filter(|(_, found)| found.is_none()).map(|(path, _)| (*path).to_owned()).collect();
    let scores = score_events(&events, &options.settings)?;
    let mut report = DetectionReport {
        reference: reference.to_owned(),
        estimated: estimated.to_owned(),
        recordings: events.len(),
        missing,
        unlisted,
        warnings: Vec::new(),
        settings: options.settings,
        scores,
    };
    report.warnings = report.warn(&events);
    Ok(report)
}

impl DetectionReport {
    fn warn(&self, events: &[RecordingEvents]) -> Vec<String> {
        let (reference, estimated) = (self.reference.display(), self.estimated.display());
        let mut warnings = Vec::new();
        if let Some(first) = self.missing.first() {
            let n = some(self.missing.len(), "recording");
            warnings.push(format!("{estimated} lacks {n} of {reference}, {first} first: their events count as missed"));
        }
        if let Some(first) = self.unlisted.first() {
            let n = some(self.unlisted.len(), "recording");
            warnings.push(format!("{estimated} has {n} that {reference} does not list, {first} first: ignored"));
        }
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for recording in events {
            recording.reference.iter().for_each(|event| counts.entry(&event.label).or_default().0 += 1);
            recording.estimated.iter().for_each(|event| counts.entry(&event.label).or_default().1 += 1);
        }
        let unknown: Vec<_> = counts.into_iter().filter(|(_, (reference, _))| *reference == 0).collect();
        if let Some((first, _)) = unknown.first() {
            let events = some(unknown.iter().map(|(_, (_, estimated))| estimated).sum(), "event");
            let labels = some(unknown.len(), "label");
            warnings.push(format!(
                "{estimated} has {events} of {labels} that {reference} lacks, `{first}` first: none of them is correct"
            ));
        }
        warnings
    }
}

fn some(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

const COLUMNS: [&str; 11] = [
    "",
    "reference",
    "estimated",
    "correct",
    "F1",
    "precision",
    "recall",
    "error rate",
    "substitutions",
    "deletions",
    "insertions",
];

fn overall(name: &str, scores: &DetectionScores) -> [Vec<String>; 2] {
    let DetectionScore { counts, precision, recall, f1, error_rate } = scores.micro;
    let mean = scores.macro_average;
    let micro = [f1, precision, recall, error_rate].map(score);
    let macro_average = [mean.f1, mean.precision, mean.recall, mean.error_rate].map(score);
    let errors = [counts.substitutions, counts.deletions, counts.insertions].map(|n| n.to_string());
    let sizes = [counts.reference, counts.estimated, counts.hits].map(|n| n.to_string());
    let none = || vec![String::new(); 3];
    [
        [vec![format!("{name}, micro")], sizes.into(), micro.into(), errors.into()].concat(),
        [vec![format!("{name}, macro")], none(), macro_average.into()].concat(),
    ]
}

/// As text for people: the scores of each way to count, and those of each label.
impl fmt::Display for DetectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EventScores { event_based, onset_based, segment_based } = &self.scores;
        let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
        let kinds = [("onset and offset", event_based), ("onset", onset_based), ("segments", segment_based)];
        rows.extend(kinds.iter().flat_map(|(name, scores)| overall(name, scores)));
        writeln!(f, "{}", text_table(&rows))?;

        let header = ["label", "reference", "estimated", "F1", "F1, onset", "F1, segments"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        let classes = event_based.per_class.iter().zip(&onset_based.per_class).zip(&segment_based.per_class);
        rows.extend(classes.map(|((event, onset), segment)| {
            let counts = event.score.counts;
            let f1 = [event, onset, segment].map(|class| score(class.score.f1));
            [vec![event.label.clone(), counts.reference.to_string(), counts.estimated.to_string()], f1.into()].concat()
        }));
        let EventSettings { collar, length_share, resolution } = self.settings;
        writeln!(
            f,
            "{}{}. Collar {collar} s, for offsets {} % of the event if that is more; segments of {resolution} s.",
            text_table(&rows),
            some(self.recordings, "recording"),
            100.0 * length_share
        )
    }
}
