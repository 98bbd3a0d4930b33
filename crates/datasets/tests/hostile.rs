//! Truncated, corrupted and mixed tables: whatever they contain, reading returns a manifest or an
//! error with a message.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;

use common::{tree, write};
use earmark_datasets::{OpenOptions, Splits, open, random};
use rand::RngExt;

const TABLES: [(&str, &str); 5] = [
    ("train.csv", "fname,label,manually_verified,freesound_id\na.wav,\"Bell, big\",1,7\nb.wav,Bark,0,8\n"),
    (
        "meta/esc50.csv",
        "filename,fold,target,category,esc10,src_file,take\na.wav,1,0,dog,True,9,A\nb.wav,2,1,cat,False,8,B\n",
    ),
    (
        "metadata/UrbanSound8K.csv",
        "slice_file_name,fsID,start,end,salience,fold,classID,class\na.wav,1,0,4,1,5,3,dog\nb.wav,2,0,4,1,10,2,cat\n",
    ),
    ("metadata.csv", "file_name,label\ntrain/a.wav,Dog\ntest/b.wav,Cat\ntrain/b.wav,Cat\n"),
    (
        "train/metadata.jsonl",
        "{\"file_name\": \"a.wav\", \"label\": \"Dog\"}\n{\"file_name\": \"b.wav\", \"label\": 3}\n",
    ),
];

/// Bytes with a special meaning in tables.
const BYTES: &[u8] = b",\"\n\r{}[]:\\/.-0\0\xff\xef\xbb\xbf ";

fn mutated(text: &[u8], seed: u64) -> Vec<u8> {
    let mut random = random::stream(seed, &[random::key("hostile")]);
    let mut bytes = text.to_vec();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..bytes.len());
        let byte = BYTES[random.random_range(0..BYTES.len())];
        match random.random_range(0..4) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => bytes.truncate(at.max(1)),
            _ => bytes.splice(at..at, text[..at.min(text.len())].iter().copied()).for_each(drop),
        }
    }
    bytes
}

#[test]
fn no_table_makes_a_reader_panic() {
    for (file, text) in TABLES {
        let folders = ["audio_train", "audio", "audio/fold5", "audio/fold10", "train", "test"];
        let clips = folders.iter().flat_map(|folder| ["a.wav", "b.wav"].map(|name| format!("{folder}/{name}")));
        let clips: Vec<String> = clips.collect();
        let root = tree(&clips.iter().map(|clip| (clip.as_str(), "")).collect::<Vec<_>>());
        let path = root.path().join(file);
        let (mut errors, mut read) = (0, 0);
        for seed in 0..300 {
            write(&path, mutated(text.as_bytes(), seed));
            match open(root.path(), &OpenOptions::default()) {
                Ok(manifest) => {
                    read += 1;
                    drop(Splits::given(&manifest));
                    drop(Splits::stratified(&manifest, 2, seed));
                }
                Err(error) => {
                    errors += 1;
                    assert!(error.to_string().len() > 10, "{error:?}");
                }
            }
        }
        assert!(errors > 50 && read > 0, "{file}: {errors} errors, {read} manifests");
        fs::remove_file(path).unwrap();
    }
}
