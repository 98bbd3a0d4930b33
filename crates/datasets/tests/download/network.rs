//! Servers that break connections, lie about lengths, send wrong bytes, and worse.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use earmark_datasets::download::DownloadError;

use crate::archives::{good_zip, md5, noise};
use crate::server::{Answer, Server};
use crate::trial::Trial;

const TAG: &str = "ETag: \"one\"";
const DAY: &str = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT";

/// A data set and its archive, of some 300 kB.
fn data() -> (Vec<u8>, Vec<u8>) {
    let clip = noise(300_000);
    let archive = good_zip(&[("clips/a.wav", &clip), ("labels.csv", b"a,b\n")]);
    (clip, archive)
}

#[track_caller]
fn succeeds(trial: &mut Trial, clip: &[u8]) {
    trial.succeeds(&[("clips/a.wav", clip), ("labels.csv", b"a,b\n")]);
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |n, request| {
        let answer = Answer::good(request, &bytes).header(TAG);
        if n < 3 { answer.cut(70_000) } else { answer }
    });
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    succeeds(&mut trial, &clip);

    let requests = server.requests();
    let starts: Vec<_> = requests.iter().map(|request| request.start()).collect();
    assert_eq!(starts, [0, 70_000, 140_000, 210_000]);
    assert!(requests[1..].iter().all(|request| request.headers["if-range"] == "\"one\""));
    assert!(requests[0].headers["user-agent"].starts_with("earmark/"));
    assert!(requests[0].headers["accept-encoding"] == "identity");
    assert_eq!(trial.notes.len(), 3, "each break is told: {:?}", trial.notes);
    assert!(trial.fetched.is_sorted(), "progress never goes back");
    assert_eq!(trial.fetched.last(), Some(&(archive.len() as u64)));
}

#[test]
fn another_call_goes_on_where_the_last_one_gave_up() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    // A server that has its good moments: never twice in a row.
    let server = Server::new(move |n, request| match n {
        0 => Answer::good(request, &bytes).header(DAY).cut(100_000),
        1..4 => Answer::status("503 Service Unavailable"),
        _ => Answer::good(request, &bytes),
    });
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    let error = trial.fails(&["a.zip", "503", "3 attempts", "100000 bytes", "run the same command again"]);
    assert!(matches!(error, DownloadError::Broken { attempts: 3, have: 100_000, .. }));
    assert_eq!(std::fs::read(trial.work("a.zip.part")).unwrap(), archive[..100_000]);

    succeeds(&mut trial, &clip);
    let requests = server.requests();
    assert_eq!((requests[4].start(), requests.len()), (100_000, 5));
    assert_eq!(requests[4].headers["if-range"], "Mon, 01 Jan 2024 00:00:00 GMT");
}

#[test]
fn progress_gives_new_patience() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |n, request| match n % 3 {
        2 => Answer::good(request, &bytes).cut(40_000),
        _ => Answer::status("502 Bad Gateway"),
    });
    // Two attempts in three fail, and the third brings only a part: with three attempts it gets there all the same.
    succeeds(&mut Trial::of_zip(&server.url(), &archive, ""), &clip);
    assert_eq!(server.requests().len(), 3 * archive.len().div_ceil(40_000));
}

