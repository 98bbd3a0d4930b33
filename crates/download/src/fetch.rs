//! Fetches a file from a server in as many attempts as necessary; each attempt resumes where the
//! last one failed.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use earmark_files::FileError;
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::checksum::{Checksum, of_file};
use crate::error::DownloadError;
use crate::http::{Fault, agent, fault, number, passing, refusal, retry, text, version, words};
use crate::partial_file::{PartialFile, Writer};
use crate::token::Token;
use crate::{Event, Network, OnEvent, Step};

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A file to fetch.
pub(super) struct RemoteFile<'a> {
    /// The name to show to users.
    pub(super) name: &'a str,
    /// The file name in the folder.
    pub(super) file: &'a str,
    /// The URL.
    pub(super) url: String,
    /// The size in bytes, if known.
    pub(super) size: Option<u64>,
    /// The checksum, if known.
    pub(super) checksum: Option<&'a Checksum>,
    /// The maximum size in bytes if the size is not known.
    pub(super) limit: u64,
    /// The token to send to the server of `url`, but not to servers that it redirects to.
    pub(super) token: Option<&'a Token>,
}

/// Fetches a file into `folder`, unless it exists there, and verifies its checksum.
pub(super) fn fetch(
    wanted: &RemoteFile,
    folder: &Path,
    network: &Network,
    on_event: OnEvent,
) -> Result<PathBuf, DownloadError> {
    let whole = folder.join(wanted.file);
    if wanted.is_there(&whole, on_event)? {
        return Ok(whole);
    }
    if whole.is_file() {
        // The file may belong to another program, so keep it until the new one replaces it.
        on_event(Event::Note(&format!("{}: not the published file; it is fetched anew", whole.display())));
    }
    let part = PartialFile::new(folder, wanted.file, &wanted.url)?;
    let agent = agent(&wanted.url, network);
    let limit = wanted.size.unwrap_or(wanted.limit);
    let mut fetch = Fetch { wanted, network, limit, agent, part: &part, one_go: false, anew: false };
    let mut again = false;
    loop {
        fetch.complete(on_event)?;
        match wanted.check(part.path(), on_event) {
            Ok(()) => break,
            // The parts do not match if the file has changed on the server.
            Err(DownloadError::WrongSum { .. }) if !fetch.one_go && !again => {
                on_event(Event::Note(&format!("{}: its parts do not fit together; it is fetched anew", wanted.name)));
                part.remove()?;
                again = true;
            }
            Err(error) => {
                part.remove()?;
                return Err(error);
            }
        }
    }
    part.commit(&whole)?;
    Ok(whole)
}

impl RemoteFile<'_> {
    /// Whether the file exists and has the published checksum.
    pub(super) fn is_there(&self, path: &Path, on_event: OnEvent) -> Result<bool, DownloadError> {
        match path.is_file().then(|| self.check(path, on_event)) {
            None | Some(Err(DownloadError::WrongSum { .. })) => Ok(false),
            Some(checked) => checked.map(|()| true),
        }
    }

    /// Verifies the published checksum of a file.
    fn check(&self, path: &Path, on_event: OnEvent) -> Result<(), DownloadError> {
        let Some(expected) = self.checksum else { return Ok(()) };
        let size = std::fs::metadata(path).map_err(FileError::of("read", path))?.len();
        let progress = |done| {
            on_event(Event::Progress { step: Step::Check, archive: self.name, done, total: Some(size) });
        };
        let found = of_file(path, expected, progress)?;
        match expected.begins(&found) {
            true => Ok(()),
            false => Err(DownloadError::WrongSum {
                file: self.name.to_owned(),
                url: self.url.clone(),
                size,
                expected: expected.clone(),
                found,
            }),
        }
    }
}

impl Network {
    /// The wait after this number of attempts without progress; `after` is the wait that the server
    /// asked for, if any.
    pub(super) fn pause(&self, attempts: u32, after: Option<Duration>) -> Duration {
        let backoff = self.wait.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        after.unwrap_or_default().max(backoff).min(LONGEST_WAIT)
    }
}

/// A download in progress.
struct Fetch<'a> {
    wanted: &'a RemoteFile<'a>,
    network: &'a Network,
    /// The maximum size in bytes.
    limit: u64,
    agent: Agent,
    part: &'a PartialFile,
    /// Whether the partial file came from a single response.
    one_go: bool,
    /// Whether to request the file from the start, because the server cannot continue the partial
    /// file.
    anew: bool,
}

