//! Reads published data sets: the real ones if they are available, and imitations of their layouts.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{folds, names, tree, write};
use earmark_datasets::{DatasetError, Manifest, OpenOptions, Splits, Usage, open};

/// A folder named by an environment variable; none if it is unset, which fails in continuous
/// integration.
fn data(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} must be set in continuous integration");
        eprintln!("{variable} is not set: skipped");
    }
    folder
}

fn read(root: &Path) -> Manifest {
    open(root, &OpenOptions::default()).unwrap()
}

#[test]
fn esc10_has_ten_classes_in_five_folds() {
    let Some(root) = data("EARMARK_ESC10") else { return };
    let manifest = read(&root);
    assert_eq!((manifest.labels.len(), manifest.train.len(), manifest.test.len()), (10, 400, 0));
    assert!(manifest.labels.contains(&"Dog bark".to_owned()), "{:?}", manifest.labels);
    let splits = Splits::given(&manifest).unwrap();
    let sizes: Vec<usize> = (0..5).map(|fold| splits.fold_of.iter().filter(|of| **of == fold).count()).collect();
    assert_eq!((splits.folds, sizes), (5, vec![80; 5]));
    // The folds and groups detected from the names equal those read with regular expressions.
    let regex = |pattern: &str| Some(regex::Regex::new(pattern).unwrap());
    let (folds_from, groups_from) = (regex(r"^(\d)-"), regex(r"^\d-(\d+)-"));
    let asked = OpenOptions { folds_from, groups_from, ..OpenOptions::default() };
    assert_eq!(open(&root, &asked).unwrap(), manifest);
}

#[test]
fn names_of_esc10_count_only_in_folders_of_esc10() {
    let root = tree(&[("001 - Dog/1-77-A.ogg", ""), ("002 - Rain/2-5-B-10.wav", "")]);
    let manifest = read(root.path());
    assert_eq!(
        (manifest.labels.clone(), folds(&manifest.train)),
        (vec!["Dog".into(), "Rain".into()], vec![Some(0), Some(1)])
    );
    assert_eq!(manifest.train[1].group.as_deref(), Some("5"));
    for other in ["Rain/2-5-B.ogg", "003 - Sea/2-5.ogg", "003 - Sea/6-5-A.ogg", "003 - Sea/1-5-A-x.ogg"] {
        let root = tree(&[("001 - Dog/1-77-A.ogg", ""), (other, "")]);
        let manifest = read(root.path());
        assert!(manifest.train.iter().all(|item| item.fold.is_none() && item.group.is_none()), "{other}");
    }
}

/// The published numbers of clips, classes, verified labels, public and private test clips.
fn is_fsdkaggle2018(manifest: &Manifest) {
    assert_eq!((manifest.labels.len(), manifest.train.len(), manifest.test.len()), (41, 9473, 1600));
    assert_eq!(manifest.train.iter().filter(|item| item.verified).count(), 3710);
    let of = |usage| manifest.test.iter().filter(|item| item.usage == Some(usage)).count();
    assert_eq!((of(Usage::Public), of(Usage::Private)), (301, 1299));
    assert!(manifest.test.iter().all(|item| item.label().is_some()));
}

#[test]
fn fsdkaggle2018_as_zenodo_and_kaggle_have_it() {
    let Some(source) = data("EARMARK_FSDKAGGLE2018") else { return };
    let (train, test) = ("train_post_competition.csv", "test_post_competition.csv");
    let scoring = "test_post_competition_scoring_clips.csv";
    let text = |table: &str| fs::read_to_string(source.join(table)).unwrap();
    let first_columns = |table: &str, n: usize| -> String {
        text(table).lines().map(|row| row.split(',').take(n).collect::<Vec<_>>().join(",") + "\n").collect()
    };
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for (table, audio) in [(train, "FSDKaggle2018.audio_train"), (test, "FSDKaggle2018.audio_test")] {
        fs::create_dir(at(audio)).unwrap();
        first_columns(table, 1).lines().skip(1).for_each(|name| fs::write(at(audio).join(name), "").unwrap());
    }

    for table in [train, test, scoring] {
        write(&at("FSDKaggle2018.meta").join(table), text(table));
    }
    fs::create_dir(at("FSDKaggle2018.doc")).unwrap();
    let manifest = read(root.path());
    is_fsdkaggle2018(&manifest);
    assert_eq!(manifest.excluded, 7800);
    assert!(manifest.train.iter().chain(&manifest.test).all(|item| item.group.is_some()));
    assert!(manifest.test.iter().all(|item| item.path.starts_with(at("FSDKaggle2018.audio_test"))));
    // The full table of test clips, of which 7,800 are ignored, gives the same clips.
    fs::remove_file(at("FSDKaggle2018.meta").join(scoring)).unwrap();
    let full = read(root.path());
    assert_eq!((full.test == manifest.test, full.excluded), (true, 7800));
    let splits = Splits::stratified(&manifest, 5, 1).unwrap();
    let sizes: Vec<usize> = (0..5).map(|fold| splits.fold_of.iter().filter(|of| **of == fold).count()).collect();
    assert!(sizes.iter().all(|size| size.abs_diff(9473 / 5) < 30), "{sizes:?}");

    // Kaggle's names, and the labels of the test clips that were published later.
    fs::remove_dir_all(at("FSDKaggle2018.meta")).unwrap();
    for kind in ["audio_train", "audio_test"] {
        fs::rename(at(&format!("FSDKaggle2018.{kind}")), at(kind)).unwrap();
    }
    write(&at("train.csv"), first_columns(train, 3));
    write(&at(scoring), text(scoring));
    let manifest = read(root.path());
    is_fsdkaggle2018(&manifest);
    assert!(manifest.train.iter().all(|item| item.group.is_none()));
    // The state during the challenge: a table of all test clips, including the ignored ones, with
    // dummy labels.
    fs::remove_file(at(scoring)).unwrap();
    let submission =
        first_columns(test, 1).replace("fname", "fname,label").replace(".wav\n", ".wav,Laughter Hi-Hat Oboe\n");
    write(&at("sample_submission.csv"), submission);
    let manifest = read(root.path());
    assert_eq!((manifest.labels.len(), manifest.train.len(), manifest.test.len()), (41, 9473, 9400));
    assert!(manifest.test.iter().all(|item| item.label().is_none() && item.usage.is_none()));
}

