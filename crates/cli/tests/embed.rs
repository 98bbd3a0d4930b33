//! `earmark embed` and `earmark similar`, with the published weights in the folder of
//! EARMARK_AUDIOSET.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::process::Command;

use common::{Place, Ran, csv, from_environment};
use earmark_embeddings::{Embeddings, Row};
use earmark_tagging::Embedder;

/// Runs a command with the models of the place.
fn run(place: &Place, words: &str) -> Ran {
    let mut command: Command = place.command(words);
    command.env("EARMARK_MODELS", place.path("models"));
    Ran::of(command, words)
}

/// A place with the model mn04_as and sounds of 1 to 12 seconds; none without the weights.
fn place(name: &str) -> Option<Place> {
    let weights = from_environment("EARMARK_AUDIOSET")?.join("mn04_as_mAP_432.pt");
    let place = Place::new(name);
    run(&place, &format!("model import {} --arch mn04 --name mn04_as", weights.display())).done();
    let sound = |seconds: f32, step: f32| -> Vec<f32> {
        (0..(seconds * 44_100.0) as usize).map(|n| 0.3 * (n as f32 * step).sin()).collect()
    };
    for (name, seconds, step) in
        [("low", 2.0, 0.01), ("lower", 2.0, 0.009), ("high", 3.0, 0.6), ("deep/long", 25.0, 0.3)]
    {
        place.write(&format!("sounds/{name}.wav"), common::float_wav(&sound(seconds, step)));
    }
    Some(place)
}

fn paths(ran: &Ran) -> Vec<String> {
    csv(&ran.stdout).1.into_iter().map(|row| row[0].clone()).collect()
}

#[test]
fn a_table_has_the_embeddings_of_its_clips() {
    let Some(place) = place("embed-table") else { return };
    run(&place, "embed sounds --out clips.npy").done();
    run(&place, "embed sounds --out clips.parquet --threads 1").done();
    let clips = Embeddings::read(&place.path("clips.npy")).unwrap();
    assert!(clips == Embeddings::read(&place.path("clips.parquet")).unwrap());
    let row = |name: &str, end| Row { path: format!("sounds/{name}.wav"), start: 0.0, end };
    assert_eq!(clips.rows(), [row("deep/long", 25.0), row("high", 3.0), row("low", 2.0), row("lower", 2.0)]);
    assert_eq!(clips.size(), 384);
    let embedder = Embedder::open(&place.path("models/mn04_as"), None, earmark_features::Layers::Last, 1).unwrap();
    assert_eq!(clips.model.as_ref().unwrap().sha256, embedder.sha256());
    assert_eq!(place.json("clips.json")["model"], "mn04_as");
    for (row, values) in clips.rows().iter().zip(clips.values().chunks(384)) {
        let clip = earmark_audio::decode(&place.path(&row.path), &Default::default()).unwrap();
        assert_eq!(values, embedder.embed_clip(&clip, row.path.as_ref()).unwrap());
    }

    run(&place, "embed sounds --layers stages --out stages.npy").done();
    assert_eq!(Embeddings::read(&place.path("stages.npy")).unwrap().size(), 808);
    let nearest = run(&place, "similar sounds/low.wav --in stages.npy --top 1 --csv").done().stdout;
    assert!(nearest.contains("sounds/lower.wav"), "{nearest}");

    run(&place, "embed sounds/deep sounds/low.wav --windows --out w/windows.npy").done();
    let windows = Embeddings::read(&place.path("w/windows.npy")).unwrap();
    let of_long: Vec<&Row> = windows.rows().iter().filter(|row| row.path.ends_with("long.wav")).collect();
    assert!(of_long.len() > 1 && windows.rows().len() == of_long.len() + 1);
    assert!(of_long.is_sorted_by(|a, b| a.start < b.start) && of_long[0].start == 0.0);
    assert_eq!(of_long.last().unwrap().end, 25.0);
}

