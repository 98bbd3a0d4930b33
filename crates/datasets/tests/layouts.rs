//! Every layout, and every kind of error in one.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;

use common::{folds, names, tree, write};
use earmark_datasets::{Columns, DatasetError, Manifest, OpenOptions, Splits, Usage, open};
use regex::Regex;

fn read(root: &tempfile::TempDir) -> Result<Manifest, DatasetError> {
    open(root.path(), &OpenOptions::default())
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
        "fname,label,usage\nx.wav,Bark,Public\nout1.wav,Bell,Ignored\nout2.wav,None,Ignored\ny.wav,Bell,Private\n";
    let root = kaggle(TRAIN, test);
    let manifest = read(&root).unwrap();
    assert_eq!(manifest.labels, ["Bark", "Bell"]);
    assert_eq!(names(&manifest.train), ["a.wav", "b.wav"]);
    assert_eq!(names(&manifest.test), ["x.wav", "y.wav"]);
    assert_eq!(manifest.excluded, 2);
    assert_eq!(manifest.train[0].label(), Some(1));
    assert!(manifest.train[0].verified && !manifest.train[1].verified);
    assert_eq!(manifest.train[0].path, root.path().join("audio_train/a.wav"));
    assert_eq!((manifest.test[0].label(), manifest.test[0].fold), (Some(0), None));
    assert_eq!(
        manifest.test.iter().map(|item| item.usage).collect::<Vec<_>>(),
        [Some(Usage::Public), Some(Usage::Private)]
    );
    assert_eq!(manifest.train[0].usage, None);
    assert_eq!(read(&kaggle(TRAIN, "")).unwrap().test, []);
}

#[test]
fn none_is_a_label_as_any_other() {
    let train = "fname,label\na.wav,None\nb.wav,Bark\n";
    for test in ["fname,label\nx.wav,None\ny.wav,Bark\n", "fname,label,usage\nx.wav,None,Public\ny.wav,Bark,Private\n"]
    {
        let manifest = read(&kaggle(train, test)).unwrap();
        assert_eq!((names(&manifest.test), manifest.excluded), (vec!["x.wav", "y.wav"], 0));
        assert_eq!((manifest.labels[1].as_str(), manifest.test[0].label()), ("None", Some(1)));
    }
    let error = read(&kaggle(TRAIN, "fname,label\nx.wav,None\n")).unwrap_err();
    let DatasetError::UnknownLabel { place, label, .. } = &error else { panic!("{error:?}") };
    assert!(place.path.ends_with("test.csv") && place.line == Some(2) && label == "None", "{error}");
}

#[test]
fn a_sample_submission_names_clips_and_no_labels() {
    let root = kaggle(TRAIN, "");
    write(&root.path().join("sample_submission.csv"), "fname,label\ny.wav,Laughter Hi-Hat\nx.wav,Laughter Hi-Hat\n");
    let manifest = read(&root).unwrap();
    assert_eq!(names(&manifest.test), ["y.wav", "x.wav"]);
    assert_eq!(manifest.test[0].label(), None);
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
            "filename,fold,target,category,esc10,src_file,take\n\
             1-1-A-0.wav,1,0,dog,True,1,A\n2-9-A-5.wav,2,5,cat,False,9,A\n",
        ),
        ("audio/1-1-A-0.wav", ""),
        ("audio/2-9-A-5.wav", ""),
    ]);
    let manifest = read(&root).unwrap();
    assert_eq!(manifest.labels, ["cat", "dog"]);
    assert_eq!(folds(&manifest.train), [Some(0), Some(1)]);
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

    // Folds are sorted numerically: 2, 9, 10.
    let with = |pattern: &str| {
        open(root.path(), &OpenOptions { folds_from: Some(Regex::new(pattern).unwrap()), ..OpenOptions::default() })
    };
    assert_eq!(folds(&with(r"^(\d+)-").unwrap().train), [Some(2), Some(0), Some(1)]);
    assert_eq!(folds(&with(r"^\d+").unwrap().train), [Some(2), Some(0), Some(1)], "the whole match, without a group");
    assert_eq!(folds(&with("-(.)-").unwrap().train), [Some(1), Some(2), Some(0)]);
    let error = with(r"^(\d)-").unwrap_err();
    let DatasetError::NoFoldInName { name, pattern, .. } = &error else { panic!("{error:?}") };
    assert!(name.contains("10-7-A.ogg") && pattern == r"^(\d)-", "{error}");
}

