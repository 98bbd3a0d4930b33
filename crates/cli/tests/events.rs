//! `earmark mix` and `earmark evaluate-events`: recordings with known events, and the scores of
//! detected ones.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use common::{Place, SYNTH, csv};

#[test]
fn clips_of_esc10_are_laid_over_noise() {
    let Some(esc10) = common::from_environment("EARMARK_ESC10") else { return };
    let place = Place::new("events-esc10");
    std::os::unix::fs::symlink(esc10, place.path("esc10")).unwrap();
    let mix =
        |out: &str, more: &str| format!("mix --data esc10 --out {out} --recordings 3 --seconds 20 --seed 7 {more}");
    let ran = place.run(&mix("a", "--only-folds 0,2")).done();
    assert!(ran.stdout.is_empty() && ran.stderr.contains("3 recordings, 60 s"), "{ran}");
    let (header, rows) = csv(&place.text("a/events.csv"));
    assert_eq!(header, ["path", "label", "start", "end", "clip"]);
    assert!(rows.len() >= 3, "{rows:?}");
    for row in rows.iter().filter(|row| !row[1].is_empty()) {
        let [start, end] = [2, 3].map(|column| row[column].parse::<f64>().unwrap());
        assert!((0.0..20.0).contains(&start) && start < end && end <= 20.0 && end - start < 5.001, "{row:?}");
        // The first number of a name of ESC-10 is the fold, from 1.
        assert!(["1-", "3-"].iter().any(|fold| row[4].starts_with(fold)), "{row:?}");
        assert!(place.path("a").join(&row[0]).is_file());
    }
    place.run(&mix("b", "--only-folds 0,2")).done();
    assert_eq!(place.tree("a"), place.tree("b"));
    place.run(&mix("a", "--only-folds 1 --noise white --snr -5 --max-overlap 1")).done();
    assert_ne!(place.text("a/events.csv"), place.text("b/events.csv"));

    place.run(&mix("c", "--only-folds 0,5")).failed();
    place.run(&mix("c", "--set test")).failed();
    assert!(!place.path("c").exists());
    let seconds = mix("c", "").replace("--seconds 20", "--seconds 2");
    place.run(&seconds).failed_naming(&["s of sound, more than a recording of 2 s; make the recordings longer"]);
}

#[test]
fn what_cannot_be_mixed_is_refused() {
    let place = Place::new("events-mix");
    place.run(SYNTH).done();
    place.write("full/mine.txt", "mine");
    for words in [
        "--out a --data nothing",
        "--out a --data data --only-folds 0",
        "--out a --data data --recordings 0",
        "--out a --data data --seconds 4000",
        "--out a --data data --max-overlap 0",
        "--out ../no-such-folder/c --data data",
        "--out full --data data",
    ] {
        place.run(&format!("mix {words}")).failed();
    }
    let ran = place.run("mix --out a --data data --set test --only-folds 0");
    assert_eq!(ran.code, Some(2), "{ran}");
    assert_eq!(place.run("mix --out a --data data --noise brown").code, Some(2));
    assert!(!place.path("a").exists());
    place.run("mix --out a --data data --recordings 1 --seconds 10 --events-per-minute 300").warned();
    place.run("synth --out several --seed 3 --train-clips 60 --test-clips 12 --multi-label").done();
    place.run("mix --out b --data several").failed();
}

#[cfg(feature = "train")]
mod scores {
    use std::fmt::Write;

    use serde_json::Value;

    use super::common::{Place, SYNTH, csv};

    /// Scores of sed_eval.
    const GOLDEN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/sed/cases.json"));

    /// A table of events of a golden case. Other columns than the four are ignored.
    fn table(case: &Value, list: &str, folder: &str) -> String {
        let mut text = "score,end,path,label,start\n".to_owned();
        for (n, recording) in case["recordings"].as_array().unwrap().iter().enumerate() {
            writeln!(text, ",,{folder}{n}.wav,,").unwrap();
            for event in recording[list].as_array().unwrap() {
                let (label, start, end) = (event["label"].as_str().unwrap(), &event["onset"], &event["offset"]);
                writeln!(text, "0.5,{end},{folder}{n}.wav,{label},{start}").unwrap();
            }
        }
        text
    }

    #[test]
    fn events_are_judged_as_sed_eval_judges_them() {
        let place = Place::new("events-golden");
        let cases: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
        for case in &cases {
            place.write("reference.csv", table(case, "reference", ""));
            place.write("estimated.csv", table(case, "estimated", "./some/folder/"));
            let of = |key: &str| case["settings"][key].as_f64().unwrap();
            if of("length_share") != 0.5 {
                continue;
            }
            let settings = format!("--collar {} --resolution {}", of("collar"), of("resolution"));
            let got =
                place.run(&format!("evaluate-events reference.csv estimated.csv --json {settings}")).done().json();
            let recordings = case["recordings"].as_array().unwrap().len();
            assert_eq!((got["recordings"].as_u64(), &got["missing"]), (Some(recordings as u64), &Value::Array(vec![])));
            for kind in ["event_based", "onset_based", "segment_based"] {
                for (mean, key) in [("micro", "f1"), ("micro", "error_rate"), ("macro", "f1")] {
                    let (got, expected) = (&got[kind][mean][key], &case["scores"][kind][mean][key]);
                    let equal = match (got.as_f64(), expected.as_f64()) {
                        (Some(got), Some(expected)) => (got - expected).abs() < 1e-9,
                        (got, expected) => got == expected,
                    };
                    assert!(equal, "{}: {kind} {mean} {key} is {got}, not {expected}", case["name"]);
                }
            }
        }
    }