#[test]
fn similar_clips_come_first() {
    let Some(place) = place("embed-similar") else { return };
    run(&place, "embed sounds --out x.parquet").done();
    let ran = run(&place, "similar sounds/low.wav --in x.parquet --csv").done();
    let (header, rows) = csv(&ran.stdout);
    assert_eq!(header, ["path", "start", "end", "cosine"]);
    assert_eq!((rows.len(), rows[0][0].as_str()), (3, "sounds/lower.wav"), "{ran}");
    let json = run(&place, "similar ./sounds/low.wav --in x.parquet --json").done().json();
    let listed = json.as_array().unwrap();
    assert_eq!(listed.len(), 3, "the query is omitted, whatever it is called");
    for (row, value) in rows.iter().zip(listed) {
        assert_eq!((row[0].as_str(), value.as_object().unwrap().len()), (value["path"].as_str().unwrap(), 4));
        assert!((row[3].parse::<f64>().unwrap() - value["cosine"].as_f64().unwrap()).abs() < 1e-12);
    }
    assert!(listed.is_sorted_by(|a, b| a["cosine"].as_f64() >= b["cosine"].as_f64()));
    let text = run(&place, "similar sounds/low.wav --in x.parquet --with-query --top 2").done().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[1].starts_with("sounds/low.wav ") && lines[1].ends_with(" 1.0000"), "{text}");
    // A copy is another file, and the most similar one.
    place.write("copy.wav", place.read("sounds/low.wav"));
    let copied = run(&place, "similar copy.wav --in x.parquet --csv --top 1").done();
    assert_eq!(paths(&copied), ["sounds/low.wav"]);

    run(&place, "embed sounds --windows --out w.npy").done();
    let best = run(&place, "similar copy.wav --in w.npy --csv").done();
    assert_eq!(paths(&best).len(), 4, "the best window of each clip: {best}");
    let windows = run(&place, "similar copy.wav --in w.npy --csv --windows").done();
    assert!(paths(&windows).len() > 4, "{windows}");
}

#[test]
fn the_model_of_a_table_is_needed() {
    let Some(place) = place("embed-model") else { return };
    run(&place, "embed sounds --out x.npy").done();
    let similar = "similar sounds/low.wav --in x.npy";
    let (one, made) = (run(&place, similar).done().stdout, place.json("x.json"));
    // Any name will do, as the network is the same.
    let moved = |from: &str, to: &str| std::fs::rename(place.path(from), place.path(to)).unwrap();
    moved("models/mn04_as", "models/other");
    assert_eq!(run(&place, similar).done().stdout, one);
    moved("models/other", "bundle");
    run(&place, similar).failed_naming(&["x.npy", "mn04_as", made["sha256"].as_str().unwrap(), "--model"]);
    assert_eq!(run(&place, &format!("{similar} --model bundle")).done().stdout, one);
    // A table of another network.
    place.write("x.json", serde_json::json!({"model": "mn10_as", "sha256": "0".repeat(64)}).to_string());
    run(&place, &format!("{similar} --model bundle")).failed_naming(&["mn10_as", "another network", "embed again"]);
    // A table of unknown origin.
    place.remove("x.json");
    run(&place, similar).failed_naming(&["x.npy", "--model"]);
    assert_eq!(run(&place, &format!("{similar} --model bundle")).done().stdout, one);
}

#[test]
fn bad_files_and_places_are_errors() {
    let Some(place) = place("embed-bad") else { return };
    place.write("sounds/bad.wav", "this is no sound");
    std::fs::create_dir_all(place.path("empty")).unwrap();
    place.write("labels.csv", "path,label\n");
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff.wav");
    std::fs::write(place.path("sounds").join(odd), place.read("sounds/low.wav")).unwrap();
    run(&place, "embed sounds missing.wav empty --out x.npy").failed();
    assert_eq!(Embeddings::read(&place.path("x.npy")).unwrap().rows().len(), 4, "the others are written");
    for words in [
        "embed sounds --out x.csv",
        "embed sounds --out labels.npy",
        "embed sounds --out x.npy --embedding mn40_as",
        "embed sounds/low.wav --out limit.npy --max-seconds 1",
        "embed empty --out none.npy",
        "similar sounds/bad.wav --in x.npy",
        "similar sounds/low.wav --in labels.csv",
        "similar sounds/low.wav --in missing.npy",
    ] {
        run(&place, words).failed();
    }
    place.write("cut.npy", &place.read("x.npy")[..200]);
    run(&place, "similar sounds/low.wav --in cut.npy").failed();
    for name in ["labels.npy", "limit.npy", "none.npy"] {
        assert!(!place.path(name).exists(), "{name}");
    }
    run(&place, "embed sounds --out /nowhere/x.npy").failed();
    assert_eq!(run(&place, "similar sounds/low.wav --in x.npy --top 0").code, Some(2));
}
