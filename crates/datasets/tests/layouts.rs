//! Every layout, and every way in which one can be wrong.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use earmark_datasets::{DatasetError, Manifest, OpenOptions, Splits, open};
use regex::Regex;

/// A folder with these files: CSV files hold their text, others a placeholder (nothing here decodes audio).
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(&root.path().join(name), text);
    }
    root
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(root: &tempfile::TempDir) -> Result<Manifest, DatasetError> {
    open(root.path(), &OpenOptions::default())
}

fn names(items: &[earmark_datasets::Item]) -> Vec<&str> {
    items.iter().map(|item| item.name.as_str()).collect()
}

const TRAIN: &str = "fname,label,manually_verified\na.wav,Bell,1\nb.wav,Bark,0\n";

fn kaggle(train: &str, test: &str) -> tempfile::TempDir {
    let mut files = vec![("train.csv", train), ("audio_train/a.wav", ""), ("audio_train/b.wav", "")];
    files.extend([("audio_test/x.wav", ""), ("audio_test/y.wav", "")]);
    if !test.is_empty() {
        files.push(("test.csv", test));
    }
    tree(&files)
}

#[test]
fn kaggle_layout() {
    let test =
        "fname,label,usage\nx.wav,Bark,Public\nout1.wav,Bell,Ignored\nout2.wav,None,Private\ny.wav,Bell,Private\n";
    let root = kaggle(TRAIN, test);
    let manifest = read(&root).unwrap();
    assert_eq!(manifest.labels, ["Bark", "Bell"]);
    assert_eq!(names(&manifest.train), ["a.wav", "b.wav"]);
    assert_eq!(names(&manifest.test), ["x.wav", "y.wav"]);
    assert_eq!(manifest.train[0].label, Some(1));
    assert!(manifest.train[0].verified && !manifest.train[1].verified);
    assert_eq!(manifest.train[0].path, root.path().join("audio_train/a.wav"));
    assert_eq!((manifest.test[0].label, manifest.test[0].fold), (Some(0), None));
    assert_eq!(read(&kaggle(TRAIN, "")).unwrap().test, []);
}

#[test]
fn a_sample_submission_names_clips_and_no_labels() {
    let root = kaggle(TRAIN, "");
    write(&root.path().join("sample_submission.csv"), "fname,label\ny.wav,Laughter Hi-Hat\nx.wav,Laughter Hi-Hat\n");
    let manifest = read(&root).unwrap();
    assert_eq!(names(&manifest.test), ["y.wav", "x.wav"]);
    assert_eq!(manifest.test[0].label, None);
}

#[test]
fn zenodo_layout() {
    let meta = "FSDKaggle2018.meta/";
    let root = tree(&[
        (
            &format!("{meta}train_post_competition.csv"),
            "fname,label,manually_verified,freesound_id,license\na.wav,Oboe,1,77,CC\nb.wav,Gong,0,78,CC\n",
        ),
        (
            &format!("{meta}test_post_competition_scoring_clips.csv"),
            "fname,label,usage,freesound_id,license\nx.wav,Gong,Public,9,CC\n",
        ),
        ("FSDKaggle2018.audio_train/a.wav", ""),
        ("FSDKaggle2018.audio_train/b.wav", ""),
        ("FSDKaggle2018.audio_test/x.wav", ""),
    ]);
    let manifest = read(&root).unwrap();
    assert_eq!(manifest.train[0].group.as_deref(), Some("77"));
    assert_eq!(manifest.test[0].path, root.path().join("FSDKaggle2018.audio_test/x.wav"));
}

#[test]
fn esc50_layout() {
    let root = tree(&[
        (
            "meta/esc50.csv",
            "filename,fold,target,category,esc10,src_file,take\n1-1-A-0.wav,1,0,dog,True,1,A\n2-9-A-5.wav,2,5,cat,False,9,A\n",
        ),
        ("audio/1-1-A-0.wav", ""),
        ("audio/2-9-A-5.wav", ""),
    ]);
    let manifest = read(&root).unwrap();
    assert_eq!(manifest.labels, ["cat", "dog"]);
    assert_eq!(manifest.train.iter().map(|item| item.fold).collect::<Vec<_>>(), [Some(0), Some(1)]);
    assert_eq!(manifest.train[1].group.as_deref(), Some("9"));
    assert_eq!(manifest.train[0].path, root.path().join("audio/1-1-A-0.wav"));
}

