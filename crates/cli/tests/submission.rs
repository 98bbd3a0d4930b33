//! `earmark evaluate --submission S.csv --truth T.csv`: the real labels of FSDKaggle2018's
//! challenge, and invalid files.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::fmt::Write;
use std::path::Path;

use common::{Place, csv};
use serde_json::Value;

/// Scores computed by scikit-learn and by Kaggle's own function.
const GOLDEN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/metrics/submissions.json"));

/// The clips of the challenge with their labels, and the classes.
fn challenge(folder: &Path) -> (Vec<(String, String)>, Vec<String>) {
    let text = std::fs::read_to_string(folder.join("test_post_competition_scoring_clips.csv")).unwrap();
    let clips: Vec<(String, String)> = csv(&text).1.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let mut labels: Vec<String> = clips.iter().map(|(_, label)| label.clone()).collect();
    labels.sort();
    labels.dedup();
    assert_eq!((clips.len(), labels.len()), (1600, 41));
    (clips, labels)
}

/// The answers of golden/metrics/make.py in Kaggle's format; the rule that generates them is
/// arbitrary.
fn answers(clips: &[(String, String)], labels: &[String]) -> String {
    let mut text = "fname,label\n".to_owned();
    // In a different order than the truth.
    for (i, (name, label)) in clips.iter().enumerate().rev() {
        let t = labels.iter().position(|other| other == label).unwrap();
        let mut answer = [t + 1 + i % 13, t + 14 + i % 11, t + 26 + i % 7].map(|class| labels[class % 41].as_str());
        if i * 7 % 5 < 3 {
            answer[i * 7 % 5] = label;
        }
        writeln!(text, "{name},{}", answer[..if i % 17 == 0 { 1 } else { 3 }].join(" ")).unwrap();
    }
    text
}

/// The table of probabilities of the same script.
fn table(clips: &[(String, String)], labels: &[String]) -> String {
    let mut text = format!("fname,{}\n", labels.join(","));
    for (i, (name, label)) in clips.iter().enumerate().rev() {
        let weight = |c: usize| (i * 31 + c * 17) % 97 + if labels[c] == *label { 60 } else { 0 };
        let sum: usize = (0..41).map(weight).sum();
        text += name;
        (0..41).for_each(|c| write!(text, ",{:.6}", weight(c) as f64 / sum as f64).unwrap());
        text.push('\n');
    }
    text
}

