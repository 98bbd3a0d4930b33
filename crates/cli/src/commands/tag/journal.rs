//! The journal beside an output that is continued: which sounds are done, and where their rows end.
//!
//! The rows of a sound are written first, and then its line in the journal. A process that is
//! killed in between leaves rows without a line, which the next process removes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, bail, ensure};
use earmark_files::{Checksum, FileError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the work depends on; the first line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The SHA-256 of the model's list of checksums.
    pub model: String,
    /// The options that change the output.
    pub options: Map<String, Value>,
    /// Length of the output before the first sound, bytes.
    pub begin: u64,
}

/// A sound that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Done {
    path: String,
    #[serde(flatten)]
    state: State,
    /// Length of the output after its rows, bytes.
    end: u64,
    /// The SHA-256 of its rows.
    rows: String,
}

/// By what a sound is recognized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum State {
    Content { sha256: String },
    File { size: u64, modified_ns: Option<u64> },
}

/// What the journal knows of a sound.
pub enum Standing {
    New,
    Done,
    /// Its rows are of another content; the message says so.
    Changed(String),
}

/// An open journal and its output.
pub struct Journal {
    journal: File,
    output: File,
    path: PathBuf,
    by_hash: bool,
    done: HashMap<String, State>,
    /// Length of the output after the last sound that is done.
    end: u64,
    /// Of what has been written since.
    rows: Checksum,
}

impl Journal {
    /// Continues the output `path`, or begins it with the text `begin`.
    ///
    /// # Errors
    /// An output without a journal, another model or other options than it was begun with, a
    /// damaged journal, or one that another process has open.
    pub fn open(path: &Path, mut work: Work, begin: &str, by_hash: bool) -> anyhow::Result<Self> {
        let beside = Self::place(path);
        ensure!(
            beside.exists() || !path.exists(),
            "{}: it was not begun with --resume, so what it has is unknown; name another --output",
            path.display()
        );
        work.begin = begin.len() as u64;
        let open = |path: &Path| {
            let opened = File::options().create(true).truncate(false).read(true).write(true).open(path);
            opened.map_err(FileError::of("write", path))
        };
        let (mut journal, mut output) = (open(&beside)?, open(path)?);
        if journal.try_lock().is_err() {
            bail!("{}: another process writes to this output; wait for it", path.display());
        }
        let mut text = Vec::new();
        journal.read_to_end(&mut text).map_err(FileError::of("read", &beside))?;
        // A killed process may have left a part of a line.
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        let damaged = |line: usize| format!("{}, line {line}: it is damaged; name another --output", beside.display());
        let length = output.metadata().map_err(FileError::of("read", path))?.len();
        let (mut done, mut end, mut kept) = (HashMap::new(), work.begin, 0);
        let mut written = Written { output: &mut output, path };
        let is_begun = length >= work.begin && written.next(work.begin)? == begin.as_bytes();
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if index == 0 {
                let begun: Work = serde_json::from_slice(line).with_context(|| damaged(1))?;
                begun.check(&work, path)?;
            } else {
                let of: Done = serde_json::from_slice(line).with_context(|| damaged(index + 1))?;
                // After a power failure, rows can be missing whose lines are there.
                if of.end < end || of.end > length {
                    break;
                }
                let rows = written.next(of.end - end)?;
                if rows.contains(&0) {
                    break;
                }
                ensure!(
                    earmark_files::sha256(&rows) == of.rows,
                    "{}: the rows of {} were changed since they were written; name another --output",
                    path.display(),
                    of.path
                );
                end = of.end;
                done.insert(of.path, of.state);
            }
            kept += line.len() as u64;
        }
        if kept == 0 || length < work.begin {
            (kept, end) = (0, 0);
            done.clear();
        } else {
            ensure!(is_begun, "{}: its first line was changed; name another --output", path.display());
        }
        let cut = |file: &mut File, length: u64| file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0)));
        cut(&mut journal, kept).map_err(FileError::of("write", &beside))?;
        cut(&mut output, end).map_err(FileError::of("write", path))?;
        let rows = Checksum::default();
        let mut opened = Self { journal, output, path: path.to_owned(), by_hash, done, end, rows };
        if kept == 0 {
            opened.write(begin)?;
            opened.rows = Checksum::default();
            opened.end = work.begin;
            opened.line(&work)?;
        }
        Ok(opened)
    }

    /// Removes the journal of an output that was replaced by a whole one.
    pub fn remove(output: &Path) -> anyhow::Result<()> {
        let place = Self::place(output);
        match std::fs::remove_file(&place) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::of("remove", &place)(error).into()),
            _ => Ok(()),
        }
    }

    /// The path of the journal of an output.
    fn place(output: &Path) -> PathBuf {
        let mut place = output.as_os_str().to_owned();
        place.push(".journal");
        place.into()
    }

    /// Whether a sound is done.
    ///
    /// # Errors
    /// The work was begun with another `--by-hash`.
    pub fn standing(&self, path: &Path) -> anyhow::Result<Standing> {
        let Some(then) = self.done.get(&key(path)) else { return Ok(Standing::New) };
        ensure!(
            matches!(then, State::Content { .. }) == self.by_hash,
            "{}: it was begun {} --by-hash; continue it so",
            self.path.display(),
            if self.by_hash { "without" } else { "with" }
        );
        // A sound that is gone keeps its rows.
        let Ok(now) = self.state(path) else { return Ok(Standing::Done) };
        if *then == now {
            return Ok(Standing::Done);
        }
        Ok(Standing::Changed(format!(
            "{}: it has changed since its tags were written to {}, which keeps the former ones; tag it to another \
             --output{}",
            path.display(),
            self.path.display(),
            if self.by_hash { "" } else { ", or begin with --by-hash if only the time of the file may differ" }
        )))
    }

    /// Adds text to the output.
    pub fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.rows.add(text.as_bytes());
        Ok(self.output.write_all(text.as_bytes()).map_err(FileError::of("write", &self.path))?)
    }

    /// Notes that a sound is done, with all of its rows written.
    pub fn commit(&mut self, path: &Path) -> anyhow::Result<()> {
        self.end = self.output.stream_position().map_err(FileError::of("write", &self.path))?;
        let state = self.state(path)?;
        let rows = self.rows.take();
        self.line(&Done { path: key(path), state, end: self.end, rows })
    }

    /// Removes the rows of a sound that is not done.
    pub fn discard(&mut self) -> anyhow::Result<()> {
        self.rows = Checksum::default();
        let cut = self.output.set_len(self.end).and_then(|()| self.output.seek(SeekFrom::End(0)));
        cut.map_err(FileError::of("write", &self.path))?;
        Ok(())
    }

    fn state(&self, path: &Path) -> anyhow::Result<State> {
        if self.by_hash {
            return Ok(State::Content { sha256: earmark_files::sha256_file(path)? });
        }
        let metadata = path.metadata().map_err(FileError::of("read", path))?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ns = modified.and_then(|time| u64::try_from(time.as_nanos()).ok());
        Ok(State::File { size: metadata.len(), modified_ns })
    }

    /// Adds a line, by one call to the system.
    fn line(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(value)? + "\n";
        let place = Self::place(&self.path);
        Ok(self.journal.write_all(line.as_bytes()).map_err(FileError::of("write", &place))?)
    }
}

