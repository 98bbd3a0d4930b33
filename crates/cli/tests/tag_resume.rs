//! `earmark tag --resume`: outputs that survive kills, and parts for several machines.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use common::{Place, csv, from_environment, shared};

/// A place with the sounds of ESC-10 in the folder `in`, or with the test clips of the shared data.
fn place(name: &str) -> Place {
    let place = Place::new(name);
    let real = from_environment("EARMARK_ESC10");
    let sounds = real.clone().unwrap_or_else(|| shared().path("data/audio_test"));
    std::os::unix::fs::symlink(fs::canonicalize(sounds).unwrap(), place.path("in")).unwrap();
    place
}

fn model() -> String {
    format!("--model {}", shared().path("run/bundle").display())
}

#[test]
fn fifty_kills_lose_nothing_and_write_nothing_twice() {
    let place = place("resume-kills");
    place.run(&format!("tag in {} --csv --output whole.csv", model())).done();
    let whole = place.read("whole.csv");
    let tag = format!("tag in {} --csv --output tags.csv --resume", model());
    let check = || {
        let tags = String::from_utf8(place.read("tags.csv")).unwrap();
        assert_eq!(tags, String::from_utf8(whole.clone()).unwrap());
        let files: BTreeSet<String> = csv(&tags).1.into_iter().map(|row| row[0].clone()).collect();
        let journal = String::from_utf8(place.read("tags.csv.journal")).unwrap();
        assert_eq!(journal.lines().count(), 1 + files.len());
    };
    // Pseudorandom times that are the same in each run of the test.
    let mut state = 20_181_127_u64;
    let mut kills = 0;
    while kills < 50 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut child = place.command(&tag).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + (state >> 33) % 300));
        if child.try_wait().unwrap().is_some() {
            // It was faster; begin anew.
            check();
            for name in ["tags.csv", "tags.csv.journal"] {
                fs::remove_file(place.path(name)).unwrap();
            }
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    place.run(&tag).done();
    check();
    let again = place.run(&tag).done();
    assert!(again.stderr.contains("tagged 0 files") && again.stderr.contains("done before"), "{again}");
}

#[test]
fn a_bad_file_is_tried_again_and_new_ones_are_added() {
    let place = Place::new("resume-bad");
    let name = shared().tree("data/audio_test").into_keys().next().unwrap();
    let clip = shared().read(&format!("data/audio_test/{name}"));
    place.write("in/a.wav", &clip);
    place.write("in/b.wav", "no sound");
    let tag = format!("tag in {} --ndjson --output tags.ndjson --resume", model());
    let paths = || {
        let text = String::from_utf8(place.read("tags.ndjson")).unwrap();
        let path =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["path"].as_str().unwrap().to_owned();
        text.lines().map(path).collect::<Vec<_>>()
    };
    place.run(&tag).failed_naming(&["b.wav"]);
    assert_eq!(paths(), ["in/a.wav"]);
    place.write("in/b.wav", &clip);
    place.write("in/c.wav", &clip);
    place.run(&tag).done();
    assert_eq!(paths(), ["in/a.wav", "in/b.wav", "in/c.wav"]);
    // What a killed process left behind.
    let append = |name: &str, text: &str| place.write(name, [place.read(name), text.as_bytes().to_vec()].concat());
    append("tags.ndjson", "{\"path\": \"in/d.wa");
    append("tags.ndjson.journal", "{\"path\": \"in");
    place.write("in/d.wav", &clip);
    place.run(&tag).done();
    assert_eq!(paths(), ["in/a.wav", "in/b.wav", "in/c.wav", "in/d.wav"]);
}