#[test]
fn lengths_that_lie() {
    let (clip, archive) = data();
    let size = format!("size = {}", archive.len());
    let whole = archive.len();
    type Case<'a> = (&'a str, &'a str, fn(Answer, usize) -> Answer, Result<usize, &'a str>);
    // What the server does to its first answer; requests needed, or what is told.
    let cases: [Case; 8] = [
        ("too long, size unknown", "", |answer, whole| answer.length(Some(whole + 500)), Ok(2)),
        (
            "too long, size known",
            &size,
            |answer, whole| answer.length(Some(whole + 500)),
            Err("not the file that is wanted"),
        ),
        ("too short, size unknown", "", |answer, whole| answer.length(Some(whole - 500)), Err("MD5")),
        (
            "too short, size known",
            &size,
            |answer, whole| answer.length(Some(whole - 500)),
            Err("not the file that is wanted"),
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
    let error = Trial::of_zip(&server.url(), &archive, &size).fails(&["not the file that is wanted"]);
    assert!(matches!(error, DownloadError::WrongSize { expected, .. } if expected == archive.len() as u64));

    let limits = "[mine.limits]\ntotal_bytes = 100000";
    let error = Trial::of_zip(&server.url(), &archive, limits).fails(&["more than 100000 bytes"]);
    assert!(matches!(error, DownloadError::TooLong { limit: 100_000, .. }));
}

#[test]
fn wrong_bytes_are_told_and_removed() {
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
fn parts_of_two_versions_are_fetched_anew() {
    let (clip, archive) = data();
    let old = noise(archive.len());
    let (bytes, first) = (archive.clone(), old.clone());
    // No tag tells the versions apart; only the checksum can.
    let server = Server::new(move |n, request| match n {
        0 => Answer::good(request, &first).cut(100_000),
        _ => Answer::good(request, &bytes),
    });
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    succeeds(&mut trial, &clip);
    assert!(trial.notes.iter().any(|note| note.contains("fetched anew")), "{:?}", trial.notes);
    let starts: Vec<_> = server.requests().iter().map(|request| request.start()).collect();
    assert_eq!(starts, [0, 100_000, 0]);

    // Where even that is wrong, and breaks each time, there is an end.
    let server = Server::new(move |n, request| match n % 2 {
        0 => Answer::good(request, &old).cut(100_000),
        _ => Answer::good(request, &old),
    });
    Trial::of_zip(&server.url(), &archive, "").fails(&["MD5"]);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn servers_that_cannot_go_on() {
    let (clip, archive) = data();
    type Second = fn(&[u8]) -> Answer;
    let cases: [(&str, Second, usize); 7] = [
        ("sends the whole file", |bytes| Answer::whole(bytes), 2),
        ("says that the range is wrong", |_| Answer::status("416 Range Not Satisfiable"), 3),
        (
            "says that there is another length",
            |_| Answer::status("416 Range Not Satisfiable").header("Content-Range: bytes */7"),
            3,
        ),
        (
            "sends another part",
            |bytes| {
                let range = format!("Content-Range: bytes 0-{}/{}", bytes.len() - 1, bytes.len());
                Answer::whole(bytes).says("206 Partial Content").header(&range)
            },
            3,
        ),
        ("does not say which part", |bytes| Answer::whole(&bytes[100_000..]).says("206 Partial Content"), 3),
        (
            "goes on in another version",
            |bytes| {
                let range = format!("Content-Range: bytes 100000-{}/{}", bytes.len() - 1, bytes.len());
                Answer::whole(&bytes[100_000..]).says("206 Partial Content").header(&range).header("ETag: \"two\"")
            },
            3,
        ),
        (
            "goes on in a version of another day",
            |bytes| {
                let range = format!("Content-Range: bytes 100000-{}/{}", bytes.len() - 1, bytes.len());
                let day = "Last-Modified: Tue, 02 Jan 2024 00:00:00 GMT";
                Answer::whole(&bytes[100_000..]).says("206 Partial Content").header(&range).header(day)
            },
            3,
        ),
    ];
    for (name, second, requests) in cases {
        let bytes = archive.clone();
        let server = Server::new(move |n, request| match n {
            0 => Answer::good(request, &bytes).header(TAG).header(DAY).cut(100_000),
            1 => second(&bytes),
            _ => Answer::good(request, &bytes),
        });
        let mut trial = Trial::of_zip(&server.url(), &archive, "");
        succeeds(&mut trial, &clip);
        assert_eq!(server.requests().len(), requests, "{name}");
    }
}

/// Answers that come in place of the rest of a file, none of which is worth the part that is there.
#[test]
fn a_part_outlives_what_is_no_file() {
    let (clip, archive) = data();
    let size = format!("size = {}", archive.len());
    const PAGE: &[u8] = b"<html>Welcome! Sign in to use this network.</html>";
    let page = || Answer::whole(PAGE).header("ETag: \"page\"");
    let long_page = || Answer::whole(&noise(200_000)).header("Content-Type: Text/HTML; charset=utf-8");
    type Case<'a> = (&'a str, &'a str, Box<dyn Fn(&[u8]) -> Answer + Send + Sync>, &'a str);
    let cases: [Case; 8] = [
        ("a page", "", Box::new(move |_| page().header("Content-Type: text/html")), "web page"),
        ("a long page", "", Box::new(move |_| long_page().length(None)), "web page"),
        ("a page of the file's size", "", Box::new(|bytes| long_page_of(bytes.len())), "web page"),
        ("a page of no type", "", Box::new(move |_| page()), "a file of 50 bytes, but 100000 are there"),
        ("a page of no type and no length", "", Box::new(move |_| page().length(None)), "a file of 50 bytes"),
        ("another size", &size, Box::new(|_| Answer::whole(&noise(200_000))), "the server gives 200000 bytes"),
        ("a start that breaks", "", Box::new(|bytes| Answer::whole(bytes).cut(99_999)), "the connection broke"),
        (
            "nothing at that place",
            "",
            Box::new(|_| Answer::status("416 Range Not Satisfiable").header("Content-Range: bytes */7")),
            "a file of 7 bytes",
        ),
    ];
    for (name, more, answer, reason) in cases {
        let bytes = archive.clone();
        let server = Server::new(move |n, request| match n {
            0 => Answer::good(request, &bytes).header(TAG).cut(100_000),
            1..4 => answer(&bytes),
            _ => Answer::good(request, &bytes).header(TAG),
        });
        let mut trial = Trial::of_zip(&server.url(), &archive, more);
        let error = trial.fails(&["3 attempts", "the 100000 bytes fetched so far are kept", reason]);
        assert!(matches!(error, DownloadError::Broken { have: 100_000, .. }), "{name}: {error}");
        assert_eq!(trial.left(), ["a.zip.part", "a.zip.part.toml"], "{name}");
        assert!(std::fs::read(trial.work("a.zip.part")).unwrap() == archive[..100_000], "{name}: the part is spoilt");

        succeeds(&mut trial, &clip);
        let requests = server.requests();
        assert_eq!((requests.len(), requests[4].start()), (5, 100_000), "{name}");
        assert_eq!(requests[4].headers["if-range"], "\"one\"", "{name}: the part's version");
    }
    // The same between two attempts of one call.
    let bytes = archive.clone();
    let server = Server::new(move |n, request| match n {
        0 => Answer::good(request, &bytes).cut(100_000),
        1 => page().header("Content-Type: text/html"),
        _ => Answer::good(request, &bytes),
    });
    succeeds(&mut Trial::of_zip(&server.url(), &archive, ""), &clip);
    assert_eq!(server.requests()[2].start(), 100_000);
}

fn long_page_of(bytes: usize) -> Answer {
    Answer::whole(&noise(bytes)).header("Content-Type: text/html")
}

/// A new start takes the part's place once it is longer, also where it breaks after that.
#[test]
fn a_new_start_that_got_farther_is_gone_on_with() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |n, request| match n {
        0 => Answer::whole(&noise(200_000)).header(TAG).cut(100_000),
        1 => Answer::whole(&bytes).header("ETag: \"two\"").cut(150_000),
        _ => Answer::good(request, &bytes).header("ETag: \"two\""),
    });
    succeeds(&mut Trial::of_zip(&server.url(), &archive, ""), &clip);
    let requests = server.requests();
    assert_eq!((requests.len(), requests[2].start()), (3, 150_000));
    assert_eq!(requests[2].headers["if-range"], "\"two\"");
}

#[test]
fn a_server_that_only_has_pages() {
    let (_, archive) = data();
    let server = Server::new(|_, _| long_page_of(1000));
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.fails(&["a web page instead of the file", "3 attempts"]);
    assert_eq!(trial.left(), [""; 0]);
}

#[test]
fn weak_tags_are_not_asked_for() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |n, request| {
        let answer = Answer::good(request, &bytes).header("ETag: W/\"weak\"");
        if n == 0 { answer.cut(1000) } else { answer }
    });
    succeeds(&mut Trial::of_zip(&server.url(), &archive, ""), &clip);
    assert!(!server.requests()[1].headers.contains_key("if-range"));
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
fn refusals_are_told_at_once() {
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
fn a_mirror_stands_in() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    let server = Server::new(move |_, request| Answer::good(request, &bytes));
    let mut trial = Trial::of_zip("http://localhost:1", &archive, "");
    trial.options.mirror = Some(format!("{}/mirror/", server.url()));
    succeeds(&mut trial, &clip);
    assert_eq!(server.requests()[0].path, "/mirror/a.zip");
}

#[test]
fn a_server_that_speaks_no_tls_is_told_at_once() {
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
