//! A bundle's answers do not hang on whose resampler was used: ESC-10, brought from 44,100 to 22,050 Hz by Earmark, by
//! soxr and by torchaudio's method, gets the same tags. `EARMARK_PYTHON` must have NumPy and soxr; `cargo xtask test`
//! sees to that.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Place, from_environment, python};
use earmark_audio::{Limits, decode, write_wav};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/resampling/resample.py");
const RECIPE: &str = r#"seed = 1
[data]
folds = 2
[features.logmel]
kind = "logmel"
[features.summary]
kind = "summary"
[[learners]]
name = "resnet"
arch = "resnet_nano"
features = "logmel"
normalization = "channel"
mixup = 3.0
epochs = 16
batch_size = 32
learning_rate = 0.05
nesterov = true
[[learners]]
name = "summary"
arch = "kernel"
features = "summary"
[stack]
kind = "mean"
features = ["probabilities"]
"#;

/// ESC-10 as WAV files of 32-bit floats at 44,100 Hz.
fn write_clips(esc10: &Path, folder: &Path) -> usize {
    std::fs::create_dir_all(folder).unwrap();
    let classes = std::fs::read_dir(esc10).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let clips = classes.flat_map(|class| std::fs::read_dir(class).unwrap()).map(|entry| entry.unwrap().path());
    let clips: Vec<PathBuf> =
        clips.filter(|path| path.extension().is_some_and(|extension| extension == "ogg")).collect();
    for clip in &clips {
        let name = clip.file_stem().unwrap().to_str().unwrap();
        write_wav(&folder.join(format!("{name}.wav")), &decode(clip, &Limits::default()).unwrap()).unwrap();
    }
    clips.len()
}

/// The probabilities of a folder's clips by file and label.
fn answers(place: &Place, folder: &str) -> BTreeMap<String, BTreeMap<String, f64>> {
    let tagged = place.run(&format!("tag {folder} --model run/bundle --top 10 --json")).done().json();
    let answer = |answer: &serde_json::Value| {
        let name = answer["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let tags = answer["tags"].as_array().unwrap().iter();
        let tags = tags.map(|tag| (tag["label"].as_str().unwrap().to_owned(), tag["score"].as_f64().unwrap()));
        (name, tags.collect())
    };
    tagged.as_array().unwrap().iter().map(answer).collect()
}

fn top(tags: &BTreeMap<String, f64>) -> &String {
    tags.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0
}

#[test]
fn three_resamplers_lead_to_the_same_tags() {
    let Some(esc10) = from_environment("EARMARK_ESC10") else { return };
    let Some(python) = python("numpy, soxr") else { return };
    let place = Place::new("resamplers");
    assert_eq!(write_clips(&esc10, &place.path("clips")), 400);
    let mut resample = std::process::Command::new(python);
    resample.arg(SCRIPT).args([place.path("clips"), place.path("others")]).arg("22050");
    assert!(resample.status().unwrap().success());
    place.write("recipe.toml", RECIPE);
    let data = esc10.display();
    place.run(&format!("train --recipe recipe.toml --data {data} --out run --jobs 2 --threads 2")).done();
    let ours = answers(&place, "clips");
    for (other, rows) in
        [("soxr", answers(&place, "others/soxr")), ("torchaudio", answers(&place, "others/torchaudio"))]
    {
        let same = ours.iter().filter(|(name, tags)| top(tags) == top(&rows[*name])).count();
        let differences =
            ours.iter().flat_map(|(name, tags)| tags.iter().map(|(label, p)| (p - rows[name][label]).abs()));
        let (count, sum, largest) =
            differences.fold((0, 0.0, 0.0f64), |(n, sum, most), d| (n + 1, sum + d, most.max(d)));
        let mean = sum / f64::from(count);
        println!("{other}: top label of {same} of 400 clips, mean difference {mean:.1e}, largest {largest:.1e}");
        assert!(same >= 396 && mean <= 0.02, "{other}: {same} of 400, {mean}");
    }
}