impl Fetch<'_> {
    /// Retries until the file is complete, or until too many attempts made no progress.
    fn complete(&mut self, on_event: OnEvent) -> Result<(), DownloadError> {
        let network = self.network;
        let (mut attempts, mut farthest) = (0, self.part.length()?);
        loop {
            let (reason, after) = match self.attempt(on_event) {
                Ok(()) => return Ok(()),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing { reason, after }) => (reason, after),
            };
            let have = self.part.length()?;
            if have > farthest {
                (attempts, farthest) = (0, have);
            } else {
                attempts += 1;
            }
            if attempts >= network.attempts {
                return Err(DownloadError::Broken { url: self.wanted.url.clone(), reason, attempts, have });
            }
            let wait = network.pause(attempts, after);
            let from = if have > 0 { format!(", from byte {have} on") } else { String::new() };
            on_event(Event::Note(&format!("{}: {}{from}", self.wanted.name, retry(&reason, wait, attempts, network))));
            std::thread::sleep(wait);
        }
    }

    /// Sends one request and processes the response.
    fn attempt(&mut self, on_event: OnEvent) -> Result<(), Fault> {
        let mut have = self.part.length()?;
        match self.wanted.size {
            Some(size) if have > 0 && have == size => return Ok(()),
            Some(size) if have > size => {
                self.part.remove()?;
                have = 0;
            }
            _ => {}
        }
        let from = if self.anew { 0 } else { have };
        let mut response = self.request(from)?;
        let (status, headers) = (response.status(), response.headers());
        let (start, total) = match status {
            StatusCode::PARTIAL_CONTENT => (from, self.range(from, headers)?),
            StatusCode::OK => (0, number(headers, header::CONTENT_LENGTH)),
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => return self.nothing_from(from, headers),
            _ => return Err(refusal(&self.wanted.url, status, headers)),
        };
        self.judge(headers, start, total, have)?;
        let part = self.part;
        let mut writer = match start {
            0 => part.restart(version(&self.wanted.url, headers))?,
            _ => part.append()?,
        };
        if start < have {
            on_event(Event::Note(&format!(
                "{}: the server cannot continue at byte {have} and starts again; the bytes fetched so far are kept \
                 until there are more",
                self.wanted.name
            )));
        }
        let received = self.receive(response.body_mut(), &mut writer, total, on_event);
        if start > 0 {
            self.one_go = false;
        } else if writer.is_part() {
            (self.one_go, self.anew) = (true, false);
        }
        received
    }

    /// Requests the file from byte `from` on.
    fn request(&self, from: u64) -> Result<Response<Body>, Fault> {
        let mut request = self.agent.get(&self.wanted.url);
        if let Some(token) = self.wanted.token {
            request = request.header(header::AUTHORIZATION, token.bearer());
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
            let version = self.part.version();
            if let Some(known) = version.strong().or(version.last_modified.as_deref()) {
                request = request.header(header::IF_RANGE, known);
            }
        }
        request.call().map_err(|error| fault(&self.wanted.url, self.network, error))
    }

    /// Checks that the response contains the requested part of the same version of the file;
    /// returns the total size.
    fn range(&mut self, from: u64, headers: &HeaderMap) -> Result<Option<u64>, Fault> {
        let range = text(headers, header::CONTENT_RANGE).and_then(|range| {
            let (part, total) = range.strip_prefix("bytes ")?.split_once('/')?;
            Some((part.split_once('-')?.0.parse::<u64>().ok()?, total.parse::<u64>().ok()))
        });
        let other = from > 0 && self.part.version().differs(&version(&self.wanted.url, headers));
        match range {
            Some((start, total)) if start == from && !other => Ok(total),
            _ => {
                self.anew = true;
                Err(passing("the server sent a part of the file that was not asked for"))
            }
        }
    }

    /// Handles the response that there are no bytes from `have` on: the file is complete, or
    /// something is wrong.
    fn nothing_from(&mut self, have: u64, headers: &HeaderMap) -> Result<(), Fault> {
        let total = text(headers, header::CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes */")?.parse().ok());
        match total {
            Some(total) if total == have => Ok(()),
            Some(total) if total < have => Err(self.too_short(total, have)),
            _ => {
                self.anew = true;
                Err(passing("the server cannot go on where it broke"))
            }
        }
    }

    /// Checks whether a response may be the file, of `total` bytes, from byte `start` on. The
    /// `have` bytes that were already fetched must not be replaced by the sign-in page of a network
    /// or another short response.
    fn judge(&self, headers: &HeaderMap, start: u64, total: Option<u64>, have: u64) -> Result<(), Fault> {
        let kind = text(headers, header::CONTENT_TYPE).unwrap_or_default().trim_start();
        if kind.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html")) {
            return Err(passing(
                "the server sends a web page instead of the file; does this network ask for a sign-in?",
            ));
        }
        let Some(total) = total else { return Ok(()) };
        if self.wanted.size.map_or(total > self.limit, |size| total != size) {
            let error = self.wrong_size(total);
            return Err(if start < have { passing(error) } else { error.into() });
        }
        match start < have && total <= have {
            true => Err(self.too_short(total, have)),
            false => Ok(()),
        }
    }

    /// The error for a server that announces or sends `found` bytes, which cannot be the size of
    /// the file.
    fn wrong_size(&self, found: u64) -> DownloadError {
        match self.wanted.size {
            Some(expected) => DownloadError::WrongSize { url: self.wanted.url.clone(), expected, found },
            None => DownloadError::TooLong { url: self.wanted.url.clone(), limit: self.limit },
        }
    }

    /// The error for a server whose file is not longer than the partial file.
    fn too_short(&self, total: u64, have: u64) -> Fault {
        passing(format!(
            "the server gives a file of {total} bytes, but {have} are there; if those are wrong, remove {}",
            self.part.path().display()
        ))
    }

    /// Writes the response body to the file.
    fn receive(
        &self,
        body: &mut Body,
        writer: &mut Writer,
        total: Option<u64>,
        on_event: OnEvent,
    ) -> Result<(), Fault> {
        let mut reader = body.as_reader();
        let mut block = vec![0; 1 << 16];
        let broken = loop {
            let done = writer.length();
            on_event(Event::Progress { step: Step::Fetch, archive: self.wanted.name, done, total });
            let n = match reader.read(&mut block) {
                Ok(0) => break None,
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => break Some(words(&error, self.network)),
            };
            if done + n as u64 > self.limit {
                if writer.is_part() {
                    self.part.remove()?;
                }
                return Err(self.wrong_size(done + n as u64).into());
            }
            writer.write(&block[..n])?;
        };
        writer.sync()?;
        let have = writer.length();
        match (broken, total.or(self.wanted.size)) {
            (Some(reason), _) => Err(passing(reason)),
            (None, Some(total)) if have < total => {
                Err(passing(format!("the server ended after {have} of {total} bytes")))
            }
            (None, _) if !writer.is_part() => Err(self.too_short(have, self.part.length()?)),
            (None, _) => Ok(()),
        }
    }
}
