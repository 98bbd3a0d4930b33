//! HTTP requests, and the classification of their errors.

use std::io::{self, ErrorKind};
use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error, Timeout};

use crate::Network;
use crate::error::DownloadError;
use crate::partial_file::Version;

/// Why an attempt ended before the file was complete.
pub(super) enum Fault {
    /// Another attempt may succeed; `after` is the wait that the server asked for, if any.
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

pub(super) fn passing(reason: impl ToString) -> Fault {
    Fault::Passing { reason: reason.to_string(), after: None }
}

pub(super) fn agent(url: &str, network: &Network) -> Agent {
    agent_following(url, network, 10)
}

/// Like [`agent`], with a different maximum number of redirections; with 0 they are returned like
/// other responses.
pub(super) fn agent_following(url: &str, network: &Network, redirections: u32) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(redirections)
        .redirect_auth_headers(RedirectAuthHeaders::Never)
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

/// The error for a response without a file.
pub(super) fn refusal(url: &str, status: StatusCode, headers: &HeaderMap) -> Fault {
    let reason = format!("the server says {status}");
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    match status.is_server_error() || later.contains(&status) {
        true => Fault::Passing { reason, after: number(headers, header::RETRY_AFTER).map(Duration::from_secs) },
        false => DownloadError::Refused { url: url.to_owned(), reason }.into(),
    }
}

/// Classifies an error of the connection as temporary or final.
pub(super) fn fault(url: &str, network: &Network, error: Error) -> Fault {
    let reason = match error {
        // TLS rejects the server.
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => certificates(&error),
        Error::Io(error) => return passing(words(&error, network)),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => return passing("the server does not answer"),
        Error::Timeout(_) => return passing(silence(network)),
        Error::HostNotFound => return passing("the server's name is not known; is there a network?"),
        error @ (Error::Protocol(_) | Error::ConnectionFailed | Error::ConnectProxyFailed(_)) => {
            return passing(error);
        }
        Error::TooManyRedirects => "it redirects in a circle, or too often".to_owned(),
        Error::RequireHttpsOnly(other) => format!("it redirects to {other}, which is not encrypted"),
        error @ (Error::Rustls(_) | Error::Tls(_) | Error::Pem(_)) => certificates(&error),
        error => error.to_string(),
    };
    DownloadError::Refused { url: url.to_owned(), reason }.into()
}

fn certificates(error: &dyn std::fmt::Display) -> String {
    format!("{error} (certificates are those of the system, or of the file that SSL_CERT_FILE names)")
}

fn silence(network: &Network) -> String {
    format!("no data for {} s", network.read_timeout.as_secs_f32())
}

/// The message about a failed attempt that will be retried.
pub(super) fn retry(reason: &str, wait: Duration, attempts: u32, network: &Network) -> String {
    let (next, of) = (attempts + 1, network.attempts);
    format!("{reason}; retrying in {:.0} s (attempt {next} of {of})", wait.as_secs_f32().ceil())
}

/// A short description of common errors; those of the system include error numbers.
pub(super) fn words(error: &io::Error, network: &Network) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
            "the connection broke".to_owned()
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => silence(network),
        _ => error.to_string(),
    }
}

pub(super) fn version(url: &str, headers: &HeaderMap) -> Version {
    let owned = |name| text(headers, name).map(str::to_owned);
    Version { url: url.to_owned(), etag: owned(header::ETAG), last_modified: owned(header::LAST_MODIFIED) }
}

pub(super) fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}
