//! One folder per class, with its clips inside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use earmark_audio::is_sound_file;

use crate::clip_list::{ClipList, ListedClip};
use crate::error::{DatasetError, Location};
use crate::walk::{file_name, listing};

/// Reads a folder of classes.
pub(super) fn classes(root: &Path) -> Result<ClipList, DatasetError> {
    let mut rows = clips(root)?;
    if rows.train.is_empty() {
        return Err(DatasetError::UnknownLayout { path: root.to_owned() });
    }
    folds_of_esc10(&mut rows.train);
    name_by_path_too(root, rows.train.iter_mut());
    Ok(rows)
}

/// The recovery folder of the file system, which only the superuser may list.
const LOST: &str = "lost+found";

/// Reads the clips of every class in `root` as training clips, and the folders without clips. A
/// folder that cannot be listed may be a class, so it is an error.
pub(super) fn clips(root: &Path) -> Result<ClipList, DatasetError> {
    let mut read = ClipList::default();
    let mut classes: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in listing(root)?.into_iter().filter(|path| path.is_dir()) {
        let name = file_name(&folder);
        let sounds: Vec<PathBuf> = match listing(&folder) {
            Ok(paths) => paths.into_iter().filter(|path| is_sound_file(path)).collect(),
            Err(_) if name == LOST => Vec::new(),
            Err(error) => {
                read.faults.push(error);
                continue;
            }
        };
        if sounds.is_empty() {
            read.ignored.push(folder);
            continue;
        }
        let label = class_name(&name).to_owned();
        if let Some(first) = classes.get(&label) {
            let first = first.clone();
            read.faults.push(DatasetError::FoldersOfOneClass { label: label.clone(), first, second: folder });
        } else {
            classes.insert(label.clone(), folder);
        }
        read.train.extend(sounds.into_iter().map(|path| row(path, &label)));
    }
    Ok(read)
}

fn row(path: PathBuf, label: &str) -> ListedClip {
    ListedClip {
        name: file_name(&path),
        place: Location { path: path.clone(), line: None },
        path,
        labels: vec![label.to_owned()],
        verified: true,
        fold: None,
        group: None,
        usage: None,
    }
}

/// If two clips have the same file name, as in `dog/1.wav` and `cat/1.wav`, names all clips by
/// their path below `root`.
pub(super) fn name_by_path_too<'a>(root: &Path, rows: impl Iterator<Item = &'a mut ListedClip>) {
    let rows: Vec<&mut ListedClip> = rows.collect();
    let names: BTreeSet<&String> = rows.iter().map(|row| &row.name).collect();
    if names.len() < rows.len() {
        for row in rows {
            let below = row.path.strip_prefix(root).unwrap_or(&row.path);
            row.name = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        }
    }
}

/// Sets the folds of ESC-10 in folders, such as `001 - Dog bark/1-100032-A.ogg`: the names contain
/// the fold and the recording, and other folds would test on recordings that were trained on. If
/// most names have this form, the other clips have no fold, which is an error that names them.
fn folds_of_esc10(rows: &mut [ListedClip]) {
    let numbered =
        |row: &ListedClip| row.path.parent().is_some_and(|folder| number_and_name(&file_name(folder)).is_some());
    let parts: Vec<_> = rows.iter().map(|row| fold_and_recording(&row.name).filter(|_| numbered(row))).collect();
    if 2 * parts.iter().flatten().count() <= rows.len() {
        return;
    }
    for (row, part) in rows.iter_mut().zip(parts) {
        (row.fold, row.group) = part.unzip();
    }
}

/// Parses `FOLD-FREESOUNDID-TAKE.ogg` or `FOLD-FREESOUNDID-TAKE-TARGET.wav`.
fn fold_and_recording(name: &str) -> Option<(String, String)> {
    let mut parts = name.split_once('.')?.0.split('-');
    let (fold, recording, take) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = matches!(fold, "1" | "2" | "3" | "4" | "5")
        && is_number(recording)
        && take.len() == 1
        && take.bytes().all(|byte| byte.is_ascii_uppercase())
        && parts.next().is_none_or(is_number)
        && parts.next().is_none();
    fits.then(|| (fold.to_owned(), recording.to_owned()))
}

/// The class of a folder: "Dog bark" for "001 - Dog bark", as in ESC-10.
fn class_name(folder: &str) -> &str {
    number_and_name(folder).map_or(folder, |(_, name)| name).trim()
}

fn number_and_name(folder: &str) -> Option<(&str, &str)> {
    let parts = folder.split_once(" - ");
    parts.filter(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
