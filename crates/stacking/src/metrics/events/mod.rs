//! Scores of detected sound events, by the definitions of `sed_eval` (Mesaros, Heittola, Virtanen
//! 2016, "Metrics for Polyphonic Sound Event Detection").

mod matching;
mod segments;

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Sum;
use std::ops::Add;

use serde::Serialize;

use super::mean;
use crate::{Result, StackError};

/// The latest time of an event, in seconds.
pub const LATEST_EVENT: f64 = 1e9;

/// A sound event: what sounds, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What sounds.
    pub label: String,
    /// When it starts, in seconds from the start of the recording.
    pub onset: f64,
    /// When it ends, in seconds from the start of the recording; not before the onset.
    pub offset: f64,
}

/// The events of one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordingEvents {
    /// The true events.
    pub reference: Vec<Event>,
    /// The detected events.
    pub estimated: Vec<Event>,
}

/// When an estimated event is correct.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EventSettings {
    /// The largest distance of an estimated onset or offset from that of the reference, in seconds.
    pub collar: f64,
    /// The largest distance of an estimated offset as a share of the length of the reference event,
    /// 0 to 1, if that is more than the collar.
    pub length_share: f64,
    /// The length of a segment in seconds.
    pub resolution: f64,
}

/// A collar of 0.2 s, or for offsets half of the event if that is more; segments of 1 s.
impl Default for EventSettings {
    fn default() -> Self {
        Self { collar: 0.2, length_share: 0.5, resolution: 1.0 }
    }
}

/// The scores of detected events.
#[derive(Clone, Debug, Serialize)]
pub struct EventScores {
    /// An estimated event is correct if its label, its onset and its offset are.
    pub event_based: DetectionScores,
    /// An estimated event is correct if its label and its onset are.
    pub onset_based: DetectionScores,
    /// Every segment of time in which a label occurs counts instead of an event.
    pub segment_based: DetectionScores,
}

/// The scores of one way to count.
#[derive(Clone, Debug, Serialize)]
pub struct DetectionScores {
    /// Over all events together.
    pub micro: DetectionScore,
    /// Over the labels.
    #[serde(rename = "macro")]
    pub macro_average: MacroScore,
    /// One entry per label that occurs in the reference or in what was estimated, sorted.
    pub per_class: Vec<ClassDetectionScore>,
}

/// Counts, and the scores that follow from them. NaN means that there is nothing to score; it is
/// `null` in JSON.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DetectionScore {
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// Share of the estimated events that are correct; 0 if there are none.
    pub precision: f64,
    /// Share of the reference events that were found. NaN without reference events.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 if both are 0. NaN without reference events.
    pub f1: f64,
    /// Substitutions, deletions and insertions per reference event; it may be above 1. NaN without
    /// reference events.
    pub error_rate: f64,
}

/// Numbers of events or, in segment-based scores, of segments in which a label occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In the reference.
    pub reference: u64,
    /// Estimated.
    pub estimated: u64,
    /// Correctly estimated.
    pub hits: u64,
    /// Estimated in the right place with another label; 0 in the scores of one label.
    pub substitutions: u64,
    /// In the reference only, and not substituted.
    pub deletions: u64,
    /// Estimated only, and not a substitution.
    pub insertions: u64,
}

/// Means over the labels. A label without the score, such as the recall of a label that the
/// reference lacks, is excluded. NaN if no label has it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MacroScore {
    /// Mean precision.
    pub precision: f64,
    /// Mean recall.
    pub recall: f64,
    /// Mean F1.
    pub f1: f64,
    /// Mean error rate.
    pub error_rate: f64,
}

/// The score of one label.
#[derive(Clone, Debug, Serialize)]
pub struct ClassDetectionScore {
    /// The label.
    pub label: String,
    /// Its score.
    #[serde(flatten)]
    pub score: DetectionScore,
}

/// Scores the events of recordings.
///
/// In event-based scores each estimated event is matched with at most one reference event, such
/// that as many as possible are matched. Reference events that are left over, in their order, are
/// substituted by the first estimated event left over that differs only in the label.
///
/// In segment-based scores a label occurs in each segment that one of its events touches.
///
/// ```
/// use earmark_stacking::{Event, EventSettings, RecordingEvents, score_events};
/// let event = |onset, offset| Event { label: "dog".to_owned(), onset, offset };
/// let recording = RecordingEvents { reference: vec![event(1.0, 2.0)], estimated: vec![event(1.1, 3.5)] };
/// let scores = score_events(&[recording], &EventSettings::default())?;
/// assert_eq!((scores.onset_based.micro.f1, scores.event_based.micro.f1), (1.0, 0.0));
/// assert_eq!(scores.segment_based.micro.precision, 1.0 / 3.0);
/// # Ok::<(), earmark_stacking::StackError>(())
/// ```
///
/// # Errors
/// An event does not start at 0 or later, ends before it starts or after [`LATEST_EVENT`]; a
/// setting is not in its range.
pub fn score_events(recordings: &[RecordingEvents], settings: &EventSettings) -> Result<EventScores> {
    settings.check()?;
    recordings
        .iter()
        .flat_map(|recording| recording.reference.iter().chain(&recording.estimated))
        .try_for_each(check)?;
    Ok(EventScores {
        event_based: DetectionScores::of(recordings, |recording| matching::tally(recording, settings, true)),
        onset_based: DetectionScores::of(recordings, |recording| matching::tally(recording, settings, false)),
        segment_based: DetectionScores::of(recordings, |recording| segments::tally(recording, settings.resolution)),
    })
}

