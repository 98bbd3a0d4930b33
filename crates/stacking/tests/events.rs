//! Compares the scores of detected events with sed_eval's (golden/sed).
#![allow(clippy::unwrap_used, reason = "tests")]

use earmark_stacking::{Event, EventScores, EventSettings, LATEST_EVENT, RecordingEvents, StackError, score_events};
use serde_json::Value;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/sed/cases.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 16);
    cases
}

fn event(label: &str, onset: f64, offset: f64) -> Event {
    Event { label: label.to_owned(), onset, offset }
}

fn events(of: &Value) -> Vec<Event> {
    let event = |of: &Value| {
        event(of["label"].as_str().unwrap(), of["onset"].as_f64().unwrap(), of["offset"].as_f64().unwrap())
    };
    of.as_array().unwrap().iter().map(event).collect()
}

fn recordings(case: &Value) -> Vec<RecordingEvents> {
    let recording =
        |of: &Value| RecordingEvents { reference: events(&of["reference"]), estimated: events(&of["estimated"]) };
    case["recordings"].as_array().unwrap().iter().map(recording).collect()
}

fn settings(case: &Value) -> EventSettings {
    let of = |key: &str| case["settings"][key].as_f64().unwrap();
    EventSettings { collar: of("collar"), length_share: of("length_share"), resolution: of("resolution") }
}

/// Lists where two values differ, numbers by more than 1e-9.
fn compare(place: &str, got: &Value, expected: &Value, faults: &mut Vec<String>) {
    match (got, expected) {
        (Value::Object(got), Value::Object(expected)) => {
            assert_eq!(got.len(), expected.len(), "{place}");
            expected.iter().for_each(|(key, value)| compare(&format!("{place}, {key}"), &got[key], value, faults));
        }
        (Value::Array(got), Value::Array(expected)) => {
            assert_eq!(got.len(), expected.len(), "{place}");
            got.iter().zip(expected).for_each(|(got, expected)| compare(place, got, expected, faults));
        }
        (Value::Number(a), Value::Number(b)) if (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-9 => {}
        _ if got == expected => {}
        _ => faults.push(format!("{place} is {got}, not {expected}")),
    }
}

#[test]
fn scores_equal_those_of_sed_eval() {
    let mut faults = Vec::new();
    for case in cases() {
        let got = score_events(&recordings(&case), &settings(&case)).unwrap();
        let got = serde_json::to_value(&got).unwrap();
        compare(case["name"].as_str().unwrap(), &got, &case["scores"], &mut faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn scores(reference: Vec<Event>, estimated: Vec<Event>) -> EventScores {
    score_events(&[RecordingEvents { reference, estimated }], &EventSettings::default()).unwrap()
}

#[test]
fn without_recordings_or_events_there_is_no_score() {
    for got in [score_events(&[], &EventSettings::default()).unwrap(), scores(vec![], vec![])] {
        assert!(got.event_based.per_class.is_empty());
        assert_eq!((got.segment_based.micro.counts.reference, got.event_based.micro.precision), (0, 0.0));
        assert!(got.event_based.micro.f1.is_nan() && got.onset_based.macro_average.f1.is_nan());
    }
}

/// Ten thousand events, each a collar after the one before: every match depends on the others.
#[test]
fn long_chains_of_matches_are_found() {
    let at = |n: usize, shift: f64| event("x", n as f64 * 0.25 + shift, n as f64 * 0.25 + shift);
    let mut estimated: Vec<Event> = (0..10_000).map(|n| at(n, 0.125)).collect();
    // Each is between two reference events and prefers the earlier one, which only one more needs.
    estimated.push(at(0, 0.0));
    let got = scores((0..10_001).map(|n| at(n, 0.0)).collect(), estimated);
    assert_eq!(got.event_based.micro.counts.hits, 10_001);
}

/// A day with an event at its end has 86,400 segments, which must not be visited for each label.
#[test]
fn late_events_take_no_time() {
    let late = event("late", LATEST_EVENT - 1.5, LATEST_EVENT);
    let settings = EventSettings { resolution: 0.001, ..EventSettings::default() };
    let recording = RecordingEvents { reference: vec![late.clone()], estimated: vec![late] };
    let got = score_events(&[recording], &settings).unwrap();
    assert_eq!(got.segment_based.micro.counts.hits, 1500);
}

#[test]
fn impossible_events_and_settings_are_refused() {
    let wrong = [(-0.1, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::NAN), (0.0, f64::INFINITY), (0.0, 2e9)];
    for (onset, offset) in wrong {
        let recording = RecordingEvents { reference: vec![], estimated: vec![event("x", onset, offset)] };
        let error = score_events(&[recording], &EventSettings::default()).unwrap_err();
        assert!(matches!(&error, StackError::Event { label, .. } if label == "x"), "{error}");
    }
    let default = EventSettings::default();
    let settings = [
        ("collar", EventSettings { collar: 0.0, ..default }),
        ("collar", EventSettings { collar: f64::NAN, ..default }),
        ("length_share", EventSettings { length_share: 1.1, ..default }),
        ("resolution", EventSettings { resolution: 0.0, ..default }),
        ("resolution", EventSettings { resolution: f64::INFINITY, ..default }),
    ];
    for (wrong, settings) in settings {
        let error = score_events(&[], &settings).unwrap_err();
        assert!(matches!(&error, StackError::Setting { key, .. } if *key == wrong), "{wrong}: {error}");
    }
}