#[track_caller]
fn equals_golden(report: &Value, form: &str) {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let sets = report["sets"].as_array().unwrap();
    let usages: Vec<&str> = sets.iter().map(|set| set["usage"].as_str().unwrap()).collect();
    assert_eq!(usages, ["all", "Public", "Private"]);
    for set in sets {
        let expected = golden[form][set["usage"].as_str().unwrap()].as_object().unwrap();
        for (key, expected) in expected {
            let (got, expected) = (set[key].as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((got - expected).abs() < 1e-9, "{form} {} {key}: {got}, not {expected}", set["usage"]);
        }
        for key in ["map_at_3", "accuracy"] {
            let end = |end: &str| set["intervals"][key][end].as_f64().unwrap();
            assert!(end("low") < set[key].as_f64().unwrap() && set[key].as_f64().unwrap() < end("high"), "{set}");
        }
    }
}

#[test]
fn the_challenge_is_judged_as_others_judge_it() {
    let Some(folder) = common::from_environment("EARMARK_FSDKAGGLE2018") else { return };
    let (clips, labels) = challenge(&folder);
    let place = Place::new("submission-challenge");
    place.write("labels.csv", answers(&clips, &labels));
    place.write("table.csv", table(&clips, &labels));
    let scoring = folder.join("test_post_competition_scoring_clips.csv").display().to_string();
    let all = folder.join("test_post_competition.csv").display().to_string();
    for form in ["labels", "probabilities"] {
        let file = if form == "labels" { "labels.csv" } else { "table.csv" };
        for (truth, ignored) in [(&scoring, 0), (&all, 7800)] {
            let ran = place.run(&format!("evaluate --submission {file} --truth {truth} --json")).done();
            equals_golden(&ran.json(), form);
            assert_eq!(ran.json()["ignored"], ignored);
            assert_eq!(ran.stderr.contains("not scored: 7800 clips of the usage `Ignored`"), ignored > 0, "{ran}");
        }
    }
    // Submissions to Kaggle also have rows for the ignored clips, which do not count.
    let ignored = csv(&std::fs::read_to_string(&all).unwrap()).1.into_iter().filter(|row| row[2] == "Ignored");
    let whole: String = ignored.map(|row| format!("{},Oboe\n", row[0])).collect();
    place.write("whole.csv", answers(&clips, &labels) + &whole);
    let ran = place.run(&format!("evaluate --submission whole.csv --truth {all} --json")).done();
    equals_golden(&ran.json(), "labels");
    place.run(&format!("evaluate --submission whole.csv --truth {scoring}")).failed_naming(&[
        "whole.csv, line 1602",
        "00063640.wav",
        "7780",
    ]);
    // The table for people.
    let ran = place.run(&format!("evaluate --submission table.csv --truth {scoring}")).done();
    for word in
        ["all", "Public", "Private", "1600", "301", "1299", "mAP@3", "macro AUC", "ECE", "95 % confidence intervals"]
    {
        assert!(ran.stdout.contains(word), "{word} is not in {ran}");
    }
}

const TRUTH: &str = "fname,label\na.wav,Dog bark\nb.wav,Rain\nc.wav,Rain\n";

/// Evaluates a submission with a small `truth.csv`.
fn judge(name: &str, submission: &str) -> common::Ran {
    let place = Place::new(&format!("submission-{name}"));
    place.write("truth.csv", TRUTH);
    place.write("s.csv", submission);
    place.run("evaluate --submission s.csv --truth truth.csv --json")
}

#[test]
fn labels_have_underscores_or_not_and_may_be_few() {
    // A byte-order mark, Windows line endings, spaces, and fewer than three labels.
    let ran =
        judge("small", "\u{feff}fname,label\r\nc.wav, Dog_bark  Rain \r\na.wav,Dog_bark\r\nb.wav,Sun Snow Rain").done();
    let report = ran.json();
    assert_eq!(report["sets"].as_array().unwrap().len(), 1, "no usage, no sets");
    assert!((report["sets"][0]["map_at_3"].as_f64().unwrap() - (1.0 + 0.5 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
    assert!((report["sets"][0]["accuracy"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-12);
    // Labels that no clip has are reported and count as wrong.
    assert_eq!(report["unknown_labels"], serde_json::json!(["Snow", "Sun"]));
    ran.warned();

    let table = "fname,Dog bark,Rain,Snow\na.wav,0.5,0.5,0\nb.wav,0.2,0.3,0.5\nc.wav,0,1,0\n";
    let report = judge("small-table", table).done().json();
    assert!((report["sets"][0]["accuracy"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(report["sets"][0]["per_class"][2]["average_precision"], Value::Null);
}

#[test]
fn errors_of_submissions_have_file_and_line() {
    let cases: [(&str, &str); 17] = [
        ("missing", "fname,label\na.wav,Rain\nc.wav,Rain\n"),
        ("unknown", "fname,label\na.wav,Rain\nb.wav,Rain\nc.wav,Rain\nd.wav,Rain\n"),
        ("doubled", "fname,label\na.wav,Rain\nb.wav,Rain\na.wav,Rain\nc.wav,Rain\n"),
        ("four", "fname,label\na.wav,A B C D\nb.wav,Rain\nc.wav,Rain\n"),
        ("no-label", "fname,label\na.wav,Rain\nb.wav,\nc.wav,Rain\n"),
        ("several", "fname,label\na.wav,A B C D\nb.wav,\nc.wav,Rain\n"),
        ("fields", "fname,label\na.wav,Rain,Rain\n"),
        ("header", "name,label\na.wav,Rain\n"),
        ("empty", ""),
        ("empty-lines", "fname,label\n\na.wav,Rain\n\n\nx.wav,\n"),
        ("none", "fname,label\n"),
        ("quote", "fname,label\n\"a.wav,Rain\nb.wav,Rain\n"),
        ("no-column", "fname,Rain,Sun\na.wav,1,0\nb.wav,1,0\nc.wav,1,0\n"),
        ("no-columns", "fname\na.wav\nb.wav\nc.wav\n"),
        ("number", "fname,Rain,Dog_bark\na.wav,1,0\nb.wav,1,x\nc.wav,nan,1.5\n"),
        ("columns-twice", "fname,Rain,Dog bark,Dog_bark\na.wav,1,0,0\nb.wav,1,0,0\nc.wav,0,0,0\n"),
        ("no-utf8-name", "fname,label\na.wav,Rain\nb.wav,Rain\nç.wav,Rain\n"),
    ];
    for (name, submission) in cases {
        judge(name, submission).failed();
    }
}

#[test]
fn errors_of_the_truth_have_file_and_line() {
    let place = Place::new("submission-truth");
    place.write("s.csv", "fname,label\na.wav,Rain\n");
    for truth in [
        "fname,class\na.wav,Rain\n",
        "fname,label\na.wav,Rain\na.wav,Rain\n",
        "fname,label\na.wav,\n",
        "fname,label,usage\na.wav,Rain,public\n",
        "fname,label,usage\na.wav,None,Ignored\n",
        "fname,label\n",
    ] {
        place.write("truth.csv", truth);
        place.run("evaluate --submission s.csv --truth truth.csv").failed();
    }
    place.remove("truth.csv");
    place.run("evaluate --submission s.csv --truth truth.csv").failed();
    // Wrong usage has its own exit code.
    for words in [
        "evaluate",
        "evaluate --submission s.csv",
        "evaluate --truth s.csv",
        "evaluate run --submission s.csv --truth s.csv",
        "evaluate --jobs --submission s.csv --truth s.csv",
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(2), "{ran}");
    }
}
