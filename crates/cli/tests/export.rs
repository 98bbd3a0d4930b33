//! `earmark export`: the file gives the tags of `earmark tag` in ONNX Runtime for Python, in
//! onnxruntime-web in Chromium, and in C++; and the model card's examples run as they are.
#![cfg(all(feature = "train", unix))]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

#[path = "export/browser.rs"]
mod browser;
#[path = "common/chromium.rs"]
mod chromium;
mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, Ran, from_environment, python, shared};
use earmark_audio::{Clip, Limits, decode, resample, write_wav};
use serde_json::{Value, json};

/// The largest difference of a score that users are promised.
const TOLERANCE: f64 = 1e-3;
/// Scores by label, by sound.
type Scores = BTreeMap<String, BTreeMap<String, f64>>;

/// A command whose models are in the place.
fn run(place: &Place, words: &str) -> Ran {
    let mut command = place.command(words);
    command.env("EARMARK_MODELS", place.path("models"));
    Ran::of(command, words)
}

/// A WAV file of 32-bit floats, whose header has 44 bytes.
fn float_wav(samples: &[f32], rate: u32) -> Vec<u8> {
    let mut bytes = common::float_wav(samples);
    bytes[24..28].copy_from_slice(&rate.to_le_bytes());
    bytes[28..32].copy_from_slice(&(4 * rate).to_le_bytes());
    bytes
}

/// Writes sounds at the model's rate: ESC-10's clips, and parts of them of these lengths in
/// samples. Returns their names.
fn sounds(place: &Place, rate: u32, lengths: &[usize]) -> Option<Vec<String>> {
    let esc10 = from_environment("EARMARK_ESC10")?;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(esc10).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort_unstable();
    let (mut all, mut names) = (Vec::new(), Vec::new());
    let mut write = |name: String, samples: &[f32]| {
        place.write(&name, float_wav(samples, rate));
        names.push(name);
    };
    for (number, folder) in folders.iter().enumerate() {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort_unstable();
        let clip = resample(&decode(&files[number], &Limits::default()).unwrap(), rate).unwrap();
        write(format!("sounds/clip{number}.wav"), &clip.samples);
        // Some clips begin with silence.
        all.extend(clip.samples.into_iter().skip_while(|sample| sample.abs() < 0.01));
    }
    assert_eq!(folders.len(), 10);
    for &length in lengths {
        let samples: Vec<f32> = all.iter().copied().cycle().take(length).collect();
        write(format!("sounds/of{length}.wav"), &samples);
    }
    Some(names)
}

/// The scores of `earmark tag`.
fn tagged(place: &Place, model: &str) -> Scores {
    let mut scores = Scores::new();
    for file in run(place, &format!("tag sounds --model {model} --all --json")).done().json().as_array().unwrap() {
        let tag = |tag: &Value| (tag["label"].as_str().unwrap().to_owned(), tag["score"].as_f64().unwrap());
        let tags = file["tags"].as_array().unwrap().iter().map(tag).collect();
        scores.insert(file["path"].as_str().unwrap().to_owned(), tags);
    }
    scores
}

/// The scores and the metadata of a file in ONNX Runtime for Python.
fn in_python(place: &Place, model: &str, sounds: &[String]) -> Option<(Scores, Value)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/scores.py");
    let mut command = Command::new(python("numpy, onnx, onnxruntime")?);
    let output = command.arg(script).arg(model).args(sounds).current_dir(place.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    Some((serde_json::from_value(printed["scores"].clone()).unwrap(), printed["metadata"].clone()))
}

/// The browser, and the folder of packages with onnxruntime-web.
fn web() -> Option<(PathBuf, PathBuf)> {
    Some((from_environment("EARMARK_CHROMIUM")?, from_environment("EARMARK_WEB")?))
}