    #[test]
    fn recordings_with_known_events_are_scored() {
        let place = Place::new("events-mixed");
        place.run(SYNTH).done();
        place.run("mix --data data --out recs --recordings 4 --seconds 30 --seed 2").done();
        // As they are, but named from the folder in which the command ran.
        let (_, rows) = csv(&place.text("recs/events.csv"));
        let named = |shift: f64| {
            let mut text = "path,label,start,end,score\n".to_owned();
            for row in rows.iter().filter(|row| !row[1].is_empty()) {
                let [start, end] = [2, 3].map(|column| row[column].parse::<f64>().unwrap() + shift);
                writeln!(text, "recs/{},{},{start},{end},0.9", row[0], row[1]).unwrap();
            }
            text
        };
        let score = |shift: f64, options: &str| {
            place.write("found.csv", named(shift));
            place.run(&format!("evaluate-events recs/events.csv found.csv --json {options}")).done().json()
        };
        let f1 = |scores: &Value, kind: &str| scores[kind]["micro"]["f1"].as_f64().unwrap();
        let exact = score(0.0, "");
        assert_eq!(["event_based", "onset_based", "segment_based"].map(|kind| f1(&exact, kind)), [1.0; 3]);
        let late = score(0.3, "");
        assert_eq!(f1(&late, "onset_based"), 0.0);
        assert!(f1(&late, "segment_based") > 0.7 && f1(&late, "segment_based") < 1.0);
        assert_eq!(f1(&score(0.3, "--collar 0.35"), "onset_based"), 1.0);

        let text = place.run("evaluate-events recs/events.csv found.csv").done().stdout;
        assert!(text.contains("onset and offset, micro") && text.contains("4 recordings. Collar 0.2 s"), "{text}");
    }

    const REFERENCE: &str = "path,label,start,end\na/1.wav,Dog,0,1.5\na/1.wav,Rain,2,4\nb/1.wav,,,\n2.wav,Dog,1,2\n";

    #[test]
    fn recordings_are_paired_by_the_ends_of_their_paths() {
        let place = Place::new("events-paths");
        place.write("reference.csv", REFERENCE);
        let hits = |rows: &str, options: &str| {
            place.write("estimated.csv", format!("path,label,start,end\n{rows}"));
            let ran = place.run(&format!("evaluate-events reference.csv estimated.csv --json {options}"));
            ran.done().json()["event_based"]["micro"]["hits"].as_u64().unwrap()
        };
        assert_eq!(hits("a/1.wav,Dog,0,1.5\n./a//1.wav,Rain,2,4\n2.wav,Dog,1,2\n", ""), 3);
        assert_eq!(hits("/x/a/1.wav,Dog,0,1.5\nx\\2.wav,Dog,1,2\n", ""), 2);
        assert_eq!(hits("c/1.wav,Dog,0,1.5\n2.wav,Dog,1,2\n", "--ignore-unlisted"), 1);
        assert_eq!(hits("", ""), 0);
        // A reference with longer paths.
        place.write("reference.csv", "path,label,start,end\n/data/a/1.wav,Dog,0,1.5\n/data/b/1.wav,Dog,3,4\n");
        assert_eq!(hits("a/1.wav,Dog,0,1.5\nb/1.wav,Dog,3,4\n", ""), 2);
    }

    #[test]
    fn bad_tables_are_refused_and_doubts_are_named() {
        let place = Place::new("events-tables");
        place.write("reference.csv", REFERENCE);
        for table in [
            "",
            "path,label,onset,offset\n",
            "path,label,start,end\na/1.wav,Dog,0,1\n,Dog,0,1\n",
            "path,label,start,end\na/1.wav,Dog,zero,1\na/1.wav,Dog,1,inf\na/1.wav,Dog,-1,1\na/1.wav,Dog,0,1,1\n",
            "path,label,start,end\na/1.wav,Dog,zero,1\na/1.wav,Dog,1,inf\na/1.wav,Dog,-1,1\na/1.wav,Dog,2,1\n",
            "path,label,start,end\na/1.wav,Dog,,\n",
            "path,label,start,end\nc/1.wav,Dog,1,2\n3.wav,Dog,1,2\n",
            "path,label,start,end\n1.wav,Dog,1,2\n",
            "path,label,start,end\nx/2.wav,Dog,1,2\n\ny/2.wav,Dog,1,2\n",
        ] {
            place.write("estimated.csv", table);
            place.run("evaluate-events reference.csv estimated.csv").failed();
        }
        place.run("evaluate-events reference.csv nothing.csv").failed();
        place.write("estimated.csv", "path,label,start,end\n3.wav,,,\na/1.wav,dog,0,1.5\na/1.wav,Cat,0,1.5\n");
        place.run("evaluate-events reference.csv estimated.csv --ignore-unlisted").warned();
        place.run("evaluate-events reference.csv reference.csv --collar 0").failed();
        place.run("evaluate-events reference.csv reference.csv --resolution nan").failed();
        place.write("empty.csv", "path,label,start,end\n");
        place.run("evaluate-events empty.csv reference.csv").failed();
    }
}