#[test]
fn other_work_is_not_mixed_in() {
    let place = Place::new("resume-other");
    let name = shared().tree("data/audio_test").into_keys().next().unwrap();
    let clip = shared().read(&format!("data/audio_test/{name}"));
    place.write("in/a.wav", &clip);
    let tag = |options: &str| place.run(&format!("tag in {} --output tags.csv --resume {options}", model()));
    tag("--csv").done();
    for (options, words) in [
        ("--csv --top 2", "top"),
        ("--csv --events", "events"),
        ("--csv --class x", "no such label"),
        ("--ndjson", "form"),
        ("--csv --by-hash", "--by-hash"),
    ] {
        let ran = tag(options);
        assert!(ran.code != Some(0) && ran.stderr.contains(words), "{ran}");
    }
    let bundle = shared().path("run/bundle");
    for (file, bytes) in shared().tree("run/bundle") {
        place.write(&format!("other/{file}"), bytes);
    }
    let card = format!("{} ", String::from_utf8(place.read("other/README.md")).unwrap());
    place.write("other/README.md", &card);
    let sums = String::from_utf8(place.read("other/SHA256SUMS")).unwrap();
    let old = earmark_files::sha256(&fs::read(bundle.join("README.md")).unwrap());
    place.write("other/SHA256SUMS", sums.replace(&old, &earmark_files::sha256(card.as_bytes())));
    place.run("tag in --model other --output tags.csv --csv --resume").failed_naming(&["another model"]);
    for (options, code) in [("--timeline --window 0", 2), ("--events --min-gap=-1", 2), ("--start 3 --end 2", 2)] {
        let ran = place.run(&format!("tag in {} --csv {options}", model()));
        assert!(ran.code == Some(code) && ran.stdout.is_empty(), "{ran}");
    }
    let ran = tag("--json");
    assert!(ran.code == Some(2) && ran.stderr.contains("--csv or --ndjson"), "{ran}");

    // A file that has changed is another sound; by its content, one of another time is the same.
    place.run(&format!("tag in {} --csv --output hash.csv --resume --by-hash", model())).done();
    fs::File::options().append(true).open(place.path("in/a.wav")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    // It costs no other sound.
    place.write("in/b.wav", &clip);
    let ran = tag("--csv");
    ran.failed_naming(&["a.wav", "has changed", "--by-hash", "1 file changed"]);
    let tags = String::from_utf8(place.read("tags.csv")).unwrap();
    assert!(tags.contains("in/a.wav") && tags.contains("in/b.wav"), "{tags}");
    // Rows that somebody has changed are not continued, even if their length is the same.
    place.write("edited.csv", tags.replacen("in/a.wav", "in/x.wav", 1));
    place.write("edited.csv.journal", place.read("tags.csv.journal"));
    let edited = place.run(&format!("tag in {} --csv --output edited.csv --resume", model()));
    edited.failed_naming(&["edited.csv", "in/a.wav", "changed"]);
    // The order of labels does not matter.
    let labels: Vec<String> = csv(&tags).1.into_iter().take(2).map(|row| row[1].clone()).collect();
    for [one, other] in [[0, 1], [1, 0]].map(|pair| pair.map(|at: usize| labels[at].as_str())) {
        let classes = ["--class", one, "--class", other, "--csv", "--output", "some.csv", "--resume"];
        let mut command = place.command(&format!("tag in {}", model()));
        assert!(command.args(classes).stderr(Stdio::null()).status().unwrap().success());
    }
    fs::remove_file(place.path("in/b.wav")).unwrap();
    place.run(&format!("tag in {} --csv --output hash.csv --resume --by-hash", model())).done();
    // An output that is written whole is no longer continued.
    place.run(&format!("tag in {} --csv --output hash.csv", model())).done();
    place.run(&format!("tag in {} --csv --output hash.csv --resume", model())).failed_naming(&["not begun"]);
    fs::remove_file(place.path("hash.csv")).unwrap();
    place.run(&format!("tag in {} --csv --output hash.csv --resume --by-hash", model())).done();
    let ran = place.run(&format!("tag in {} --csv --output-dir out --resume", model()));
    assert_eq!(ran.code, Some(2), "{ran}");
    place.run(&format!("tag in {} --csv --output in/a.wav", model())).failed_naming(&["in/a.wav", "itself"]);
    place.write("plain.csv", "path,label,score\n");
    place
        .run(&format!("tag in {} --csv --output plain.csv --resume", model()))
        .failed_naming(&["plain.csv", "--output"]);
    let journal = fs::File::options().append(true).open(place.path("hash.csv.journal")).unwrap();
    journal.lock().unwrap();
    let ran = place.run(&format!("tag in {} --csv --output hash.csv --resume --by-hash", model()));
    ran.failed_naming(&["hash.csv", "another process"]);
}

#[test]
fn names_that_are_not_utf8_are_sounds_of_their_own() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new("resume-bytes");
    let name = shared().tree("data/audio_test").into_keys().next().unwrap();
    let clip = shared().read(&format!("data/audio_test/{name}"));
    place.write("in/a.wav", &clip);
    for byte in [b"in/\xfe.wav", b"in/\xff.wav"] {
        fs::write(place.path("").join(std::ffi::OsStr::from_bytes(byte)), &clip).unwrap();
        place.run(&format!("tag in {} --csv --top 1 --output tags.csv --resume", model())).done();
    }
    let tags = String::from_utf8(place.read("tags.csv")).unwrap();
    let names: BTreeSet<String> = csv(&tags).1.into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(names, ["in/\\xfe.wav", "in/\\xff.wav", "in/a.wav"].map(str::to_owned).into());
}

