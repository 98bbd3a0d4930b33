//! The predictions of a bundle do not depend on the resampler: ESC-10, resampled from 44,100 to
//! 22,050 Hz by Earmark, by soxr and by torchaudio's method, gets the same tags. `EARMARK_PYTHON`
//! must have NumPy and soxr; `cargo xtask test` provides it.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Place, TRAIN, float_wav, from_environment, python};
use earmark_audio::{Limits, decode};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/resampling/resample.py");
/// A smaller version of `recipes/fast.toml`.
const RECIPE: &str = r#"seed = 1
[features.logmel]
kind = "logmel"
[features.summary]
kind = "summary"
[features.fine]
kind = "summary"
n_fft = 1024
n_mels = 128
[[learners]]
name = "resnet"
arch = "resnet_nano"
features = "logmel"
normalization = "channel"
epochs = 16
batch_size = 32
learning_rate = 0.03
nesterov = true
[[learners]]
name = "summary"
arch = "kernel"
features = "summary"
[[learners]]
name = "fine"
arch = "kernel"
features = "fine"
[stack]
kind = "logistic"
features = ["probabilities"]
c = 0.01
temperature_scaling = true
"#;

/// Writes ESC-10 as WAV files of 32-bit floats at 44,100 Hz: all clips to `clips`, and those of the
/// first three folds to `data`, by class.
fn write_clips(esc10: &Path, place: &Place) -> usize {
    let listed = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let classes: Vec<PathBuf> = listed(esc10);
    let mut clips = classes.iter().filter(|class| class.is_dir()).flat_map(|class| listed(class)).collect::<Vec<_>>();
    clips.retain(|path| path.extension().is_some_and(|extension| extension == "ogg"));
    for clip in &clips {
        let sound = decode(clip, &Limits::default()).unwrap();
        assert_eq!(sound.sample_rate, 44_100);
        let name = clip.file_stem().unwrap().to_str().unwrap();
        let class = clip.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let wav = float_wav(&sound.samples);
        if name.starts_with(['1', '2', '3']) {
            place.write(&format!("data/{class}/{name}.wav"), &wav);
        }
        place.write(&format!("clips/{name}.wav"), wav);
    }
    clips.len()
}

/// The probabilities of the clips in a folder, by file and label.
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
    assert_eq!(write_clips(&esc10, &place), 400);
    let mut resample = std::process::Command::new(python);
    resample.arg(SCRIPT).args([place.path("clips"), place.path("others")]).arg("22050");
    assert!(resample.status().unwrap().success());
    place.write("recipe.toml", RECIPE);
    place.run(TRAIN).done();
    let ours = answers(&place, "clips");
    // The filter of soxr is as steep as Earmark's. With bands up to half the sample rate, its mean
    // difference would exceed this limit.
    for (other, most) in [("soxr", 5e-4), ("torchaudio", 0.02)] {
        let theirs = answers(&place, &format!("others/{other}"));
        let same = ours.iter().filter(|(name, tags)| top(tags) == top(&theirs[*name])).count();
        let clip = |(name, tags): (&String, &BTreeMap<String, f64>)| {
            tags.iter().map(|(label, p)| (p - theirs[name][label]).abs()).fold(0.0, f64::max)
        };
        let differences: Vec<f64> = ours.iter().map(clip).collect();
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        println!("{other}: top label of {same} of 400 clips, mean of a clip's largest difference {mean:.1e}");
        assert!(same >= 396 && mean <= most, "{other}: {same} of 400, {mean}");
    }
}