/// The scores of a file in a page of Chromium.
fn in_browser(place: &Place, model: &str, rate: u32, sounds: &[String]) -> Option<Scores> {
    let (chromium, modules) = web()?;
    place.write("list.json", json!({"model": model, "rate": rate, "sounds": sounds}).to_string());
    let found = browser::run(&chromium, &place.path(""), &modules, include_str!("export/page.js"));
    Some(serde_json::from_value(found).unwrap())
}

/// The largest difference of a score of each sound.
fn differences(found: &Scores, expected: &Scores) -> Vec<(f64, String)> {
    assert_eq!(found.len(), expected.len());
    let of_sound = |(sound, expected): (&String, &BTreeMap<String, f64>)| {
        let found = &found[sound];
        assert_eq!(found.len(), expected.len(), "{sound}");
        let apart = expected.iter().map(|(label, score)| (found[label] - score).abs());
        (apart.fold(0.0, f64::max), sound.clone())
    };
    expected.iter().map(of_sound).collect()
}

#[track_caller]
fn assert_equal(what: &str, found: &Scores, expected: &Scores) {
    let largest = differences(found, expected).into_iter().max_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap();
    println!("{what}: {largest:?}");
    assert!(largest.0 < TOLERANCE, "{what}: {largest:?}");
}

/// Replaces the description of a bundle, with its checksum.
fn replace_config(place: &Place, bundle: &str, change: impl FnOnce(&mut Value)) {
    let (name, sums) = (format!("{bundle}/config.json"), format!("{bundle}/SHA256SUMS"));
    let line = |bytes: &[u8]| format!("{}  config.json\n", earmark_files::sha256(bytes));
    let old = place.read(&name);
    let mut config = serde_json::from_slice(&old).unwrap();
    change(&mut config);
    let new = serde_json::to_vec(&config).unwrap();
    place.write(&sums, place.text(&sums).replace(&line(&old), &line(&new)));
    place.write(&name, new);
}

