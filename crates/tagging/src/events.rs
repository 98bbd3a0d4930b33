//! Sound events: the parts of a sound in which the probability of a class is high.

use std::collections::VecDeque;

use crate::{ScoredWindow, TaggingError, Timeline};

/// How windows become events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventSettings {
    /// An event begins where the probability reaches this.
    pub on: f32,
    /// It ends where the probability falls below this; at most `on`.
    pub off: f32,
    /// The probabilities of each class are smoothed by the median over this time, seconds; 0 for
    /// none.
    pub median: f64,
    /// Minimum length of an event, seconds.
    pub min_length: f64,
    /// Events of a class that are less than this apart are one, seconds.
    pub min_gap: f64,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self { on: 0.5, off: 0.25, median: 0.0, min_length: 0.0, min_gap: 0.0 }
    }
}

impl EventSettings {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`TaggingError::Timeline`] names the first one that is not.
    pub fn validate(&self) -> Result<(), TaggingError> {
        let Self { on, off, median, min_length, min_gap } = *self;
        let fault = |key, value: f64, allowed: &str| {
            let allowed = allowed.to_owned();
            Err(TaggingError::Timeline { key, value, allowed })
        };
        if !(on > 0.0 && on <= 1.0) {
            return fault("on", f64::from(on), "above 0, at most 1");
        }
        if !(0.0..=on).contains(&off) {
            return fault("off", f64::from(off), "0 to the value of `on`");
        }
        let seconds = [("median", median), ("min_length", min_length), ("min_gap", min_gap)];
        match seconds.into_iter().find(|(_, seconds)| !(0.0..=3600.0).contains(seconds)) {
            Some((key, value)) => fault(key, value, "0 to 3600 seconds"),
            None => Ok(()),
        }
    }
}

/// An event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// The index of its class.
    pub class: usize,
    /// Its start, seconds from the start of the sound.
    pub start: f64,
    /// Its end.
    pub end: f64,
    /// The greatest smoothed probability in it.
    pub score: f32,
}

/// What becomes known of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EventChange {
    /// It has begun, and is long enough to be kept: a change with its end follows. Its end and
    /// score are those so far.
    Started(Event),
    /// It has ended, and no later event can be joined to it.
    Ended(Event),
}

impl EventChange {
    /// The event, if it has ended.
    pub fn ended(self) -> Option<Event> {
        match self {
            Self::Started(_) => None,
            Self::Ended(event) => Some(event),
        }
    }
}

/// Finds the events of a sound whose windows arrive one by one, in memory that does not grow.
///
/// The probability of a window counts for the time around the window's center, up to the middle
/// between it and the centers of its neighbors. For the first window it counts from the start of
/// the sound, for the last one to its end.
///
/// ```
/// use earmark_tagging::{EventDetector, EventSettings, ScoredWindow, Timeline};
/// let timeline = Timeline::new(1.0, 0.5)?;
/// let mut detector = EventDetector::new(EventSettings::default(), &timeline, 1)?;
/// for (place, probability) in [0.1, 0.9, 0.8, 0.1].into_iter().enumerate() {
///     let start = 0.5 * place as f64;
///     assert!(detector.push(&ScoredWindow { start, end: start + 1.0, probabilities: vec![probability] }).is_empty());
/// }
/// let events = detector.finish(2.5);
/// assert_eq!((events.len(), events[0].start, events[0].end, events[0].score), (1, 0.75, 1.75, 0.9));
/// # Ok::<(), earmark_tagging::TaggingError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EventDetector {
    settings: EventSettings,
    /// Windows on each side of the median.
    half: usize,
    classes: Vec<Class>,
    /// The start of the sound.
    start: f64,
    /// The windows that are still needed: their centers and probabilities.
    windows: VecDeque<(f64, Vec<f32>)>,
    /// The number of the first of them.
    first: usize,
    /// Number of windows that have been judged.
    judged: usize,
}

