//! Single files from a local hub, which imitates the Hugging Face hub or misbehaves, and from a
//! URL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use earmark_download::{Checksum, DownloadError, Event, Hub, Network, Pin, PublishedFile, Token, released_file};
use tempfile::TempDir;

use crate::archives::noise;
use crate::server::{Answer, Request, Server};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const PAGE: &str = "/timm/net.tv_in1k/resolve/main/model.safetensors";

fn network() -> Network {
    Network {
        attempts: 3,
        wait: Duration::from_millis(2),
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(20),
        proxies: false,
    }
}

/// A server of files, and a hub that serves their metadata and redirects to it.
struct Pair {
    hub: Server,
    files: Server,
    cache: TempDir,
}

impl Pair {
    /// `answer` is the response of the file server.
    fn new(bytes: &[u8], answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let files = Server::new(answer);
        let (sha256, size) = (earmark_files::sha256(bytes), bytes.len());
        let place = format!("{}/blob?signature=x", files.url());
        let hub = Server::new(move |_, request| match request.path.as_str() {
            PAGE => Answer::hub(COMMIT, &sha256, size, &place),
            "/timm/renamed/resolve/main/model.safetensors" => {
                Answer::status("307 Temporary Redirect").header(&format!("Location: {PAGE}"))
            }
            _ => Answer::status("404 Not Found"),
        });
        Self { hub, files, cache: tempfile::tempdir().unwrap() }
    }

    fn good(bytes: &[u8]) -> Self {
        let owned = bytes.to_vec();
        Self::new(bytes, move |_, request| Answer::good(request, &owned))
    }

    fn at(&self) -> Hub {
        Hub { address: self.hub.url(), cache: self.cache.path().to_owned(), offline: false, token: None }
    }

    fn get(&self, repository: &str) -> (Result<PublishedFile, DownloadError>, String) {
        get(&self.at(), repository)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.cache.path().join("models--timm--net.tv_in1k").join(name)
    }
}

/// The result, and the reported notes.
fn get(hub: &Hub, repository: &str) -> (Result<PublishedFile, DownloadError>, String) {
    pinned(hub, repository, Pin::default())
}

/// Fetches the pinned version.
fn pinned(hub: &Hub, repository: &str, pin: Pin) -> (Result<PublishedFile, DownloadError>, String) {
    let mut notes = String::new();
    let file = hub.file(repository, "model.safetensors", pin, &network(), &mut |event| {
        if let Event::Note(text) = event {
            notes += &format!("{text}\n");
        }
    });
    (file, notes)
}

