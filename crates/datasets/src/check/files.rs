//! Files and folders that exist but are not part of the data set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use earmark_audio::is_sound_file;
use earmark_tables::counted;

use super::problem::{Problem, ProblemKind, shown};
use crate::error::DatasetError;
use crate::manifest::{Manifest, Reading};
use crate::options::OpenOptions;
use crate::walk::walk;

/// Extensions of audio formats that are not supported.
const OTHER: [&str; 17] = [
    "opus", "wma", "webm", "mka", "caf", "amr", "ape", "wv", "mp2", "au", "snd", "spx", "aax", "ac3", "dsf", "tta",
    "3gp",
];

/// The unused files below a data set's folder.
#[derive(Debug)]
pub struct Ignored {
    /// Audio files in neither a class folder nor a table.
    pub files: usize,
    /// The errors for folders that cannot be listed, whose contents are unknown.
    pub unreadable: Vec<DatasetError>,
}

/// Counts the files that [`check`](super::check) lists as [`ProblemKind::NotListed`]; files are not
/// opened.
pub fn ignored(manifest: &Manifest, folder: &Path) -> Ignored {
    let known = real_paths(manifest.train.iter().chain(&manifest.test).map(|item| &item.path));
    let mut files = 0_usize;
    let unreadable = walk(folder, &mut |file| files += usize::from(is_sound_file(file) && !is_among(file, &known)));
    let unreadable = unreadable.into_iter().map(|(_, error)| error).collect();
    Ignored { files: files.saturating_sub(manifest.excluded), unreadable }
}

/// The problems of files and folders that are ignored. A class folder that cannot be listed is
/// already an error of reading; other folders contain no clips of the data set.
pub(super) fn ignored_files(read: &Reading, path: &Path, options: &OpenOptions) -> Vec<Problem> {
    let root = match &options.audio_dir {
        Some(folder) => folder,
        None if path.is_dir() => path,
        None => path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    };
    let items = read.manifest.train.iter().chain(&read.manifest.test).map(|item| &item.path);
    let known = real_paths(items.chain(&read.excluded));
    let (mut not_listed, mut other) = (BTreeMap::new(), BTreeMap::new());
    let unreadable = walk(root, &mut |file| {
        let kind = if is_sound_file(file) {
            if is_among(file, &known) {
                return;
            }
            &mut not_listed
        } else if is_other_sound(file) {
            &mut other
        } else {
            return;
        };
        let folder = file.parent().map(shown).unwrap_or_default();
        kind.entry(folder).or_insert_with(Vec::new).push(shown(file));
    });

    let empty = |folder: &PathBuf| {
        Problem::warning(ProblemKind::NoClips, vec![shown(folder)], "the folder has no clips of its own; it is ignored")
    };
    let files = |n: usize| counted(n, "audio file");
    let not_listed = not_listed.into_iter().map(|(folder, sounds): (String, Vec<String>)| {
        let message = format!("{} in {folder}, in no class folder and in no table", files(sounds.len()));
        Problem::warning(ProblemKind::NotListed, sounds, message)
    });
    let other = other.into_iter().map(|(folder, sounds): (String, Vec<String>)| {
        let message = format!("{} in {folder} in a format that is not decoded", files(sounds.len()));
        Problem::warning(ProblemKind::OtherFormat, sounds, message)
    });
    let unreadable = unreadable
        .into_iter()
        .map(|(folder, error)| Problem::warning(ProblemKind::Unreadable, vec![shown(&folder)], error.to_string()));
    unreadable.chain(read.ignored.iter().map(empty)).chain(not_listed).chain(other).collect()
}

/// Canonical paths: a name in a table may refer to its file through `..` or links.
fn real_paths<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> BTreeSet<PathBuf> {
    paths.filter_map(|path| path.canonicalize().ok()).collect()
}

fn is_among(file: &Path, real: &BTreeSet<PathBuf>) -> bool {
    real.contains(file) || file.canonicalize().is_ok_and(|path| real.contains(&path))
}

fn is_other_sound(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| OTHER.contains(&extension.as_str())) && path.is_file()
}