const ESC50: &str = "filename,fold,target,category,esc10,src_file,take\n\
    1-100032-A-0.wav,1,0,dog,True,100032,A\n\
    2-100038-A-14.wav,2,14,chirping_birds,False,100038,A\n\
    2-17367-A-10.wav,2,10,rain,True,17367,A\n";

#[test]
fn esc50_and_the_esc10_in_it() {
    let clips = ["audio/1-100032-A-0.wav", "audio/2-100038-A-14.wav", "audio/2-17367-A-10.wav"].map(|clip| (clip, ""));
    let root = tree(&[&[("meta/esc50.csv", ESC50)][..], &clips].concat());
    let manifest = read(root.path());
    assert_eq!((names(&manifest.train).len(), folds(&manifest.train)), (3, vec![Some(0), Some(1), Some(1)]));
    let only = |value: &str| {
        let options = OpenOptions { rows_where: Some(("esc10".into(), value.into())), ..OpenOptions::default() };
        open(root.path(), &options)
    };
    let esc10 = only("True").unwrap();
    assert_eq!(esc10.labels, ["dog", "rain"]);
    assert_eq!(names(&esc10.train), ["1-100032-A-0.wav", "2-17367-A-10.wav"]);
    assert!(matches!(only("yes"), Err(DatasetError::NoClips { .. })));
}

#[test]
fn urbansound8k_keeps_its_folds_though_they_tear_recordings() {
    let table = "slice_file_name,fsID,start,end,salience,fold,classID,class\n\
        1-3-0-0.wav,1,0,0.3,1,5,3,dog_bark\n1-3-0-1.wav,1,0.3,1,1,10,3,dog_bark\n\
        2-2-0-0.wav,2,0,4,1,10,2,children_playing\n3-2-0-0.wav,3,0,4,2,5,2,children_playing\n";
    let table = table.replace(",1,5,3,", ",1,2,3,").replace(",2,5,2,", ",2,2,2,");
    let root = tree(&[
        ("metadata/UrbanSound8K.csv", table.as_str()),
        ("audio/fold2/1-3-0-0.wav", ""),
        ("audio/fold10/1-3-0-1.wav", ""),
        ("audio/fold10/2-2-0-0.wav", ""),
        ("audio/fold2/3-2-0-0.wav", ""),
    ]);
    let manifest = read(root.path());
    assert_eq!(manifest.labels, ["children_playing", "dog_bark"]);
    assert_eq!(folds(&manifest.train), [Some(0), Some(1), Some(1), Some(0)], "fold 2 comes before fold 10");
    assert_eq!(manifest.train[1].group.as_deref(), Some("1"));
    assert_eq!(manifest.train[1].path, root.path().join("audio/fold10/1-3-0-1.wav"));
    assert_eq!(Splits::given(&manifest).unwrap().fold_of, [0, 1, 1, 0]);
    // Folds that the caller defines must not split groups.
    let folds_from = Some(regex::Regex::new(r"(\d)\.wav$").unwrap());
    let own = open(root.path(), &OpenOptions { folds_from, ..OpenOptions::default() }).unwrap();
    assert_eq!(folds(&own.train), [Some(0), Some(1), Some(0), Some(0)]);
    assert!(Splits::given(&own).is_err());
}
