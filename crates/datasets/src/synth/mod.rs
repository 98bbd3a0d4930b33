//! The embedded data set: synthetic sounds in FSDKaggle2018's layout or, if clips have several
//! labels, in that of FSDKaggle2019.
//!
//! It allows trying the whole pipeline without a download. It is hard on purpose: a tenth of the
//! unverified labels are wrong, the signal-to-noise ratio is as low as 0 dB, and the classes differ
//! more in time than in their spectrum.

mod clip;
mod dsp;
mod options;
pub mod recordings;
mod sources;
mod tables;
mod tasks;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use earmark_audio::write_wav;
use earmark_files::{FileError, read_to_string, write_atomic};
use rayon::prelude::*;

use crate::error::DatasetError;
use clip::clip;
pub use options::SynthOptions;
use sources::CLASSES;
use tables::{Labels, SETS};
use tasks::{Task, tasks};

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

/// Minimum number of training clips per class, so that wrong labels cannot leave a class without a
/// clip.
const FEWEST: usize = 5;

/// First line of the README, which identifies a folder with an embedded data set.
const TITLE: &str = "# Earmark's embedded data set";

/// Writes the data set: `train.csv`, `test.csv`, `audio_train/`, `audio_test/` and a `README.md`;
/// or with several labels per clip `train_curated.csv`, `train_noisy.csv`,
/// `test_post_competition.csv` and the folders `train_curated/`, `train_noisy/` and `test/`. An
/// existing embedded data set in the folder is replaced.
///
/// # Errors
/// Fewer than five training clips per class; the folder contains something else; a file cannot be
/// written.
pub fn write(out: &Path, options: &SynthOptions) -> Result<SynthReport, DatasetError> {
    let SynthOptions { seed, train_clips, test_clips, .. } = *options;
    if train_clips < FEWEST * CLASSES.len() {
        let wanted = format!("at least {}, {FEWEST} per class", FEWEST * CLASSES.len());
        return Err(DatasetError::Setting { key: "train_clips", value: train_clips, wanted });
    }
    if holds_something_else(out, TITLE) {
        return Err(DatasetError::NotEmpty { path: out.to_owned() });
    }

    let train = tasks(options, "train", 0, train_clips);
    let test = tasks(options, "test", train_clips, test_clips);
    let labels = Labels::draw(seed, &train);
    write_atomic(&out.join("README.md"), readme(options, &labels).as_bytes())?;
    // The tables are written last, so that an interrupted data set is not mistaken for a complete
    // one.
    for (table, _) in SETS {
        remove(&out.join(table))?;
    }
    let sets = labels.sets(options, &train, &test);
    let mut seconds = 0.0;
    for set in &sets {
        seconds += write_clips(&out.join(set.folder), &set.tasks)?;
    }
    for (_, folder) in SETS {
        let set = sets.iter().find(|set| set.folder == folder);
        remove_stale(&out.join(folder), set.map_or(&[], |set| &set.tasks))?;
    }
    for set in &sets {
        write_atomic(&out.join(set.table), set.text.as_bytes())?;
    }

    let is_wrong = |(task, labels): (&Task, &Vec<usize>)| (task.classes != *labels).then(|| task.name.clone());
    Ok(SynthReport {
        labels: CLASSES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        train_clips,
        test_clips,
        verified: labels.verified.iter().filter(|verified| **verified).count(),
        wrong: train.iter().zip(&labels.labels).filter_map(is_wrong).collect(),
        seconds,
    })
}

/// Whether a folder has files in it, but not a README with this title.
fn holds_something_else(folder: &Path, title: &str) -> bool {
    let holds_something = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    holds_something && !read_to_string(&folder.join("README.md")).is_ok_and(|text| text.starts_with(title))
}

/// Removes the clips of an earlier data set: files with the names of synthetic clips that are not
/// among `tasks`. A folder in which nothing is left is removed too.
fn remove_stale(folder: &Path, tasks: &[&Task]) -> Result<(), DatasetError> {
    if !folder.exists() {
        return Ok(());
    }
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
    if tasks.is_empty() {
        // It fails if the folder has other files in it, which stay.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Generates and writes clips, and returns their total length in seconds.
fn write_clips(folder: &Path, tasks: &[&Task]) -> Result<f64, DatasetError> {
    let write = |task: &&Task| -> Result<f64, DatasetError> {
        let clip = clip(&task.classes, &mut task.rng.clone());
        write_wav(&folder.join(&task.name), &clip)?;
        Ok(clip.seconds())
    };
    let seconds: Vec<f64> = tasks.par_iter().map(write).collect::<Result<_, _>>()?;
    Ok(seconds.iter().sum())
}

fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError { path: path.to_owned(), action: "remove", source })
        }
        _ => Ok(()),
    }
}

fn readme(options: &SynthOptions, labels: &Labels) -> String {
    let SynthOptions { seed, train_clips, test_clips, multi_label } = options;
    let unverified = labels.verified.iter().filter(|verified| !**verified).count();
    let wrong = unverified / 10;
    let classes: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
    let (year, lists) = match multi_label {
        false => (
            2018,
            format!(
                "- `train.csv`: `fname,label,manually_verified`. {unverified} labels are not verified, and {wrong} of \
                 these are wrong.
- `test.csv`: `fname,label,usage`. All labels are right.
- `audio_train/`, `audio_test/`: the clips. Each has noise behind it, 0 to 30 dB below the sound."
            ),
        ),
        true => (
            2019,
            format!(
                "- `train_curated.csv`, `train_curated/`: `fname,labels`. All labels are right.
- `train_noisy.csv`, `train_noisy/`: the same. {wrong} of these {unverified} clips have a wrong label.
- `test_post_competition.csv`, `test/`: `fname,labels,usage`. All labels are right.

A clip is a mixture of one to three sources, with noise behind it, 0 to 30 dB below the sound."
            ),
        ),
    };
    format!(
        "{TITLE}

Sounds made by code from seed {seed}, in the layout of FSDKaggle{year}:
{train_clips} training and {test_clips} test clips,
mono WAV of 16 bit and 44,100 Hz, 0.3 to 8 s. No recording is in it; use it as you like.

{} classes: {}.

{lists}
",
        CLASSES.len(),
        classes.join(", ")
    )
}
