//! Hugging Face's `audiofolder`: split folders `train/`, `validation/`, `test/`, and labels from
//! `metadata.csv` or `metadata.jsonl`, or from class folders.
//!
//! Validation clips are used for training here, because cross-validation replaces the fixed
//! validation split. Source: `datasets/packaged_modules/folder_based_builder` and
//! `datasets/data_files.py` of the library `datasets`. Of its patterns for split names, only whole
//! folder names are taken: a class "train horn" is no split.

use std::path::{Path, PathBuf};

use earmark_audio::is_sound_file;

use super::columns::{Purpose, name_column, rows};
use super::folders::{clips, name_by_path_too};
use crate::clip_list::ClipList;
use crate::error::DatasetError;
use crate::options::OpenOptions;
use crate::table::ClipTable;
use crate::walk::{file_name, listing};

const TRAIN: [&str; 6] = ["train", "training", "validation", "valid", "dev", "val"];
const TEST: [&str; 4] = ["test", "testing", "eval", "evaluation"];
const METADATA: [&str; 2] = ["metadata.csv", "metadata.jsonl"];

fn is_train(folder: &Path) -> bool {
    TRAIN.contains(&file_name(folder).as_str())
}

fn is_test(folder: &Path) -> bool {
    TEST.contains(&file_name(folder).as_str())
}

/// The folders that may contain splits: the data set's folder, and `data` in it if it can be
/// listed.
fn bases(root: &Path) -> Vec<PathBuf> {
    let data = Some(root.join("data")).filter(|folder| listing(folder).is_ok());
    [root.to_owned()].into_iter().chain(data).collect()
}

fn split_folders(base: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let is_split = |folder: &PathBuf| (is_train(folder) || is_test(folder)) && folder.is_dir();
    Ok(listing(base)?.into_iter().filter(is_split).collect())
}

/// Reads a data set with metadata files next to or above the audio, if there are any. File names
/// are relative to the folder of their metadata file. The split of a file is determined by a folder
/// in its path that has a split's name.
pub(super) fn with_metadata(root: &Path, options: &OpenOptions) -> Result<Option<ClipList>, DatasetError> {
    let mut folders = Vec::new();
    for base in bases(root) {
        folders.extend(split_folders(&base)?);
        folders.push(base);
    }
    folders.sort();
    let files = folders.iter().flat_map(|folder| METADATA.map(|name| folder.join(name)));
    let files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
    let mut read = ClipList::default();
    for file in &files {
        let folder = file.parent().unwrap_or(root);
        let audio = |_: &[String], name: &str| folder.join(name);
        let in_test = |path: &Path| {
            let below = path.strip_prefix(root).unwrap_or(path).parent().unwrap_or(Path::new(""));
            below.iter().map(Path::new).find(|part| is_train(part) || is_test(part)).is_some_and(is_test)
        };
        let table = if file.ends_with(METADATA[1]) { ClipTable::read_jsonl(file)? } else { ClipTable::read(file)? };
        let name = name_column(&table, options)?;
        let (test, train) =
            table.partition(|fields| in_test(&folder.join(fields.get(name).map_or("", String::as_str))));
        for (table, purpose) in [(train, Purpose::Train), (test, Purpose::Test)] {
            if table.rows().next().is_some() {
                let listed = rows(&table, purpose, options, &audio)?;
                let set = if purpose == Purpose::Train { &mut read.train } else { &mut read.test };
                set.extend(listed.rows);
                read.excluded.extend(listed.excluded);
            }
        }
    }
    name_by_path_too(root, read.train.iter_mut().chain(&mut read.test));
    read.task = options.task();
    Ok((!files.is_empty()).then_some(read))
}

/// Reads a data set of split folders with a folder per class in each, if this is one: the training
/// folder must contain classes and no clips, and no other folder may contain clips.
pub(super) fn with_class_folders(root: &Path) -> Result<Option<ClipList>, DatasetError> {
    for base in bases(root) {
        let splits = split_folders(&base)?;
        // A folder that cannot be listed does not affect the detection of the layout.
        let has_clips =
            |folder: PathBuf| listing(&folder).is_ok_and(|paths| paths.iter().any(|path| is_sound_file(path)));
        if listing(&base)?.into_iter().filter(|path| path.is_dir()).any(has_clips) {
            continue;
        }
        let mut read = ClipList::default();
        for split in splits {
            let of_split = clips(&split)?;
            let set = if is_test(&split) { &mut read.test } else { &mut read.train };
            set.extend(of_split.train);
            read.ignored.extend(of_split.ignored);
            read.faults.extend(of_split.faults);
        }
        if !read.train.is_empty() {
            name_by_path_too(root, read.train.iter_mut().chain(&mut read.test));
            return Ok(Some(read));
        }
    }
    Ok(None)
}
