//! `earmark bundle`: what is in a bundle; and damaged or malicious bundles, which `tag` and `bundle
//! verify` refuse with the same error before anything of them runs.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use common::{Place, float_wav, shared};

const SUMS: &str = "run/bundle/SHA256SUMS";

/// A place with the bundle of the shared run, and a clip.
fn place(name: &str) -> Place {
    let place = Place::new(name);
    place.copy_from(shared(), "run/bundle");
    place.write("a.wav", float_wav(&[0.1; 22_050]));
    place
}

/// Replaces a file of the bundle, with its checksum, as an attacker would.
fn replace(place: &Place, name: &str, bytes: &[u8]) {
    let path = format!("run/bundle/{name}");
    let line = |bytes: &[u8]| format!("{}  {name}\n", earmark_files::sha256(bytes));
    let sums = place.text(SUMS).replace(&line(&place.read(&path)), &line(bytes));
    place.write(&path, bytes);
    place.write(SUMS, sums);
}

fn config(place: &Place, from: &str, to: &str) {
    let config = place.text("run/bundle/config.json");
    assert!(config.contains(from), "{config}");
    replace(place, "config.json", config.replacen(from, to, 1).as_bytes());
}

/// An ONNX file of the bundle with more in its graph.
fn add_to_graph(place: &Place, more: &[u8]) {
    let graph = [&[7 << 3 | 2, u8::try_from(more.len()).unwrap()][..], more].concat();
    replace(place, "learner-a.onnx", &[place.read("run/bundle/learner-a.onnx"), graph].concat());
}

#[test]
fn what_is_in_a_bundle_is_printed() {
    let place = place("bundle-info");
    let verified = place.run("bundle verify run/bundle").done();
    let (files, models) = (place.tree("run/bundle").len() - 1, 3);
    for part in
        ["run/bundle: good\n", "format 2", &format!("{files} files"), &format!("{models} ONNX models"), "12 labels"]
    {
        assert!(verified.stdout.contains(part), "{part}: {verified}");
    }
    assert!(!verified.stdout.contains("not listed"), "{verified}");
    place.write("run/bundle/notes.txt", "a file of the user's");
    let verified = place.run("bundle verify run/bundle").done();
    assert!(verified.stdout.contains("not listed in SHA256SUMS, so never read: notes.txt"), "{verified}");

    let info = place.run("bundle info run/bundle").done().stdout;
    let keys: Vec<&str> = info.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        keys,
        ["folder", "format", "task", "classes", "thresholds", "learner", "learner", "stack", "size"],
        "{info}"
    );
    for part in ["one label a clip", "12: ", "a: resnet_nano, log-mel of ", "boosted trees", "at 22050 Hz, windows of "]
    {
        assert!(info.contains(part), "{part}: {info}");
    }
    let json = place.run("bundle info run/bundle --json").done().json();
    assert_eq!(
        (json["task"].as_str(), json["format"].as_u64(), json["classes"].as_u64()),
        (Some("single_label"), Some(2), Some(12))
    );
    assert_eq!((json["labels"].as_array().unwrap().len(), json["stack"].as_str()), (12, Some("trees")));
    assert_eq!(json["learners"][0]["features"]["kind"], "logmel");
    assert_eq!(json["learners"][0]["sample_rate"], json["learners"][0]["features"]["sr"]);
    assert!(json["learners"][0]["window_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(json["files"]["learner-a.onnx"].as_u64(), Some(place.read("run/bundle/learner-a.onnx").len() as u64));
    place.run("bundle info nothing").failed_naming(&["nothing", "earmark model list"]);
}

#[test]
fn a_bad_bundle_is_refused_before_anything_runs() {
    type Damage = fn(&Place);
    let rows: [(&str, Damage); 9] = [
        ("a flipped byte", |place| {
            let mut bytes = place.read("run/bundle/learner-a.onnx");
            bytes[1_000] ^= 1;
            place.write("run/bundle/learner-a.onnx", bytes);
        }),
        ("a missing file", |place| place.remove("run/bundle/stack.onnx")),
        ("a newer format", |place| config(place, "\"format\": 2", "\"format\": 3")),
        ("weights in another file", |place| {
            // graph.initializer { name, data_location: EXTERNAL }
            add_to_graph(place, &[5 << 3 | 2, 5, 8 << 3 | 2, 1, b'w', 14 << 3, 1]);
        }),
        ("a custom operator", |place| {
            // graph.node { op_type, domain }
            let node = [&[4 << 3 | 2, 4][..], b"Read", &[7 << 3 | 2, 7], b"foreign"].concat();
            add_to_graph(place, &[&[1 << 3 | 2, u8::try_from(node.len()).unwrap()][..], &node].concat());
        }),
        ("a path outside", |place| {
            place.write("run/outside", "secret");
            place.write(SUMS, format!("{}{}  ../outside\n", place.text(SUMS), earmark_files::sha256(b"secret")));
        }),
        ("an absolute path", |place| config(place, "\"learner-a.onnx\"", "\"/etc/passwd\"")),
        #[cfg(unix)]
        ("a link to the outside", |place| {
            let bytes = place.read("run/bundle/learner-a.onnx");
            place.write("run/outside.onnx", bytes);
            place.remove("run/bundle/learner-a.onnx");
            std::os::unix::fs::symlink("../outside.onnx", place.path("run/bundle/learner-a.onnx")).unwrap();
        }),
        ("more outputs than labels", |place| {
            let config = place.text("run/bundle/config.json");
            let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
            config["labels"].as_array_mut().unwrap().pop();
            replace(place, "config.json", &serde_json::to_vec(&config).unwrap());
        }),
    ];
    for (number, (what, damage)) in rows.into_iter().enumerate() {
        let place = place(&format!("bundle-bad-{number}"));
        damage(&place);
        eprintln!("{what}");
        let verified = place.run("bundle verify run/bundle").failed();
        let tagged = place.run("tag a.wav --model run/bundle").failed_naming(&[]);
        assert_eq!(verified.stderr, tagged.stderr);
        assert_eq!((verified.stdout.as_str(), tagged.stdout.as_str()), ("", ""));
        if !what.contains("outputs") {
            place.run("bundle info run/bundle").failed_naming(&[]);
        }
    }
}
