//! `earmark data download` through the binary, from a server on loopback.
#![cfg(feature = "download")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;
#[path = "../../download/tests/download/server.rs"]
mod server;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Place, Ran};
use server::{Answer, Server};

/// A registry with one data set, whose archive was created by Python.
fn place(name: &str) -> (Place, Vec<u8>) {
    let place = Place::new(name);
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/archives");
    place.write("files.md5", std::fs::read(golden.join("files.md5")).unwrap());
    let registry = r#"[mine]
        title = "My Sounds"
        about = "a few"
        home = "http://localhost"
        licence = "CC BY 4.0"
        licence_url = "https://creativecommons.org/licenses/by/4.0/"
        credit = "A. Nobody"
        recipe = "recipes/mine.toml"
        [[mine.archives]]
        name = "mine.zip"
        url = "http://localhost:1/mine.zip"
        sums = "files.md5"
    "#;
    place.write("sets.toml", registry);
    (place, std::fs::read(golden.join("stored.zip")).unwrap())
}

/// The command, without the proxy settings of the environment.
fn command(place: &Place, words: &str) -> Command {
    let mut command = place.command(words);
    for name in ["all_proxy", "https_proxy", "http_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_ascii_uppercase());
    }
    command
}

fn words(server: &Server) -> String {
    format!("data download mine --to data/mine --registry sets.toml --mirror {}", server.url())
}

fn run(place: &Place, words: &str) -> Ran {
    Ran::of(command(place, words), words)
}

#[test]
fn a_data_set_comes_with_its_terms() {
    let (place, archive) = place("download");
    let server = Server::new(move |n, request| match n {
        0 => Answer::good(request, &archive).cut(3000),
        _ => Answer::good(request, &archive),
    });
    let ran = run(&place, &words(&server)).done();
    assert_eq!(ran.stdout, "", "only results go to stdout");
    for printed in [
        "My Sounds: a few\nlicence: CC BY 4.0\n",
        "mine.zip: the connection broke; retrying in 1 s (attempt 1 of 5), from byte 3000 on",
        "data/mine: complete: 5 files, 5.0 kB\n",
        "licence: CC BY 4.0\n         https://creativecommons.org/licenses/by/4.0/\ncredit:  A. Nobody\n",
        "next:    earmark train --recipe recipes/mine.toml --data data/mine --out runs/mine\n",
    ] {
        assert!(ran.stderr.contains(printed), "not printed: {printed}\n{ran}");
    }
    assert_eq!(server.requests()[1].start(), 3000);
    assert_eq!(place.text("data/mine/set/table.csv"), "fname,label\na.wav,Bark\n");
    assert!(!place.path("data/mine.download").exists());

    let again = run(&place, &format!("{} --json", words(&server))).done();
    let json = again.json();
    assert_eq!((&json["already_there"], &json["files"]), (&true.into(), &5.into()));
    assert_eq!(json["folder"], place.path("data/mine").to_str().unwrap());
    assert_eq!((&json["licence"], &json["credit"]), (&"CC BY 4.0".into(), &"A. Nobody".into()));
    assert_eq!(server.requests().len(), 2, "what is there is not fetched");
}

#[test]
fn a_killed_download_goes_on() {
    let (place, archive) = place("download-kill");
    let server = Server::new(move |n, request| match n {
        0 => Answer::good(request, &archive).header("ETag: \"one\"").cut(4000).silent(),
        _ => Answer::good(request, &archive),
    });
    let mut child = command(&place, &words(&server)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let part = place.path("data/mine.download/mine.zip.part");
    let start = Instant::now();
    while std::fs::metadata(&part).map_or(0, |part| part.len()) < 4000 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing came");
        std::thread::sleep(Duration::from_millis(10));
    }
    let busy = run(&place, &words(&server)).failed();
    assert_eq!(busy.stdout, "");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("data/mine").exists());

    run(&place, &words(&server)).done();
    let second = &server.requests()[1];
    assert_eq!((second.start(), second.headers["if-range"].as_str()), (4000, "\"one\""));
}