#[track_caller]
fn fails(result: Result<PublishedFile, DownloadError>, parts: &[&str]) {
    let error = result.unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_file_is_where_the_hub_s_own_client_puts_it() {
    let bytes = noise(100_000);
    let sha256 = earmark_files::sha256(&bytes);
    let pair = Pair::good(&bytes);
    let file = pair.get("timm/net.tv_in1k").0.unwrap();
    assert_eq!(
        file,
        PublishedFile {
            path: pair.path(&format!("snapshots/{COMMIT}/model.safetensors")),
            sha256,
            revision: Some(COMMIT.to_owned())
        }
    );
    assert_eq!(std::fs::read(&file.path).unwrap(), bytes);
    assert_eq!(std::fs::read_to_string(pair.path("refs/main")).unwrap(), COMMIT);
    let blob = pair.path("blobs").join(&file.sha256);
    if cfg!(unix) {
        assert_eq!(std::fs::canonicalize(&file.path).unwrap(), std::fs::canonicalize(blob).unwrap());
        assert!(std::fs::read_link(&file.path).unwrap().is_relative(), "the cache can be moved");
    }

    assert_eq!(pair.hub.requests()[0].method, "HEAD", "what it is is asked before it is fetched");

    // The second call sends no requests, nor does one in offline mode.
    let requests = (pair.hub.requests().len(), pair.files.requests().len());
    assert_eq!(pair.get("timm/net.tv_in1k").0.unwrap(), file);
    let offline = Hub { offline: true, ..pair.at() };
    assert_eq!(get(&offline, "timm/net.tv_in1k").0.unwrap(), file);
    assert_eq!((pair.hub.requests().len(), pair.files.requests().len()), requests);
    fails(get(&offline, "timm/other").0, &["timm/other/resolve/main/model.safetensors", "HF_HUB_OFFLINE"]);
}

#[test]
fn a_broken_connection_is_gone_on_with() {
    let bytes = noise(300_000);
    let owned = bytes.clone();
    let pair = Pair::new(&bytes, move |n, request| match n {
        0 => Answer::good(request, &owned).header("ETag: \"v1\"").cut(70_000),
        1..=3 => Answer::status("503 Service Unavailable"),
        _ => Answer::good(request, &owned).header("ETag: \"v1\""),
    });
    let (broken, notes) = pair.get("timm/net.tv_in1k");
    fails(broken, &["resolve/main/model.safetensors", "503", "3 attempts", "the 70000 bytes fetched so far are kept"]);
    let retry = "timm/net.tv_in1k: the connection broke; retrying in 1 s (attempt 1 of 3), from byte 70000 on\n";
    assert!(notes.contains(retry), "{notes}");
    assert!(!pair.path("snapshots").exists() && !pair.path("refs").exists());

    let file = pair.get("timm/net.tv_in1k").0.unwrap();
    assert_eq!(std::fs::read(file.path).unwrap(), bytes);
    assert_eq!(pair.files.requests().last().unwrap().start(), 70_000);
    let blobs: Vec<_> =
        std::fs::read_dir(pair.path("blobs")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(blobs, [&*file.sha256], "nothing but the blob is left");
}

#[test]
fn repositories_that_were_renamed_are_followed() {
    let pair = Pair::good(&noise(1000));
    pair.get("timm/renamed").0.unwrap();
    assert_eq!(pair.hub.requests()[1].path, PAGE);
    let circle = Server::new(|_, request| Answer::status("307 Found").header(&format!("Location: {}", request.path)));
    let hub = Hub { address: circle.url(), ..pair.at() };
    fails(get(&hub, "timm/circle").0, &["timm/circle", "redirects in a circle"]);
}

#[test]
fn refusals_name_the_address() {
    let pair = Pair::good(&noise(1000));
    fails(pair.get("timm/none").0, &[&pair.hub.url(), "/timm/none/resolve/main/model.safetensors", "404 Not Found"]);
    for (answer, reason) in [
        (Answer::status("401 Unauthorized"), "401 Unauthorized"),
        (Answer::whole(b"<html>sign in</html>").header("Content-Type: text/html"), "is this a hub?"),
        (Answer::hub("../../etc", &"a".repeat(64), 5, "http://localhost:1/"), "is this a hub?"),
        (Answer::hub(COMMIT, "../../../x", 5, "http://localhost:1/"), "is this a hub?"),
        (Answer::status("500 Oh"), "gave up after 3 attempts"),
    ] {
        let server = Server::new(move |_, _| answer.clone());
        let hub = Hub { address: server.url(), ..pair.at() };
        fails(get(&hub, "timm/x").0, &["/timm/x/resolve/main/model.safetensors", reason]);
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = Hub { address: format!("http://{closed}"), ..pair.at() };
    fails(get(&hub, "timm/x").0, &["cannot fetch http://127.0.0.1", "3 attempts"]);
    assert_eq!(std::fs::read_dir(pair.cache.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn other_bytes_than_the_hub_names_are_not_kept() {
    let bytes = noise(50_000);
    let mut wrong = bytes.clone();
    wrong[100] ^= 1;
    let short = bytes[..40_000].to_vec();
    let cases: [(Answer, &[&str]); 3] = [
        (Answer::whole(&wrong), &["timm/net.tv_in1k: its SHA-256 is", "must be", "50000 bytes"]),
        (Answer::whole(&short), &["the server gives 40000 bytes, but the file has 50000"]),
        (Answer::whole(b"<html></html>").header("Content-Type: text/html"), &["a web page instead of the file"]),
    ];
    for (answer, parts) in cases {
        let pair = Pair::new(&bytes, move |_, _| answer.clone());
        fails(pair.get("timm/net.tv_in1k").0, parts);
        assert!(!pair.path("snapshots").exists() && !pair.path("refs").exists());
        assert_eq!(std::fs::read_dir(pair.path("blobs")).unwrap().count(), 0);
    }
}

#[test]
fn a_damaged_file_of_the_cache_is_fetched_anew() {
    let bytes = noise(50_000);
    let pair = Pair::good(&bytes);
    let file = pair.get("timm/net.tv_in1k").0.unwrap();
    std::fs::write(pair.path("blobs").join(&file.sha256), &bytes[..1000]).unwrap();
    let (again, notes) = pair.get("timm/net.tv_in1k");
    assert!(notes.contains("damaged; it is fetched again"), "{notes}");
    assert_eq!(again.unwrap(), file);
    assert_eq!(std::fs::read(file.path).unwrap(), bytes);
}

#[test]
fn what_is_damaged_stays_until_a_whole_file_takes_its_place() {
    let bytes = noise(50_000);
    let damaged = &bytes[..1000];
    let owned = bytes.clone();
    let pair = Pair::new(&bytes, move |n, request| match n {
        1..=3 => Answer::status("503 Service Unavailable"),
        _ => Answer::good(request, &owned),
    });
    let file = pair.get("timm/net.tv_in1k").0.unwrap();
    std::fs::write(pair.path("blobs").join(&file.sha256), damaged).unwrap();
    fails(pair.get("timm/net.tv_in1k").0, &["503"]);
    assert_eq!(std::fs::read(&file.path).unwrap(), damaged);
    assert_eq!(pair.get("timm/net.tv_in1k").0.unwrap(), file);
    assert_eq!(std::fs::read(&file.path).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(file.path.parent().unwrap()).unwrap().count(), 1, "nothing but the link is left");

    let owned = bytes.clone();
    let server = Server::new(move |n, request| match n {
        0..3 => Answer::status("503 Service Unavailable"),
        _ => Answer::good(request, &owned),
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pth");
    std::fs::write(&path, damaged).unwrap();
    let (url, checksum) = (format!("{}/net.pth", server.url()), Checksum::Sha256(earmark_files::sha256(&bytes)));
    let get = || released_file(&url, Some(&checksum), folder.path(), &network(), &mut |_| ());
    fails(get(), &["503"]);
    assert_eq!(std::fs::read(&path).unwrap(), damaged);
    get().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_cache_that_is_there_is_not_written_to() {
    let bytes = noise(20_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pth");
    std::fs::write(&path, &bytes).unwrap();
    let checksum = Checksum::Sha256(earmark_files::sha256(&bytes)[..8].to_owned());
    let url = "http://localhost:1/net.pth";
    let file = released_file(url, Some(&checksum), folder.path(), &network(), &mut |_| ()).unwrap();
    assert_eq!(file.path, path);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["net.pth"]);
}

#[test]
fn a_release_without_a_known_checksum_is_held_to_the_first_file() {
    let (first, second) = (noise(20_000), noise(30_000));
    let (one, other) = (first.clone(), second.clone());
    let server = Server::new(move |n, request| Answer::good(request, if n == 0 { &one } else { &other }));
    let folder = tempfile::tempdir().unwrap();
    let (url, path) = (format!("{}/net.pt", server.url()), folder.path().join("net.pt"));
    let get = || released_file(&url, None, folder.path(), &network(), &mut |_| ());
    let file = get().unwrap();
    assert_eq!(file.sha256, earmark_files::sha256(&first));
    let note = folder.path().join("net.pt.sha256");
    assert_eq!(std::fs::read_to_string(&note).unwrap(), format!("{}  net.pt\n", file.sha256));
    std::fs::remove_file(&path).unwrap();
    let changed = get().unwrap_err();
    assert!(matches!(changed, DownloadError::WrongSum { .. }), "{changed}");
    assert!(!path.exists());
    std::fs::write(&note, "0.93").unwrap();
    let damaged = get().unwrap_err();
    assert!(matches!(&damaged, DownloadError::Note { path } if *path == note), "{damaged}");
    std::fs::remove_file(&note).unwrap();
    assert_eq!(get().unwrap().sha256, earmark_files::sha256(&second));
}

#[test]
fn a_silent_hub_is_an_error() {
    let server = Server::new(|_, _| Answer::status("").silent());
    let hub = Hub {
        address: server.url(),
        cache: tempfile::tempdir().unwrap().path().to_owned(),
        offline: false,
        token: None,
    };
    let patience = Network { attempts: 1, read_timeout: Duration::from_millis(50), ..network() };
    let pin = Pin::default();
    fails(hub.file("timm/x", "model.safetensors", pin, &patience, &mut |_| ()), &["no data for 0.05 s"]);
}

#[test]
fn two_at_once_fetch_once() {
    let bytes = noise(400_000);
    let pair = Pair::good(&bytes);
    let pair = &pair;
    let paths: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| pair.get("timm/net.tv_in1k").0.unwrap().path)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(paths.iter().all(|path| std::fs::read(path).unwrap() == bytes));
    assert_eq!(pair.files.requests().len(), 1);
}

#[test]
fn a_release_is_known_by_the_digits_in_its_name() {
    let bytes = noise(20_000);
    let sha256 = earmark_files::sha256(&bytes);
    let owned = bytes.clone();
    let server = Server::new(move |_, request| Answer::good(request, &owned));
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/v0.1/net-{}.pth?download=1", server.url(), &sha256[..8]);
    let get = |checksum: &Checksum, folder: &Path| released_file(&url, Some(checksum), folder, &network(), &mut |_| ());

    let file = get(&Checksum::Sha256(sha256[..8].to_owned()), folder.path()).unwrap();
    assert_eq!(
        file,
        PublishedFile { path: folder.path().join(format!("net-{}.pth", &sha256[..8])), sha256, revision: None }
    );
    assert_eq!(get(&Checksum::Sha256(file.sha256.clone()), folder.path()).unwrap(), file);
    assert_eq!(server.requests().len(), 1, "what is there is used");

    let empty = tempfile::tempdir().unwrap();
    fails(get(&Checksum::Sha256("00000000".to_owned()), empty.path()), &["its SHA-256 is", "must be 00000000"]);
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 1, "nothing but the lock is left");
}

#[test]
fn a_pinned_version_is_the_one_that_comes() {
    let bytes = noise(20_000);
    let sha256 = earmark_files::sha256(&bytes);
    let other = "f".repeat(40);
    let (owned, digest) = (bytes.clone(), sha256.clone());
    let files = Server::new(move |_, request| Answer::good(request, &owned));
    let place = format!("{}/blob", files.url());
    // The main branch now has a different file.
    let hub = Server::new(move |_, request| match request.path.strip_prefix("/timm/x/resolve/") {
        Some("main/model.safetensors") => Answer::hub(&other, &"0".repeat(64), 20_000, &place),
        Some(path) if path.starts_with(COMMIT) => Answer::hub(COMMIT, &digest, 20_000, &place),
        _ => Answer::hub(COMMIT, &digest, 20_000, &place),
    });
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub { address: hub.url(), cache: cache.path().to_owned(), offline: false, token: None };
    fn pin<'a>(revision: Option<&'a str>, sha256: Option<&'a str>) -> Pin<'a> {
        Pin { revision, sha256 }
    }
    let error = pinned(&hub, "timm/x", pin(None, Some(&sha256))).0.unwrap_err();
    assert!(matches!(&error, DownloadError::Pinned { pinned, .. } if *pinned == sha256), "{error}");
    let error = pinned(&hub, "timm/x", pin(Some(COMMIT), Some(&"1".repeat(64)))).0.unwrap_err();
    assert!(matches!(&error, DownloadError::Pinned { found, .. } if *found == sha256), "{error}");
    let error = pinned(&hub, "timm/x", pin(Some(&"a".repeat(40)), None)).0.unwrap_err();
    assert!(matches!(&error, DownloadError::Pinned { found, .. } if found == COMMIT), "{error}");
    assert_eq!(files.requests().len(), 0, "nothing is fetched");

    let file = pinned(&hub, "timm/x", pin(Some(COMMIT), Some(&sha256))).0.unwrap();
    assert_eq!((&file.sha256, file.revision.as_deref()), (&sha256, Some(COMMIT)));
    let offline = Hub { offline: true, ..hub };
    assert_eq!(pinned(&offline, "timm/x", pin(Some(COMMIT), None)).0.unwrap(), file);
    fails(get(&offline, "timm/x").0, &["HF_HUB_OFFLINE"]);

    // A file of the main branch that another program has cached is used if it is the pinned file.
    std::fs::create_dir(cache.path().join("models--timm--x/refs")).unwrap();
    std::fs::write(cache.path().join("models--timm--x/refs/main"), COMMIT).unwrap();
    let later = "b".repeat(40);
    assert_eq!(pinned(&offline, "timm/x", pin(Some(&later), Some(&sha256))).0.unwrap(), file);
    fails(pinned(&offline, "timm/x", pin(Some(&later), None)).0, &["HF_HUB_OFFLINE"]);
    fails(pinned(&offline, "timm/x", pin(None, Some(&"1".repeat(64)))).0, &["HF_HUB_OFFLINE"]);
}

#[test]
fn the_hub_alone_gets_the_token() {
    let bytes = noise(20_000);
    let pair = Pair::good(&bytes);
    let hub = Hub { token: Token::new("hf_secret"), ..pair.at() };
    assert!(!format!("{hub:?}").contains("secret"));
    get(&hub, "timm/renamed").0.unwrap();
    let asked = pair.hub.requests();
    assert!(asked.len() >= 3, "renamed, asked, fetched: {asked:?}");
    let bearer = |request: &Request| request.headers.get("authorization").cloned();
    assert!(asked.iter().all(|request| bearer(request).as_deref() == Some("Bearer hf_secret")), "{asked:?}");
    let fetched = pair.files.requests();
    assert!(!fetched.is_empty() && fetched.iter().all(|request| bearer(request).is_none()), "{fetched:?}");
    get(&pair.at(), "timm/net.tv_in1k").0.unwrap();
    assert!(bearer(pair.hub.requests().last().unwrap()).is_none());
}
