//! Where the events of a recording are.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::synth::dsp::{RATE, within};

/// Random positions that are tried for an event.
const TRIES: usize = 200;

/// The least distance of two events of one class, in samples: half a second.
const GAP: usize = (RATE / 2.0) as usize;

/// An event whose position is known.
pub(super) struct Placed {
    pub class: usize,
    /// Its samples in the recording.
    pub range: Range<usize>,
}

/// The number of events in a recording where `mean` are expected: the arrivals of a Poisson
/// process.
pub(super) fn poisson(mean: f64, rng: &mut ChaCha8Rng) -> usize {
    let mut time = 0.0;
    let mut arrives = || {
        time -= libm::log(1.0 - within(rng, 0.0..1.0));
        time < mean
    };
    std::iter::repeat_with(&mut arrives).take_while(|arrives| *arrives).count()
}

/// Draws a place for `samples` samples of a class in a recording of `length` samples, which is no
/// shorter. None if no place is found.
pub(super) fn place<'a>(
    (class, samples): (usize, usize),
    length: usize,
    placed: impl Iterator<Item = &'a Placed> + Clone,
    max_overlap: usize,
    rng: &mut ChaCha8Rng,
) -> Option<Placed> {
    let candidate = |_| {
        let start = rng.random_range(0..=(length - samples) as u64) as usize;
        Placed { class, range: start..start + samples }
    };
    (0..TRIES).map(candidate).find(|event| fits(event, placed.clone(), max_overlap))
}

/// Whether an event overlaps with few enough others, and is far enough from those of its class.
fn fits<'a>(event: &Placed, placed: impl Iterator<Item = &'a Placed> + Clone, max_overlap: usize) -> bool {
    let overlaps = |other: &&Placed, gap: usize| {
        other.range.start < event.range.end + gap && event.range.start < other.range.end + gap
    };
    if placed.clone().any(|other| other.class == event.class && overlaps(&other, GAP)) {
        return false;
    }
    let others: Vec<&Placed> = placed.filter(|other| overlaps(other, 0)).collect();
    // The most events sound at once where one of them starts.
    let starts = others.iter().map(|other| other.range.start).chain([event.range.start]);
    let at_once = |at: usize| 1 + others.iter().filter(|other| other.range.contains(&at)).count();
    starts.filter(|start| event.range.contains(start)).map(at_once).max().unwrap_or(1) <= max_overlap
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    fn place_all(sounds: &[(usize, usize)], length: usize, max_overlap: usize) -> Vec<Placed> {
        let (mut rng, mut placed) = (stream(max_overlap as u64, &[]), Vec::new());
        for sound in sounds {
            placed.extend(place(*sound, length, placed.iter(), max_overlap, &mut rng));
        }
        placed.sort_by_key(|event| event.range.start);
        placed
    }

    #[test]
    fn no_more_events_than_allowed_sound_at_once() {
        let rate = RATE as usize;
        for max_overlap in 1..4 {
            let sounds: Vec<(usize, usize)> = (0..60).map(|n| (n % 7, rate * (1 + n % 4))).collect();
            let placed = place_all(&sounds, 60 * rate, max_overlap);
            let at_once = |at: usize| placed.iter().filter(|event| event.range.contains(&at)).count();
            let most = placed.iter().map(|event| at_once(event.range.start)).max().unwrap();
            assert_eq!(most, max_overlap);
            assert!(placed.len() < 60 && placed.iter().all(|event| event.range.end <= 60 * rate));
            for (n, event) in placed.iter().enumerate() {
                let same = placed[n + 1..].iter().find(|other| other.class == event.class);
                assert!(same.is_none_or(|other| other.range.start >= event.range.end + rate / 2));
            }
        }
    }

    #[test]
    fn an_event_as_long_as_the_recording_fills_it() {
        let placed = place_all(&[(0, 1000), (1, 1000), (0, 1)], 1000, 1);
        assert_eq!(placed.len(), 1);
        assert_eq!(placed[0].range, 0..1000);
    }

    #[test]
    fn as_many_events_arrive_as_expected() {
        let mut rng = stream(5, &[]);
        assert_eq!(poisson(0.0, &mut rng), 0);
        let counts: Vec<f64> = (0..4000).map(|_| poisson(4.0, &mut rng) as f64).collect();
        let mean = counts.iter().sum::<f64>() / 4000.0;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 4000.0;
        assert!((mean - 4.0).abs() < 0.15 && (variance - 4.0).abs() < 0.4, "{mean} {variance}");
    }
}