#[test]
fn a_place_that_cannot_be_written_costs_its_own_sound() {
    let place = Place::new("output-places");
    let name = shared().tree("data/audio_test").into_keys().next().unwrap();
    let clip = shared().read(&format!("data/audio_test/{name}"));
    let long = format!("in/{}.wav", "x".repeat(250));
    for name in ["in/a.wav", "in/b/c.wav", "in/d.wav", &long, "other/d.wav"] {
        place.write(name, &clip);
    }
    // Where a folder is needed, there is a file.
    place.write("out/b", "");
    for options in ["--csv", "--csv --timeline", "--csv --events"] {
        let ran = place.run(&format!("tag in {} {options} --output-dir out", model()));
        ran.failed_naming(&["out/b", "xxx.wav.csv", "2 of 4 files"]);
        assert!(place.path("out/a.wav.csv").exists() && place.path("out/d.wav.csv").exists());
        fs::remove_file(place.path("out/a.wav.csv")).unwrap();
    }
    // A link to a sound is not followed.
    fs::create_dir_all(place.path("links")).unwrap();
    std::os::unix::fs::symlink(place.path("in/a.wav"), place.path("links/d.wav.csv")).unwrap();
    place.run(&format!("tag in {} --csv --output-dir links", model())).failed_naming(&["links/d.wav.csv", "link"]);
    std::os::unix::fs::symlink(place.path("in/a.wav"), place.path("all.csv")).unwrap();
    place.run(&format!("tag in {} --csv --output all.csv", model())).failed_naming(&["all.csv", "itself"]);
    assert_eq!(place.read("in/a.wav"), clip);
    let ran = place.run(&format!("tag in other {} --csv --output-dir two", model()));
    assert!(ran.code == Some(2) && ran.stderr.contains("in/d.wav and other/d.wav"), "{ran}");
}

#[test]
fn a_signal_at_any_time_ends_tagging_without_a_word() {
    let place = place("tag-signal-times");
    for wait in (0..40).map(|round| 5 * round) {
        let tag = format!("tag in --csv {}", model());
        let child = place.command(&tag).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let ran = child.wait_with_output().unwrap();
        // Before it can be caught, a signal kills the process.
        use std::os::unix::process::ExitStatusExt;
        let is_ended = [Some(143), Some(0)].contains(&ran.status.code()) || ran.status.signal() == Some(15);
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert!(is_ended && stderr.is_empty(), "{wait} ms, {:?}: {stderr}", ran.status);
    }
}

#[test]
fn a_signal_leaves_no_temporary_file() {
    let place = place("tag-signals");
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        fs::create_dir_all(place.path("out")).unwrap();
        let tag = format!("tag in in/. in/../in --csv --threads 1 --output out/tags.csv {}", model());
        let mut child = place.command(&tag).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let files = || fs::read_dir(place.path("out")).unwrap().count();
        while files() == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert_eq!((child.wait().unwrap().code(), files()), (Some(code), 0));
    }
}

#[test]
fn shards_are_the_whole() {
    let place = place("resume-shards");
    let rows = |options: &str| -> BTreeSet<Vec<String>> {
        csv(&place.run(&format!("tag in {} --csv --top 1 {options}", model())).done().stdout).1.into_iter().collect()
    };
    let whole = rows("");
    let parts = [1, 2, 3].map(|part| rows(&format!("--shard {part}/3")));
    assert!(parts.iter().all(|part| !part.is_empty() && part.len() < whole.len()));
    assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), whole.len());
    assert_eq!(parts.into_iter().flatten().collect::<BTreeSet<_>>(), whole);
    let paths: Vec<String> = whole.iter().map(|row| row[0].clone()).collect();
    place.write("list.txt", paths.join("\n") + "\n\n");
    let of_list = place.run(&format!("tag --from-file list.txt {} --csv --top 1", model())).done().stdout;
    assert_eq!(csv(&of_list).1.into_iter().collect::<BTreeSet<_>>(), whole);
    for wrong in ["0/3", "4/3", "1", "a/b", "1/0"] {
        let ran = place.run(&format!("tag in {} --shard {wrong}", model()));
        assert_eq!(ran.code, Some(2), "{ran}");
    }
}
