//! The sound files that a command gets.

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
}

impl Sounds {
    /// The given files and those in the given folders, sorted by name. A folder without sound
    /// files, or that cannot be listed, does not affect the others.
    pub fn find(paths: &[PathBuf]) -> Self {
        let (mut found, mut names, mut folders) = (Vec::new(), Vec::new(), 0);
        for path in paths {
            if !path.is_dir() {
                found.push(path.clone());
                names.push(path.file_name().map_or_else(|| path.clone(), PathBuf::from));
                continue;
            }
            let (sounds, errors) = find_sound_files(path);
            if sounds.is_empty() && errors.is_empty() {
                output::error(&format!("{}: no sound files in this folder", path.display()));
                folders += 1;
            }
            folders += errors.len();
            for error in errors {
                output::error(&output::message(&error.into()));
            }
            names.extend(sounds.iter().map(|sound| sound.strip_prefix(path).unwrap_or(sound).to_owned()));
            found.extend(sounds);
        }
        Self { paths: found, names, folders }
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
        anyhow::ensure!(problems.is_empty(), "{}", problems.join("; "));
        Ok(())
    }
}
