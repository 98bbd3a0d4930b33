//! The two data sets of Freesound clips with several labels per clip, FSD50K and FSDKaggle2019.
//!
//! Sources: E. Fonseca et al. 2022, "FSD50K: an Open Dataset of Human-Labeled Sound Events", and
//! E. Fonseca et al. 2019, "Audio tagging with noisy labels and minimal supervision"; the files are
//! those of their Zenodo records 4060432 and 3612637, and of Kaggle.

use std::path::Path;

use super::columns::{Purpose, rows};
use crate::clip_list::ClipList;
use crate::error::DatasetError;
use crate::options::OpenOptions;
use crate::table::ClipTable;
use crate::task::Task;

/// The table that identifies FSD50K.
pub(super) const DEV: &str = "FSD50K.ground_truth/dev.csv";

/// Names of the table of FSDKaggle2019's curated clips: Kaggle's, and those of Zenodo.
pub(super) const CURATED: [&str; 3] = [
    "train_curated.csv",
    "train_curated_post_competition.csv",
    "FSDKaggle2019.meta/train_curated_post_competition.csv",
];
const NOISY: [&str; 3] =
    ["train_noisy.csv", "train_noisy_post_competition.csv", "FSDKaggle2019.meta/train_noisy_post_competition.csv"];
const TEST: [&str; 3] =
    ["test_post_competition.csv", "FSDKaggle2019.meta/test_post_competition.csv", SAMPLE_SUBMISSION];
/// A column per class, all 0.
const SAMPLE_SUBMISSION: &str = "sample_submission.csv";

/// FSD50K: `dev.csv` with `fname,labels,mids,split` and `eval.csv` with `fname,labels,mids`, where
/// `fname` has no extension. Clips of both splits of `dev.csv`, `train` and `val`, are training
/// clips: `--where split=train` selects one, and `--fold-column split` makes them the folds.
pub(super) fn fsd50k(root: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    let options = several(options);
    let read = |part: &str, purpose| {
        let audio = root.join(format!("FSD50K.{part}_audio"));
        let table = ClipTable::read(&root.join(format!("FSD50K.ground_truth/{part}.csv")))?;
        rows(&table, purpose, &options, &|_, name| audio.join(format!("{name}.wav")))
    };
    let mut list = ClipList { task: Task::MultiLabel, ..ClipList::default() };
    list.take_train(read("dev", Purpose::Train)?);
    if root.join("FSD50K.ground_truth/eval.csv").is_file() {
        list.take_test(read("eval", Purpose::Test)?);
    }
    Ok(list)
}

/// FSDKaggle2019: `fname,labels[,freesound_id,...]`, `fname,labels[,flickr_video_URL,...]` and
/// `fname,labels,usage[,freesound_id,...]`. The curated labels were checked by people, the noisy
/// ones by nobody. The noisy set is 24 GB, so it may be missing.
pub(super) fn fsdkaggle2019(root: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    let options = several(options);
    let audio = |kaggle: &str, zenodo: &str| {
        let zenodo = root.join(format!("FSDKaggle2019.audio_{zenodo}"));
        if zenodo.is_dir() { zenodo } else { root.join(kaggle) }
    };
    let read = |names: &[&str], purpose, audio: &Path| {
        let Some(path) = names.iter().map(|name| root.join(name)).find(|file| file.is_file()) else { return Ok(None) };
        let purpose = if path.ends_with(SAMPLE_SUBMISSION) { Purpose::Names } else { purpose };
        rows(&ClipTable::read(&path)?, purpose, &options, &|_, name| audio.join(name)).map(Some)
    };
    let mut list = ClipList { task: Task::MultiLabel, ..ClipList::default() };
    if let Some(curated) = read(&CURATED, Purpose::Train, &audio("train_curated", "train_curated"))? {
        list.take_train(curated);
    }
    let folder = audio("train_noisy", "train_noisy");
    if let Some(mut noisy) = read(&NOISY, Purpose::Train, &folder)? {
        noisy.rows.iter_mut().for_each(|row| row.verified = false);
        if folder.is_dir() {
            list.take_train(noisy);
        } else {
            list.excluded.extend(noisy.rows.into_iter().map(|row| row.path).chain(noisy.excluded));
        }
    }
    if let Some(test) = read(&TEST, Purpose::Competition, &audio("test", "test"))? {
        list.take_test(test);
    }
    Ok(list)
}

/// The options with `,` between labels, unless they say otherwise.
fn several(options: &OpenOptions) -> OpenOptions {
    let separator = options.label_separator.clone().unwrap_or_else(|| ",".to_owned());
    OpenOptions { label_separator: Some(separator), ..options.clone() }
}