/// The state of a class.
#[derive(Debug, Clone)]
struct Class {
    on: f32,
    off: f32,
    /// The event that has not ended.
    open: Option<Event>,
    /// The last one that ended, while the next one may still be joined to it.
    ended: Option<Event>,
    /// Whether the start of that event was reported.
    is_started: bool,
}

impl EventDetector {
    /// A detector for a number of classes.
    ///
    /// # Errors
    /// Those of [`EventSettings::validate`].
    pub fn new(settings: EventSettings, timeline: &Timeline, classes: usize) -> Result<Self, TaggingError> {
        settings.validate()?;
        // An odd number of windows, so that the median is centered.
        let half = (settings.median / timeline.hop() / 2.0).floor() as usize;
        let classes =
            vec![Class { on: settings.on, off: settings.off, open: None, ended: None, is_started: false }; classes];
        Ok(Self { settings, half, classes, start: 0.0, windows: VecDeque::new(), first: 0, judged: 0 })
    }

    /// A detector in which each class has its own threshold in the place of [`EventSettings::on`];
    /// the ratio of `off` to it stays. A threshold of 0 is one of 0.001.
    pub fn with_thresholds(mut self, thresholds: &[f32]) -> Self {
        let ratio = self.settings.off / self.settings.on;
        for (class, &threshold) in self.classes.iter_mut().zip(thresholds) {
            class.on = threshold.max(1e-3);
            class.off = class.on * ratio;
        }
        self
    }

    /// Adds the next window. Returns the events that have ended, and to which no later one can be
    /// joined.
    pub fn push(&mut self, window: &ScoredWindow) -> Vec<Event> {
        self.push_live(window).into_iter().filter_map(EventChange::ended).collect()
    }

    /// [`EventDetector::push`] that also returns the events that have begun. Each event has exactly
    /// one start and, later or at once, one end.
    pub fn push_live(&mut self, window: &ScoredWindow) -> Vec<EventChange> {
        if self.first == 0 && self.windows.is_empty() {
            self.start = window.start;
        }
        self.windows.push_back((f64::midpoint(window.start, window.end), window.probabilities.clone()));
        let mut changes = Vec::new();
        // The time for which a window counts ends half-way to the next one.
        while self.judged + self.half.max(1) < self.first + self.windows.len() {
            self.judge(None, &mut changes);
        }
        changes
    }

    /// Ends the sound at this time, in seconds from its start. Returns the other events. The
    /// detector is ready for the next sound.
    pub fn finish(&mut self, end: f64) -> Vec<Event> {
        self.finish_live(end).into_iter().filter_map(EventChange::ended).collect()
    }

    /// [`EventDetector::finish`] that also returns the events that have begun.
    pub fn finish_live(&mut self, end: f64) -> Vec<EventChange> {
        let mut changes = Vec::new();
        while self.judged < self.first + self.windows.len() {
            self.judge(Some(end), &mut changes);
        }
        let Self { settings, classes, .. } = self;
        for class in classes {
            for event in [class.ended.take(), class.open.take()].into_iter().flatten() {
                settings.keep(event, &mut changes);
            }
            class.is_started = false;
        }
        self.windows.clear();
        (self.first, self.judged) = (0, 0);
        changes
    }

    /// Judges the next window; `last` is the end of the sound if no more windows follow.
    fn judge(&mut self, last: Option<f64>, changes: &mut Vec<EventChange>) {
        let place = self.judged - self.first;
        let center = |place: usize| self.windows[place].0;
        let start = if place == 0 { self.start } else { f64::midpoint(center(place - 1), center(place)) };
        let end = match last {
            Some(end) if place + 1 == self.windows.len() => end.max(start),
            _ => f64::midpoint(center(place), center(place + 1)),
        };
        let around = place.saturating_sub(self.half)..(place + self.half + 1).min(self.windows.len());
        let mut values = Vec::with_capacity(around.len());
        for (index, class) in self.classes.iter_mut().enumerate() {
            values.clear();
            values.extend(self.windows.range(around.clone()).map(|(_, probabilities)| probabilities[index]));
            let score = median(&mut values);
            class.step(Event { class: index, start, end, score }, &self.settings, changes);
        }
        self.judged += 1;
        // The one before is needed for its center.
        while self.first + self.half.max(1) < self.judged {
            self.windows.pop_front();
            self.first += 1;
        }
    }
}

