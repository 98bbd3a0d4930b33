//! Folders that are not empty, killed processes, full disks, and files that users add.

use std::fs;

use earmark_download::DownloadError;

use crate::archives::{good_zip, md5, noise};
use crate::server::{Answer, Server};
use crate::trial::{Trial, tree};

const FILES: [(&str, &[u8]); 2] = [("clips/a.wav", b"sound"), ("labels.csv", b"a,b\n")];

fn server() -> (Server, Vec<u8>) {
    let archive = good_zip(&FILES);
    let bytes = archive.clone();
    (Server::new(move |_, request| Answer::good(request, &bytes)), archive)
}

#[test]
fn a_whole_data_set_is_left_as_it_is() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.succeeds(&FILES);
    let before = tree(&trial.to());
    fs::write(trial.to().join("notes.txt"), "of mine").unwrap();
    let again = trial.run().unwrap();
    assert!(again.already_there && (again.files, again.bytes) == (2, 9));
    assert_eq!(server.requests().len(), 1, "nothing is fetched twice");

    let mark = String::from_utf8(before["earmark-download.toml"].clone()).unwrap();
    for word in ["CC0 1.0", "publicdomain", "nobody", &md5(&archive), "\"clips/a.wav\" = 5"] {
        assert!(mark.contains(word), "no {word} in {mark}");
    }
    // A missing file is not replaced by a file with another size, nor by a file with another name.
    fs::write(trial.to().join("labels.csv"), "").unwrap();
    let error = trial.run().unwrap_err().to_string();
    assert!(error.contains("of the 2 files (9 bytes) of Mine, only 1 (5 bytes) are left"), "{error}");
    fs::write(trial.to().join("labels.csv"), "longer").unwrap();
    fs::rename(trial.to().join("clips/a.wav"), trial.to().join("clips/b.wav")).unwrap();
    assert!(matches!(trial.run(), Err(DownloadError::Incomplete { found_files: 0, found_bytes: 0, .. })));
    fs::write(trial.to().join("earmark-download.toml"), "no").unwrap();
    assert!(matches!(trial.run(), Err(DownloadError::Occupied { .. })));
}

#[test]
fn what_is_there_is_not_overwritten() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    fs::create_dir_all(trial.to()).unwrap();
    trial.succeeds(&FILES); // An empty folder is allowed.

    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    fs::create_dir_all(trial.to()).unwrap();
    fs::write(trial.to().join("mine.txt"), "x").unwrap();
    let error = trial.run().unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(tree(&trial.to()).len(), 1);

    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    fs::create_dir_all(trial.to().parent().unwrap()).unwrap();
    fs::write(trial.to(), "x").unwrap();
    let error = trial.run().unwrap_err().to_string();
    assert!(error.contains("this is a file"), "{error}");
}

#[test]
fn another_version_is_not_taken_for_this_one() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.succeeds(&FILES);
    let mark = trial.to().join("earmark-download.toml");
    let text = fs::read_to_string(&mark).unwrap();
    for (from, to) in [(md5(&archive), md5(b"")), ("name = \"mine\"".into(), "name = \"yours\"".into())] {
        fs::write(&mark, text.replacen(&from, &to, 1)).unwrap();
        let error = trial.run().unwrap_err().to_string();
        assert!(error.contains("the folder holds Mine, made of other archives"), "{error}");
    }
}

#[test]
fn leftovers_of_a_kill_do_no_harm() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.put("unpacking/clips/half.wav", b"ha");
    trial.put("unpacking/labels.csv", b"old");
    trial.put("a.zip.part", &archive[..50]);
    trial.put("a.zip.part.toml", b"not = [toml");
    trial.put("lock", b"");
    trial.succeeds(&FILES);
    assert_eq!(server.requests()[0].start(), 50);
}

#[test]
fn a_part_that_is_whole_already() {
    let (server, archive) = server();
    let size = format!("size = {}", archive.len());
    for (more, requests) in [("", 1), (size.as_str(), 0)] {
        let before = server.requests().len();
        let mut trial = Trial::of_zip(&server.url(), &archive, more);
        trial.put("a.zip.part", &archive);
        trial.succeeds(&FILES);
        assert_eq!(server.requests().len() - before, requests);
    }
    // A partial file that is longer than the file is discarded.
    let mut trial = Trial::of_zip(&server.url(), &archive, &size);
    trial.put("a.zip.part", &noise(archive.len() + 10));
    trial.succeeds(&FILES);
}

#[test]
fn archives_can_be_brought_by_hand() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip("http://localhost:1", &archive, "");
    trial.put("a.zip", &archive);
    trial.succeeds(&FILES);

    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.put("a.zip", b"another file");
    trial.succeeds(&FILES);
    assert!(trial.notes[0].contains("not the published file"), "{:?}", trial.notes);
}

#[test]
fn archives_are_kept_on_demand() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.options.keep_archives = true;
    trial.run().unwrap();
    assert_eq!(tree(&trial.work("")).into_iter().collect::<Vec<_>>(), [("a.zip".to_owned(), archive)]);
}

