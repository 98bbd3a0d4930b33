//! Data sets from the network into a folder, checked and whole, or not at all.
//!
//! [`Registry`] says what can be fetched, [`download`] fetches it. What is on its way lies in a
//! folder of its own beside the target, `DIR.download`: archives under their names, parts of them
//! as `NAME.part`, and `unpacking`. The target appears at the end, by one renaming; so it is whole
//! wherever it is. An archive that somebody put into `DIR.download` by hand is used like one that
//! was fetched.
//!
//! [`Hub::file`] and [`released_file`] fetch single files, such as weights, through the same code.
//!
//! # What is checked
//! - An archive's checksum, or that of each file in it, as [`Known`] says. A partial file that came
//!   in several connections resumes only where the server says that it is still the same version,
//!   and is fetched anew where its parts do not fit together.
//! - The server's words on lengths against what comes, and against the size where it is known.
//!   Neither a web page nor a new start that is shorter takes the place of a partial file.
//! - Every entry of an archive before it is written: [`Unsafe`] says what is refused,
//!   [`UnpackLimits`] how much.

mod error;
mod fetch;
mod http;
mod hub;
mod mark;
mod part;
mod place;
mod registry;
mod rows;
mod sums;
mod tar;
mod token;
mod unpack;
mod unpacker;
mod zip;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use earmark_files::{FileError, create_folder};

pub use error::{DownloadError, Unsafe};
pub use hub::{Hub, Pin, PublishedFile, released_file, torch_checkpoints};
pub use registry::{Archive, DataSet, Known, Registry, UnpackLimits};
pub use sums::Sum;
pub use token::Token;
#[doc(hidden)]
pub use unpack::unpack_archive;

use error::write_failed;
use place::{Place, move_folder, remove_folder};
use unpacker::Unpacker;

/// How to fetch.
#[derive(Debug, Clone, Default)]
pub struct DownloadOptions {
    /// Where the archives lie instead: an address to which `/` and an archive's name are added.
    pub mirror: Option<String>,
    /// Leave the archives in `DIR.download`.
    pub keep_archives: bool,
    /// The patience with the network.
    pub network: Network,
}

impl DownloadOptions {
    /// Where an archive is fetched from.
    fn address(&self, archive: &Archive) -> String {
        match &self.mirror {
            Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), archive.name),
            None => archive.url.clone(),
        }
    }
}

/// The patience with the network.
#[derive(Debug, Clone)]
pub struct Network {
    /// Attempts without a byte of progress before giving up; 5.
    pub attempts: u32,
    /// The wait after the first of them, doubled after each; 1 s, and never more than a minute.
    pub wait: Duration,
    /// The longest time to connect; 30 s.
    pub connect_timeout: Duration,
    /// The longest silence of the server; 60 s.
    pub read_timeout: Duration,
    /// Whether the proxy counts that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` names (save for
    /// `NO_PROXY`); true.
    pub proxies: bool,
}

impl Default for Network {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { attempts: 5, wait: seconds(1), connect_timeout: seconds(30), read_timeout: seconds(60), proxies: true }
    }
}

/// What happens meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// So many bytes of an archive are through a step.
    Progress {
        /// What is being done.
        step: Step,
        /// To which archive.
        archive: &'a str,
        /// Bytes of the archive that are done.
        done: u64,
        /// Its size, if known.
        total: Option<u64>,
    },
    /// A line for people: a broken connection, a new start.
    Note(&'a str),
}

/// The steps of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From the server to the disk.
    Fetch,
    /// Its checksum.
    Check,
    /// Into the data set's folder.
    Unpack,
}

/// What is being done, a verb.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch => "downloading",
            Self::Check => "checking",
            Self::Unpack => "unpacking",
        })
    }
}

type OnEvent<'a> = &'a mut dyn FnMut(Event);

/// What lies in the folder now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The data set's folder.
    pub folder: PathBuf,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether it was there before, so that nothing was fetched.
    pub already_there: bool,
}

/// Fetches a data set into the folder `to`, which must not be there, or be empty; one that holds
/// this data set is left as it is. An earlier call that was stopped is resumed. `on_event`
/// is called as the download advances.
///
/// # Errors
/// The folder holds something else, or nothing can be moved to its place; a server cannot be
/// reached, or sends what is not the data set; an archive is unsafe or damaged; the disk is full.
/// The folder `to` is then as it was, and what was fetched is kept where it can still be used.
pub fn download(
    set: &DataSet,
    to: &Path,
    options: &DownloadOptions,
    on_event: OnEvent,
) -> Result<Downloaded, DownloadError> {
    let to = std::path::absolute(to).map_err(FileError::of("find", to))?;
    if let Some(there) = mark::find(set, &to)? {
        return Ok(there);
    }
    let place = Place::new(&to)?;
    // Another process may have made it since.
    if let Some(there) = mark::find(set, &to)? {
        place.leave(&[], true);
        return Ok(there);
    }
    if let Err(error) = place.try_move(&to) {
        place.leave(&[], true);
        return Err(error);
    }
    let mut paths = Vec::new();
    for archive in &set.archives {
        let wanted = fetch::Wanted {
            name: &archive.name,
            file: &archive.name,
            url: options.address(archive),
            size: archive.size,
            sum: archive.known.sum(),
            limit: set.limits.total_bytes,
            token: None,
        };
        paths.push(fetch::fetch(&wanted, &place.work, &options.network, on_event)?);
    }
    let unpacked = place.work.join("unpacking");
    remove_folder(&unpacked)?;
    create_folder(&unpacked)?;
    let made = unpack(set, &paths, &unpacked, on_event);
    if made.is_err() {
        // Its size may be what fills the disk.
        remove_folder(&unpacked)?;
    }
    let made = made?;
    let (files, bytes) = (made.len() as u64, made.values().sum());
    mark::write(set, options, &unpacked, made)?;
    move_folder(&unpacked, &to).map_err(write_failed(&to))?;
    place.leave(&paths, options.keep_archives);
    Ok(Downloaded { folder: to, files, bytes, already_there: false })
}

/// Unpacks all archives into an empty folder; gives the files' paths in it and their sizes in
/// bytes.
fn unpack(
    set: &DataSet,
    paths: &[PathBuf],
    folder: &Path,
    on_event: OnEvent,
) -> Result<BTreeMap<String, u64>, DownloadError> {
    let mut unpacker = Unpacker::new(folder, set.limits, &set.archives[0]);
    for (archive, path) in set.archives.iter().zip(paths) {
        let total = std::fs::metadata(path).map(|metadata| metadata.len()).ok();
        let read = |done| on_event(Event::Progress { step: Step::Unpack, archive: &archive.name, done, total });
        if let Err(error) = unpack::unpack(&mut unpacker, archive, path, read) {
            // An archive that is known by its checksum comes the same again; another may have been
            // damaged on its way.
            if error.blames_archive() && archive.known.sum().is_none() {
                part::remove(path)?;
                on_event(Event::Note(&format!("{} is removed; the same command fetches it anew", path.display())));
            }
            return Err(error);
        }
    }
    if let Some(rows) = &set.rows {
        rows.keep(folder)?;
    }
    Ok(unpacker::contents(folder)?)
}