impl Class {
    /// Adds the next stretch of time, with its score.
    fn step(&mut self, now: Event, settings: &EventSettings, changes: &mut Vec<EventChange>) {
        self.advance(now, settings, changes);
        if let Some(open) = self.open.filter(|open| !self.is_started && settings.is_kept(open)) {
            self.is_started = true;
            changes.push(EventChange::Started(open));
        }
    }

    fn advance(&mut self, now: Event, settings: &EventSettings, changes: &mut Vec<EventChange>) {
        if let Some(open) = &mut self.open {
            if now.score >= self.off {
                (open.end, open.score) = (now.end, open.score.max(now.score));
                return;
            }
            self.ended = self.open.take();
        }
        let is_near = |ended: &Event| now.start - ended.end < settings.min_gap;
        if now.score >= self.on {
            let joined = self.ended.take();
            if let Some(far) = joined.filter(|ended| !is_near(ended)) {
                settings.keep(far, changes);
                self.is_started = false;
            }
            let joined = joined.filter(is_near).map(|of| Event { end: now.end, score: of.score.max(now.score), ..of });
            self.open = Some(joined.unwrap_or(now));
        } else if let Some(far) = self.ended.take_if(|ended| now.end - ended.end >= settings.min_gap) {
            settings.keep(far, changes);
            self.is_started = false;
        }
    }
}

impl EventSettings {
    fn is_kept(&self, event: &Event) -> bool {
        event.end - event.start >= self.min_length
    }

    /// Adds the event if it is long enough.
    fn keep(&self, event: Event, changes: &mut Vec<EventChange>) {
        if self.is_kept(&event) {
            changes.push(EventChange::Ended(event));
        }
    }
}

