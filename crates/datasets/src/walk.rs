//! Recursive listing of folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use earmark_audio::is_sound_file;
use earmark_files::FileError;

use crate::error::DatasetError;

/// The sound files below a folder, at any depth, sorted by path. Hidden files and folders are
/// skipped. Links are followed, and a folder that is reachable by several paths is walked only
/// once, so cycles of links are harmless.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// for name in ["b.wav", "a/deep/c.OGG", "a/notes.txt", ".hidden.wav"] {
///     earmark_files::write_atomic(&folder.path().join(name), b"")?;
/// }
/// let sounds = earmark_datasets::sound_files(folder.path())?;
/// assert_eq!(sounds, ["a/deep/c.OGG", "b.wav"].map(|name| folder.path().join(name)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The folder, or one below it, cannot be listed.
pub fn sound_files(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let (sounds, errors) = find_sound_files(folder);
    errors.into_iter().next().map_or(Ok(sounds), Err)
}

/// Like [`sound_files`], but returns the files that were found together with an error for each
/// folder that cannot be listed.
pub fn find_sound_files(folder: &Path) -> (Vec<PathBuf>, Vec<DatasetError>) {
    let mut sounds = Vec::new();
    let take = &mut |file: &Path| {
        if is_sound_file(file) {
            sounds.push(file.to_owned());
        }
    };
    let errors = walk(folder, take).into_iter().map(|(_, error)| error).collect();
    sounds.sort();
    (sounds, errors)
}

/// Calls `take` for every file below a folder, by the rules of [`sound_files`]. Returns the folders
/// that cannot be listed, with the errors.
pub(crate) fn walk(root: &Path, take: &mut impl FnMut(&Path)) -> Vec<(PathBuf, DatasetError)> {
    let (mut folders, mut walked) = (vec![root.to_owned()], BTreeSet::new());
    let mut unreadable = Vec::new();
    while let Some(folder) = folders.pop() {
        if folder.canonicalize().is_ok_and(|real| !walked.insert(real)) {
            continue;
        }
        match listing(&folder) {
            Ok(paths) => {
                let (below, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
                folders.extend(below.into_iter().rev());
                files.iter().for_each(|file| take(file));
            }
            Err(error) => unreadable.push((folder, error)),
        }
    }
    unreadable
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The entries of a folder, sorted by name, because the system's order varies. Hidden entries are
/// skipped.
pub(crate) fn listing(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_listed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clip.wav");
        std::fs::write(&file, "").unwrap();
        for path in [&file, &folder.path().join("gone")] {
            let error = sound_files(path).unwrap_err().to_string();
            assert!(error.contains("cannot list") && error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_once() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
        for path in [inside.join("a"), outside.clone()] {
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("clip.wav"), "").unwrap();
        }
        symlink(&inside, inside.join("a/circle")).unwrap();
        symlink(&outside, inside.join("b")).unwrap();
        symlink(&outside, inside.join("c")).unwrap();
        symlink(outside.join("gone"), inside.join("nowhere.wav")).unwrap();
        symlink(outside.join("clip.wav"), inside.join("one.wav")).unwrap();
        let expected = ["a/clip.wav", "b/clip.wav", "one.wav"].map(|name| inside.join(name));
        assert_eq!(sound_files(&inside).unwrap(), expected);
    }
}
