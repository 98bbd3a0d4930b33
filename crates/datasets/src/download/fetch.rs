//! From a server to a file: in as many attempts as it takes, each going on where the last one broke.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use earmark_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error};

use super::error::{DownloadError, write_failed};
use super::registry::Archive;
use super::sums::of_file;
use super::{DownloadOptions, Event, Network, Step, Tell};

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the server said of the version that a partial file is of.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Version {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What ends an attempt before the file is whole.
enum Fault {
    /// Another attempt may succeed; the server may say when.
    Passing {
        reason: String,
        after: Option<Duration>,
    },
    Final(DownloadError),
}

impl<E: Into<DownloadError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

fn passing(reason: impl ToString) -> Fault {
    Fault::Passing { reason: reason.to_string(), after: None }
}

/// Brings an archive into `folder`, unless it is there, and checks its checksum, if it has one. `limit` is the most
/// bytes that are taken where the size is not known.
pub(super) fn fetch(
    archive: &Archive,
    folder: &Path,
    limit: u64,
    options: &DownloadOptions,
    tell: Tell,
) -> Result<PathBuf, DownloadError> {
    let whole = folder.join(&archive.name);
    if whole.is_file() {
        match check(archive, &whole, options, tell) {
            Ok(()) => return Ok(whole),
            Err(DownloadError::WrongSum { .. }) => {
                tell(Event::Note(&format!("{}: not the published file; it is fetched anew", whole.display())));
                remove(&whole)?;
            }
            Err(error) => return Err(error),
        }
    }
    let url = options.address(archive);
    let part = Part {
        path: folder.join(format!("{}.part", archive.name)),
        agent: agent(&url, &options.network),
        url,
        archive,
    };
    let mut one_go = length(&part.path)? == 0;
    let mut anew = false;
    loop {
        one_go &= !part.complete(limit, &options.network, tell)?;
        match check(archive, &part.path, options, tell) {
            Ok(()) => break,
            // The halves of a file that changed on the server do not fit.
            Err(DownloadError::WrongSum { .. }) if !one_go && !anew => {
                tell(Event::Note(&format!("{}: its parts do not fit together; it is fetched anew", archive.name)));
                part.remove()?;
                (one_go, anew) = (true, true);
            }
            Err(error) => {
                part.remove()?;
                return Err(error);
            }
        }
    }
    std::fs::rename(&part.path, &whole).map_err(write_failed(&whole))?;
    part.remove()?;
    Ok(whole)
}

/// Holds a file against the published checksum.
fn check(archive: &Archive, path: &Path, options: &DownloadOptions, tell: Tell) -> Result<(), DownloadError> {
    let Some(expected) = archive.known.sum() else { return Ok(()) };
    let size = length(path)?;
    let progress = |done| {
        tell(Event::Progress { step: Step::Check, archive: &archive.name, done, total: Some(size) });
    };
    let found = of_file(path, expected, progress)?;
    match found == *expected {
        true => Ok(()),
        false => Err(DownloadError::WrongSum {
            file: archive.name.clone(),
            url: options.address(archive),
            size,
            expected: expected.clone(),
            found,
        }),
    }
}

/// A partial file, beside it what is known of its version.
struct Part<'a> {
    path: PathBuf,
    url: String,
    archive: &'a Archive,
    agent: Agent,
}

