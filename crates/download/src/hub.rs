//! Single published files: from a repository on the Hugging Face hub, or from a URL.
//!
//! They are stored in caches that other programs share, so that no file is fetched twice: those of
//! the hub in the cache of `huggingface_hub` and timm, others in that of `torch.hub`. The layouts
//! are those of these libraries: `models--OWNER--NAME/{blobs/SHA256, refs/main,
//! snapshots/COMMIT/FILE}`, where a snapshot's file is a link to its blob, and
//! `hub/checkpoints/FILE`.

use std::env;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use earmark_files::{FileError, create_folder, open_lock, write_atomic};
use ureq::http::{HeaderMap, StatusCode, header};

use crate::checksum::Checksum;
use crate::error::{DownloadError, write_failed};
use crate::fetch::{RemoteFile, fetch};
use crate::http::{Fault, agent_following, fault, refusal, retry, text};
use crate::token::Token;
use crate::{Event, Network, OnEvent};

/// Larger than any file of weights.
const LIMIT: u64 = 64 << 30;
/// Maximum number of redirections within the hub: a repository may have been renamed.
const REDIRECTIONS: usize = 5;

/// A hub and its local cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// Its URL, such as `https://huggingface.co`.
    pub address: String,
    /// The folder that contains the folders of the repositories.
    pub cache: PathBuf,
    /// Whether to use only files in the cache.
    pub offline: bool,
    /// The token for gated and private repositories. It is sent only over HTTPS or to this machine,
    /// and not to servers that the hub redirects to.
    pub token: Option<Token>,
}

/// The pinned version of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pin<'a> {
    /// The commit; by default that of the main branch.
    pub revision: Option<&'a str>,
    /// The SHA-256 of the file's bytes, 64 lower-case hexadecimal digits; by default the one that
    /// the hub reports.
    pub sha256: Option<&'a str>,
}

/// A file that was fetched or found in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFile {
    /// The path.
    pub path: PathBuf,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// The commit, if the file is from a repository.
    pub revision: Option<String>,
}

/// The hub's metadata of a file.
struct Entry {
    /// The URL in the hub, after renamings of the repository.
    url: String,
    commit: String,
    sha256: Checksum,
    size: Option<u64>,
}

impl Hub {
    /// The hub at a URL, with the cache that `HF_HUB_CACHE` or `HF_HOME` names, by default
    /// `~/.cache/huggingface/hub`, and the token from `HF_TOKEN` or from the file `token` of
    /// `huggingface_hub`. If `HF_HUB_OFFLINE` is set to `1`, it fetches nothing.
    ///
    /// # Errors
    /// No environment variable names a folder, and the user has no home folder.
    pub fn at(address: &str) -> Result<Self, DownloadError> {
        let home = folder("HF_HOME", || Ok(caches()?.join("huggingface")));
        let token = home.as_ref().ok().and_then(|home| Token::find(home));
        let cache = folder("HF_HUB_CACHE", || Ok(home?.join("hub")))?;
        let offline = env::var("HF_HUB_OFFLINE")
            .is_ok_and(|value| ["1", "true", "yes", "on"].contains(&&*value.to_ascii_lowercase()));
        Ok(Self { address: address.trim_end_matches('/').to_owned(), cache, offline, token })
    }

