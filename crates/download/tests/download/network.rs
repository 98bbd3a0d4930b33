//! Servers that break connections, announce wrong lengths, send wrong bytes, and more.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use earmark_download::DownloadError;

use crate::archives::{good_zip, md5, noise};
use crate::server::{Answer, Server};
use crate::trial::Trial;

/// A clip of 300 kB, and a zip archive that contains it.
pub fn data() -> (Vec<u8>, Vec<u8>) {
    let clip = noise(300_000);
    let archive = good_zip(&[("clips/a.wav", &clip), ("labels.csv", b"a,b\n")]);
    (clip, archive)
}

#[track_caller]
pub fn succeeds(trial: &mut Trial, clip: &[u8]) {
    trial.succeeds(&[("clips/a.wav", clip), ("labels.csv", b"a,b\n")]);
}

#[test]
fn lengths_that_lie() {
    let (clip, archive) = data();
    let size = format!("size = {}", archive.len());
    let whole = archive.len();
    type Case<'a> = (&'a str, &'a str, fn(Answer, usize) -> Answer, Result<usize, &'a str>);
    // How the server changes its first response, and the number of requests needed or the reported
    // error.
    let cases: [Case; 8] = [
        ("too long, size unknown", "", |answer, whole| answer.length(Some(whole + 500)), Ok(2)),
        ("too long, size known", &size, |answer, whole| answer.length(Some(whole + 500)), Err("not the expected file")),
        ("too short, size unknown", "", |answer, whole| answer.length(Some(whole - 500)), Err("MD5")),
        (
            "too short, size known",
            &size,
            |answer, whole| answer.length(Some(whole - 500)),
            Err("not the expected file"),
        ),
        ("none, size unknown", "", |answer, _| answer.length(None), Ok(1)),
        ("none, and cut, size unknown", "", |answer, _| answer.length(None).cut(1000), Err("MD5")),
        ("none, and cut, size known", &size, |answer, _| answer.length(None).cut(1000), Ok(2)),
        ("absurd", "", |answer, _| answer.length(Some(1 << 60)), Err("more than 68719476736 bytes")),
    ];
    for (name, more, lie, outcome) in cases {
        let bytes = archive.clone();
        let server = Server::new(move |n, request| match (n, Answer::good(request, &bytes)) {
            (0, answer) => lie(answer, whole),
            (_, answer) => answer,
        });
        let mut trial = Trial::of_zip(&server.url(), &archive, more);
        match outcome {
            Ok(requests) => {
                succeeds(&mut trial, &clip);
                assert_eq!(server.requests().len(), requests, "{name}");
            }
            Err(reason) => {
                let error = trial.fails(&[reason]);
                assert_eq!(trial.left(), [""; 0], "{name}: {error}");
                succeeds(&mut trial, &clip);
            }
        }
    }
}

#[test]
fn more_bytes_than_the_file_has() {
    let (_, archive) = data();
    let mut long = archive.clone();
    long.extend([0; 1000]);
    let size = format!("size = {}", archive.len());
    let server = Server::new(move |_, _| Answer::whole(&long).length(None));
    let error = Trial::of_zip(&server.url(), &archive, &size).fails(&["not the expected file"]);
    assert!(matches!(error, DownloadError::WrongSize { expected, .. } if expected == archive.len() as u64));

    let limits = "[mine.limits]\ntotal_bytes = 100000";
    let error = Trial::of_zip(&server.url(), &archive, limits).fails(&["more than 100000 bytes"]);
    assert!(matches!(error, DownloadError::TooLong { limit: 100_000, .. }));
}