impl Part<'_> {
    /// Makes attempts until the file is whole, or until there was no progress too often. Says whether an attempt went
    /// on where another had stopped.
    fn complete(&self, limit: u64, network: &Network, tell: Tell) -> Result<bool, DownloadError> {
        let (mut attempts, mut farthest, mut resumed) = (0, length(&self.path)?, false);
        loop {
            let (reason, after) = match self.attempt(limit, &mut resumed, tell) {
                Ok(()) => return Ok(resumed),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing { reason, after }) => (reason, after),
            };
            let have = length(&self.path)?;
            if have > farthest {
                (attempts, farthest) = (0, have);
            } else {
                attempts += 1;
            }
            if attempts >= network.attempts {
                return Err(DownloadError::Broken { url: self.url.clone(), reason, attempts, have });
            }
            let backoff = network.wait.saturating_mul(1 << attempts.saturating_sub(1).min(16));
            let wait = after.unwrap_or_default().max(backoff).min(LONGEST_WAIT);
            tell(Event::Note(&format!(
                "{}: {reason}; {have} bytes are there, going on in {:.0} s",
                self.archive.name,
                wait.as_secs_f32().ceil()
            )));
            std::thread::sleep(wait);
        }
    }

    /// One request, and whatever comes of it.
    fn attempt(&self, limit: u64, resumed: &mut bool, tell: Tell) -> Result<(), Fault> {
        let mut have = length(&self.path)?;
        if have > 0 && Some(have) == self.archive.size {
            return Ok(());
        }
        let mut response = self.request(have)?;
        let (status, headers) = (response.status(), response.headers());
        let total = match status {
            StatusCode::PARTIAL_CONTENT => {
                let total = self.range(have, headers)?;
                *resumed |= have > 0;
                total
            }
            StatusCode::OK => {
                if have > 0 {
                    let name = &self.archive.name;
                    tell(Event::Note(&format!("{name}: the server cannot go on at byte {have}; it starts anew")));
                }
                have = 0;
                number(headers, header::CONTENT_LENGTH)
            }
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                // "bytes */N": nothing is missing where N bytes are there.
                if text(headers, header::CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes */")?.parse().ok())
                    == Some(have)
                {
                    return Ok(());
                }
                self.remove()?;
                return Err(passing("the server cannot go on where it broke"));
            }
            _ => return Err(self.status(status, headers)),
        };
        if let Some((expected, found)) = self.archive.size.zip(total).filter(|(expected, found)| expected != found) {
            return Err(DownloadError::WrongSize { url: self.url.clone(), expected, found }.into());
        }
        let limit = self.archive.size.unwrap_or(limit);
        if total.is_some_and(|total| total > limit) {
            return Err(DownloadError::TooLong { url: self.url.clone(), limit }.into());
        }
        if have == 0 {
            self.keep_version(headers)?;
        }
        self.receive(response.body_mut(), have, total, limit, tell)
    }

    /// Asks for the file, from byte `have` on.
    fn request(&self, have: u64) -> Result<Response<Body>, Fault> {
        let mut request = self.agent.get(&self.url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
            let version = self.version();
            // A weak tag does not promise equal bytes, and must not be asked for.
            let strong = version.etag.filter(|tag| !tag.starts_with("W/"));
            if let Some(known) = strong.or(version.last_modified) {
                request = request.header(header::IF_RANGE, known);
            }
        }
        request.call().map_err(|error| self.fault(error))
    }

    /// Checks that a part of the file is the wanted one, of the same version; gives the size of the whole.
    fn range(&self, have: u64, headers: &HeaderMap) -> Result<Option<u64>, Fault> {
        let range = text(headers, header::CONTENT_RANGE).and_then(|range| {
            let (part, total) = range.strip_prefix("bytes ")?.split_once('/')?;
            Some((part.split_once('-')?.0.parse::<u64>().ok()?, total.parse::<u64>().ok()))
        });
        let (ours, theirs) = (self.version(), version(&self.url, headers));
        let other = ours.etag.is_some() && theirs.etag.is_some() && ours.etag != theirs.etag;
        match range {
            Some((start, total)) if start == have && !other => Ok(total),
            _ => {
                self.remove()?;
                Err(passing("the server sent a part of the file that was not asked for"))
            }
        }
    }

    /// What becomes of an answer that brings no file.
    fn status(&self, status: StatusCode, headers: &HeaderMap) -> Fault {
        let reason = format!("the server says {status}");
        let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        match status.is_server_error() || later.contains(&status) {
            true => Fault::Passing { reason, after: number(headers, header::RETRY_AFTER).map(Duration::from_secs) },
            false => DownloadError::Refused { url: self.url.clone(), reason }.into(),
        }
    }

    /// Writes the body to the file, from byte `have` on.
    fn receive(&self, body: &mut Body, mut have: u64, total: Option<u64>, limit: u64, tell: Tell) -> Result<(), Fault> {
        let mut file = open(&self.path, have == 0)?;
        let mut reader = body.as_reader();
        let mut block = vec![0; 1 << 16];
        let broken = loop {
            tell(Event::Progress { step: Step::Fetch, archive: &self.archive.name, done: have, total });
            let n = match reader.read(&mut block) {
                Ok(0) => break None,
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => break Some(words(&error)),
            };
            have += n as u64;
            if have > limit {
                self.remove()?;
                return Err(match self.archive.size {
                    Some(expected) => DownloadError::WrongSize { url: self.url.clone(), expected, found: have }.into(),
                    None => DownloadError::TooLong { url: self.url.clone(), limit }.into(),
                });
            }
            file.write_all(&block[..n]).map_err(write_failed(&self.path))?;
        };
        file.sync_all().map_err(write_failed(&self.path))?;
        match (broken, total.or(self.archive.size)) {
            (Some(reason), _) => Err(passing(reason)),
            (None, Some(total)) if have < total => {
                Err(passing(format!("the server ended after {have} of {total} bytes")))
            }
            (None, _) => Ok(()),
        }
    }

    fn version_path(&self) -> PathBuf {
        self.path.with_extension("part.toml")
    }

    /// What is known of the version that the partial file is of; nothing, if it came from elsewhere.
    fn version(&self) -> Version {
        let text = std::fs::read_to_string(self.version_path()).unwrap_or_default();
        let version: Version = toml::from_str(&text).unwrap_or_default();
        if version.url == self.url { version } else { Version::default() }
    }

    fn keep_version(&self, headers: &HeaderMap) -> Result<(), DownloadError> {
        let text = toml::to_string(&version(&self.url, headers)).unwrap_or_default();
        Ok(write_atomic(&self.version_path(), text.as_bytes())?)
    }

    /// Removes the partial file and what is known of it.
    fn remove(&self) -> Result<(), DownloadError> {
        remove(&self.path)?;
        remove(&self.version_path())
    }

    /// Whether an error of the connection may pass.
    fn fault(&self, error: Error) -> Fault {
        let reason = match error {
            // What TLS has against the server.
            Error::Io(error) if error.kind() == ErrorKind::InvalidData => certificates(&error),
            Error::Io(error) => return passing(words(&error)),
            Error::HostNotFound => return passing("the server's name is not known; is there a network?"),
            error @ (Error::Timeout(_)
            | Error::Protocol(_)
            | Error::ConnectionFailed
            | Error::ConnectProxyFailed(_)) => return passing(error),
            Error::TooManyRedirects => "it redirects in a circle, or too often".to_owned(),
            Error::RequireHttpsOnly(other) => format!("it redirects to {other}, which is not encrypted"),
            error @ (Error::Rustls(_) | Error::Tls(_) | Error::Pem(_)) => certificates(&error),
            error => error.to_string(),
        };
        DownloadError::Refused { url: self.url.clone(), reason }.into()
    }
}

