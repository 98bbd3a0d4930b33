//! The embedded data set: synthetic sounds in FSDKaggle2018's layout.
//!
//! It allows trying the whole pipeline without a download. It is hard on purpose: a tenth of the
//! unverified labels are wrong, the signal-to-noise ratio is as low as 0 dB, and the classes differ
//! more in time than in their spectrum.

mod dsp;
mod sources;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use earmark_audio::{Clip, write_wav};
use earmark_files::{FileError, read_to_string, write_atomic};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::error::DatasetError;
use crate::random::{epoch_order, key, stream};
use dsp::{Biquad, about, add, brown, chance, decibels, fade, one_of, peak, pink, rms, room, samples, white, within};
use sources::CLASSES;

/// Options of the synthetic data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynthOptions {
    /// The seed. The same seed gives the same bytes on every machine.
    pub seed: u64,
    /// Training clips, at least five per class.
    pub train_clips: usize,
    /// Test clips.
    pub test_clips: usize,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self { seed: 2018, train_clips: 360, test_clips: 120 }
    }
}

/// A summary of a generated data set.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthReport {
    /// The classes, sorted.
    pub labels: Vec<String>,
    /// Training clips.
    pub train_clips: usize,
    /// Test clips.
    pub test_clips: usize,
    /// Training clips with verified labels, which are all correct.
    pub verified: usize,
    /// Names of the training clips with a wrong label: a tenth of the unverified ones. The data set
    /// itself does not mark them.
    pub wrong: Vec<String>,
    /// Total length of all clips, seconds.
    pub seconds: f64,
}

/// A clip to generate.
struct Task {
    name: String,
    class: usize,
    rng: ChaCha8Rng,
}

/// Minimum number of training clips per class, so that wrong labels cannot leave a class without a
/// clip.
const FEWEST: usize = 5;

/// First line of the README, which identifies a folder with an embedded data set.
const TITLE: &str = "# Earmark's embedded data set";

/// Writes the data set: `train.csv`, `test.csv`, `audio_train/`, `audio_test/` and a `README.md`.
/// An existing embedded data set in the folder is replaced.
///
/// # Errors
/// Fewer than five training clips per class; the folder contains something else; a file cannot be
/// written.
pub fn write(out: &Path, options: &SynthOptions) -> Result<SynthReport, DatasetError> {
    let SynthOptions { seed, train_clips, test_clips } = *options;
    if train_clips < FEWEST * CLASSES.len() {
        let wanted = format!("at least {}, {FEWEST} per class", FEWEST * CLASSES.len());
        return Err(DatasetError::Setting { key: "train_clips", value: train_clips, wanted });
    }
    let holds_something = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something && !read_to_string(&out.join("README.md")).is_ok_and(|text| text.starts_with(TITLE)) {
        return Err(DatasetError::NotEmpty { path: out.to_owned() });
    }

    let train = tasks(seed, "train", 0, train_clips);
    let test = tasks(seed, "test", train_clips, test_clips);
    let labels = Labels::draw(seed, &train);
    write_atomic(&out.join("README.md"), readme(options, &labels).as_bytes())?;
    // The tables are written last, so that an interrupted data set is not mistaken for a complete
    // one.
    for table in ["train.csv", "test.csv"] {
        remove(&out.join(table))?;
    }
    let (train_folder, test_folder) = (out.join("audio_train"), out.join("audio_test"));
    let seconds = write_clips(&train_folder, &train)? + write_clips(&test_folder, &test)?;
    remove_stale(&train_folder, &train)?;
    remove_stale(&test_folder, &test)?;
    write_atomic(&out.join("test.csv"), test_table(&test).as_bytes())?;
    write_atomic(&out.join("train.csv"), labels.table(&train).as_bytes())?;

    let is_wrong = |(task, label): (&Task, &usize)| (task.class != *label).then(|| task.name.clone());
    Ok(SynthReport {
        labels: CLASSES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        train_clips,
        test_clips,
        verified: labels.verified.iter().filter(|verified| **verified).count(),
        wrong: train.iter().zip(&labels.labels).filter_map(is_wrong).collect(),
        seconds,
    })
}

/// `n` clips that cycle through the classes, sorted by name. `first` is the index of the first one
/// among all clips.
fn tasks(seed: u64, part: &str, first: usize, n: usize) -> Vec<Task> {
    let task = |i: usize| Task {
        // The odd factor makes the names unique, and shuffles the classes.
        name: format!("{:08x}.wav", ((first + i) as u32).wrapping_mul(0x9e37_79b1).wrapping_add(0x3c6e_f372)),
        class: i % CLASSES.len(),
        rng: stream(seed, &[key("synth"), key(part), i as u64]),
    };
    let mut tasks: Vec<Task> = (0..n).map(task).collect();
    tasks.sort_by(|a, b| a.name.cmp(&b.name));
    tasks
}

/// The labels of `train.csv`.
struct Labels {
    labels: Vec<usize>,
    verified: Vec<bool>,
}

impl Labels {
    /// Two in five clips are verified; one tenth of the others, whose number is a multiple of ten,
    /// get the label of another class.
    fn draw(seed: u64, tasks: &[Task]) -> Self {
        let mut rng = stream(seed, &[key("synth"), key("labels")]);
        let unverified = ((tasks.len() as f64 * 0.06).round() as usize).max(1) * 10;
        let order = epoch_order(tasks.len(), &mut rng);
        let mut labels: Vec<usize> = tasks.iter().map(|task| task.class).collect();
        let mut verified = vec![true; tasks.len()];
        for (rank, clip) in order.into_iter().take(unverified).enumerate() {
            verified[clip] = false;
            if rank < unverified / 10 {
                let step = rng.random_range(1..CLASSES.len() as u32) as usize;
                labels[clip] = (labels[clip] + step) % CLASSES.len();
            }
        }
        Self { labels, verified }
    }

