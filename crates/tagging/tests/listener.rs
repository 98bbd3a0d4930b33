//! Live sound has the events of the same sound in a file.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundles;

use std::path::Path;
use std::sync::Arc;

use bundles::{clip, write};
use earmark_audio::write_wav;
use earmark_tagging::{
    Event, EventChange, EventDetector, EventSettings, Listener, Parallelism, Tagger, TaggingError, Timeline,
    TimelinePart,
};

fn tagger(folder: &Path) -> Arc<Tagger> {
    write(folder, false);
    Arc::new(Tagger::open(folder, Parallelism::split(1, 1)).unwrap())
}

/// The events of a file.
fn of_file(tagger: &Tagger, path: &Path, timeline: Timeline, mut detector: EventDetector) -> Vec<Event> {
    let mut events = Vec::new();
    tagger
        .timelines(&[path.to_owned()], timeline, |_, part| {
            match part {
                TimelinePart::Windows(windows) => windows.iter().for_each(|of| events.extend(detector.push(of))),
                TimelinePart::End { end, .. } => events.extend(detector.finish(end)),
                TimelinePart::Failed(error) => panic!("{error}"),
            }
            Ok::<(), ()>(())
        })
        .unwrap();
    events
}

/// For each class, a score that some of the windows of a file have.
fn thresholds(tagger: &Tagger, path: &Path, timeline: Timeline) -> Vec<f32> {
    let mut scores = vec![Vec::new(); tagger.labels().len()];
    tagger
        .timelines(&[path.to_owned()], timeline, |_, part| {
            if let TimelinePart::Windows(windows) = part {
                for window in windows {
                    scores.iter_mut().zip(window.probabilities).for_each(|(of, score)| of.push(score));
                }
            }
            Ok::<(), ()>(())
        })
        .unwrap();
    let quantile = |of: &mut Vec<f32>| {
        of.sort_by(f32::total_cmp);
        of[of.len() * 2 / 3]
    };
    scores.iter_mut().map(quantile).collect()
}

#[test]
fn live_events_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let tagger = tagger(folder.path());
    let path = folder.path().join("sound.wav");
    let classes = tagger.labels().len();
    let mut found = 0;
    for (seconds, rate) in [(33.3, 22_050), (20.0, 16_000), (0.4, 44_100)] {
        write_wav(&path, &clip(seconds, rate)).unwrap();
        let sound = earmark_audio::decode(&path, &tagger.limits).unwrap();
        let timeline = Timeline::new(1.0, 0.25).unwrap();
        let thresholds = thresholds(&tagger, &path, timeline);
        for (median, min_length, min_gap) in [(0.0, 0.0, 0.0), (0.75, 0.0, 0.5), (0.0, 0.6, 0.3), (0.5, 1.0, 2.0)] {
            let settings = EventSettings { on: 0.5, off: 0.4999, median, min_length, min_gap };
            let detector = EventDetector::new(settings, &timeline, classes).unwrap().with_thresholds(&thresholds);
            let expected = of_file(&tagger, &path, timeline, detector.clone());
            found += expected.len();
            for size in [160, 7_000, usize::MAX] {
                let mut listener = Listener::new(Arc::clone(&tagger), rate, timeline, detector.clone()).unwrap();
                let mut open: Vec<Option<f64>> = vec![None; classes];
                let mut ended = Vec::new();
                let mut take = |changes: Vec<EventChange>, now: f64| {
                    for change in changes {
                        match change {
                            EventChange::Started(event) => {
                                assert_eq!(open[event.class].replace(event.start), None, "started once");
                                let block = (size.min(sound.samples.len()) as f64 / f64::from(rate)).min(now);
                                let delay = now - block - event.start;
                                // Until an event is long enough, another may be joined to it.
                                let joined = if min_length > 0.0 { min_gap } else { 0.0 };
                                assert!(
                                    delay - joined <= 1.0 + 0.5 + median / 2.0 + min_length + 0.25,
                                    "after {delay} s"
                                );
                            }
                            EventChange::Ended(event) => {
                                assert_eq!(open[event.class].take(), Some(event.start), "it had started");
                                ended.push(event);
                            }
                        }
                    }
                };
                for block in sound.samples.chunks(size.min(sound.samples.len())) {
                    let changes = listener.push(block).unwrap();
                    take(changes, listener.seconds());
                }
                let seconds = listener.seconds();
                assert_eq!(seconds, sound.seconds());
                take(listener.finish().unwrap(), seconds);
                assert!(open.iter().all(Option::is_none));
                assert_eq!(ended, expected, "{rate} Hz, blocks of {size}, {settings:?}");
            }
        }
    }
    assert!(found > 60, "{found} events are few");
}

#[test]
fn what_cannot_be_sound_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let tagger = tagger(folder.path());
    let timeline = Timeline::new(1.0, 0.5).unwrap();
    let detector = EventDetector::new(EventSettings::default(), &timeline, tagger.labels().len()).unwrap();
    let listen = |rate| Listener::new(&*tagger, rate, timeline, detector.clone());
    let pushed = listen(44_100).unwrap().push(&[0.0, f32::NAN]);
    assert!(matches!(pushed, Err(TaggingError::Resampling { .. })));
    assert!(matches!(listen(0).err(), Some(TaggingError::Resampling { .. })));
    assert_eq!(listen(44_100).unwrap().finish().unwrap(), [], "no sound has no events");
}
