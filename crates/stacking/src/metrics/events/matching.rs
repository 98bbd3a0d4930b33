//! Event-based counts: estimated events matched with reference events.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Counts, Event, EventSettings, RecordingEvents, Tally};

/// The counts of one recording, with or without looking at the offsets.
pub(super) fn tally<'a>(recording: &'a RecordingEvents, settings: &EventSettings, with_offset: bool) -> Tally<'a> {
    let RecordingEvents { reference, estimated } = recording;
    let near = |of: usize, by: usize| is_near(&reference[of], &estimated[by], settings, with_offset);
    let mut graph = Graph::new(estimated.len());
    for (of, event) in reference.iter().enumerate() {
        for by in (0..estimated.len()).filter(|by| event.label == estimated[*by].label && near(of, *by)) {
            graph.connect(by, of);
        }
    }
    let matching = graph.matching();

    let matched: HashSet<usize> = matching.values().copied().collect();
    let mut left: Vec<usize> = (0..estimated.len()).filter(|by| !matched.contains(by)).collect();
    let mut substitutions = 0;
    for of in (0..reference.len()).filter(|of| !matching.contains_key(of)) {
        if let Some(first) = left.iter().position(|by| near(of, *by)) {
            left.remove(first);
            substitutions += 1;
        }
    }

    let mut hits: BTreeMap<&str, u64> = BTreeMap::new();
    for of in matching.keys() {
        *hits.entry(&reference[*of].label).or_default() += 1;
    }
    let (reference, estimated) = (per_label(reference), per_label(estimated));
    let count = |counts: &BTreeMap<&str, u64>, label: &str| counts.get(label).copied().unwrap_or(0);
    let of_label = reference.keys().chain(estimated.keys()).map(|label| {
        (*label, Counts::of_label(count(&reference, label), count(&estimated, label), count(&hits, label)))
    });
    let of_label: BTreeMap<&str, Counts> = of_label.collect();
    let mut all: Counts = of_label.values().copied().sum();
    all.substitutions = substitutions;
    all.deletions -= substitutions;
    all.insertions -= substitutions;
    Tally { all, of_label }
}

/// Whether an estimated event has the times of a reference event.
fn is_near(reference: &Event, estimated: &Event, settings: &EventSettings, with_offset: bool) -> bool {
    let of_length = settings.length_share * (reference.offset - reference.onset);
    (reference.onset - estimated.onset).abs() <= settings.collar
        && (!with_offset || (reference.offset - estimated.offset).abs() <= settings.collar.max(of_length))
}

fn per_label(events: &[Event]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(event.label.as_str()).or_default() += 1;
    }
    counts
}

/// Which reference events each estimated event may be matched with.
struct Graph {
    /// The estimated events that have any, in the order of their first connection.
    order: Vec<usize>,
    references: Vec<Vec<usize>>,
}

/// How a search reached an estimated event.
#[derive(Clone, Copy)]
enum From {
    /// It is not matched: paths start here.
    Start,
    /// It is the match of this reference event.
    Match(usize),
}

/// The layers of a search: the estimated events by which each reference event was reached, and how
/// the estimated events were.
struct Layers {
    reached_by: HashMap<usize, Vec<usize>>,
    from: HashMap<usize, From>,
    /// Reached reference events without a match.
    ends: Vec<usize>,
}

/// The match of each matched reference event.
type Matching = HashMap<usize, usize>;

impl Graph {
    fn new(estimated: usize) -> Self {
        Self { order: Vec::new(), references: vec![Vec::new(); estimated] }
    }

    fn connect(&mut self, estimated: usize, reference: usize) {
        if self.references[estimated].is_empty() {
            self.order.push(estimated);
        }
        self.references[estimated].push(reference);
    }

    /// A largest matching, after Hopcroft and Karp 1973. There may be several, and they leave
    /// different events for substitutions; this one is that of `sed_eval`, because the order of the
    /// search is the same.
    fn matching(&self) -> Matching {
        let mut matching = Matching::new();
        for estimated in &self.order {
            if let Some(reference) = self.references[*estimated].iter().find(|of| !matching.contains_key(*of)) {
                matching.insert(*reference, *estimated);
            }
        }
        loop {
            let mut layers = self.layers(&matching);
            if layers.ends.is_empty() {
                return matching;
            }
            for end in std::mem::take(&mut layers.ends) {
                layers.augment(end, &mut matching);
            }
        }
    }

    /// Searches from the unmatched estimated events until the first layer with an unmatched
    /// reference event.
    fn layers(&self, matching: &Matching) -> Layers {
        let matched: HashSet<usize> = matching.values().copied().collect();
        let mut layer: Vec<usize> = self.order.iter().copied().filter(|by| !matched.contains(by)).collect();
        let from = layer.iter().map(|by| (*by, From::Start)).collect();
        let mut layers = Layers { reached_by: HashMap::new(), from, ends: Vec::new() };
        while !layer.is_empty() && layers.ends.is_empty() {
            let (mut order, mut reached): (Vec<usize>, HashMap<usize, Vec<usize>>) = Default::default();
            for by in &layer {
                for of in self.references[*by].iter().filter(|of| !layers.reached_by.contains_key(*of)) {
                    let paths = reached.entry(*of).or_default();
                    if paths.is_empty() {
                        order.push(*of);
                    }
                    paths.push(*by);
                }
            }
            layers.reached_by.extend(reached);
            layer.clear();
            for of in order {
                match matching.get(&of) {
                    Some(by) => {
                        layer.push(*by);
                        layers.from.insert(*by, From::Match(of));
                    }
                    None => layers.ends.push(of),
                }
            }
        }
        layers
    }
}

impl Layers {
    /// Searches back from an unmatched reference event to an unmatched estimated event, and
    /// exchanges the matches on the path. What was visited is not visited again.
    fn augment(&mut self, end: usize, matching: &mut Matching) {
        // The path so far: each reference event, the estimated events to try, and the one tried.
        let mut path: Vec<(usize, std::vec::IntoIter<usize>, usize)> = Vec::new();
        let mut next = Some(end);
        loop {
            if let Some(paths) = next.and_then(|of| Some((of, self.reached_by.remove(&of)?))) {
                path.push((paths.0, paths.1.into_iter(), 0));
            }
            let Some((_, paths, tried)) = path.last_mut() else { return };
            next = None;
            match paths.find_map(|by| Some((by, self.from.remove(&by)?))) {
                None => {
                    path.pop();
                }
                Some((by, from)) => {
                    *tried = by;
                    match from {
                        From::Match(of) => next = Some(of),
                        From::Start => {
                            matching.extend(path.into_iter().map(|(of, _, by)| (of, by)));
                            return;
                        }
                    }
                }
            }
        }
    }
}
