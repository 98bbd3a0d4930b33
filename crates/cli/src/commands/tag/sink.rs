//! Where the output goes: standard output, a file, or a file for each sound.

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use earmark_files::{AtomicFile, FileError};

use super::journal::Journal;
use super::text::{Item, Text};
use crate::args::Form;
use crate::commands::sounds::Sounds;
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
    /// A folder, and the file in it that is being written.
    Folder(PathBuf, Option<AtomicFile>),
}

impl Sink {
    /// Begins the output for these sounds.
    ///
    /// # Errors
    /// The file or folder cannot be created, or two sounds have the same place in it.
    pub fn begin(form: &Form, mut text: Text, journal: Option<Journal>, sounds: &Sounds) -> anyhow::Result<Self> {
        let files = sounds.paths.len();
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
                each_in_its_place(sounds)?;
                earmark_files::create_folder(folder)?;
                Place::Folder(folder.clone(), None)
            }
            _ => Place::Stdout,
        };
        let start = text.begin();
        let mut sink = Self { text, place, pending: String::new() };
        if !is_continued && !matches!(sink.place, Place::Folder(..)) {
            sink.pending.push_str(&start);
            sink.flush()?;
        }
        Ok(sink)
    }

    /// Begins a sound; `name` is its place in the folder of the output. The inner error is that of
    /// a file of its own which cannot be created, and which costs no other sound.
    pub fn file(&mut self, path: &Path, name: &Path) -> anyhow::Result<Result<(), FileError>> {
        if let Place::Journal(_, current) = &mut self.place {
            path.clone_into(current);
        }
        if let Place::Folder(folder, open) = &mut self.place {
            let mut file = name.as_os_str().to_owned();
            file.push(format!(".{}", self.text.extension()));
            let file = folder.join(file);
            if file.is_symlink() {
                let reason = std::io::Error::other("there is a link, whose target would be replaced; remove it");
                return Ok(Err(FileError::of("write", &file)(reason)));
            }
            match of_one_file(AtomicFile::create(&file))? {
                Ok(created) => *open = Some(created),
                Err(error) => return Ok(Err(error)),
            }
            self.pending = self.text.begin();
        }
        self.pending.push_str(&self.text.file(output::path(path))?);
        Ok(Ok(()))
    }

    /// Adds an item to the sound.
    pub fn item(&mut self, item: &Item<'_>) -> anyhow::Result<()> {
        self.pending.push_str(&self.text.item(item)?);
        if self.pending.len() > MOST_PENDING { self.flush() } else { Ok(()) }
    }

    /// Ends the sound, whose rest may be damaged; then neither a file of its own nor its part of a
    /// continued output is written. The inner error is as of [`Sink::file`].
    pub fn end_file(&mut self, error: Option<&str>) -> anyhow::Result<Result<(), FileError>> {
        match (&mut self.place, error) {
            (Place::Folder(_, open), Some(_)) => {
                *open = None;
                self.pending.clear();
                return Ok(Ok(()));
            }
            (Place::Journal(journal, _), Some(_)) => {
                self.pending.clear();
                return journal.discard().map(Ok);
            }
            _ => {}
        }
        self.pending.push_str(&self.text.end_file(error)?);
        if matches!(self.place, Place::Folder(..)) {
            self.pending.push_str(self.text.end());
        }
        self.flush()?;
        match &mut self.place {
            Place::Folder(_, open) => Ok(of_one_file(open.take().map_or(Ok(()), AtomicFile::commit))?),
            Place::Journal(journal, current) => journal.commit(current).map(Ok),
            _ => Ok(Ok(())),
        }
    }

    /// Ends the output.
    pub fn end(mut self) -> anyhow::Result<()> {
        if !matches!(self.place, Place::Folder(..)) {
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
            Place::Folder(_, open) => open.as_mut().context("a sound is open")?,
        };
        let path = file.path().to_owned();
        Ok(file.file().write_all(text.as_bytes()).map_err(FileError::of("write", &path))?)
    }
}

/// Checks that no two sounds would be written to the same file of a folder.
fn each_in_its_place(sounds: &Sounds) -> anyhow::Result<()> {
    let mut places = HashMap::new();
    for (path, name) in sounds.paths.iter().zip(&sounds.names) {
        if let Some(other) = places.insert(name, path) {
            return Err(output::Exit::WrongUsage(format!(
                "{} and {} have the same place in --output-dir, {}; name the folder that has both, or tag them to \
                 folders of their own",
                other.display(),
                path.display(),
                name.display()
            ))
            .into());
        }
    }
    Ok(())
}

/// The outer error is one that every other file would have, too.
fn of_one_file<T>(done: Result<T, FileError>) -> Result<Result<T, FileError>, FileError> {
    let is_of_the_disk = |error: &FileError| {
        matches!(error.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem)
    };
    match done {
        Err(error) if is_of_the_disk(&error) => Err(error),
        done => Ok(done),
    }
}