#[test]
fn wrong_usage_and_wrong_servers() {
    let (place, _) = place("download-wrong");
    let none = run(&place, "data download audioset --to data");
    assert_eq!(none.code, Some(2), "{none}");
    assert!(none.stderr.contains("no data set \"audioset\"") && none.stderr.contains("fsdkaggle2018"), "{none}");
    assert_eq!(run(&place, "data download esc50").code, Some(2));
    run(&place, "data download mine --to d --registry none.toml").failed();

    // The built-in data sets are verified even if they come from a mirror.
    let server = Server::new(|_, request| match request.path.as_str() {
        "/UrbanSound8K.tar.gz" => Answer::whole(b"<html>sign in</html>"),
        "/FSDKaggle2018.meta.zip" => Answer::whole(b"<html>sign in</html>"),
        "/ESC-50-33c8ce9.zip" => Answer::whole(b"<html>sign in</html>"),
        _ => Answer::status("404 Not Found"),
    });
    for (name, reasons) in [
        ("urbansound8k", ["gives 20 bytes, but the file has 6023741708", "UrbanSound8K.tar.gz"]),
        ("fsdkaggle2018", ["FSDKaggle2018.meta.zip", "must be f16828ac8be0e5285b9175a12f90d784"]),
        ("esc50", ["ESC-50-33c8ce9.zip", "no directory at its end"]),
        ("esc10", ["ESC-50-33c8ce9.zip", "no directory at its end"]),
    ] {
        let ran = run(&place, &format!("data download {name} --to d/{name} --mirror {}", server.url()))
            .failed_naming(&reasons);
        assert!(ran.stdout.is_empty() && !place.path(&format!("d/{name}")).exists(), "{ran}");
        assert!(ran.stderr.contains("licence: CC BY"), "{ran}");
    }
    assert!(place.tree("d").keys().all(|name| name.ends_with("/lock")), "{:?}", place.tree("d").keys());
}

#[test]
fn the_list_has_the_licences() {
    let (place, _) = place("download-list");
    let ran = run(&place, "data download --list").done();
    for printed in ["esc10\n", "licence: CC BY 3.0\n", "fsdkaggle2018\n", "https://zenodo.org/records/1203745"] {
        assert!(ran.stdout.contains(printed), "{printed}: {ran}");
    }
    let json = run(&place, "data download --list --json --registry sets.toml").done().json();
    assert_eq!((&json[0]["name"], json.as_array().unwrap().len()), (&"mine".into(), 1));
}

/// A limit on the file size simulates a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let (place, archive) = place("download-full");
    let server = Server::new(move |_, request| Answer::good(request, &archive));
    let limited = |kilobytes: u32| {
        let shell = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kilobytes * 2);
        let inner = command(&place, &words(&server));
        let mut outer = Command::new("sh");
        outer.current_dir(place.path("")).args(["-c", &shell]).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        Ran::of(outer, &words(&server))
    };
    limited(4).failed();
    assert_eq!(place.read("data/mine.download/mine.zip.part").len(), 4096);
    // Now there is room for the rest of the archive, and only the rest is requested.
    limited(16).done();
    assert_eq!(server.requests()[1].start(), 4096);
}

#[test]
fn proxies_of_the_environment_are_used() {
    let (place, archive) = place("download-proxy");
    let proxy = Server::new(|_, _| Answer::status("403 Forbidden"));
    let words = "data download mine --to data/mine --registry sets.toml --mirror http://nowhere.invalid/files";
    let mut child = command(&place, words);
    child.env("HTTP_PROXY", proxy.url()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().unwrap();
    let start = Instant::now();
    while proxy.requests().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "the proxy was not asked");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(proxy.requests()[0].path, "nowhere.invalid:80");

    let server = Server::new(move |_, request| Answer::good(request, &archive));
    let mut child = command(&place, &self::words(&server));
    child.env("HTTP_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1,localhost");
    Ran::of(child, "with NO_PROXY").done();
}
