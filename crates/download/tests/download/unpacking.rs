//! Archives with unsafe paths, false metadata, excessive sizes or damage; and valid ones from other
//! programs.

use earmark_download::DownloadError;

use crate::archives::{Taped, Zipped, good_zip, gz, md5, noise, tar_gz, zip};
use crate::trial::Trial;

/// A data set of one archive that is already in the working folder, with additional keys.
fn set(name: &str, bytes: &[u8], more: &str) -> Trial {
    let md5 = md5(bytes);
    let trial = Trial::new(&format!(
        "[[mine.archives]]\nname = \"{name}\"\nurl = \"http://localhost:1/\"\nmd5 = \"{md5}\"\n{more}"
    ));
    trial.put(name, bytes);
    trial
}

const LIMITS: &str = "[mine.limits]\nfiles = 20\nfile_bytes = 5000\ntotal_bytes = 12000";

#[test]
fn zip_archives_that_are_refused() {
    let good = Zipped::new("good.wav", b"sound");
    let file = |name: &str| Zipped::new(name, b"sound");
    let mode = |mode| Zipped { mode, ..file("evil") };
    let wide = |name: &str, packed| Zipped { packed: Some(packed), ..file(name) };
    let big = |name: &str| Zipped::new(name, &vec![0; 4500]);
    let cases: Vec<(&str, Vec<Zipped>, &str)> = vec![
        ("absolute", vec![file("/tmp/evil")], "its path is absolute"),
        ("of a drive", vec![file("C:evil")], "its path is absolute"),
        ("upwards", vec![file("../evil")], "leads out of the folder"),
        ("upwards inside", vec![file("a/../../evil")], "leads out of the folder"),
        ("backslashes", vec![file("..\\evil")], "not a valid file name on every system"),
        ("not UTF-8", vec![Zipped::new(&b"a\xff"[..], b"")], "not UTF-8"),
        ("symbolic link", vec![mode(0o120_777)], "it is a link"),
        ("device", vec![mode(0o020_644)], "neither a file nor a folder"),
        ("pipe", vec![mode(0o010_644)], "neither a file nor a folder"),
        ("one name twice", vec![file("a"), file("a")], "the same name"),
        ("one name twice, written otherwise", vec![file("a/b"), file("a/./b")], "the same name"),
        ("a file as folder", vec![file("a"), file("a/b")], "the same name"),
        ("a folder as file", vec![file("a/b"), file("a")], "the same name"),
        ("a large file", vec![Zipped::new("a", &vec![0; 6000])], "larger than 5000 bytes"),
        ("large together", vec![big("a"), big("b"), big("c")], "larger together than 12000 bytes"),
        ("many", (0..21).map(|n| file(&n.to_string())).collect(), "more than 20 entries"),
        ("a bomb that says it is small", vec![Zipped { size: Some(10), ..big("a") }], "more bytes than the 10"),
        ("less than it says", vec![Zipped { size: Some(50), ..file("a") }], "has 5 bytes, but declares 50"),
        ("wrong CRC", vec![Zipped { crc: Some(1), ..file("a") }], "CRC-32"),
        ("encrypted", vec![Zipped { flags: 1, ..file("a") }], "encrypted"),
        ("another method", vec![Zipped { method: Some(12), ..file("a") }], "not supported"),
        ("packed beyond all bounds", vec![wide("a", u64::MAX), wide("b", u64::MAX)], "longer than the archive"),
        ("packed beyond the archive", vec![wide("a", 1000)], "longer than the archive"),
        ("two names", vec![Zipped { local_name: Some("b".into()), ..file("a") }], "different names"),
    ];
    for (name, mut entries, reason) in cases {
        entries.insert(0, good.clone());
        let archive = zip(&entries);
        let mut trial = set("a.zip", &archive, LIMITS);
        let error = trial.fails(&["a.zip", reason]);
        assert!(!error.to_string().contains("good.wav"), "{name}: the entry that is at fault is named: {error}");
        assert_eq!(trial.left(), ["a.zip"], "{name}");
    }
}

