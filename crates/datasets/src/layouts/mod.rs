//! The supported layouts of data sets, each read into rows.

mod audiofolder;
mod audioset;
mod columns;
mod folders;
mod fsd;

use std::path::{Path, PathBuf};

use crate::clip_list::ClipList;
use crate::error::DatasetError;
use crate::options::OpenOptions;
use crate::table::ClipTable;
use columns::{Purpose, rows};

/// Names of the table of training clips: the one of Earmark and Kaggle, and those of Zenodo.
const TRAIN: [&str; 3] = ["train.csv", "train_post_competition.csv", "FSDKaggle2018.meta/train_post_competition.csv"];
/// Names of the table of test clips, those with labels first.
const TEST: [&str; 6] = [
    "test.csv",
    "test_post_competition_scoring_clips.csv",
    "FSDKaggle2018.meta/test_post_competition_scoring_clips.csv",
    "test_post_competition.csv",
    "FSDKaggle2018.meta/test_post_competition.csv",
    SUBMISSION,
];
const SUBMISSION: &str = "sample_submission.csv";

/// Reads the data set at `path`.
pub(crate) fn read(path: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    let unused = |separator: &String| DatasetError::SeparatorUnused { path: path.into(), separator: separator.clone() };
    if let Some(separator) = options.label_separator.as_ref().filter(|separator| separator.is_empty()) {
        return Err(unused(separator));
    }
    let list = detect(path, options)?;
    match &options.label_separator {
        Some(separator) if !list.train.is_empty() && list.train.iter().all(|row| row.labels.len() < 2) => {
            Err(unused(separator))
        }
        _ => Ok(list),
    }
}

/// Detects and reads the layout at `path`.
fn detect(path: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    if path.is_file() {
        let beside = path.parent().unwrap_or(Path::new(""));
        let audio = options.audio_dir.as_deref().unwrap_or(beside);
        if audioset::is_list(&earmark_files::read_to_string(path)?) {
            return audioset::list(path, audio, options);
        }
        return train_table(&ClipTable::read(path)?, options, &|_, name| audio.join(name));
    }
    if !path.is_dir() {
        return Err(DatasetError::NotFound { path: path.to_owned() });
    }
    if options.audio_dir.is_some() {
        return Err(DatasetError::AudioDirUnused { path: path.to_owned() });
    }
    let (esc50, urbansound) = (path.join("meta/esc50.csv"), path.join("metadata/UrbanSound8K.csv"));
    if let Some(train) = TRAIN.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        fsdkaggle(path, &train, options)
    } else if fsd::CURATED.iter().any(|name| path.join(name).is_file()) {
        fsd::fsdkaggle2019(path, options)
    } else if path.join(fsd::DEV).is_file() {
        fsd::fsd50k(path, options)
    } else if audioset::TRAIN.iter().any(|name| path.join(name).is_file()) {
        audioset::folder(path, options)
    } else if esc50.is_file() {
        esc(&esc50, &path.join("audio"), options)
    } else if urbansound.is_file() {
        urbansound8k(&urbansound, &path.join("audio"), options)
    } else if let Some(rows) = audiofolder::with_metadata(path, options)? {
        Ok(rows)
    } else if options.of_a_table() {
        Err(DatasetError::NoTable { path: path.to_owned() })
    } else if let Some(rows) = audiofolder::with_class_folders(path)? {
        Ok(rows)
    } else {
        folders::classes(path)
    }
}

fn train_table(
    table: &ClipTable,
    options: &OpenOptions,
    audio: &dyn Fn(&[String], &str) -> PathBuf,
) -> Result<ClipList, DatasetError> {
    let listed = rows(table, Purpose::Train, options, audio)?;
    let task = options.task();
    Ok(ClipList { train: listed.rows, excluded: listed.excluded, task, ..ClipList::default() })
}

/// FSDKaggle2018: `fname,label,manually_verified[,freesound_id]` and
/// `fname[,label,usage,freesound_id]`.
fn fsdkaggle(root: &Path, train: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    let audio = |kind: &str| {
        let zenodo = root.join(format!("FSDKaggle2018.audio_{kind}"));
        if zenodo.is_dir() { zenodo } else { root.join(format!("audio_{kind}")) }
    };
    let (train_audio, test_audio) = (audio("train"), audio("test"));
    let mut read = train_table(&ClipTable::read(train)?, options, &|_, name| train_audio.join(name))?;
    let audio = |_: &[String], name: &str| test_audio.join(name);
    let mut tables = TEST.iter().map(|name| root.join(name)).filter(|file| file.is_file());
    if let Some(path) = tables.next() {
        // The labels of a sample submission are dummies.
        let purpose = if path.ends_with(SUBMISSION) { Purpose::Names } else { Purpose::Competition };
        let listed = rows(&ClipTable::read(&path)?, purpose, options, &audio)?;
        read.test = listed.rows;
        read.excluded.extend(listed.excluded);
    }
    // Clips that occur only in the other tables were ignored by the challenge.
    for table in tables.filter_map(|path| ClipTable::read(&path).ok()) {
        let names = rows(&table, Purpose::Names, &OpenOptions::default(), &audio).into_iter();
        read.excluded.extend(names.flat_map(|listed| listed.rows).map(|row| row.path));
    }
    Ok(read)
}

/// ESC-50: `filename,fold,target,category,esc10,src_file,...`.
fn esc(path: &Path, audio: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    let table = ClipTable::read(path)?;
    for name in ["filename", "fold", "category"] {
        table.column(&[name])?;
    }
    train_table(&table, options, &|_, name| audio.join(name))
}

/// UrbanSound8K: `slice_file_name,fsID,start,end,salience,fold,classID,class`, with the audio in a
/// folder per fold.
fn urbansound8k(path: &Path, audio: &Path, options: &OpenOptions) -> Result<ClipList, DatasetError> {
    let table = ClipTable::read(path)?;
    for name in ["slice_file_name", "fsID", "class"] {
        table.column(&[name])?;
    }
    let fold = table.column(&["fold"])?;
    let place = |fields: &[String], name: &str| {
        let fold = fields.get(fold).map(String::as_str).unwrap_or_default();
        audio.join(format!("fold{fold}")).join(name)
    };
    Ok(ClipList { groups_span_folds: true, ..train_table(&table, options, &place)? })
}