impl EventSettings {
    /// Checks the ranges of the settings.
    ///
    /// # Errors
    /// The collar or the resolution is not above 0, the resolution is below 1 ms, or the share of
    /// the length is not in 0 to 1.
    pub fn check(&self) -> Result<()> {
        let Self { collar, length_share, resolution } = *self;
        let settings = [
            ("collar", collar, collar > 0.0 && collar.is_finite(), "a number of seconds above 0"),
            ("length_share", length_share, (0.0..=1.0).contains(&length_share), "a number from 0 to 1"),
            ("resolution", resolution, resolution >= 0.001 && resolution.is_finite(), "at least 0.001 seconds"),
        ];
        match settings.into_iter().find(|(.., is_valid, _)| !is_valid) {
            Some((key, value, _, allowed)) => Err(StackError::Setting { key, value: value.to_string(), allowed }),
            None => Ok(()),
        }
    }
}

/// Fails if the times of an event are impossible.
fn check(event: &Event) -> Result<()> {
    let Event { label, onset, offset } = event;
    match 0.0 <= *onset && onset <= offset && *offset <= LATEST_EVENT {
        true => Ok(()),
        false => Err(StackError::Event { label: label.clone(), onset: *onset, offset: *offset }),
    }
}

/// The counts of one recording: of all labels together, and of each.
struct Tally<'a> {
    all: Counts,
    of_label: BTreeMap<&'a str, Counts>,
}

/// The labels of a recording.
fn labels(recording: &RecordingEvents) -> BTreeSet<&str> {
    recording.reference.iter().chain(&recording.estimated).map(|event| event.label.as_str()).collect()
}

impl Counts {
    /// The counts of one label, which has no substitutions.
    fn of_label(reference: u64, estimated: u64, hits: u64) -> Self {
        Self { reference, estimated, hits, substitutions: 0, deletions: reference - hits, insertions: estimated - hits }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            reference: self.reference + other.reference,
            estimated: self.estimated + other.estimated,
            hits: self.hits + other.hits,
            substitutions: self.substitutions + other.substitutions,
            deletions: self.deletions + other.deletions,
            insertions: self.insertions + other.insertions,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

impl From<Counts> for DetectionScore {
    fn from(counts: Counts) -> Self {
        let share = |part: u64, of: u64| part as f64 / of as f64;
        let precision = if counts.estimated == 0 { 0.0 } else { share(counts.hits, counts.estimated) };
        let recall = share(counts.hits, counts.reference);
        let f1 = if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
        let errors = counts.substitutions + counts.deletions + counts.insertions;
        let error_rate = if counts.reference == 0 { f64::NAN } else { share(errors, counts.reference) };
        Self { counts, precision, recall, f1, error_rate }
    }
}

impl DetectionScores {
    fn of<'a>(recordings: &'a [RecordingEvents], tally: impl Fn(&'a RecordingEvents) -> Tally<'a>) -> Self {
        let tallies: Vec<Tally<'_>> = recordings.iter().map(tally).collect();
        let micro = tallies.iter().map(|tally| tally.all).sum::<Counts>().into();
        let mut of_label: BTreeMap<&str, Counts> = BTreeMap::new();
        for (label, counts) in tallies.iter().flat_map(|tally| &tally.of_label) {
            let sum = of_label.entry(label).or_default();
            *sum = *sum + *counts;
        }
        let class =
            |(label, counts): (&str, Counts)| ClassDetectionScore { label: label.to_owned(), score: counts.into() };
        let per_class: Vec<ClassDetectionScore> = of_label.into_iter().map(class).collect();
        let over_labels = |value: fn(&DetectionScore) -> f64| {
            mean(per_class.iter().map(|class| value(&class.score)).filter(|value| !value.is_nan()))
        };
        let macro_average = MacroScore {
            precision: over_labels(|score| score.precision),
            recall: over_labels(|score| score.recall),
            f1: over_labels(|score| score.f1),
            error_rate: over_labels(|score| score.error_rate),
        };
        Self { micro, macro_average, per_class }
    }
}