/// The output of an earlier process, from its start on.
struct Written<'a> {
    output: &'a mut File,
    path: &'a Path,
}

impl Written<'_> {
    /// The next bytes; fewer at the end of the file.
    fn next(&mut self, count: u64) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Read::by_ref(self.output).take(count).read_to_end(&mut bytes).map_err(FileError::of("read", self.path))?;
        Ok(bytes)
    }
}

/// A path in the journal. Names that are not UTF-8 are written in a way that no other name has.
fn key(path: &Path) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    path.to_str().map_or_else(|| format!("\0{}", hex(path.as_os_str().as_encoded_bytes())), str::to_owned)
}

impl Work {
    /// Checks that this work can be continued as `now`.
    fn check(&self, now: &Work, output: &Path) -> anyhow::Result<()> {
        let output = output.display();
        ensure!(
            self.model == now.model,
            "{output}: it was begun with another model; name that model, or another --output"
        );
        let differs = |(key, value): &(&String, &Value)| self.options.get(*key) != Some(value);
        if let Some((key, value)) = now.options.iter().find(differs) {
            let then = self.options.get(key).unwrap_or(&Value::Null);
            bail!(
                "{output}: it was begun with {key} = {then}, not {value}; give the same options, or another --output"
            );
        }
        ensure!(self.begin == now.begin, "{output}: it was begun in another form; name another --output");
        Ok(())
    }
}