#[test]
fn a_clip_of_ones_own_among_esc10s_has_no_fold_and_takes_none_from_the_others() {
    let esc10 = [("001 - Dog bark/1-1-A.ogg", ""), ("001 - Dog bark/2-2-A.ogg", ""), ("002 - Rain/1-3-A.ogg", "")];
    let manifest = read(&tree(&[&esc10[..], &[("002 - Rain/my rain.ogg", "")]].concat())).unwrap();
    let folds: Vec<Option<usize>> = manifest.train.iter().map(|item| item.fold).collect();
    assert_eq!(folds, [Some(0), Some(1), Some(0), None]);
    let error = Splits::given(&manifest).unwrap_err();
    assert!(matches!(&error, DatasetError::NoFold { name, clips: 1 } if name == "my rain.ogg"), "{error}");
    // A few names that happen to look like ESC-10's are not treated as such.
    let own = [("002 - Rain/a.ogg", ""), ("001 - Dog bark/b.ogg", ""), ("002 - Rain/c.ogg", "")];
    let manifest = read(&tree(&[&esc10[..], &own].concat())).unwrap();
    assert!(manifest.train.iter().all(|item| item.fold.is_none() && item.group.is_none()));
}

#[test]
fn a_csv_of_ones_own() {
    let root = tree(&[
        ("lists/clips.csv", "\u{feff}path, class ,fold,group\nx/a.wav, Big dog ,red,g\n\"b,c.wav\",Cat,blue,g\n"),
        ("sound/x/a.wav", ""),
        ("sound/b,c.wav", ""),
    ]);
    let csv = root.path().join("lists/clips.csv");
    let options = OpenOptions { audio_dir: Some(root.path().join("sound")), ..OpenOptions::default() };
    let manifest = open(&csv, &options).unwrap();
    assert_eq!(manifest.labels, ["Big dog", "Cat"]);
    assert_eq!(names(&manifest.train), ["x/a.wav", "b,c.wav"]);
    assert_eq!(folds(&manifest.train), [Some(1), Some(0)]);
    assert_eq!(manifest.train[0].group.as_deref(), Some("g"));
    let Err(DatasetError::MissingFiles { paths }) = open(&csv, &OpenOptions::default()) else { panic!() };
    assert_eq!(paths, [root.path().join("lists/x/a.wav"), root.path().join("lists/b,c.wav")]);
}