#[test]
fn a_trained_bundle_is_one_file_for_python_and_for_browsers() {
    let place = Place::new("export-trained");
    place.copy_from(shared(), "run/bundle");
    place.copy("run/bundle", "level1");
    replace_config(&place, "level1", |config| config["stack"] = Value::Null);
    // Windows of half a second.
    let lengths = [1, 2, 500, 10_999, 11_000, 11_024, 11_025, 11_026, 22_050, 33_074, 33_076, 264_600, 1_323_001];
    let Some(sounds) = sounds(&place, 22_050, &lengths) else { return };
    for bundle in ["level1", "run/bundle"] {
        run(&place, &format!("export {bundle} --out model.onnx")).done();
        let expected = tagged(&place, bundle);
        let Some((in_python, metadata)) = in_python(&place, "model.onnx", &sounds) else { return };
        assert_eq!((&metadata["sample_rate"], &metadata["task"]), (&"22050".into(), &"single_label".into()));
        assert_eq!((&metadata["precision"], &metadata["learners"]), (&"f32".into(), &r#"["a","b"]"#.into()));
        let labels: Vec<String> = serde_json::from_str(metadata["labels"].as_str().unwrap()).unwrap();
        assert_eq!(labels.len(), 12);
        let Some(in_browser) = in_browser(&place, "model.onnx", 22_050, &sounds) else { return };
        for (what, scores) in [("Python", in_python), ("Chromium", in_browser)] {
            match bundle {
                "level1" => assert_equal(what, &scores, &expected),
                // A probability of level 1 that differs in its last digit can be on the other side
                // of a threshold of the trees, whose scores then jump.
                _ => {
                    let mut apart = differences(&scores, &expected);
                    apart.retain(|(apart, _)| *apart >= TOLERANCE);
                    assert!(apart.len() <= 1, "{what}: {apart:?}");
                }
            }
        }
    }
    // One learner alone has other scores.
    run(&place, "export run/bundle --out a.onnx --learner a").done();
    let (scores, metadata) = in_python(&place, "a.onnx", &sounds).unwrap();
    assert_eq!(metadata["learners"], r#"["a"]"#);
    let sums: Vec<f64> = scores.values().map(|scores| scores.values().sum()).collect();
    assert!(sums.iter().all(|sum: &f64| (sum - 1.0).abs() < 1e-5), "{sums:?}");
}

#[test]
fn a_model_of_audioset_is_one_file_of_every_precision() {
    let Some(audioset) = from_environment("EARMARK_AUDIOSET") else { return };
    let place = Place::new("export-audioset");
    let weights = audioset.join("mn04_as_mAP_432.pt");
    run(&place, &format!("model import {} --arch mn04 --name mn04_as", weights.display())).done();
    run(&place, "export mn04_as --out model.onnx").done();
    // Windows of 10 s. The shortest sound that has a frame has two samples.
    let lengths = [2, 500, 16_000, 31_999, 319_999, 320_000, 320_320, 320_321, 384_000, 480_001, 1_920_007];
    let Some(sounds) = sounds(&place, 32_000, &lengths) else { return };
    let expected = tagged(&place, "mn04_as");
    let Some((scores, metadata)) = in_python(&place, "model.onnx", &sounds) else { return };
    assert_equal("Python", &scores, &expected);
    assert_eq!((&metadata["task"], &metadata["licence"]), (&"multi_label".into(), &"mit".into()));
    let Some(scores) = in_browser(&place, "model.onnx", 32_000, &sounds) else { return };
    assert_equal("Chromium", &scores, &expected);

    let bytes = |name: &str| place.read(name).len();
    for (precision, share) in [("f16", 0.6), ("int8", 0.42)] {
        let words = format!("export mn04_as --out {precision}.onnx --precision {precision} --calibration sounds");
        let printed = run(&place, &words).done().stderr;
        let loss = printed.lines().find_map(|line| line.strip_prefix("loss: ")).unwrap();
        assert!(loss.starts_with("against f32 on 21 sounds: largest difference of a score "), "{loss}");
        let card = place.text(&format!("{precision}.md"));
        assert!(card.contains(&format!("stored as {precision}")) && card.contains(loss), "{card}");
        let size = bytes(&format!("{precision}.onnx")) as f64;
        assert!(size < share * bytes("model.onnx") as f64, "{precision}: {size}");
        // The loss that is printed is that of the file.
        let (scores, _) = in_python(&place, &format!("{precision}.onnx"), &sounds).unwrap();
        let largest = differences(&scores, &expected).into_iter().map(|(apart, _)| apart).fold(0.0, f64::max);
        let stated: f64 = loss.split_whitespace().nth(10).unwrap().trim_end_matches(',').parse().unwrap();
        assert!((largest - stated).abs() < 0.1 * stated && stated < 0.2, "{loss}, but {largest}");
        let Some(in_page) = in_browser(&place, &format!("{precision}.onnx"), 32_000, &sounds) else { return };
        assert_equal(&format!("Chromium, {precision}"), &in_page, &scores);
    }
}

/// The code of a language in the model card.
fn example(card: &str, language: &str) -> String {
    let (_, code) = card.split_once(&format!("```{language}\n")).unwrap();
    code.split_once("```").unwrap().0.to_owned()
}

/// The labels and scores of lines such as `0.123456 Dog`.
fn lines(text: &str) -> Vec<(f64, String)> {
    let line = |line: &str| {
        let (score, label) = line.split_once(' ').unwrap();
        (score.parse().unwrap(), label.to_owned())
    };
    text.lines().map(line).collect()
}

#[test]
fn the_examples_of_the_model_card_run_as_they_are() {
    let place = Place::new("export-card");
    place.copy_from(shared(), "run/bundle");
    run(&place, "export run/bundle --out model.onnx").done();
    let card = place.text("model.md");
    let samples: Vec<f32> = (0..22_050).map(|n| (n as f32 * (0.1 + n as f32 * 1e-6)).sin() * 0.5).collect();
    write_wav(&place.path("sound.wav"), &Clip { samples, sample_rate: 22_050 }).unwrap();
    let samples = decode(&place.path("sound.wav"), &Limits::default()).unwrap().samples;
    place.write("sound.f32", samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
    let tags = run(&place, "tag sound.wav --model run/bundle --top 3 --json").done().json();
    let tag = |tag: &Value| (tag["score"].as_f64().unwrap(), tag["label"].as_str().unwrap().to_owned());
    let expected: Vec<_> = tags[0]["tags"].as_array().unwrap().iter().map(tag).collect();
    let assert_top = |what: &str, found: &[(f64, String)]| {
        assert_eq!(found.len(), 3, "{what}: {found:?}");
        for ((score, label), (expected, of)) in found.iter().zip(&expected) {
            assert!(label == of && (score - expected).abs() < TOLERANCE, "{what}: {found:?}");
        }
    };

    let Some(python) = python("numpy, onnxruntime") else { return };
    place.write("example.py", example(&card, "python"));
    let output = Command::new(python).arg("example.py").current_dir(place.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_top("Python", &lines(&String::from_utf8(output.stdout).unwrap()));

    let Some((chromium, modules)) = web() else { return };
    let logged = browser::run(&chromium, &place.path(""), &modules, &example(&card, "js"));
    assert_top("JavaScript", &logged.as_array().unwrap().iter().map(tag).collect::<Vec<_>>());

    let Some(headers) = from_environment("EARMARK_ONNXRUNTIME_INCLUDE") else { return };
    place.write("example.cpp", example(&card, "cpp"));
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.native/lib/libonnxruntime.so");
    // The library is found under the name that it has in itself.
    let named = place.path("libonnxruntime.so.1");
    std::os::unix::fs::symlink(library.canonicalize().unwrap(), &named).unwrap();
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++17", "-Wall", "-Werror", "example.cpp", "-o", "example", "-isystem"]).arg(&headers);
    compiler.arg(&named).arg("-Wl,-rpath,$ORIGIN");
    let compiled = compiler.current_dir(place.path("")).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(place.path("example")).current_dir(place.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(found.len(), 12);
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    assert_top("C++", &found[..3]);
}

#[test]
fn what_cannot_be_exported_is_named() {
    let place = Place::new("export-bad");
    place.copy_from(shared(), "run/bundle");
    place.write("sounds/broken.wav", "no sound");
    place.write("empty/notes.txt", "");
    place.write("notes.md", "the user's");
    let out = "--out model.onnx";
    let failures = [
        format!("export nothing {out}"),
        format!("export run/bundle {out} --learner c"),
        "export run/bundle --out /missing/folder/model.onnx".to_owned(),
        format!("export run/bundle {out} --precision int8 --calibration sounds"),
        format!("export run/bundle {out} --precision int8 --calibration empty"),
        format!("export run/bundle {out} --precision f16 --calibration absent.wav"),
    ];
    for (number, words) in failures.iter().enumerate() {
        let ran = run(&place, words);
        match number {
            // The folder of models is named.
            0 => ran.failed_naming(&["nothing", "earmark model list"]),
            _ => ran.failed(),
        };
    }
    std::fs::create_dir(place.path("folder.onnx")).unwrap();
    run(&place, "export run/bundle --out folder.onnx").failed();
    run(&place, "export run/bundle --out notes.onnx").failed();
    assert_eq!((place.text("notes.md").as_str(), place.path("notes.onnx").exists()), ("the user's", false));
    for words in [
        "export run/bundle",
        "export run/bundle --out model.bin",
        "export run/bundle --out model.onnx --precision int8",
        "export run/bundle --out model.onnx --calibration sounds",
        "export run/bundle --out model.onnx --precision f64",
    ] {
        let ran = run(&place, words);
        assert_eq!(ran.code, Some(2), "{ran}");
    }
    replace_config(&place, "run/bundle", |config| config["format"] = 9.into());
    run(&place, &format!("export run/bundle {out}")).failed();
    assert!(!place.path("model.onnx").exists() && !place.path("model.md").exists());
}
