//! The layouts that data sets come in, each read into rows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use earmark_audio::is_sound_file;
use earmark_files::FileError;

use crate::error::{DatasetError, Place};
use crate::manifest::{Row, Rows};
use crate::table::Table;

/// Names that the table of training clips goes by: Earmark's own and Kaggle's, and Zenodo's.
const TRAIN: [&str; 3] = ["train.csv", "train_post_competition.csv", "FSDKaggle2018.meta/train_post_competition.csv"];
/// The same for test clips, the ones with labels first.
const TEST: [&str; 6] = [
    "test.csv",
    "test_post_competition_scoring_clips.csv",
    "FSDKaggle2018.meta/test_post_competition_scoring_clips.csv",
    "test_post_competition.csv",
    "FSDKaggle2018.meta/test_post_competition.csv",
    "sample_submission.csv",
];

/// Reads whatever layout stands at `path`.
pub(crate) fn read(path: &Path, audio_dir: Option<&Path>) -> Result<Rows, DatasetError> {
    if path.is_file() {
        let beside = path.parent().unwrap_or(Path::new(""));
        return Ok(Rows { train: clip_table(path, audio_dir.unwrap_or(beside))?, test: Vec::new() });
    }
    if !path.is_dir() {
        return Err(DatasetError::NotFound { path: path.to_owned() });
    }
    if audio_dir.is_some() {
        return Err(DatasetError::AudioDirUnused { path: path.to_owned() });
    }
    let first = |names: &[&str]| names.iter().map(|name| path.join(name)).find(|file| file.is_file());
    let esc50 = path.join("meta/esc50.csv");
    if let Some(train) = first(&TRAIN) {
        fsdkaggle(path, &train, first(&TEST).as_deref())
    } else if esc50.is_file() {
        Ok(Rows { train: esc(&esc50, &path.join("audio"))?, test: Vec::new() })
    } else {
        Ok(Rows { train: class_folders(path)?, test: Vec::new() })
    }
}

/// FSDKaggle2018: `fname,label,manually_verified[,freesound_id]` and `fname[,label,usage,freesound_id]`.
fn fsdkaggle(root: &Path, train: &Path, test: Option<&Path>) -> Result<Rows, DatasetError> {
    let audio = |kind: &str| {
        let zenodo = root.join(format!("FSDKaggle2018.audio_{kind}"));
        if zenodo.is_dir() { zenodo } else { root.join(format!("audio_{kind}")) }
    };
    let table = Table::read(train)?;
    table.column(&["fname"])?;
    table.column(&["label"])?;
    let train = rows(&table, &audio("train"))?;
    let test = match test {
        Some(path) => test_rows(path, &audio("test"))?,
        None => Vec::new(),
    };
    Ok(Rows { train, test })
}

/// Test clips. Those that the challenge ignored have no true label and are left out; the labels of a sample
/// submission are made up and are not read.
fn test_rows(path: &Path, audio: &Path) -> Result<Vec<Row>, DatasetError> {
    let table = Table::read(path)?;
    table.column(&["fname"])?;
    if path.ends_with("sample_submission.csv") {
        return rows(&table.without("label"), audio);
    }
    let (usage, label) = (table.find(&["usage"]), table.find(&["label"]));
    let counts = |row: &[String]| {
        let is = |column: usize, value: &str| row.get(column).is_some_and(|field| field == value);
        !(usage.is_some_and(|usage| is(usage, "Ignored")) || label.is_some_and(|label| is(label, "None")))
    };
    rows(&table.filter(counts), audio)
}

/// ESC-50: `filename,fold,target,category,esc10,src_file,...`.
fn esc(path: &Path, audio: &Path) -> Result<Vec<Row>, DatasetError> {
    let table = Table::read(path)?;
    for name in ["filename", "fold", "category"] {
        table.column(&[name])?;
    }
    rows(&table, audio)
}

/// A CSV of any data set, its audio in `audio`.
fn clip_table(path: &Path, audio: &Path) -> Result<Vec<Row>, DatasetError> {
    let table = Table::read(path)?;
    table.column(&LABEL)?;
    rows(&table, audio)
}

const NAME: [&str; 4] = ["fname", "filename", "file", "path"];
const LABEL: [&str; 3] = ["label", "category", "class"];
const GROUP: [&str; 3] = ["group", "freesound_id", "src_file"];
const VERIFIED: [&str; 2] = ["manually_verified", "verified"];

/// The rows of a table under the names that columns go by. A column that is there must have a value in every row.
fn rows(table: &Table, audio: &Path) -> Result<Vec<Row>, DatasetError> {
    let name = table.column(&NAME)?;
    let (label, group, fold) = (table.find(&LABEL), table.find(&GROUP), table.find(&["fold"]));
    let verified = table.find(&VERIFIED);
    let row = |(line, fields): (u64, &[String])| {
        let value = |column| table.value(line, fields, column);
        let owned = |column: Option<usize>| column.map(value).transpose().map(|value| value.map(str::to_owned));
        let file = value(name)?;
        Ok(Row {
            name: file.to_owned(),
            path: audio.join(file),
            label: owned(label)?,
            verified: verified.map_or(Ok(true), |column| table.flag(line, fields, column))?,
            fold: owned(fold)?,
            group: owned(group)?,
            place: table.place(line),
        })
    };
    table.rows().map(row).collect()
}

/// One folder per class, its clips inside.
fn class_folders(root: &Path) -> Result<Vec<Row>, DatasetError> {
    let mut rows = Vec::new();
    for folder in listing(root)?.into_iter().filter(|path| path.is_dir()) {
        let label = class_name(&file_name(&folder)).to_owned();
        for path in listing(&folder)?.into_iter().filter(|path| is_sound_file(path)) {
            if label.is_empty() {
                let place = Place { path: folder, line: None };
                return Err(DatasetError::Empty { place, column: "the class's name".to_owned() });
            }
            rows.push(Row {
                name: file_name(&path),
                place: Place { path: path.clone(), line: None },
                path,
                label: Some(label.clone()),
                verified: true,
                fold: None,
                group: None,
            });
        }
    }
    if rows.is_empty() {
        return Err(DatasetError::UnknownLayout { path: root.to_owned() });
    }
    name_by_class_too(&mut rows);
    Ok(rows)
}

/// Where two classes use the same file name, as in `dog/1.wav` and `cat/1.wav`, every clip is named with its folder.
fn name_by_class_too(rows: &mut [Row]) {
    let names: BTreeSet<&String> = rows.iter().map(|row| &row.name).collect();
    if names.len() < rows.len() {
        for row in rows {
            let folder = row.path.parent().map(file_name).unwrap_or_default();
            row.name = format!("{folder}/{}", row.name);
        }
    }
}

/// "001 - Dog bark", as ESC-10 has it, means "Dog bark".
fn class_name(folder: &str) -> &str {
    match folder.split_once(" - ") {
        Some((number, name)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => name.trim(),
        _ => folder.trim(),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What a folder holds, sorted by name: systems list in orders of their own. Hidden entries are not listed.
fn listing(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let failed = |source| FileError { path: folder.to_owned(), action: "list the folder", source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