#[test]
fn a_folder_per_class() {
    let root = tree(&[
        ("README.md", "not a clip"),
        ("001 - Dog bark/10-7-A.ogg", ""),
        ("001 - Dog bark/2-8-A.OGG", ""),
        ("001 - Dog bark/notes.txt", ""),
        ("Rain/9-1-A.wav", ""),
        (".git/x.wav", ""),
        ("docs/picture.png", ""),
    ]);
    let manifest = read(&root).unwrap();
    assert_eq!(manifest.labels, ["Dog bark", "Rain"]);
    assert_eq!(names(&manifest.train), ["10-7-A.ogg", "2-8-A.OGG", "9-1-A.wav"]);
    assert!(manifest.train.iter().all(|item| item.fold.is_none() && item.verified));

    // Folds are sorted as the numbers they are: 2, 9, 10.
    let with = |pattern: &str| {
        open(root.path(), &OpenOptions { folds_from: Some(Regex::new(pattern).unwrap()), audio_dir: None })
    };
    let folds = |manifest: Manifest| manifest.train.iter().map(|item| item.fold).collect::<Vec<_>>();
    assert_eq!(folds(with(r"^(\d+)-").unwrap()), [Some(2), Some(0), Some(1)]);
    assert_eq!(folds(with(r"^\d+").unwrap()), [Some(2), Some(0), Some(1)], "the whole match, without a group");
    assert_eq!(folds(with("-(.)-").unwrap()), [Some(1), Some(2), Some(0)]);
    let error = with(r"^(\d)-").unwrap_err().to_string();
    assert!(error.contains("10-7-A.ogg") && error.contains(r"^(\d)-"), "{error}");
}

#[test]
fn a_csv_of_ones_own() {
    let root = tree(&[
        ("lists/clips.csv", "\u{feff}path, class ,fold,group\nx/a.wav, Big dog ,red,g\n\"b,c.wav\",Cat,blue,g\n"),
        ("sound/x/a.wav", ""),
        ("sound/b,c.wav", ""),
    ]);
    let csv = root.path().join("lists/clips.csv");
    let options = OpenOptions { audio_dir: Some(root.path().join("sound")), folds_from: None };
    let manifest = open(&csv, &options).unwrap();
    assert_eq!(manifest.labels, ["Big dog", "Cat"]);
    assert_eq!(names(&manifest.train), ["x/a.wav", "b,c.wav"]);
    assert_eq!(manifest.train.iter().map(|item| item.fold).collect::<Vec<_>>(), [Some(1), Some(0)]);
    assert_eq!(manifest.train[0].group.as_deref(), Some("g"));
    let Err(DatasetError::MissingFiles { paths }) = open(&csv, &OpenOptions::default()) else { panic!() };
    assert_eq!(paths, [root.path().join("lists/x/a.wav"), root.path().join("lists/b,c.wav")]);
}

#[test]
fn errors_name_file_line_and_reason() {
    let test = "fname,label\n";
    let cases: [(&str, &str, &[&str]); 12] = [
        (
            "fname,manually_verified\na.wav,1\n",
            "",
            &["train.csv, line 1", "no column label", "fname, manually_verified"],
        ),
        ("name,label\na.wav,Bell\n", "", &["train.csv, line 1", "no column fname"]),
        ("fname,label\na.wav,Bell\nb.wav,\n", "", &["train.csv, line 3", "label is empty"]),
        ("fname,label\na.wav,Bell\n,Bark\n", "", &["train.csv, line 3", "fname is empty"]),
        (
            "fname,label\na.wav,Bell\n\nb.wav,Bark\na.wav,Bark\n",
            "",
            &["train.csv, line 5", "train.csv, line 2", "a.wav"],
        ),
        (
            "fname,label\na.wav,Bell\nb.wav,Bark\n",
            "fname,label\na.wav,Bell\n",
            &["test.csv, line 2", "train.csv, line 2"],
        ),
        ("fname,label,manually_verified\na.wav,Bell,yes\n", "", &["line 2", "manually_verified is \"yes\"", "0 or 1"]),
        ("fname,label\na.wav,Bell,3\n", "", &["train.csv, line 2", "3 fields", "header 2"]),
        ("fname,label\n", "", &["no training clips"]),
        ("", "", &["train.csv, line 1", "no header"]),
        ("fname,label\na.wav,Bell\nb.wav,Bell\n", test, &["one label", "Bell"]),
        (TRAIN, "fname,label\nx.wav,Bell\ny.wav,Zebra\n", &["test.csv, line 3", "Zebra"]),
    ];
    for (train, test, words) in cases {
        let root = kaggle(train, "");
        if !test.is_empty() {
            write(&root.path().join("test.csv"), test);
        }
        let error = read(&root).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{train:?} {test:?}: {words:?} not in \"{error}\"");
    }
}

#[test]
fn a_file_that_is_no_text_is_an_error() {
    let root = kaggle(TRAIN, "");
    fs::write(root.path().join("train.csv"), b"fname,label\n\xff\xfe,Bell\n").unwrap();
    let error = read(&root).unwrap_err().to_string();
    assert!(error.contains("train.csv"), "{error}");
}