#[test]
fn errors_name_file_line_and_reason() {
    let test = "fname,label\n";
    let cases: [(&str, &str, &[&str]); 13] = [
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
        ("fname,label\na.wav,Bell,3\n", "", &["train.csv, line 2", "2 fields", "3"]),
        ("fname,label\n", "", &["no training clips"]),
        ("", "", &["train.csv, line 1", "no header"]),
        ("fname,label\na.wav,Bell\nb.wav,Bell\n", test, &["one label", "Bell"]),
        (TRAIN, "fname,label\nx.wav,Bell\ny.wav,Zebra\n", &["test.csv, line 3", "Zebra"]),
        (TRAIN, "fname,usage\nx.wav,Both\n", &["test.csv, line 2", "usage is \"Both\"", "Public, Private or Ignored"]),
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
    assert_eq!(folds(&manifest.train), [Some(0), Some(1), Some(0)]);
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
    let options = OpenOptions { audio_dir: Some(root.path().to_owned()), ..OpenOptions::default() };
    assert!(matches!(open(root.path(), &options), Err(DatasetError::AudioDirUnused { .. })));
}

#[test]
fn test_clips_need_no_label() {
    let root = kaggle("fname,label\na.wav,Bell\nb.wav,Bark\n", "fname\nx.wav\n");
    let manifest = read(&root).unwrap();
    assert_eq!((names(&manifest.test), manifest.test[0].label()), (vec!["x.wav"], None));
}

const CLIPS: &str = "\u{feff}clip,kind,speaker,part,checked,fname,label\n\
    a.wav,Bell,ann,x,1,z1,nothing\nb.wav,Bark,ben,y,0,z2,nothing\nc.wav,Bark,ann,x,0,z3,nothing\n";

#[test]
fn the_caller_may_name_the_columns() {
    let root = tree(&[("clips.csv", CLIPS), ("a.wav", ""), ("b.wav", ""), ("c.wav", "")]);
    let named = |name: &str| Some(name.to_owned());
    let columns = Columns {
        name: named("clip"),
        label: named("kind"),
        one_hot: Vec::new(),
        fold: named("part"),
        group: named("speaker"),
        verified: named("checked"),
    };
    let with = |columns: &Columns| {
        open(&root.path().join("clips.csv"), &OpenOptions { columns: columns.clone(), ..OpenOptions::default() })
    };
    let manifest = with(&columns).unwrap();
    assert_eq!(
        (names(&manifest.train), &manifest.labels[..]),
        (vec!["a.wav", "b.wav", "c.wav"], &["Bark".into(), "Bell".into()][..])
    );
    assert_eq!(folds(&manifest.train), [Some(0), Some(1), Some(0)]);
    let groups: Vec<_> = manifest.train.iter().map(|item| item.group.as_deref().unwrap()).collect();
    assert_eq!(groups, ["ann", "ben", "ann"]);
    assert!(manifest.train[0].verified && !manifest.train[1].verified);
    for wrong in [
        Columns { name: named("gone"), ..columns.clone() },
        Columns { label: named("gone"), ..columns.clone() },
        Columns { fold: named("gone"), ..columns.clone() },
        Columns { group: named("gone"), ..columns.clone() },
        Columns { verified: named("gone"), ..columns.clone() },
    ] {
        let error = with(&wrong).unwrap_err();
        let DatasetError::MissingColumn { place, wanted, found } = &error else { panic!("{error:?}") };
        assert!(place.path.ends_with("clips.csv") && place.line == Some(1) && wanted == "gone", "{error}");
        assert!(found.contains(&"speaker".to_owned()), "{error}");
    }
    // Columns cannot be given for a data set without a table.
    let root = tree(&[("Bell/a.wav", ""), ("Bark/b.wav", "")]);
    let asked = open(root.path(), &OpenOptions { columns, ..OpenOptions::default() });
    assert!(matches!(asked, Err(DatasetError::NoTable { .. })));
    let asked =
        open(root.path(), &OpenOptions { rows_where: Some(("a".into(), "b".into())), ..OpenOptions::default() });
    assert!(matches!(asked, Err(DatasetError::NoTable { .. })));
}

#[test]
fn rows_may_be_chosen_by_a_column() {
    let root = kaggle("fname,label,manually_verified\na.wav,Bell,1\nb.wav,Bark,1\nc.wav,Bark,0\n", "fname\nx.wav\n");
    let chosen = |column: &str, value: &str| {
        open(root.path(), &OpenOptions { rows_where: Some((column.into(), value.into())), ..OpenOptions::default() })
    };
    let manifest = chosen("manually_verified", "1").unwrap();
    assert_eq!((names(&manifest.train), names(&manifest.test)), (vec!["a.wav", "b.wav"], vec!["x.wav"]));
    assert_eq!(manifest.excluded, 1);
    let error = chosen("language", "de").unwrap_err();
    let DatasetError::MissingColumn { place, wanted, .. } = &error else { panic!("{error:?}") };
    assert!(place.path.ends_with("train.csv") && wanted == "language", "{error}");
}

#[test]
fn groups_are_read_from_names() {
    let root = tree(&[("Bell/ann_1.wav", ""), ("Bell/ben_1.wav", ""), ("Bark/ann_1.wav", ""), ("Bark/eve_2.wav", "")]);
    let with = |pattern: &str| {
        open(root.path(), &OpenOptions { groups_from: Some(Regex::new(pattern).unwrap()), ..OpenOptions::default() })
    };
    let groups = |pattern: &str| {
        let manifest = with(pattern).unwrap();
        manifest.train.into_iter().map(|item| item.group.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(groups("^([a-z]+)_"), ["ann", "eve", "ann", "ben"]);
    assert_eq!(groups("^([^/]+)/"), ["Bark", "Bark", "Bell", "Bell"], "the folder, where the file has no match");
    let error = with("eve|ann").unwrap_err();
    let DatasetError::NoGroupInName { name, pattern, .. } = &error else { panic!("{error:?}") };
    assert!(name.contains("ben_1.wav") && pattern == "eve|ann", "{error}");
}
