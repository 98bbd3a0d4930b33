//! `earmark data check`: its output for people and for scripts, and its exit code. The tag-only
//! binary has it, too.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use common::{Place, float_wav};

/// A clip of noise that is different for every seed.
fn clip(seed: u64, samples: u64) -> Vec<u8> {
    let hash = |n: u64| (n + seed * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    float_wav(&(0..samples).map(|n| hash(n) as f32 / (1 << 24) as f32 - 0.5).collect::<Vec<_>>())
}

/// Clips of two classes by two speakers, in class folders and in a table.
fn two_classes(name: &str) -> Place {
    let place = Place::new(name);
    let mut table = "clip,kind,speaker,part,good\n".to_owned();
    for (seed, (kind, speaker, part)) in
        [("Bell", "ann", 1), ("Bell", "ben", 2), ("Bark", "ann", 1), ("Bark", "ben", 2), ("Bark", "eve", 2)]
            .iter()
            .enumerate()
    {
        place.write(&format!("data/{kind}/{part}_{speaker}.wav"), clip(seed as u64, 22_050));
        table +=
            &format!("{kind}/{part}_{speaker}.wav,{kind},{speaker},{part},{}\n", if seed == 4 { "no" } else { "yes" });
    }
    place.write("lists/clips.csv", table);
    place
}

#[test]
fn a_good_data_set_is_a_table_or_json() {
    let place = Place::new("check-good");
    place.run("synth --out data --seed 3 --train-clips 120 --test-clips 12").done();
    let ran = place.run("data check data").done();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "data: 120 training clips, 12 test clips, 12 classes");
    assert!(lines.contains(&"rates     44100 Hz: 132 clips") && lines.contains(&"channels  1: 132 clips"), "{ran}");
    assert_eq!(lines.last(), Some(&"0 errors, 0 warnings"));
    assert_eq!(ran.stderr, "");

    let report = place.run("data check data --json").done().json();
    assert_eq!((&report["train"], &report["test"], &report["errors"]), (&120.into(), &12.into(), &0.into()));
    assert_eq!((&report["sample_rates"]["44100"], &report["problems"]), (&132.into(), &serde_json::json!([])));
    let classes = report["classes"].as_array().unwrap();
    assert_eq!(classes.iter().map(|class| class["train"].as_u64().unwrap()).sum::<u64>(), 120);
    let seconds: f64 = classes.iter().map(|class| class["seconds"].as_f64().unwrap()).sum();
    assert!((report["lengths"]["total"].as_f64().unwrap() - seconds).abs() < 1e-6);
}

#[test]
fn problems_to_fix_exit_with_1_and_name_the_files() {
    let place = two_classes("check-bad");
    place.write("data/Bell/2_ben.wav", "no sound");
    place.write("data/Bark/2_eve.wav", clip(0, 22_050));
    let words = "data check data --folds-from ^(.)_";
    let ran = place.run(words).failed();
    for line in [
        "error: data/Bell/2_ben.wav is not an audio file: it has no known format",
        "error: the same file, 2 times, with different labels: Bark, Bell\n  data/Bark/2_eve.wav\n  \
         data/Bell/1_ann.wav\n",
        "error: the same file, 2 times, in different folds, so scores would be too high\n  data/Bark/2_eve.wav\n",
        "3 errors, 0 warnings\n",
    ] {
        assert!(ran.stdout.contains(line), "{line}\n{ran}");
    }
    let ran = place.run(&format!("{words} --json")).failed();
    let report = ran.json();
    let kinds: Vec<_> = report["problems"].as_array().unwrap().iter().map(|problem| problem["kind"].clone()).collect();
    assert_eq!(kinds, ["damaged", "two_labels", "two_folds"]);
    assert_eq!(report["problems"][0]["files"], serde_json::json!(["data/Bell/2_ben.wav"]));
}

#[test]
fn warnings_alone_exit_with_0() {
    let place = two_classes("check-warnings");
    place.write("data/empty/notes.txt", "");
    for seed in 0..2 {
        place.write(&format!("data/bell/small {seed}.wav"), clip(7 + seed, 22_050));
    }
    for clip in 0..30 {
        place.write(&format!("data/deep/er/{clip}.opus"), "");
        place.write(&format!("data/Bell/{clip}.wav"), float_wav(&[0.0; 9]));
    }
    let ran = place.run("data check data --folds 2").done();
    for line in [
        "warning: data/empty: the folder has no clips of its own; it is ignored\n",
        "warning: 30 audio files in data/deep/er in a format that is not decoded\n",
        "\n  and 10 more\n",
        "warning: data/Bell/0.wav: it is silent",
        "\n  and 10 more of this kind; --json lists them all\n",
        "warning: the labels \"Bell\" and \"bell\" differ only in case or spaces\n",
        "\n0 errors, 34 warnings\n",
    ] {
        assert!(ran.stdout.contains(line), "{line}\n{ran}");
    }
}

#[test]
fn options_say_how_the_data_are_read() {
    let place = two_classes("check-options");
    let table = "data check lists/clips.csv --audio-dir data --name-column clip --label-column kind --json";
    let numbers = |words: &str| {
        let report = place.run(words).json();
        (report["train"].as_u64().unwrap(), report["folds"].to_string(), report["groups"].as_u64())
    };
    assert_eq!(numbers(table), (5, "[]".into(), None));
    assert_eq!(numbers(&format!("{table} --fold-column part --group-column speaker")), (5, "[2,3]".into(), Some(3)));
    assert_eq!(numbers(&format!("{table} --where good=yes --fold-column part")), (4, "[2,2]".into(), None));
    assert_eq!(
        numbers("data check data --json --folds-from ^(.)_ --groups-from _([a-z]+)"),
        (5, "[2,3]".into(), Some(3))
    );
    let ran = place.run("data check data --folds 2 --max-seconds 0.4").failed();
    assert!(ran.stdout.contains("data/Bark/1_ann.wav is longer than 0.4 s"), "{ran}");
}

#[test]
fn what_cannot_be_read_is_an_error_without_a_report() {
    let place = two_classes("check-unreadable");
    place.write("clips.csv", "fname,label\na.wav\n");
    for words in [
        "data check nowhere",
        "data check .",
        "data check clips.csv --json",
        "data check data --folds-from (",
        "data check data --groups-from (",
        "data check data --name-column clip",
    ] {
        let ran = place.run(words).failed();
        assert_eq!(ran.stdout, "", "{words}");
    }
    for words in ["data", "data check", "data check data --where good", "data chek data"] {
        let ran = place.run(words);
        assert!(ran.code == Some(2) && ran.stdout.is_empty(), "{ran}");
    }
}