    fn table(&self, tasks: &[Task]) -> String {
        let mut text = "fname,label,manually_verified\n".to_owned();
        for ((task, label), verified) in tasks.iter().zip(&self.labels).zip(&self.verified) {
            let _ = writeln!(text, "{},{},{}", task.name, CLASSES[*label].0, u8::from(*verified));
        }
        text
    }
}

/// The test table. All labels are correct; a fifth of the clips count for the public score.
fn test_table(tasks: &[Task]) -> String {
    let mut text = "fname,label,usage\n".to_owned();
    for (i, task) in tasks.iter().enumerate() {
        let usage = if i % 5 == 0 { "Public" } else { "Private" };
        let _ = writeln!(text, "{},{},{usage}", task.name, CLASSES[task.class].0);
    }
    text
}

/// Generates and writes clips, and returns their total length in seconds.
/// Removes the clips of an earlier data set: files with the names of synthetic clips that are not
/// among `tasks`.
fn remove_stale(folder: &Path, tasks: &[Task]) -> Result<(), DatasetError> {
    let names: BTreeSet<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    for entry in fs::read_dir(folder).map_err(FileError::of("list", folder))? {
        let entry = entry.map_err(FileError::of("list", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_clip = name.strip_suffix(".wav").is_some_and(|digits| {
            digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
        });
        if is_clip && !names.contains(name.as_str()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn write_clips(folder: &Path, tasks: &[Task]) -> Result<f64, DatasetError> {
    let write = |task: &Task| -> Result<f64, DatasetError> {
        let clip = clip(task.class, &mut task.rng.clone());
        write_wav(&folder.join(&task.name), &clip)?;
        Ok(clip.seconds())
    };
    let seconds: Vec<f64> = tasks.par_iter().map(write).collect::<Result<_, _>>()?;
    Ok(seconds.iter().sum())
}

/// Generates one clip: a source after an optional lead-in, in a room, with background noise, at a
/// random level.
fn clip(class: usize, rng: &mut ChaCha8Rng) -> Clip {
    let seconds = if chance(rng, 0.7) { about(rng, 1.0..3.0) } else { about(rng, 0.3..8.0) };
    let n = samples(seconds);
    let lead = if chance(rng, 0.5) { samples(within(rng, 0.0..0.25 * seconds)) } else { 0 };
    let mut sound = CLASSES[class].1(rng, n - lead);
    recorder(rng, &mut sound);
    if chance(rng, 0.5) {
        let (decay, wet) = (about(rng, 0.15..0.9), within(rng, 0.1..0.7));
        room(rng, &mut sound, decay, wet);
    }
    fade(&mut sound, 0.002, 0.01);

    // The lead-in is silent in some clips, and contains the background noise in others.
    let mut all = vec![0.0; n];
    let noise_from = if chance(rng, 0.5) { 0 } else { lead };
    let noise = background(rng, n - noise_from);
    let ratio = decibels(-within(rng, 0.0..30.0)) * rms(&sound) / rms(&noise).max(1e-12);
    add(&mut all, noise_from, &noise, ratio);
    add(&mut all, lead, &sound, 1.0);
    let gain = decibels(within(rng, -26.0..-0.5)) / peak(&all).max(1e-12);
    Clip { samples: all.into_iter().map(|value| (value * gain) as f32).collect(), sample_rate: dsp::RATE as u32 }
}

/// Filters a sound to simulate microphones and distances.
fn recorder(rng: &mut ChaCha8Rng, sound: &mut [f64]) {
    for _ in 0..3 {
        Biquad::bump(about(rng, 150.0..8000.0), about(rng, 0.4..2.0), within(rng, -10.0..10.0)).run(sound);
    }
    if chance(rng, 0.4) {
        Biquad::low(about(rng, 2500.0..10_000.0), 0.7).run(sound);
    }
    if chance(rng, 0.3) {
        Biquad::high(about(rng, 60.0..300.0), 0.7).run(sound);
    }
}

/// White, pink or brown noise with a random peak or dip in its spectrum.
fn background(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let colour: fn(&mut ChaCha8Rng, usize) -> Vec<f64> = one_of(rng, [white, pink, brown]);
    let mut noise = colour(rng, n);
    Biquad::bump(about(rng, 100.0..8000.0), 0.7, within(rng, -10.0..10.0)).run(&mut noise);
    noise
}

fn remove(path: &Path) -> Result<(), DatasetError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(earmark_files::FileError { path: path.to_owned(), action: "remove", source }.into())
        }
        _ => Ok(()),
    }
}

fn readme(options: &SynthOptions, labels: &Labels) -> String {
    let SynthOptions { seed, train_clips, test_clips } = options;
    let unverified = labels.verified.iter().filter(|verified| !**verified).count();
    let wrong = unverified / 10;
    let classes: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
    let classes = classes.join(", ");
    format!(
        "{TITLE}

Sounds made by code from seed {seed}, in the layout of FSDKaggle2018:
{train_clips} training and {test_clips} test clips,
mono WAV of 16 bit and 44,100 Hz, 0.3 to 8 s. No recording is in it; use it as you like.

{} classes: {classes}.

- `train.csv`: `fname,label,manually_verified`. {unverified} labels are not verified, and {wrong} of these are wrong.
- `test.csv`: `fname,label,usage`. All labels are right.
- `audio_train/`, `audio_test/`: the clips. Each has noise behind it, 0 to 30 dB below the sound.
",
        CLASSES.len()
    )
}