#[test]
fn two_at_once_do_not_meet() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.put("lock", b"");
    let held = fs::File::open(trial.work("lock")).unwrap();
    held.lock().unwrap();
    let error = trial.fails(&["another process is downloading"]);
    assert!(matches!(error, DownloadError::Busy { .. }));
    drop(held);
    trial.succeeds(&FILES);
}

/// If the lock file is a link to another file, that file is left alone.
#[cfg(unix)]
#[test]
fn a_lock_is_neither_followed_nor_emptied() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.put("precious", b"of mine");
    std::os::unix::fs::symlink(trial.work("precious"), trial.work("lock")).unwrap();
    trial.fails(&["lock", "it is a link"]);
    fs::remove_file(trial.work("lock")).unwrap();
    std::os::unix::fs::symlink(trial.work("nothing"), trial.work("lock")).unwrap();
    trial.fails(&["lock", "it is a link"]);
    assert!(!trial.work("nothing").exists());
    assert_eq!(fs::read(trial.work("precious")).unwrap(), b"of mine");
    // The contents of a lock file are not truncated either.
    fs::remove_file(trial.work("lock")).unwrap();
    trial.put("lock", b"text");
    let held = fs::File::open(trial.work("lock")).unwrap();
    held.lock().unwrap();
    trial.fails(&["another process is downloading"]);
    assert_eq!(fs::read(trial.work("lock")).unwrap(), b"text");
    assert_eq!(server.requests().len(), 0);
}

/// A folder cannot replace a link; this is reported before anything is fetched.
#[cfg(unix)]
#[test]
fn a_link_to_an_empty_folder() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    let real = trial.to().with_file_name("real");
    fs::create_dir_all(&real).unwrap();
    std::os::unix::fs::symlink(&real, trial.to()).unwrap();
    let error = trial.run().unwrap_err();
    assert!(matches!(error, DownloadError::NoWay { .. }), "{error}");
    assert!(error.to_string().contains("mine/data"), "{error}");
    assert_eq!(server.requests().len(), 0);
    assert!(trial.to().is_symlink() && real.is_dir() && !trial.work("").exists());
}

/// The working folder is on another disk.
#[cfg(target_os = "linux")]
#[test]
fn another_file_system() {
    use std::os::unix::fs::MetadataExt;
    let (server, archive) = server();
    for there in [false, true] {
        let mut trial = Trial::of_zip(&server.url(), &archive, "");
        let parent = trial.to().parent().unwrap().to_owned();
        fs::create_dir_all(&parent).unwrap();
        let device = |path: &std::path::Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let other = ["/dev/shm", "/tmp", env!("CARGO_TARGET_TMPDIR")].map(std::path::Path::new);
        let Some(other) = other.into_iter().find(|path| path.is_dir() && device(path) != device(&parent)) else {
            assert!(std::env::var_os("CI").is_none(), "there is no second file system");
            return eprintln!("there is no second file system: skipped");
        };
        let other = tempfile::tempdir_in(other).unwrap();
        std::os::unix::fs::symlink(other.path(), parent.join("mine.download")).unwrap();
        if there {
            fs::create_dir(trial.to()).unwrap();
        }
        let error = trial.run().unwrap_err();
        assert!(matches!(error, DownloadError::NoWay { .. }), "{error}");
        assert_eq!((trial.to().exists(), trial.left()), (there, vec![]), "all is as it was");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn several_archives_make_one_data_set() {
    let (first, second) = (good_zip(&[("one/a.wav", b"1")]), good_zip(&[("two/a.wav", b"2")]));
    let archives = |second_md5: &str, url: &str| {
        format!(
            "[[mine.archives]]\nname = \"a.zip\"\nurl = \"{url}/a.zip\"\nmd5 = \"{}\"\n\
             [[mine.archives]]\nname = \"b.zip\"\nurl = \"{url}/b.zip\"\nmd5 = \"{second_md5}\"\n",
            md5(&first)
        )
    };
    let (a, b) = (first.clone(), second.clone());
    let server = Server::new(move |_, request| Answer::good(request, if request.path == "/a.zip" { &a } else { &b }));
    Trial::new(&archives(&md5(&second), &server.url())).succeeds(&[("one/a.wav", b"1"), ("two/a.wav", b"2")]);

    // A complete archive is kept if a later one fails.
    let mut trial = Trial::new(&archives(&md5(b"else"), &server.url()));
    trial.fails(&["b.zip", "MD5"]);
    assert_eq!(trial.left(), ["a.zip"]);
}

/// Writing to `/dev/full` fails as on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let (server, archive) = server();
    let mut trial = Trial::of_zip(&server.url(), &archive, "");
    trial.put("kept", b"");
    std::os::unix::fs::symlink("/dev/full", trial.work("a.zip.part")).unwrap();
    let error = trial.fails(&["a.zip.part", "No space left", "make room and run the same command again"]);
    assert!(matches!(error, DownloadError::NoSpace { .. }));
    assert_eq!(server.requests().len(), 1, "a full disk is not tried again");
}