/// The median; of an even number of values, the mean of the two in the middle.
fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (lower, &mut upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    if !is_even {
        return upper;
    }
    let below = lower.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f32::midpoint(below, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Timeline {
        Timeline::new(1.0, 0.5).unwrap()
    }

    /// The events of windows of 1 s every 0.5 s.
    fn events(settings: EventSettings, scores: &[f32]) -> Vec<(f64, f64, f32)> {
        let mut detector = EventDetector::new(settings, &timeline(), 2).unwrap();
        let mut found = Vec::new();
        // A second sound with the same detector has the same events.
        for _ in 0..2 {
            found.clear();
            for (place, &score) in scores.iter().enumerate() {
                let start = 0.5 * place as f64;
                let window = ScoredWindow { start, end: start + 1.0, probabilities: vec![0.0, score] };
                found.extend(detector.push(&window));
            }
            found.extend(detector.finish(0.5 * scores.len() as f64 + 0.5));
        }
        assert!(found.iter().all(|event| event.class == 1));
        found.into_iter().map(|event| (event.start, event.end, event.score)).collect()
    }

    #[test]
    fn an_event_lasts_from_on_to_off() {
        let of = |scores: &[f32]| events(EventSettings::default(), scores);
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[0.4, 0.4]), []);
        assert_eq!(of(&[0.5]), [(0.0, 1.0, 0.5)], "one window is the whole sound");
        assert_eq!(of(&[0.1, 0.4, 0.6, 0.3, 0.2, 0.1]), [(1.25, 2.25, 0.6)]);
        assert_eq!(of(&[0.9, 0.1, 0.1, 0.7]), [(0.0, 0.75, 0.9), (1.75, 2.5, 0.7)]);
    }

    #[test]
    fn near_events_are_joined_and_short_ones_are_dropped() {
        let scores = [0.9, 0.1, 0.8, 0.1, 0.1, 0.7, 0.7, 0.1];
        let of = |min_gap, min_length| events(EventSettings { min_gap, min_length, ..Default::default() }, &scores);
        let whole = [(0.0, 0.75, 0.9), (1.25, 1.75, 0.8), (2.75, 3.75, 0.7)];
        assert_eq!(of(0.0, 0.0), whole);
        assert_eq!(of(0.5, 0.0), whole, "less than the gap joins, not as much");
        assert_eq!(of(0.6, 0.0), [(0.0, 1.75, 0.9), (2.75, 3.75, 0.7)]);
        assert_eq!(of(1.1, 0.0), [(0.0, 3.75, 0.9)]);
        assert_eq!(of(0.0, 0.6), [(0.0, 0.75, 0.9), (2.75, 3.75, 0.7)]);
        assert_eq!(of(0.6, 1.5), [(0.0, 1.75, 0.9)], "joined first");
    }

    #[test]
    fn every_event_starts_once_and_only_if_it_is_kept() {
        let scores = [0.9, 0.1, 0.8, 0.1, 0.1, 0.7, 0.7, 0.1, 0.1, 0.1];
        let of = |min_gap, min_length| {
            let settings = EventSettings { min_gap, min_length, ..EventSettings::default() };
            let mut detector = EventDetector::new(settings, &timeline(), 1).unwrap();
            let mut found = Vec::new();
            for (place, score) in scores.into_iter().enumerate() {
                let start = 0.5 * place as f64;
                let window = ScoredWindow { start, end: start + 1.0, probabilities: vec![score] };
                found.extend(detector.push_live(&window).into_iter().map(|change| (place, change)));
            }
            found.extend(detector.finish_live(5.5).into_iter().map(|change| (scores.len(), change)));
            let times = |(place, change)| match change {
                EventChange::Started(event) => (place, event.start, None),
                EventChange::Ended(event) => (place, event.start, Some(event.end)),
            };
            found.into_iter().map(times).collect::<Vec<_>>()
        };
        // A window is judged when the next one is there.
        let (a, b, c) = (0.0, 1.25, 2.75);
        let each =
            [(1, a, None), (2, a, Some(0.75)), (3, b, None), (4, b, Some(1.75)), (6, c, None), (8, c, Some(3.75))];
        assert_eq!(of(0.0, 0.0), each);
        // The end is known only when nothing can be joined any more.
        assert_eq!(of(0.6, 0.0), [(1, a, None), (5, a, Some(1.75)), (6, c, None), (9, c, Some(3.75))]);
        // Only a long event starts, as soon as it is long.
        assert_eq!(of(0.0, 1.0), [(7, c, None), (8, c, Some(3.75))]);
        assert_eq!(of(0.6, 1.5), [(3, a, None), (5, a, Some(1.75))]);
    }

    #[test]
    fn the_median_removes_single_windows() {
        let smooth = |scores: &[f32]| events(EventSettings { median: 1.5, ..Default::default() }, scores);
        assert_eq!(smooth(&[0.1, 0.1, 0.9, 0.1, 0.1, 0.1]), []);
        assert_eq!(smooth(&[0.1, 0.1, 0.9, 0.1, 0.8, 0.7, 0.1]), [(1.75, 4.0, 0.8)]);
        // At the ends there are fewer windows: the mean of two.
        assert_eq!(smooth(&[0.9, 0.5]), [(0.0, 1.5, 0.7)]);
        assert_eq!(
            [median(&mut [3.0, 1.0, 2.0]), median(&mut [4.0, 1.0, 2.0, 3.0]), median(&mut [5.0])],
            [2.0, 2.5, 5.0]
        );
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let key = |settings: EventSettings| match settings.validate() {
            Err(TaggingError::Timeline { key, .. }) => key,
            other => panic!("{other:?}"),
        };
        let usual = EventSettings::default();
        assert_eq!(key(EventSettings { on: 0.0, off: 0.0, ..usual }), "on");
        assert_eq!(key(EventSettings { on: f32::NAN, ..usual }), "on");
        assert_eq!(key(EventSettings { off: 0.6, ..usual }), "off");
        assert_eq!(key(EventSettings { median: -1.0, ..usual }), "median");
        assert_eq!(key(EventSettings { min_length: f64::NAN, ..usual }), "min_length");
        assert_eq!(key(EventSettings { min_gap: 1e9, ..usual }), "min_gap");
    }
}
