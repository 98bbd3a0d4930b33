//! The sound files that a command gets.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use earmark_datasets::find_sound_files;
use earmark_tables::counted;

use crate::output;

/// Sound files, and the number of folders that gave none.
pub struct Sounds {
    pub paths: Vec<PathBuf>,
    /// The place of each in its folder, or its file name.
    pub names: Vec<PathBuf>,
    folders: usize,
    /// Number of patterns that match nothing.
    patterns: usize,
}

impl Sounds {
    /// The given files and those in the given folders, sorted by name. A path that does not exist
    /// may be a pattern of paths. A folder without sound files, or that cannot be listed, or a
    /// pattern that matches nothing, does not affect the others. A path that comes twice counts
    /// once.
    pub fn find(paths: &[PathBuf]) -> Self {
        let mut sounds = Self { paths: Vec::new(), names: Vec::new(), folders: 0, patterns: 0 };
        for path in paths {
            match matches(path) {
                None => sounds.add(path),
                Some(Ok(found)) => found.iter().for_each(|path| sounds.add(path)),
                Some(Err(reason)) => {
                    output::error(&format!("{}: {reason}", path.display()));
                    sounds.patterns += 1;
                }
            }
        }
        let mut known = HashSet::new();
        let named = sounds.paths.drain(..).zip(sounds.names.drain(..));
        (sounds.paths, sounds.names) = named.filter(|(path, _)| known.insert(path.clone())).collect();
        sounds
    }

    fn add(&mut self, path: &Path) {
        if !path.is_dir() {
            self.paths.push(path.to_owned());
            self.names.push(path.file_name().map_or_else(|| path.to_owned(), PathBuf::from));
            return;
        }
        let (sounds, errors) = find_sound_files(path);
        if sounds.is_empty() && errors.is_empty() {
            output::error(&format!("{}: no sound files in this folder", path.display()));
            self.folders += 1;
        }
        self.folders += errors.len();
        for error in errors {
            output::error(&output::message(&error.into()));
        }
        self.names.extend(sounds.iter().map(|sound| sound.strip_prefix(path).unwrap_or(sound).to_owned()));
        self.paths.extend(sounds);
    }

    /// Whether one of them is standard input.
    pub fn has_stdin(&self) -> bool {
        self.paths.iter().any(|path| path.as_os_str() == "-")
    }

    /// Keeps the sounds of which this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Path) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let (mut paths, mut names) = (Vec::new(), Vec::new());
        for (path, name) in self.paths.drain(..).zip(self.names.drain(..)) {
            if keep(&path)? {
                paths.push(path);
                names.push(name);
            }
        }
        (self.paths, self.names) = (paths, names);
        Ok(())
    }

    /// The error about the files that failed, and about folders. `done` is what should have been
    /// done with each, such as "tagged".
    pub fn check(&self, done: &str, failed: usize) -> anyhow::Result<()> {
        let mut problems = Vec::new();
        if failed > 0 {
            problems.push(format!("{failed} of {} could not be {done}", counted(self.paths.len(), "file")));
        }
        if self.folders > 0 {
            let hold = if self.folders == 1 { "holds" } else { "hold" };
            problems.push(format!("{} could not be read or {hold} no sound", counted(self.folders, "folder")));
        }
        if self.patterns > 0 {
            problems.push(format!("{} matched nothing", counted(self.patterns, "pattern")));
        }
        anyhow::ensure!(problems.is_empty(), "{}", problems.join("; "));
        Ok(())
    }
}

/// The paths that a pattern such as `archive/**/*.wav` matches, sorted; none if the path is no
/// pattern, or exists.
fn matches(path: &Path) -> Option<Result<Vec<PathBuf>, String>> {
    let text = path.to_str().filter(|text| text.contains(['*', '?', '[']))?;
    if path.exists() {
        return None;
    }
    let found = match glob::glob(text) {
        Ok(found) => found.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string()),
        Err(error) => Err(format!("it is no pattern: {error}")),
    };
    Some(
        found.and_then(
            |found| if found.is_empty() { Err("no path matches this pattern".to_owned()) } else { Ok(found) },
        ),
    )
}