#[test]
fn the_same_file_name_in_two_classes_is_named_with_its_folder() {
    let root = tree(&[("Dog/1-a.wav", ""), ("Cat/1-a.wav", ""), ("Cat/2-b.wav", "")]);
    let options = OpenOptions { folds_from: Some(Regex::new(r"^(\d)-").unwrap()), ..OpenOptions::default() };
    let manifest = open(root.path(), &options).unwrap();
    assert_eq!(names(&manifest.train), ["Cat/1-a.wav", "Cat/2-b.wav", "Dog/1-a.wav"]);
    let folds: Vec<_> = manifest.train.iter().map(|item| item.fold).collect();
    assert_eq!(folds, [Some(0), Some(1), Some(0)]);
}

#[test]
fn all_missing_files_are_listed_at_once() {
    let mut train = "fname,label\n".to_owned();
    for clip in 0..30 {
        train.push_str(&format!("{clip}.wav,{}\n", clip % 2));
    }
    let root = tree(&[("train.csv", &train), ("audio_train/7.wav", "")]);
    let error = read(&root).unwrap_err();
    let text = error.to_string();
    let DatasetError::MissingFiles { paths } = error else { panic!("{text}") };
    assert_eq!(paths.len(), 29);
    assert!(!paths.contains(&root.path().join("audio_train/7.wav")));
    assert!(text.contains("29 audio files") && text.contains("and 9 more"), "{text}");
    assert_eq!(text.lines().count(), 22);
}

#[test]
fn what_is_no_data_set_is_an_error() {
    let root = tree(&[("notes.txt", "")]);
    assert!(matches!(read(&root), Err(DatasetError::UnknownLayout { .. })));
    let gone = open(&root.path().join("gone"), &OpenOptions::default());
    assert!(matches!(gone, Err(DatasetError::NotFound { .. })));
    let options = OpenOptions { audio_dir: Some(root.path().to_owned()), folds_from: None };
    assert!(matches!(open(root.path(), &options), Err(DatasetError::AudioDirUnused { .. })));
}

/// A folder named by a variable; none if it is unset. Continuous integration must set it if `required`.
fn data(variable: &str, required: bool) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        assert!(!(required && std::env::var_os("CI").is_some()), "{variable} must be set in continuous integration");
        eprintln!("{variable} is not set: skipped");
    }
    folder
}

#[test]
fn esc10_has_ten_classes_in_five_folds() {
    let Some(root) = data("EARMARK_ESC10", true) else { return };
    let options = OpenOptions { folds_from: Some(Regex::new(r"^(\d)-").unwrap()), audio_dir: None };
    let manifest = open(&root, &options).unwrap();
    assert_eq!((manifest.labels.len(), manifest.train.len(), manifest.test.len()), (10, 400, 0));
    assert!(manifest.labels.contains(&"Dog bark".to_owned()), "{:?}", manifest.labels);
    let splits = Splits::given(&manifest).unwrap();
    let sizes: Vec<usize> = (0..5).map(|fold| splits.of.iter().filter(|of| **of == fold).count()).collect();
    assert_eq!((splits.folds, sizes), (5, vec![80; 5]));
}

#[test]
fn fsdkaggle2018_metadata_reads_as_published() {
    let Some(metadata) = data("EARMARK_FSDKAGGLE2018", false) else { return };
    let root = tempfile::tempdir().unwrap();
    let meta = root.path().join("FSDKaggle2018.meta");
    fs::create_dir(&meta).unwrap();
    let files = [("train", "train_post_competition.csv"), ("test", "test_post_competition_scoring_clips.csv")];
    for (kind, file) in files {
        let text = fs::read_to_string(metadata.join(file)).unwrap();
        fs::write(meta.join(file), &text).unwrap();
        let audio = root.path().join(format!("FSDKaggle2018.audio_{kind}"));
        fs::create_dir(&audio).unwrap();
        for row in text.lines().skip(1) {
            fs::write(audio.join(row.split(',').next().unwrap()), "").unwrap();
        }
    }
    let manifest = read(&root).unwrap();
    assert_eq!((manifest.labels.len(), manifest.train.len(), manifest.test.len()), (41, 9473, 1600));
    assert_eq!(manifest.train.iter().filter(|item| item.verified).count(), 3710);
    assert!(manifest.test.iter().all(|item| item.label.is_some()));

    // The full table of test clips, in which 7,800 are ignored, gives the same clips.
    fs::remove_file(meta.join(files[1].1)).unwrap();
    fs::copy(metadata.join("test_post_competition.csv"), meta.join("test_post_competition.csv")).unwrap();
    assert_eq!(read(&root).unwrap().test, manifest.test);

    let splits = Splits::stratified(&manifest, 5, 1).unwrap();
    let sizes: Vec<usize> = (0..5).map(|fold| splits.of.iter().filter(|of| **of == fold).count()).collect();
    assert!(sizes.iter().all(|size| size.abs_diff(9473 / 5) < 30), "{sizes:?}");
}

#[test]
fn test_clips_need_no_label() {
    let root = kaggle("fname,label\na.wav,Bell\nb.wav,Bark\n", "fname\nx.wav\n");
    let manifest = read(&root).unwrap();
    assert_eq!((names(&manifest.test), manifest.test[0].label), (vec!["x.wav"], None));
}