fn agent(url: &str, network: &Network) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(url.starts_with("https://"))
        .timeout_connect(Some(network.connect_timeout))
        .timeout_per_read(Some(network.read_timeout))
        .user_agent(concat!("earmark/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build());
    if !network.proxies {
        config = config.proxy(None);
    }
    config.build().into()
}

fn certificates(error: &dyn std::fmt::Display) -> String {
    format!("{error} (certificates are those of the system, or of the file that SSL_CERT_FILE names)")
}

/// A short reason; systems add their number.
fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
            "the connection broke".to_owned()
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "the server went silent".to_owned(),
        _ => error.to_string(),
    }
}

fn version(url: &str, headers: &HeaderMap) -> Version {
    let owned = |name| text(headers, name).map(str::to_owned);
    Version { url: url.to_owned(), etag: owned(header::ETAG), last_modified: owned(header::LAST_MODIFIED) }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

fn open(path: &Path, fresh: bool) -> Result<File, DownloadError> {
    let mut options = OpenOptions::new();
    options.create(true).write(true);
    if fresh {
        options.truncate(true)
    } else {
        options.append(true)
    };
    options.open(path).map_err(write_failed(path))
}

/// A file's length; 0 if it is not there.
fn length(path: &Path) -> Result<u64, FileError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(source) => Err(FileError::of("read", path)(source)),
    }
}

pub(super) fn remove(path: &Path) -> Result<(), DownloadError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(FileError::of("remove", path)(source).into()),
        _ => Ok(()),
    }
}