#[test]
fn wrong_bytes_are_an_error_and_removed() {
    let (clip, archive) = data();
    let mut wrong = archive.clone();
    wrong[150_000] ^= 1;
    let (bytes, bad) = (archive.clone(), wrong.clone());
    let server = Server::new(move |n, request| Answer::good(request, if n == 0 { &bad } else { &bytes }));
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    let url = format!("{}/a.zip", server.url());
    trial.fails(&["a.zip", "MD5", &md5(&archive), &md5(&wrong), &url, "removed"]);
    assert_eq!(trial.left(), [""; 0]);
    assert_eq!(server.requests().len(), 1, "a file in one go that is wrong is wrong");
    succeeds(&mut trial, &clip);
}

#[test]
fn chunks_that_end_too_early() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |n, request| match n {
        0 => {
            let mut chunks = b"11170\r\n".to_vec(); // 70,000 bytes
            chunks.extend(&bytes[..70_000]);
            chunks.extend(b"\r\n11170\r\n12345");
            Answer::status("200 OK").length(None).header("Transfer-Encoding: chunked").body(&chunks)
        }
        _ => Answer::good(request, &bytes),
    });
    succeeds(&mut Trial::of_zip(&server.url(), &archive, ""), &clip);
    assert!(server.requests()[1].start() >= 70_000);
}

#[test]
fn refusals_are_not_retried() {
    let (_, archive) = data();
    for (status, requests) in [("404 Not Found", 1), ("403 Forbidden", 1), ("429 Too Many Requests", 3), ("500 Oh", 3)]
    {
        let server = Server::new(move |_, _| Answer::status(status));
        Trial::of_zip(&server.url(), &archive, "").fails(&["a.zip", &status[..3]]);
        assert_eq!(server.requests().len(), requests, "{status}");
    }
}

#[test]
fn redirects_are_followed_and_circles_are_not() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |n, request| match request.path.as_str() {
        "/a.zip" => Answer::status("302 Found").header("Location: /files/b"),
        "/files/b" => Answer::status("301 Moved Permanently").header("Location: /files/c"),
        _ if n < 3 => Answer::good(request, &bytes).cut(1000),
        _ => Answer::good(request, &bytes),
    });
    succeeds(&mut Trial::of_zip(&server.url(), &archive, ""), &clip);
    let last = server.requests().pop().unwrap();
    assert_eq!((last.path.as_str(), last.start()), ("/files/c", 1000), "what is asked for survives redirection");

    let server = Server::new(|_, request| Answer::status("302 Found").header(&format!("Location: {}", request.path)));
    Trial::of_zip(&server.url(), &archive, "").fails(&["redirects in a circle"]);
    assert!(server.requests().len() < 20);
}

#[test]
fn silence_ends_an_attempt() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |n, request| match n {
        0 => Answer::good(request, &bytes).cut(50_000).silent(),
        1 => Answer::default().silent(),
        _ => Answer::good(request, &bytes),
    });
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.options.network.read_timeout = Duration::from_millis(200);
    succeeds(&mut trial, &clip);
    assert_eq!(server.requests()[2].start(), 50_000);
}

#[test]
fn nobody_there() {
    let (_, archive) = data();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Trial::of_zip(&format!("http://{closed}"), &archive, "").fails(&["cannot fetch http://127.0.0.1", "3 attempts"]);
    Trial::of_zip("http://", &archive, "").fails(&["cannot fetch http:///a.zip"]);
}

#[test]
fn a_mirror_replaces_the_address() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |_, request| Answer::good(request, &bytes));
    let mut trial = Trial::of_zip("http://localhost:1", &archive, "");
    trial.options.mirror = Some(format!("{}/mirror/", server.url()));
    succeeds(&mut trial, &clip);
    assert_eq!(server.requests()[0].path, "/mirror/a.zip");
}

#[test]
fn a_server_without_tls_is_not_retried() {
    let (_, archive) = data();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let connections = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        1 + std::iter::from_fn(|| listener.accept().ok()).count()
    });
    Trial::of_zip(&url, &archive, "").fails(&["cannot fetch https://127.0.0.1", "SSL_CERT_FILE"]);
    assert_eq!(connections.join().unwrap(), 1);
}