#[test]
fn tar_archives_that_are_refused() {
    let zeros = vec![0; 6000];
    let cases: [(&str, Vec<Taped>, &str); 15] = [
        ("absolute", vec![(b"/tmp/evil", b'0', b"x")], "its path is absolute"),
        ("upwards", vec![(b"a/../../evil", b'0', b"x")], "leads out of the folder"),
        ("not UTF-8", vec![(b"a\xff", b'0', b"x")], "not UTF-8"),
        ("symbolic link", vec![(b"a", b'2', b"/etc/passwd")], "it is a link"),
        ("hard link", vec![(b"a", b'1', b"good.wav")], "it is a link"),
        ("through a link", vec![(b"a", b'2', b".."), (b"a/evil", b'0', b"x")], "it is a link"),
        ("character device", vec![(b"a", b'3', b"")], "neither a file nor a folder"),
        ("block device", vec![(b"a", b'4', b"")], "neither a file nor a folder"),
        ("pipe", vec![(b"a", b'6', b"")], "neither a file nor a folder"),
        ("one name twice", vec![(b"a", b'0', b"x"), (b"./a", b'0', b"y")], "the same name"),
        ("a file as folder", vec![(b"a", b'0', b"x"), (b"a/b", b'0', b"y")], "the same name"),
        ("a large file", vec![(b"a", b'0', &zeros)], "larger than 5000 bytes"),
        (
            "large together",
            vec![(b"a", b'0', &zeros[..4500]), (b"b", b'0', &zeros[..4500]), (b"c", b'0', &zeros[..4500])],
            "larger together than 12000 bytes",
        ),
        ("many", vec![(b"folder", b'5', b""); 21], "more than 20 entries"),
        ("a file that says it is a folder's", vec![(b"..", b'5', b"")], "leads out of the folder"),
    ];
    for (name, mut entries, reason) in cases {
        entries.insert(0, (b"good.wav", b'0', b"sound"));
        let mut trial = set("a.tar.gz", &tar_gz(&entries), LIMITS);
        let error = trial.fails(&["a.tar.gz", reason]);
        assert!(!error.to_string().contains("good.wav"), "{name}: {error}");
    }
}

#[test]
fn a_long_name_does_not_fill_memory() {
    // A name of 64 MB, which compresses very well; the tar reader would keep it in memory.
    let name = vec![b'a'; 64 << 20];
    let archive = tar_gz(&[(b"././@LongLink", b'L', &name), (b"a", b'0', b"x")]);
    assert!(archive.len() < 200_000);
    set("a.tgz", &archive, "").fails(&["damaged", "more bytes than its entries may have"]);
}

#[test]
fn control_characters_of_names_are_printed_escaped() {
    set("a.zip", &zip(&[Zipped::new("../\u{1b}[31mred", b"")]), "").fails(&["../\\u{1b}[31mred"]);
}

#[test]
fn every_cut_and_many_changes_are_damage_or_harmless() {
    let data = noise(120);
    let zipped = good_zip(&[("a.wav", &data), ("b/c.wav", b"sound")]);
    let packed = tar_gz(&[(b"a.wav", b'0', &data), (b"b/c.wav", b'0', b"sound")]);
    let folder = tempfile::tempdir().unwrap();
    for (name, archive) in [("a.zip", zipped), ("a.tar.gz", packed)] {
        let list = folder.path().join("list.md5");
        let checksums = format!("{}  a.wav\n{}  b/c.wav\n", md5(&data), md5(b"sound"));
        std::fs::write(&list, &checksums).unwrap();
        let toml = format!(
            "[[mine.archives]]\nname = \"{name}\"\nurl = \"http://localhost:1/\"\nchecksums = \"list.md5\"\n{LIMITS}"
        );
        let check = |bytes: &[u8], what: &str| {
            let mut trial = Trial::with_files(&toml, &[("list.md5", &checksums)]);
            trial.put(name, bytes);
            match trial.run() {
                Ok(_) => assert!(std::fs::read(trial.to().join("a.wav")).unwrap() == data, "{what}"),
                Err(error) => {
                    assert!(!trial.to().exists(), "{what}: {error}");
                    assert_eq!(trial.left(), [""; 0], "{what}: a damaged archive without a checksum is removed");
                }
            }
        };
        for cut in (0..archive.len()).step_by(7) {
            check(&archive[..cut], &format!("{name} cut at {cut}"));
        }
        for place in 0..archive.len() {
            let mut bytes = archive.clone();
            bytes[place] ^= if place % 2 == 0 { 0xff } else { 1 << (place % 8) };
            check(&bytes, &format!("{name} changed at {place}"));
        }
    }
}

#[test]
fn sizes_of_64_bits_are_read() {
    let wide = Zipped { packed: Some(5), deflate: false, ..Zipped::new("a.wav", b"sound") };
    set("a.zip", &zip(&[wide, Zipped::new("b.wav", b"more")]), "").succeeds(&[("a.wav", b"sound"), ("b.wav", b"more")]);
}

#[test]
fn a_damaged_archive_is_an_error() {
    let archive = tar_gz(&[(b"a", b'0', &noise(3000))]);
    let mut wrong = archive.clone();
    let place = wrong.len() - 6; // the CRC of the unpacked bytes
    wrong[place] ^= 1;
    for bytes in [&archive[..archive.len() - 20], &wrong, &gz(b"no tar at all")] {
        set("a.tar.gz", bytes, "").fails(&["a.tar.gz", "damaged"]);
    }
    set("a.zip", b"<html>sign in</html>", "").fails(&["a.zip", "no directory", "no zip archive"]);
}

#[test]
fn leading_folders_are_taken_off() {
    let files: [(&str, &[u8]); 4] = [("x/", b""), ("x/README", b"r"), ("x/audio/a.wav", b"s"), ("top.txt", b"t")];
    set("a.zip", &good_zip(&files), "strip = 1").succeeds(&[("README", b"r"), ("audio/a.wav", b"s")]);
    let packed =
        tar_gz(&[(b"pax", b'g', b"20 comment=abcdefgh\n"), (b"./x/", b'5', b""), (b"./x/a/b.wav", b'0', b"s")]);
    set("a.tar.gz", &packed, "strip = 1").succeeds(&[("a/b.wav", b"s")]);
}

