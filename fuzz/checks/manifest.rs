//! Invariants for any data set, with arbitrary tables and names of folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use earmark_datasets::{ClipEntry, Columns, DatasetError, Manifest, OpenOptions, Splits, Task, open};
use regex::Regex;

/// The tables of each layout. The first layout is opened as a file, all others as a folder.
const LAYOUTS: [&[&str]; 8] = [
    &["table.csv"],
    &["train.csv", "test.csv", "sample_submission.csv"],
    &[
        "FSDKaggle2018.meta/train_post_competition.csv",
        "FSDKaggle2018.meta/test_post_competition_scoring_clips.csv",
        "FSDKaggle2018.meta/test_post_competition.csv",
    ],
    &["meta/esc50.csv"],
    &["metadata/UrbanSound8K.csv"],
    &["metadata.csv"],
    &["metadata.jsonl"],
    &["data/train/metadata.jsonl", "data/test/metadata.csv"],
];

/// The tables of the layouts whose clips may have several labels.
const SEVERAL: [&[&str]; 3] = [
    &["FSD50K.ground_truth/dev.csv", "FSD50K.ground_truth/eval.csv"],
    &["train_curated.csv", "train_noisy.csv", "test_post_competition.csv"],
    &["balanced_train_segments.csv", "class_labels_indices.csv", "eval_segments.csv"],
];
/// The number of the layout of class folders, after [`LAYOUTS`] and before [`SEVERAL`].
const FOLDERS: usize = LAYOUTS.len();

/// Separates the tables of a layout.
const NEXT: u8 = 0x1E;

/// The maximum number of clips that are created.
const MOST: usize = 64;

/// Reads the bytes as a data set. The first byte selects the layout, the second the options; then
/// follow the tables or, for class folders, the paths of clips, one per line. AudioSet's sounds
/// have fixed names, because it is the sounds that are there that count. Returns whether the result
/// is a data set.
pub fn check(bytes: &[u8]) -> bool {
    let [layout, options, bytes @ ..] = bytes else { return false };
    let in_memory = Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir());
    let folder = tempfile::tempdir_in(in_memory.unwrap_or_else(std::env::temp_dir)).unwrap();
    let root = folder.path();
    let mut path = root.to_owned();
    let layout = usize::from(*layout) % (FOLDERS + 1 + SEVERAL.len());
    let tables = LAYOUTS.get(layout).or_else(|| SEVERAL.get(layout.checked_sub(FOLDERS + 1)?));
    for sound in ["train_noisy/c.wav", "a/--PJHxphWEs_30.000.wav", "b/Y-0RWZT-miFs.flac"] {
        if layout > FOLDERS {
            make(root, &root.join(sound), b"");
        }
    }
    match tables {
        Some(tables) => {
            for (name, table) in tables.iter().zip(bytes.split(|byte| *byte == NEXT)) {
                make(root, &root.join(name), table);
            }
            if tables.len() == 1 && tables[0] == "table.csv" {
                path.push("table.csv");
            }
        }
        None => {
            for line in String::from_utf8_lossy(bytes).lines().take(MOST) {
                make(root, &root.join(line), b"");
            }
        }
    }
    let options = options_of(*options);
    let mut read = open(&path, &options);
    if let Err(DatasetError::MissingFiles { paths }) = &read {
        paths.iter().take(MOST).for_each(|path| make(root, path, b""));
        read = open(&path, &options);
    }
    match read {
        Ok(manifest) => {
            consistent(&manifest);
            splits(&manifest);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// Writes a file if its path is valid and leads below the root.
fn make(root: &Path, path: &Path, content: &[u8]) {
    let below = path.strip_prefix(root).map(|path| path.components().all(|part| matches!(part, Component::Normal(_))));
    if below == Ok(true)
        && let Some(folder) = path.parent()
        && fs::create_dir_all(folder).is_ok()
        && !path.exists()
    {
        fs::write(path, content).ok();
    }
}

fn options_of(bits: u8) -> OpenOptions {
    static FOLDS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\d)-").unwrap());
    static GROUPS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\d-(\d*)").unwrap());
    let regex = |bit: u8, regex: &LazyLock<Regex>| (bits >> bit & 1 == 1).then(|| Regex::clone(regex));
    let named = |bit: u8, name: &str| (bits >> bit & 1 == 1).then(|| name.to_owned());
    OpenOptions {
        folds_from: regex(0, &FOLDS),
        groups_from: regex(1, &GROUPS),
        audio_dir: None,
        columns: Columns {
            name: named(2, "sound"),
            label: named(3, "kind"),
            one_hot: Vec::new(),
            fold: named(4, "part"),
            group: named(5, "recording"),
            verified: named(6, "checked"),
        },
        label_separator: (bits & 0b1000_1000 == 0b1000_1000).then(|| ";".to_owned()),
        rows_where: named(7, "esc10").map(|column| (column, "True".to_owned())),
    }
}

/// Checks that labels are sorted and used, names unique, indices in range, and that files exist.
fn consistent(manifest: &Manifest) {
    let Manifest { labels, task, train, test, .. } = manifest;
    assert!(labels.len() >= 2 && labels.is_sorted_by(|a, b| a < b), "{labels:?}");
    let used: BTreeSet<_> = train.iter().flat_map(|item| item.labels.iter().copied()).collect();
    assert!(used.into_iter().eq(0..labels.len()), "{train:?}");
    let fewest = |item: &ClipEntry| item.labels.len() == 1 || (!item.labels.is_empty() && task == &Task::MultiLabel);
    assert!(train.iter().all(fewest), "{train:?}");
    let sorted = |item: &ClipEntry| item.labels.is_sorted_by(|a, b| a < b);
    assert!(train.iter().chain(test).all(sorted), "{manifest:?}");
    assert!(test.iter().flat_map(|item| &item.labels).all(|label| *label < labels.len()), "{test:?}");
    let folds: BTreeSet<_> = train.iter().filter_map(|item| item.fold).collect();
    assert!(folds.iter().copied().eq(0..folds.len()), "{folds:?}");
    let all: Vec<&ClipEntry> = train.iter().chain(test).collect();
    assert_eq!(all.iter().map(|item| &item.name).collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    assert!(all.iter().all(|item| !item.name.is_empty() && item.path.is_file()), "{all:?}");
}

/// Checks that folds, given or drawn, contain every clip once and do not split groups.
fn splits(manifest: &Manifest) {
    if let Ok(splits) = Splits::given(manifest) {
        valid(manifest, &splits);
        assert!(splits.fold_of.iter().map(|fold| Some(*fold)).eq(manifest.train.iter().map(|item| item.fold)));
        splits.check(manifest).unwrap();
    }
    if let Ok(splits) = Splits::stratified(manifest, 2, 1) {
        valid(manifest, &splits);
        assert_eq!(Splits::stratified(manifest, 2, 1).unwrap(), splits);
        assert!(!matches!(splits.check(manifest), Err(DatasetError::GroupInTwoFolds { .. })));
    }
}

fn valid(manifest: &Manifest, splits: &Splits) {
    assert_eq!(splits.fold_of.len(), manifest.train.len());
    let used: BTreeSet<_> = splits.fold_of.iter().copied().collect();
    assert!(splits.folds >= 2 && used.into_iter().eq(0..splits.folds), "{splits:?}");
}
