//! Downloads data sets into a folder, verified and complete, or not at all.
//!
//! [`Registry`] lists the available data sets, [`download`] fetches them. During the download,
//! files are stored in a separate folder next to the target, `DIR.download`: archives under their
//! names, partial archives as `NAME.part`, and the folder `unpacking`. The target is created at the
//! end by a single rename, so it is always complete. An archive that the user puts into
//! `DIR.download` is used like a fetched one.
//!
//! [`Hub::file`] and [`released_file`] fetch single files, such as weights, through the same code.
//!
//! # What is checked
//! - The checksum of an archive, or of each file in it, as specified by [`Known`]. A partial file
//!   is not resumed if the server reports a different version, and is fetched again if its parts do
//!   not match.
//! - The length that the server announces, against the received bytes and against the size if it is
//!   known. Neither a web page nor a shorter restart replaces a partial file.
//! - Every entry of an archive before it is written: [`Unsafe`] lists what is rejected, and
//!   [`UnpackLimits`] how much may be unpacked.

mod checksum;
mod error;
mod fetch;
mod http;
mod hub;
mod marker;
mod partial_file;
mod place;
mod registry;
mod row_filter;
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

pub use checksum::Checksum;
pub use error::{DownloadError, Unsafe};
pub use hub::{Hub, Pin, PublishedFile, has_released_file, released_file, torch_checkpoints};
pub use registry::{Archive, DataSet, Known, Registry, UnpackLimits};
pub use token::Token;
#[doc(hidden)]
pub use unpack::unpack_archive;

use error::write_failed;
use place::{Place, move_folder, remove_folder};
use unpacker::Unpacker;

/// Options of a download.
#[derive(Debug, Clone, Default)]
pub struct DownloadOptions {
    /// A mirror of the archives: a URL to which `/` and the name of an archive are appended.
    pub mirror: Option<String>,
    /// Whether to keep the archives in `DIR.download`.
    pub keep_archives: bool,
    /// Network settings.
    pub network: Network,
}

impl DownloadOptions {
    /// The URL of an archive.
    fn address(&self, archive: &Archive) -> String {
        match &self.mirror {
            Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), archive.name),
            None => archive.url.clone(),
        }
    }
}

/// Network settings.
#[derive(Debug, Clone)]
pub struct Network {
    /// Attempts without any progress before giving up; 5.
    pub attempts: u32,
    /// The wait after the first such attempt, doubled after each; 1 s, at most one minute.
    pub wait: Duration,
    /// Timeout for connecting; 30 s.
    pub connect_timeout: Duration,
    /// Timeout for each read; 60 s.
    pub read_timeout: Duration,
    /// Whether to use the proxy from `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` (except for
    /// `NO_PROXY`); true.
    pub proxies: bool,
}

impl Default for Network {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { attempts: 5, wait: seconds(1), connect_timeout: seconds(30), read_timeout: seconds(60), proxies: true }
    }
}

/// Events during a download.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Progress of a step.
    Progress {
        /// The step.
        step: Step,
        /// The archive.
        archive: &'a str,
        /// The number of processed bytes of the archive.
        done: u64,
        /// The size of the archive, if known.
        total: Option<u64>,
    },
    /// A message for users: a broken connection, a restart.
    Note(&'a str),
}

/// The steps of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Downloading from the server.
    Fetch,
    /// Verifying its checksum.
    Check,
    /// Unpacking into the data set's folder.
    Unpack,
}

/// The step, as a verb.
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

/// A downloaded data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The data set's folder.
    pub folder: PathBuf,
    /// The number of its files.
    pub files: u64,
    /// Their total size in bytes.
    pub bytes: u64,
    /// Whether it already existed, so that nothing was fetched.
    pub already_there: bool,
}

/// Fetches a data set into the folder `to`, which must be missing or empty; a folder that already
/// contains this data set is left unchanged. An interrupted download is resumed. `on_event` is
/// called as the download proceeds.
///
/// # Errors
/// The folder contains something else, or a folder cannot be moved to its path; a server cannot be
/// reached, or does not send the data set; an archive is unsafe or damaged; the disk is full. The
/// folder `to` is then unchanged, and fetched files are kept if they can still be used.
pub fn download(
    set: &DataSet,
    to: &Path,
    options: &DownloadOptions,
    on_event: OnEvent,
) -> Result<Downloaded, DownloadError> {
    let to = std::path::absolute(to).map_err(FileError::of("find", to))?;
    if let Some(there) = marker::find(set, &to)? {
        return Ok(there);
    }
    let place = Place::new(&to)?;
    // Another process may have created it in the meantime.
    if let Some(there) = marker::find(set, &to)? {
        place.leave(&[], true);
        return Ok(there);
    }
    if let Err(error) = place.try_move(&to) {
        place.leave(&[], true);
        return Err(error);
    }
    let mut paths = Vec::new();
    for archive in &set.archives {
        let wanted = fetch::RemoteFile {
            name: &archive.name,
            file: &archive.name,
            url: options.address(archive),
            size: archive.size,
            checksum: archive.known.sum(),
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
        // Free the space: the unpacked files may have filled the disk.
        remove_folder(&unpacked)?;
    }
    let made = made?;
    let (files, bytes) = (made.len() as u64, made.values().sum());
    marker::write(set, options, &unpacked, made)?;
    move_folder(&unpacked, &to).map_err(write_failed(&to))?;
    place.leave(&paths, options.keep_archives);
    Ok(Downloaded { folder: to, files, bytes, already_there: false })
}

/// Unpacks all archives into an empty folder; returns the paths of the files in it and their sizes
/// in bytes.
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
            // An archive with a verified checksum would be the same again; one without may have
            // been damaged during the download.
            if error.blames_archive() && archive.known.sum().is_none() {
                partial_file::remove(path)?;
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