/// An archive and the list of its files: `table.csv`, two clips of class one, one of class two; and
/// files that are not listed.
fn listed() -> (Vec<u8>, String) {
    let files: [(&str, &[u8]); 6] = [
        ("x-1/table.csv", b"filename,ten\n1-a.wav,True\n\"1-b.wav\",True\n2-c.wav,False\n"),
        ("x-1/audio/1-a.wav", b"one"),
        ("x-1/audio/1-b.wav", b"two"),
        ("x-1/audio/2-c.wav", b"three"),
        ("x-1/LICENSE", b"take it"),
        ("x-1/run.sh", b"unwanted"),
    ];
    let checksums =
        files[..4].iter().map(|(name, data)| format!("{}  {}\n", md5(data), name.strip_prefix("x-1/").unwrap()));
    (good_zip(&files), checksums.collect())
}

const BY_FILES: &str =
    "name = \"a.zip\"\nurl = \"http://localhost:1/\"\nstrip = 1\nchecksums = \"list.md5\"\nalso = [\"LICENSE\"]\n";

#[test]
fn only_what_is_listed_is_unpacked() {
    let (archive, checksums) = listed();
    let mut trial = Trial::with_files(&format!("[[mine.archives]]\n{BY_FILES}"), &[("list.md5", &checksums)]);
    trial.put("a.zip", &archive);
    let table = b"filename,ten\n1-a.wav,True\n\"1-b.wav\",True\n2-c.wav,False\n";
    trial.succeeds(&[
        ("LICENSE", b"take it"),
        ("audio/1-a.wav", b"one"),
        ("audio/1-b.wav", b"two"),
        ("audio/2-c.wav", b"three"),
        ("table.csv", table),
    ]);

    // A part of the list, with the table filtered to it.
    let rows =
        "rows = { table = \"table.csv\", column = \"ten\", value = \"True\", file = \"filename\", folder = \"audio\" }";
    let part = format!("{rows}\n[[mine.archives]]\n{BY_FILES}only = '^table|/1-'");
    let mut trial = Trial::with_files(&part, &[("list.md5", &checksums)]);
    trial.put("a.zip", &archive);
    trial.succeeds(&[
        ("LICENSE", b"take it"),
        ("audio/1-a.wav", b"one"),
        ("audio/1-b.wav", b"two"),
        ("table.csv", b"filename,ten\n1-a.wav,True\n1-b.wav,True\n"),
    ]);
    for (from, to, reason) in [
        ("/1-'", "/1-a'", "ten of 1-b.wav is True, but the archives say otherwise"),
        ("/1-'", "/'", "ten of 2-c.wav is False"),
        ("column = \"ten\"", "column = \"eleven\"", "no column eleven"),
    ] {
        let mut trial = Trial::with_files(&part.replacen(from, to, 1), &[("list.md5", &checksums)]);
        trial.put("a.zip", &archive);
        trial.fails(&["table.csv", reason]);
    }
}

#[test]
fn listed_files_must_be_there_and_right() {
    let (archive, checksums) = listed();
    let with = |checksums: &str| {
        let trial = Trial::with_files(&format!("[[mine.archives]]\n{BY_FILES}"), &[("list.md5", checksums)]);
        trial.put("a.zip", &archive);
        trial
    };
    let mut trial = with(&checksums.replace(&md5(b"two"), &md5(b"2")));
    let error = trial.fails(&["a.zip", "x-1/audio/1-b.wav", "MD5", &md5(b"two"), &md5(b"2")]);
    assert!(matches!(error, DownloadError::WrongEntry { .. }));
    assert!(trial.notes.iter().any(|note| note.contains("is removed")), "{:?}", trial.notes);
    assert_eq!(trial.left(), [""; 0], "an archive that cannot be right is not kept");

    let error =
        with(&format!("{checksums}{}  audio/z.wav\n{}  audio/y.wav\n", md5(b""), md5(b""))).fails(&["audio/y.wav"]);
    assert!(matches!(error, DownloadError::MissingEntries { count: 2, .. }));
}

/// Archives of the same files that Python wrote in all its formats.
#[test]
fn archives_of_other_writers() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/archives");
    let list = std::fs::read_to_string(golden.join("files.md5")).unwrap();
    assert_eq!(list.lines().count(), 5);
    for name in ["stored.zip", "deflated.zip", "streamed.zip", "zip64.zip", "gnu.tar.gz", "pax.tar.gz"] {
        let archive = format!("[[mine.archives]]\nname = \"{name}\"\nurl = \"http://localhost:1/\"\n");
        let mut trial = Trial::with_files(&format!("{archive}checksums = \"list.md5\""), &[("list.md5", &list)]);
        trial.put(name, &std::fs::read(golden.join(name)).unwrap());
        let done = trial.run().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((done.files, done.bytes), (5, 23 + 3000 + 2000 + 4), "{name}");
    }
}
