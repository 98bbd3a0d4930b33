//! Where the output goes: standard output, a file, or a file for each sound.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use earmark_files::{AtomicFile, FileError};

use super::text::{Item, Text};
use crate::args::Form;
use crate::output;

/// Writes the text of each file as soon as it is known.
pub struct Sink {
    text: Text,
    place: Place,
}

enum Place {
    Stdout,
    File(AtomicFile),
    Folder {
        folder: PathBuf,
        /// The paths in it, and the file that is being written.
        names: HashSet<PathBuf>,
        open: Option<AtomicFile>,
    },
}

impl Sink {
    /// Begins the output.
    ///
    /// # Errors
    /// The file or folder cannot be created.
    pub fn begin(form: &Form, mut text: Text, files: usize) -> anyhow::Result<Self> {
        anyhow::ensure!(
            files == 1 || !text.is_of_one_file() || form.output_dir.is_some(),
            "Audacity's labels do not name their sound; write a file for each of the {files} with --output-dir"
        );
        let place = match (&form.output, &form.output_dir) {
            (Some(file), _) => {
                output::check_place("--output", file)?;
                Place::File(AtomicFile::create(file)?)
            }
            (_, Some(folder)) => {
                output::check_place("--output-dir", folder)?;
                earmark_files::create_folder(folder)?;
                Place::Folder { folder: folder.clone(), names: HashSet::new(), open: None }
            }
            _ => Place::Stdout,
        };
        let start = text.begin();
        let mut sink = Self { text, place };
        if !matches!(sink.place, Place::Folder { .. }) {
            sink.write(&start)?;
        }
        Ok(sink)
    }

    /// Begins a sound; `name` is its place in the folder of the output.
    pub fn file(&mut self, path: &Path, name: &Path) -> anyhow::Result<()> {
        if let Place::Folder { folder, names, open } = &mut self.place {
            let mut file = name.as_os_str().to_owned();
            file.push(format!(".{}", self.text.extension()));
            let file = folder.join(file);
            anyhow::ensure!(
                names.insert(file.clone()),
                "{}: another sound has the same place in --output-dir, {}; tag them one after the other",
                path.display(),
                file.display()
            );
            *open = Some(AtomicFile::create(&file)?);
            let start = self.text.begin();
            self.write(&start)?;
        }
        let text = self.text.file(path.display().to_string())?;
        self.write(&text)
    }

    /// Adds an item to the sound.
    pub fn item(&mut self, item: &Item<'_>) -> anyhow::Result<()> {
        let text = self.text.item(item)?;
        self.write(&text)
    }

    /// Ends the sound, whose rest may be damaged.
    pub fn end_file(&mut self, error: Option<&str>) -> anyhow::Result<()> {
        let text = self.text.end_file(error)?;
        self.write(&text)?;
        let end = self.text.end();
        if let Place::Folder { open, .. } = &mut self.place
            && let Some(mut file) = open.take()
        {
            file.file().write_all(end.as_bytes()).map_err(FileError::of("write", file.path()))?;
            file.commit()?;
        }
        Ok(())
    }

    /// Ends the output.
    pub fn end(mut self) -> anyhow::Result<()> {
        if !matches!(self.place, Place::Folder { .. }) {
            self.write(self.text.end())?;
        }
        if let Place::File(file) = self.place {
            file.sync()?;
            file.commit()?;
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        let file = match &mut self.place {
            Place::Stdout => return if text.is_empty() { Ok(()) } else { output::print(text) },
            Place::File(file) => file,
            Place::Folder { open, .. } => open.as_mut().context("a sound is open")?,
        };
        let path = file.path().to_owned();
        Ok(file.file().write_all(text.as_bytes()).map_err(FileError::of("write", &path))?)
    }
}
