//! Hugging Face's `audiofolder` in the variants of its documentation.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{folds, names, tree, write};
use earmark_datasets::{DatasetError, Manifest, OpenOptions, open};

fn read(root: &tempfile::TempDir) -> Result<Manifest, DatasetError> {
    open(root.path(), &OpenOptions::default())
}

#[test]
fn a_table_above_the_audio() {
    let root = tree(&[
        ("metadata.csv", "file_name,label,fold\ndata/a.mp3,Dog,1\ndata/b.mp3,Cat,2\n"),
        ("data/a.mp3", ""),
        ("data/b.mp3", ""),
    ]);
    let manifest = read(&root).unwrap();
    assert_eq!(
        (names(&manifest.train), folds(&manifest.train)),
        (vec!["data/a.mp3", "data/b.mp3"], vec![Some(0), Some(1)])
    );
    assert_eq!((manifest.labels.len(), manifest.test.len()), (2, 0));
    assert_eq!(manifest.train[0].path, root.path().join("data/a.mp3"));
}

#[test]
fn one_table_for_all_splits() {
    let root = tree(&[
        ("metadata.csv", "file_name,label\ntrain/a.wav,Dog\nvalidation/b.wav,Cat\ntest/c.wav,Dog\ntest/d.wav,\n"),
        ("train/a.wav", ""),
        ("validation/b.wav", ""),
        ("test/c.wav", ""),
        ("test/d.wav", ""),
    ]);
    let manifest = read(&root).unwrap();
    assert_eq!(names(&manifest.train), ["train/a.wav", "validation/b.wav"]);
    assert_eq!(names(&manifest.test), ["test/c.wav", "test/d.wav"]);
    assert_eq!((manifest.test[0].label(), manifest.test[1].label()), (Some(1), None));
}

#[test]
fn json_lines_beside_the_audio_of_each_split() {
    for (base, train, dev, test) in [("", "train", "dev", "test"), ("data/", "training", "valid", "eval")] {
        let root = tree(&[
            (
                &format!("{base}{train}/metadata.jsonl"),
                "{\"file_name\": \"1.wav\", \"label\": 3, \"words\": [1, \
                 2]}\n\n{\"label\": \"Cat\", \"file_name\": \"2.wav\"}\n",
            ),
            (&format!("{base}{dev}/metadata.jsonl"), "{\"file_name\": \"1.wav\", \"label\": \"Cat\", \"x\": null}\n"),
            (&format!("{base}{test}/metadata.jsonl"), "\u{feff}{\"file_name\": \"1.wav\", \"text\": \"no label\"}\n"),
            (&format!("{base}{train}/1.wav"), ""),
            (&format!("{base}{train}/2.wav"), ""),
            (&format!("{base}{dev}/1.wav"), ""),
            (&format!("{base}{test}/1.wav"), ""),
        ]);
        let manifest = read(&root).unwrap();
        assert_eq!(manifest.labels, ["3", "Cat"]);
        let named = |name: &str| format!("{base}{name}/1.wav");
        // The splits contain the same file names, so clips are named by their paths.
        let mut expected = [named(dev), named(train), named(train).replace("1.wav", "2.wav")];
        expected.sort();
        let mut found = names(&manifest.train);
        found.sort();
        assert_eq!(found, expected);
        assert_eq!((names(&manifest.test), manifest.test[0].label()), (vec![named(test).as_str()], None));
    }
}

#[test]
fn class_folders_in_split_folders() {
    for base in ["", "data/"] {
        let files = ["train/rock/1.mp3", "train/punk/1.mp3", "val/punk/7.mp3", "test/rock/9.mp3"];
        let files = files.map(|file| format!("{base}{file}"));
        let files: Vec<_> = files.iter().map(|file| (file.as_str(), "")).chain([("README.md", "")]).collect();
        let manifest = read(&tree(&files)).unwrap();
        assert_eq!(manifest.labels, ["punk", "rock"]);
        assert_eq!(
            names(&manifest.train),
            ["train/punk/1.mp3", "train/rock/1.mp3", "val/punk/7.mp3"].map(|name| format!("{base}{name}"))
        );
        assert_eq!(names(&manifest.test), [format!("{base}test/rock/9.mp3")]);
        assert_eq!(manifest.test[0].label(), Some(1));
    }
}

#[test]
fn a_class_may_have_a_split_s_name() {
    // `train` may be a class, as in ESC-50.
    let root = tree(&[("train/1.wav", ""), ("test/2.wav", ""), ("rain/3.wav", "")]);
    let manifest = read(&root).unwrap();
    assert_eq!((manifest.labels.len(), manifest.train.len(), manifest.test.len()), (3, 3, 0));
    let root = tree(&[("train/steam/1.wav", ""), ("dog/2.wav", ""), ("rain/3.wav", "")]);
    assert_eq!(read(&root).unwrap().labels, ["dog", "rain"]);
}

#[test]
fn errors_name_file_line_and_reason() {
    let csv = "metadata.csv";
    let jsonl = "train/metadata.jsonl";
    let good = "{\"file_name\": \"a.wav\", \"label\": \"Dog\"}\n";
    let cases: [(&str, String, &[&str]); 7] = [
        (csv, "audio,label\na.wav,Dog\n".into(), &["metadata.csv, line 1", "no column fname or", "file_name"]),
        (csv, "file_name,text\na.wav,Dog\n".into(), &["metadata.csv, line 1", "no column label", "file_name, text"]),
        (csv, "file_name,label\n".into(), &["no training clips"]),
        (jsonl, format!("{good}\n{{\"file_name\": \n"), &["train/metadata.jsonl, line 3", "EOF"]),
        (jsonl, format!("{good}[1]\n"), &["train/metadata.jsonl, line 2", "map"]),
        (jsonl, format!("{good}{{\"label\": \"Cat\"}}\n"), &["train/metadata.jsonl, line 2", "file_name is empty"]),
        (jsonl, format!("{good}{good}"), &["line 2", "line 1", "\"train/a.wav\" was used before"]),
    ];
    for (file, text, words) in cases {
        let root = tree(&[("a.wav", ""), ("train/a.wav", "")]);
        write(&root.path().join(file), &text);
        let error = read(&root).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{text:?}: {words:?} not in \"{error}\"");
    }
}
