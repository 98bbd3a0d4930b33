//! Segment-based counts: the labels that occur in each segment of time.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Counts, Event, RecordingEvents, Tally, labels};

/// In how many labels the reference, what was estimated, and both change at a segment.
type Change = [i64; 3];

/// The counts of one recording. Segments are not visited one by one but from one change to the
/// next, so the length of a recording does not matter.
pub(super) fn tally(recording: &RecordingEvents, resolution: f64) -> Tally<'_> {
    let mut changes: BTreeMap<u64, Change> = BTreeMap::new();
    let mut of_label = BTreeMap::new();
    for label in labels(recording) {
        let [reference, estimated] =
            [&recording.reference, &recording.estimated].map(|events| segments_of(label, events, resolution));
        let both = intersection(&reference, &estimated);
        for (index, ranges) in [&reference, &estimated, &both].into_iter().enumerate() {
            for range in ranges {
                changes.entry(range.start).or_default()[index] += 1;
                changes.entry(range.end).or_default()[index] -= 1;
            }
        }
        of_label.insert(label, Counts::of_label(length(&reference), length(&estimated), length(&both)));
    }
    Tally { all: overall(&changes), of_label }
}

/// The segments in which a label occurs: disjoint ranges in ascending order.
fn segments_of(label: &str, events: &[Event], resolution: f64) -> Vec<Range<u64>> {
    let touched = |event: &Event| (event.onset / resolution).floor() as u64..(event.offset / resolution).ceil() as u64;
    let mut ranges: Vec<Range<u64>> = events.iter().filter(|event| event.label == label).map(touched).collect();
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut disjoint: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match disjoint.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => disjoint.push(range),
        }
    }
    disjoint
}

/// The segments in both lists of disjoint ascending ranges.
fn intersection(a: &[Range<u64>], b: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut both = Vec::new();
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let common = x.start.max(y.start)..x.end.min(y.end);
        let ends_first = if x.end <= y.end { &mut a } else { &mut b };
        ends_first.next();
        if !common.is_empty() {
            both.push(common);
        }
    }
    both
}

fn length(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// In each segment, labels that are only in the reference and labels that were only estimated are
/// substitutions as far as they can be paired.
fn overall(changes: &BTreeMap<u64, Change>) -> Counts {
    let (mut all, mut now, mut since) = (Counts::default(), Change::default(), 0);
    for (segment, change) in changes {
        let segments = segment - since;
        let [reference, estimated, hits] = now.map(|labels| labels.unsigned_abs() * segments);
        all = all
            + Counts {
                reference,
                estimated,
                hits,
                substitutions: reference.min(estimated) - hits,
                deletions: reference.saturating_sub(estimated),
                insertions: estimated.saturating_sub(reference),
            };
        now = std::array::from_fn(|index| now[index] + change[index]);
        since = *segment;
    }
    all
}
