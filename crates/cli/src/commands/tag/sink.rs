//! Where the output goes: standard output, a file, or a file for each sound.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use earmark_files::{AtomicFile, FileError};

use super::journal::Journal;
use super::text::{Item, Text};
use crate::args::Form;
use crate::output;

/// Writes the text of each file as soon as it is known.
pub struct Sink {
    text: Text,
    place: Place,
    /// Text that is not written yet.
    pending: String,
}

/// Bytes of text that may wait for the end of a sound.
const MOST_PENDING: usize = 1 << 16;

enum Place {
    Stdout,
    File(AtomicFile),
    /// An output that is continued, and the sound that is being written.
    Journal(Box<Journal>, PathBuf),
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
    pub fn begin(form: &Form, mut text: Text, journal: Option<Journal>, files: usize) -> anyhow::Result<Self> {
        anyhow::ensure!(
            files == 1 || !text.is_of_one_file() || form.output_dir.is_some(),
            "Audacity's labels do not name their sound; write a file for each of the {files} with --output-dir"
        );
        let is_continued = journal.is_some();
        let place = match (&form.output, &form.output_dir) {
            (Some(file), _) => match journal {
                Some(journal) => Place::Journal(Box::new(journal), PathBuf::new()),
                None => {
                    output::check_place("--output", file)?;
                    Place::File(AtomicFile::create(file)?)
                }
            },
            (_, Some(folder)) => {
                output::check_place("--output-dir", folder)?;
                earmark_files::create_folder(folder)?;
                Place::Folder { folder: folder.clone(), names: HashSet::new(), open: None }
            }
            _ => Place::Stdout,
        };
        let start = text.begin();
        let mut sink = Self { text, place, pending: String::new() };
        if !is_continued && !matches!(sink.place, Place::Folder { .. }) {
            sink.pending.push_str(&start);
            sink.flush()?;
        }
        Ok(sink)
    }

    /// Begins a sound; `name` is its place in the folder of the output.
    pub fn file(&mut self, path: &Path, name: &Path) -> anyhow::Result<()> {
        if let Place::Journal(_, current) = &mut self.place {
            path.clone_into(current);
        }
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
            self.pending = self.text.begin();
        }
        self.pending.push_str(&self.text.file(path.display().to_string())?);
        Ok(())
    }

    /// Adds an item to the sound.
    pub fn item(&mut self, item: &Item<'_>) -> anyhow::Result<()> {
        self.pending.push_str(&self.text.item(item)?);
        if self.pending.len() > MOST_PENDING { self.flush() } else { Ok(()) }
    }

    /// Ends the sound, whose rest may be damaged; then neither a file of its own nor its part of a
    /// continued output is written.
    pub fn end_file(&mut self, error: Option<&str>) -> anyhow::Result<()> {
        match (&mut self.place, error) {
            (Place::Folder { open, .. }, Some(_)) => {
                *open = None;
                self.pending.clear();
                return Ok(());
            }
            (Place::Journal(journal, _), Some(_)) => {
                self.pending.clear();
                return journal.discard();
            }
            _ => {}
        }
        self.pending.push_str(&self.text.end_file(error)?);
        if matches!(self.place, Place::Folder { .. }) {
            self.pending.push_str(self.text.end());
        }
        self.flush()?;
        match &mut self.place {
            Place::Folder { open, .. } => Ok(open.take().map_or(Ok(()), AtomicFile::commit)?),
            Place::Journal(journal, current) => journal.commit(current),
            _ => Ok(()),
        }
    }

    /// Ends the output.
    pub fn end(mut self) -> anyhow::Result<()> {
        if !matches!(self.place, Place::Folder { .. }) {
            self.pending.push_str(self.text.end());
            self.flush()?;
        }
        if let Place::File(file) = self.place {
            let path = file.path().to_owned();
            file.sync()?;
            file.commit()?;
            Journal::remove(&path)?;
        }
        Ok(())
    }

    /// Writes what is pending.
    fn flush(&mut self) -> anyhow::Result<()> {
        let text = std::mem::take(&mut self.pending);
        let file = match &mut self.place {
            _ if text.is_empty() => return Ok(()),
            Place::Stdout => return output::print(&text),
            Place::Journal(journal, _) => return journal.write(&text),
            Place::File(file) => file,
            Place::Folder { open, .. } => open.as_mut().context("a sound is open")?,
        };
        let path = file.path().to_owned();
        Ok(file.file().write_all(text.as_bytes()).map_err(FileError::of("write", &path))?)
    }
}