    /// The token, if the connection is secure.
    fn token(&self) -> Option<&Token> {
        let local = ["http://127.0.0.1", "http://[::1]", "http://localhost"].iter().any(|start| {
            self.address.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        self.token.as_ref().filter(|_| local || self.address.starts_with("https://"))
    }

    /// Returns a file of a repository in the pinned version from the cache; `None` if
    /// [`Hub::file`] would fetch it.
    ///
    /// # Errors
    /// A cached file cannot be read.
    pub fn cached(
        &self,
        repository: &str,
        file: &str,
        pin: Pin,
        on_event: OnEvent,
    ) -> Result<Option<PublishedFile>, DownloadError> {
        cached(&self.cache.join(folder_name(repository)), file, pin, on_event)
    }

    /// Returns a file of a repository, in the pinned version or else from the main branch, from the
    /// cache if it is there, else fetched. A cached file is used without a request to the hub, so
    /// later versions of the repository have no effect.
    ///
    /// # Errors
    /// The hub cannot be reached, does not have the file, has a different version than the pinned
    /// one, or sends a different file; the disk is full. A partial download is kept if it can be
    /// resumed.
    pub fn file(
        &self,
        repository: &str,
        file: &str,
        pin: Pin,
        network: &Network,
        on_event: OnEvent,
    ) -> Result<PublishedFile, DownloadError> {
        if let Some(there) = self.cached(repository, file, pin, on_event)? {
            return Ok(there);
        }
        let name = folder_name(repository);
        let folder = self.cache.join(&name);
        let url = format!("{}/{repository}/resolve/{}/{file}", self.address, pin.revision.unwrap_or("main"));
        if self.offline {
            return Err(DownloadError::Refused { url, reason: "HF_HUB_OFFLINE is set".to_owned() });
        }
        let entry = ask(&url, self.token(), network, on_event)?;
        pin.check(&url, &entry)?;
        let blobs = folder.join("blobs");
        create_folder(&blobs)?;
        let sha256 = entry.sha256.digits();
        let _held = lock(&self.cache.join(".locks").join(&name).join(format!("{sha256}.lock")), on_event)?;
        let wanted = RemoteFile {
            name: repository,
            file: sha256,
            url: entry.url.clone(),
            size: entry.size,
            checksum: Some(&entry.sha256),
            limit: LIMIT,
            token: self.token(),
        };
        let blob = fetch(&wanted, &blobs, network, on_event)?;
        let path = folder.join("snapshots").join(&entry.commit).join(file);
        link(&blob, &path)?;
        if pin.revision.is_none() {
            write_atomic(&folder.join("refs/main"), entry.commit.as_bytes())?;
        }
        Ok(PublishedFile { path, sha256: sha256.to_owned(), revision: Some(entry.commit) })
    }
}

impl Pin<'_> {
    /// Checks that the hub has the pinned version.
    fn check(&self, url: &str, entry: &Entry) -> Result<(), DownloadError> {
        let sha256 = (self.sha256, entry.sha256.digits(), "the SHA-256 of the hub's file");
        let commit = (self.revision, entry.commit.as_str(), "the commit that the hub answers with");
        for (pinned, found, what) in [commit, sha256] {
            if let Some(pinned) = pinned.filter(|pinned| *pinned != found) {
                let (url, pinned, found) = (url.to_owned(), pinned.to_owned(), found.to_owned());
                return Err(DownloadError::Pinned { url, what, pinned, found });
            }
        }
        Ok(())
    }
}

/// The folder of a repository in the cache.
fn folder_name(repository: &str) -> String {
    format!("models--{}", repository.replace('/', "--"))
}

/// Whether [`released_file`] would return the file at a URL without fetching it.
///
/// # Errors
/// The file in `folder`, or the note of its checksum, cannot be read.
pub fn has_released_file(
    url: &str,
    checksum: Option<&Checksum>,
    folder: &Path,
    on_event: OnEvent,
) -> Result<bool, DownloadError> {
    let file = file_name(url);
    let noted = if checksum.is_none() { noted(&folder.join(format!("{file}.sha256")))? } else { None };
    released(url, checksum.or(noted.as_ref())).is_there(&folder.join(file), on_event)
}

/// The name of the file at a URL.
fn file_name(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or(url)
}

fn released<'a>(url: &'a str, checksum: Option<&'a Checksum>) -> RemoteFile<'a> {
    let file = file_name(url);
    RemoteFile { name: file, file, url: url.to_owned(), size: None, checksum, limit: LIMIT, token: None }
}

/// Returns the file at a URL, from `folder` if it is there, else fetched. It is identified by its
/// checksum or the first digits of it. If none is known, the SHA-256 of the first file that is used
/// is noted in `FILE.sha256` beside it, and every later one must have it.
///
/// # Errors
/// Those of [`Hub::file`].
pub fn released_file(
    url: &str,
    checksum: Option<&Checksum>,
    folder: &Path,
    network: &Network,
    on_event: OnEvent,
) -> Result<PublishedFile, DownloadError> {
    let file = file_name(url);
    let note = folder.join(format!("{file}.sha256"));
    let noted = if checksum.is_none() { noted(&note)? } else { None };
    let wanted = released(url, checksum.or(noted.as_ref()));
    let path = folder.join(file);
    // Check first without locking, since an existing cache may be read-only.
    let was_there = wanted.is_there(&path, on_event)?;
    if !was_there {
        create_folder(folder)?;
        let _held = lock(&folder.join(format!("{file}.lock")), on_event)?;
        fetch(&wanted, folder, network, on_event)?;
    }
    let sha256 = earmark_files::sha256_file(&path)?;
    if wanted.checksum.is_none() {
        let written = write_atomic(&note, format!("{sha256}  {file}\n").as_bytes());
        if !was_there {
            written?;
        }
    }
    Ok(PublishedFile { path, sha256, revision: None })
}

/// The SHA-256 in a note of [`released_file`], if there is one.
fn noted(note: &Path) -> Result<Option<Checksum>, DownloadError> {
    if !note.exists() {
        return Ok(None);
    }
    let text = earmark_files::read_to_string(note)?;
    let checksum = text.split_whitespace().next().and_then(Checksum::parse);
    let damaged = || DownloadError::Note { path: note.to_owned() };
    checksum.filter(|checksum| checksum.digits().len() == 64).map(Some).ok_or_else(damaged)
}

/// The folder in which `torch.hub` stores released files: below the folder that `TORCH_HOME` names,
/// by default `~/.cache/torch`.
///
/// # Errors
/// No environment variable names a folder, and the user has no home folder.
pub fn torch_checkpoints() -> Result<PathBuf, DownloadError> {
    Ok(folder("TORCH_HOME", || Ok(caches()?.join("torch")))?.join("hub/checkpoints"))
}

/// The folder that an environment variable names, or else a default.
fn folder(variable: &str, other: impl FnOnce() -> Result<PathBuf, DownloadError>) -> Result<PathBuf, DownloadError> {
    env::var_os(variable).filter(|value| !value.is_empty()).map_or_else(other, |value| Ok(value.into()))
}

/// The user's cache folder.
fn caches() -> Result<PathBuf, DownloadError> {
    let none = || std::io::Error::other("no home folder is known; set HF_HOME");
    Ok(earmark_files::user_cache().ok_or_else(none).map_err(FileError::of("find", Path::new("~/.cache")))?)
}

/// The file that an earlier call or another program has cached, from the pinned commit. If the
/// SHA-256 or nothing is pinned, also from the cached commit of the main branch.
fn cached(folder: &Path, file: &str, pin: Pin, on_event: OnEvent) -> Result<Option<PublishedFile>, DownloadError> {
    let main = std::fs::read_to_string(folder.join("refs/main")).ok().map(|commit| commit.trim().to_owned());
    let main = main.filter(|_| pin.revision.is_none() || pin.sha256.is_some());
    for commit in pin.revision.map(str::to_owned).into_iter().chain(main) {
        let found = snapshot(folder, commit, file, on_event)?;
        if let Some(found) = found.filter(|found| pin.sha256.is_none_or(|sha256| found.sha256 == sha256)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The cached file of a commit; none if its SHA-256 does not match the name of its blob.
fn snapshot(
    folder: &Path,
    commit: String,
    file: &str,
    on_event: OnEvent,
) -> Result<Option<PublishedFile>, DownloadError> {
    let path = folder.join("snapshots").join(&commit).join(file);
    let Ok(blob) = std::fs::canonicalize(&path) else { return Ok(None) };
    let sha256 = earmark_files::sha256_file(&blob)?;
    let named = blob.file_name().and_then(|name| Checksum::parse(name.to_str()?));
    if named.is_some_and(|named| matches!(named, Checksum::Sha256(_)) && named.digits() != sha256) {
        on_event(Event::Note(&format!("{}: damaged; it is fetched again", path.display())));
        return Ok(None);
    }
    Ok(Some(PublishedFile { path, sha256, revision: Some(commit) }))
}

/// Requests the metadata of the file at a URL from the hub, and retries temporary failures.
fn ask(url: &str, token: Option<&Token>, network: &Network, on_event: OnEvent) -> Result<Entry, DownloadError> {
    let mut attempts = 0;
    loop {
        let (reason, after) = match ask_once(url, token, network) {
            Ok(entry) => return Ok(entry),
            Err(Fault::Final(error)) => return Err(error),
            Err(Fault::Passing { reason, after }) => (reason, after),
        };
        attempts += 1;
        if attempts >= network.attempts {
            return Err(DownloadError::Broken { url: url.to_owned(), reason, attempts, have: 0 });
        }
        let wait = network.pause(attempts, after);
        on_event(Event::Note(&format!("{url}: {}", retry(&reason, wait, attempts, network))));
        std::thread::sleep(wait);
    }
}

fn ask_once(url: &str, token: Option<&Token>, network: &Network) -> Result<Entry, Fault> {
    let agent = agent_following(url, network, 0);
    let mut at = url.to_owned();
    for _ in 0..REDIRECTIONS {
        let mut request = agent.head(&at);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token.bearer());
        }
        let answer = request.call().map_err(|error| fault(url, network, error))?;
        let (status, headers) = (answer.status(), answer.headers());
        match text(headers, header::LOCATION) {
            // A redirection within the hub, which may get the token too. The location of the file
            // itself does not matter here.
            Some(place) if status.is_redirection() && place.starts_with('/') => {
                let root = url.match_indices('/').nth(2).map_or(url, |(end, _)| &url[..end]);
                at = format!("{root}{place}");
            }
            _ if status.is_redirection() || status == StatusCode::OK => return entry(&at, status, headers),
            _ => return Err(refusal(url, status, headers)),
        }
    }
    Err(DownloadError::Refused { url: url.to_owned(), reason: "it redirects in a circle, or too often".to_owned() }
        .into())
}

/// The metadata of the file in a response.
fn entry(url: &str, status: StatusCode, headers: &HeaderMap) -> Result<Entry, Fault> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let commit = header("x-repo-commit")
        .filter(|commit| !commit.is_empty() && commit.bytes().all(|c| c.is_ascii_alphanumeric()));
    let tag = header("x-linked-etag").or(header("etag")).unwrap_or_default();
    let checksum = Checksum::parse(tag.trim_start_matches("W/").trim_matches('"'))
        .filter(|checksum| matches!(checksum, Checksum::Sha256(_)));
    let length = header("content-length").filter(|_| status == StatusCode::OK);
    let size = header("x-linked-size").or(length).and_then(|size| size.parse().ok());
    match (commit, checksum) {
        (Some(commit), Some(sha256)) => Ok(Entry { url: url.to_owned(), commit: commit.to_owned(), sha256, size }),
        _ => {
            let reason = "the answer names no commit and no SHA-256, as the Hugging Face hub does; is this a hub?";
            Err(DownloadError::Refused { url: url.to_owned(), reason: reason.to_owned() }.into())
        }
    }
}

/// Acquires a lock, and waits if another process holds it to fetch the same file.
fn lock(path: &Path, on_event: OnEvent) -> Result<File, DownloadError> {
    create_folder(path.parent().unwrap_or(path))?;
    let file = open_lock(path).map_err(write_failed(path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            on_event(Event::Note(&format!("{}: waiting for another download of this file", path.display())));
        }
        Err(TryLockError::Error(source)) => return Err(FileError::of("lock", path)(source).into()),
    }
    file.lock().map_err(FileError::of("lock", path))?;
    Ok(file)
}

/// Adds a blob to a snapshot under its file name, as a link if the system supports it. An existing
/// link, which may point to another blob, is replaced atomically.
fn link(blob: &Path, path: &Path) -> Result<(), DownloadError> {
    create_folder(path.parent().unwrap_or(path))?;
    #[cfg(unix)]
    {
        let up = Path::new("../../blobs").join(blob.file_name().unwrap_or_default());
        let beside = path.with_extension("link");
        crate::partial_file::remove(&beside)?;
        std::os::unix::fs::symlink(up, &beside).map_err(write_failed(&beside))?;
        std::fs::rename(&beside, path).map_err(write_failed(path))
    }
    #[cfg(not(unix))]
    std::fs::rename(blob, path).map_err(write_failed(path))
}
