//! Resuming an interrupted download, and keeping the partial file whatever the server sends.

use earmark_download::DownloadError;

use crate::archives::noise;
use crate::network::{data, succeeds};
use crate::server::{Answer, Server};
use crate::trial::Trial;

const TAG: &str = "ETag: \"one\"";
const DAY: &str = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT";

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
    assert_eq!(trial.notes.len(), 3, "each break is reported: {:?}", trial.notes);
    assert!(trial.fetched.is_sorted(), "progress never goes back");
    assert_eq!(trial.fetched.last(), Some(&(archive.len() as u64)));
}

#[test]
fn another_call_goes_on_where_the_last_one_gave_up() {
    let (clip, archive) = data();
    let bytes = archive.clone();
    // A server that works only now and then, never twice in a row.
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
    // Two of three attempts fail, and the third gets only a part: with three attempts, the download
    // succeeds all the same.
    succeeds(&mut Trial::of_zip(&server.url(), &archive, ""), &clip);
    assert_eq!(server.requests().len(), 3 * archive.len().div_ceil(40_000));
}

#[test]
fn parts_of_two_versions_are_fetched_anew() {
    let (clip, archive) = data();
    let old = noise(archive.len());
    let (bytes, first) = (archive.clone(), old.clone());
    // There are no ETags to distinguish the versions; only the checksum does.
    let server = Server::new(move |n, request| match n {
        0 => Answer::good(request, &first).cut(100_000),
        _ => Answer::good(request, &bytes),
    });
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    succeeds(&mut trial, &clip);
    assert!(trial.notes.iter().any(|note| note.contains("fetched anew")), "{:?}", trial.notes);
    let starts: Vec<_> = server.requests().iter().map(|request| request.start()).collect();
    assert_eq!(starts, [0, 100_000, 0]);

    // If the second download is wrong too, and interrupted each time, it gives up.
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
            "resumes in another version",
            |bytes| {
                let range = format!("Content-Range: bytes 100000-{}/{}", bytes.len() - 1, bytes.len());
                Answer::whole(&bytes[100_000..]).says("206 Partial Content").header(&range).header("ETag: \"two\"")
            },
            3,
        ),
        (
            "resumes in a version of another day",
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

/// Responses instead of the rest of a file, none of which may replace the partial file.
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
    // The same with such a response between two attempts of one call.
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

/// A restart replaces the partial file once it is longer, even if it is interrupted after that.
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
