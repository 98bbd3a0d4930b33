//! Data sets whose clips may have several labels: every form, and what is wrong with one.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{folds, names, tree, write};
use earmark_datasets::{Columns, DatasetError, LabelFault, Manifest, OpenOptions, Task, Usage, open};

fn read(root: &Path) -> Manifest {
    open(root, &OpenOptions::default()).unwrap()
}

fn separated(separator: &str) -> OpenOptions {
    OpenOptions { label_separator: Some(separator.to_owned()), ..OpenOptions::default() }
}

fn one_hot(columns: &[&str]) -> OpenOptions {
    let one_hot = columns.iter().map(|name| (*name).to_owned()).collect();
    OpenOptions { columns: Columns { one_hot, ..Columns::default() }, ..OpenOptions::default() }
}

/// The names of the labels of a clip.
fn labels(manifest: &Manifest, name: &str) -> Vec<String> {
    let clip = manifest.train.iter().chain(&manifest.test).find(|clip| clip.name == name).unwrap();
    clip.labels.iter().map(|label| manifest.labels[*label].clone()).collect()
}

/// A folder with a table and two clips.
fn table(text: &str) -> tempfile::TempDir {
    tree(&[("clips.csv", text), ("a.wav", ""), ("b.wav", "")])
}

#[test]
fn a_column_with_several_labels() {
    let root = table("fname,label\na.wav,Rain;Dog bark ; Rain\nb.wav,Dog bark\n");
    let manifest = open(&root.path().join("clips.csv"), &separated(";")).unwrap();
    assert_eq!((manifest.task, &manifest.labels[..]), (Task::MultiLabel, &["Dog bark".into(), "Rain".into()][..]));
    let labels: Vec<_> = manifest.train.iter().map(|clip| clip.labels.clone()).collect();
    assert_eq!(labels, [vec![0, 1], vec![0]]);
    assert_eq!((manifest.train[0].label(), manifest.train[1].label()), (None, Some(0)));
    // Without the separator, they are three classes of single labels.
    let single = open(&root.path().join("clips.csv"), &OpenOptions::default()).unwrap();
    assert_eq!((single.task, single.labels.len()), (Task::SingleLabel, 2));
}

#[test]
fn a_column_per_class() {
    let root = table("fname,Rain,Dog,seconds\na.wav,1,1,3\nb.wav,0,True,4\n");
    let manifest = open(&root.path().join("clips.csv"), &one_hot(&["Rain", "Dog"])).unwrap();
    assert_eq!((manifest.task, &manifest.labels[..]), (Task::MultiLabel, &["Dog".into(), "Rain".into()][..]));
    assert_eq!(labels(&manifest, "a.wav"), ["Dog", "Rain"]);
    assert_eq!(labels(&manifest, "b.wav"), ["Dog"]);
}

#[test]
fn hidden_labels_of_test_clips() {
    let kaggle = |test: &str| {
        let train = "fname,Rain,Dog\na.wav,1,1\nb.wav,0,1\n";
        tree(&[("train.csv", train), ("test.csv", test), ("audio_train/a.wav", ""), ("audio_train/b.wav", "")])
    };
    for test in ["fname\nx.wav\n", "fname,Rain,Dog\nx.wav,,\n", "fname,Rain,Dog\nx.wav,0,0\n"] {
        let root = kaggle(test);
        write(&root.path().join("audio_test/x.wav"), "");
        let manifest = open(root.path(), &one_hot(&["Rain", "Dog"])).unwrap();
        assert_eq!(manifest.test[0].labels, [0_usize; 0], "{test}");
    }
    let root = kaggle("fname,Rain\nx.wav,1\n");
    let error = open(root.path(), &one_hot(&["Rain", "Dog"])).unwrap_err();
    assert!(matches!(&error, DatasetError::MissingColumn { wanted, .. } if wanted == "Dog"), "{error}");
}

#[test]
fn faults_name_their_place() {
    let csv = |text: &str, options: &OpenOptions| {
        let root = table(text);
        open(&root.path().join("clips.csv"), options).unwrap_err()
    };
    let single = "fname,label\na.wav,Rain\nb.wav,Dog\n";
    for separator in [",", ""] {
        let error = csv(single, &separated(separator));
        let DatasetError::SeparatorUnused { path, separator: named } = &error else { panic!("{error:?}") };
        assert!(path.ends_with("clips.csv") && named == separator, "{error}");
    }
    let error = csv("fname,label\na.wav,Rain;;Dog\nb.wav,Dog\n", &separated(";"));
    let DatasetError::Label { place, fault, .. } = &error else { panic!("{error:?}") };
    assert_eq!((place.line, *fault), (Some(2), LabelFault::Empty));
    let error = csv("fname,label\na.wav,Rain;Dog\nb.wav,\n", &separated(";"));
    assert!(matches!(&error, DatasetError::Empty { place, .. } if place.line == Some(3)), "{error}");
    let error = csv("fname,Rain,Dog\na.wav,1,1\nb.wav,0,0\n", &one_hot(&["Rain", "Dog"]));
    assert!(matches!(&error, DatasetError::NoClassIsOne { place } if place.line == Some(3)), "{error}");
    let error = csv("fname,Rain,Dog\na.wav,1,0.5\n", &one_hot(&["Rain", "Dog"]));
    assert!(
        matches!(&error, DatasetError::BadValue { column, value, .. } if column == "Dog" && value == "0.5"),
        "{error}"
    );
    let error = csv("fname,Rain\na.wav,1\n", &one_hot(&["Rain", "Cat"]));
    assert!(matches!(&error, DatasetError::MissingColumn { wanted, .. } if wanted == "Cat"), "{error}");
    // Class folders have no labels to separate.
    let root = tree(&[("Rain/a.wav", ""), ("Dog/b.wav", "")]);
    assert!(matches!(open(root.path(), &separated(",")), Err(DatasetError::NoTable { .. })));
}

const DEV: &str = "fname,labels,mids,split\n\
    64760,\"Electric_guitar,Guitar,Music\",\"/m/02sgy,/m/0342h,/m/04rlf\",train\n\
    345111,\"Rain,Water\",\"/m/06mb1,/m/0838f\",val\n\
    21,Rain,/m/06mb1,train\n";

fn fsd50k() -> tempfile::TempDir {
    let truth = "FSD50K.ground_truth";
    tree(&[
        (&format!("{truth}/dev.csv"), DEV),
        (&format!("{truth}/eval.csv"), "fname,labels,mids\n37199,\"Guitar,Music\",\"/m/0342h,/m/04rlf\"\n"),
        (&format!("{truth}/vocabulary.csv"), "0,Electric_guitar,/m/02sgy\n1,Guitar,/m/0342h\n"),
        ("FSD50K.dev_audio/64760.wav", ""),
        ("FSD50K.dev_audio/345111.wav", ""),
        ("FSD50K.dev_audio/21.wav", ""),
        ("FSD50K.eval_audio/37199.wav", ""),
    ])
}

#[test]
fn fsd50k_as_published() {
    let root = fsd50k();
    let manifest = read(root.path());
    assert_eq!(manifest.task, Task::MultiLabel);
    assert_eq!(manifest.labels, ["Electric_guitar", "Guitar", "Music", "Rain", "Water"]);
    assert_eq!(names(&manifest.train), ["64760", "345111", "21"], "the validation split is for training");
    assert_eq!(labels(&manifest, "64760"), ["Electric_guitar", "Guitar", "Music"]);
    assert_eq!(labels(&manifest, "37199"), ["Guitar", "Music"]);
    assert_eq!(manifest.train[1].path, root.path().join("FSD50K.dev_audio/345111.wav"));
    assert_eq!(manifest.test[0].path, root.path().join("FSD50K.eval_audio/37199.wav"));
    assert_eq!((folds(&manifest.train), manifest.excluded), (vec![None; 3], 0));
    // Its own split, as folds or alone.
    let fold = Columns { fold: Some("split".to_owned()), ..Columns::default() };
    let given = open(root.path(), &OpenOptions { columns: fold, ..OpenOptions::default() }).unwrap();
    assert_eq!(folds(&given.train), [Some(0), Some(1), Some(0)]);
    let rows_where = Some(("split".to_owned(), "train".to_owned()));
    let train = open(root.path(), &OpenOptions { rows_where, ..OpenOptions::default() });
    assert_eq!((train.as_ref().unwrap().excluded, names(&train.unwrap().train)), (1, vec!["64760", "21"]));
    // A separator that its tables do not have.
    assert!(matches!(open(root.path(), &separated(";")), Err(DatasetError::SeparatorUnused { .. })));
    fs::remove_file(root.path().join("FSD50K.dev_audio/21.wav")).unwrap();
    let missing = open(root.path(), &OpenOptions::default());
    assert!(matches!(missing, Err(DatasetError::MissingFiles { paths }) if paths.len() == 1));
}

#[test]
fn fsdkaggle2019_as_zenodo_has_it() {
    let meta = "FSDKaggle2019.meta";
    let root = tree(&[
        (
            &format!("{meta}/train_curated_post_competition.csv"),
            "fname,labels,freesound_id,license\n0006ae4e.wav,Bark,63900,CC0\n\
             019fe473.wav,\"Walk_and_footsteps,Slam\",7,CC\n",
        ),
        (
            &format!("{meta}/train_noisy_post_competition.csv"),
            "fname,labels,flickr_video_URL,license\n00097e21.wav,Slam,https://flickr.com/1,CC\n",
        ),
        (
            &format!("{meta}/test_post_competition.csv"),
            "fname,labels,usage,freesound_id,license\n4260ebea.wav,\"Bark,Slam\",Public,1,CC\n\
             88532a2f.wav,Bark,Private,2,CC\n",
        ),
        ("FSDKaggle2019.audio_train_curated/0006ae4e.wav", ""),
        ("FSDKaggle2019.audio_train_curated/019fe473.wav", ""),
        ("FSDKaggle2019.audio_train_noisy/00097e21.wav", ""),
        ("FSDKaggle2019.audio_test/4260ebea.wav", ""),
        ("FSDKaggle2019.audio_test/88532a2f.wav", ""),
    ]);
    let manifest = read(root.path());
    assert_eq!((manifest.task, manifest.labels.len()), (Task::MultiLabel, 3));
    assert_eq!(names(&manifest.train), ["0006ae4e.wav", "019fe473.wav", "00097e21.wav"]);
    assert_eq!(manifest.train.iter().map(|clip| clip.verified).collect::<Vec<_>>(), [true, true, false]);
    let groups: Vec<_> = manifest.train.iter().map(|clip| clip.group.as_deref().unwrap()).collect();
    assert_eq!(groups, ["63900", "7", "https://flickr.com/1"]);
    assert_eq!(labels(&manifest, "019fe473.wav"), ["Slam", "Walk_and_footsteps"]);
    assert_eq!(labels(&manifest, "4260ebea.wav"), ["Bark", "Slam"]);
    assert_eq!(
        manifest.test.iter().map(|clip| clip.usage.unwrap()).collect::<Vec<_>>(),
        [Usage::Public, Usage::Private]
    );
    // The noisy set is large, and many leave it out. If its folder is there, it must be complete.
    fs::remove_file(root.path().join("FSDKaggle2019.audio_train_noisy/00097e21.wav")).unwrap();
    assert!(matches!(open(root.path(), &OpenOptions::default()), Err(DatasetError::MissingFiles { .. })));
    fs::remove_dir(root.path().join("FSDKaggle2019.audio_train_noisy")).unwrap();
    let curated = read(root.path());
    assert_eq!((names(&curated.train).len(), curated.excluded), (2, 1));
}

#[test]
fn fsdkaggle2019_as_kaggle_has_it() {
    let root = tree(&[
        ("train_curated.csv", "fname,labels\na.wav,\"Bark,Slam\"\nb.wav,Tap\n"),
        ("train_noisy.csv", "fname,labels\nc.wav,Tap\n"),
        ("sample_submission.csv", "fname,Bark,Slam,Tap\nx.wav,0,0,0\n"),
        ("train_curated/a.wav", ""),
        ("train_curated/b.wav", ""),
        ("train_noisy/c.wav", ""),
        ("test/x.wav", ""),
    ]);
    let manifest = read(root.path());
    assert_eq!((manifest.labels.len(), names(&manifest.train)), (3, vec!["a.wav", "b.wav", "c.wav"]));
    assert_eq!(manifest.train[2].path, root.path().join("train_noisy/c.wav"));
    assert_eq!((names(&manifest.test), manifest.test[0].labels.len()), (vec!["x.wav"], 0));
}

const SEGMENTS: &str = "# Segments csv created Sun Mar  5 10:54:31 2017\n\
    # num_ytids=22160, num_segs=22160, num_unique_labels=527, num_positive_labels=52882\n\
    # YTID, start_seconds, end_seconds, positive_labels\n\
    --PJHxphWEs, 30.000, 40.000, \"/m/09x0r,/t/dd00088\"\n\
    -0RWZT-miFs, 420.000, 430.000, \"/m/09x0r,/m/0k4j\"\n\
    -0RWZT-miFs, 10.000, 20.000, \"/m/0k4j\"\n\
    gone-gone-0, 0.000, 10.000, \"/m/0k4j\"\n";
const CLASSES: &str =
    "index,mid,display_name\n0,/m/09x0r,Speech\n1,/t/dd00088,\"Gush, spray\"\n2,/m/0k4j,Car\n3,/m/0dgw9r,Sounds\n";

#[test]
fn audioset_as_a_list_and_a_folder_of_sounds() {
    let root = tree(&[
        ("lists/balanced_train_segments.csv", SEGMENTS),
        ("sounds/--PJHxphWEs_30000_40000.flac", ""),
        ("sounds/Car/-0RWZT-miFs_420.0-430.0.ogg", ""),
        ("sounds/Speech/-0RWZT-miFs_420.0-430.0.ogg", ""),
        ("sounds/Y-0RWZT-miFs_10.wav", ""),
        ("sounds/notes of mine.wav", ""),
    ]);
    let list = root.path().join("lists/balanced_train_segments.csv");
    let options = OpenOptions { audio_dir: Some(root.path().join("sounds")), ..OpenOptions::default() };
    let manifest = open(&list, &options).unwrap();
    assert_eq!((manifest.task, manifest.excluded), (Task::MultiLabel, 1));
    assert_eq!(manifest.labels, ["/m/09x0r", "/m/0k4j", "/t/dd00088"]);
    assert_eq!(names(&manifest.train), ["--PJHxphWEs_30.000", "-0RWZT-miFs_420.000", "-0RWZT-miFs_10.000"]);
    assert!(manifest.train[1].path.ends_with("Car/-0RWZT-miFs_420.0-430.0.ogg"));
    assert!(manifest.train[2].path.ends_with("Y-0RWZT-miFs_10.wav"));
    assert_eq!(manifest.train[1].group, manifest.train[2].group, "segments of one video");
    write(&root.path().join("lists/class_labels_indices.csv"), CLASSES);
    let named = open(&list, &options).unwrap();
    assert_eq!(named.labels, ["Car", "Gush, spray", "Speech"]);
    assert_eq!(labels(&named, "--PJHxphWEs_30.000"), ["Gush, spray", "Speech"]);
}

#[test]
fn audioset_as_a_folder() {
    let eval = SEGMENTS.lines().take(3).collect::<Vec<_>>().join("\n") + "\nabcdefghijk, 1.500, 9.000, \"/m/0k4j\"\n";
    let root = tree(&[
        ("balanced_train_segments.csv", SEGMENTS),
        ("eval_segments.csv", &eval),
        ("class_labels_indices.csv", CLASSES),
        ("audio/bal_train/--PJHxphWEs.flac", ""),
        ("audio/bal_train/-0RWZT-miFs_10.000.flac", ""),
        ("audio/eval/Yabcdefghijk.flac", ""),
    ]);
    let manifest = read(root.path());
    assert_eq!(names(&manifest.train), ["--PJHxphWEs_30.000", "-0RWZT-miFs_10.000"]);
    assert_eq!((names(&manifest.test), manifest.excluded), (vec!["abcdefghijk_1.500"], 2));
    assert_eq!(labels(&manifest, "abcdefghijk_1.500"), ["Car"]);
}

#[test]
fn faults_of_audiosets_lists() {
    let with = |from: &str, to: &str, options: &OpenOptions| {
        let root = tree(&[("list.csv", &SEGMENTS.replace(from, to)), ("--PJHxphWEs.wav", ""), ("-0RWZT-miFs.wav", "")]);
        write(&root.path().join("class_labels_indices.csv"), CLASSES);
        open(&root.path().join("list.csv"), options).unwrap_err()
    };
    let plain = OpenOptions::default();
    let error = with("420.000", "start", &plain);
    let DatasetError::BadValue { place, column, value, .. } = &error else { panic!("{error:?}") };
    assert_eq!((place.line, column.as_str(), value.as_str()), (Some(5), "start_seconds", "start"));
    let error = with("/t/dd00088", "/t/dd99999", &plain);
    let DatasetError::BadValue { column, value, .. } = &error else { panic!("{error:?}") };
    assert_eq!((column.as_str(), value.as_str()), ("positive_labels", "/t/dd99999"));
    let error = with(", 430.000, \"/m/09x0r,/m/0k4j\"", "", &plain);
    assert!(matches!(&error, DatasetError::Table { place, .. } if place.line == Some(5)), "{error}");
    let error = with("", "", &separated(","));
    assert!(matches!(error, DatasetError::FixedColumns { .. }), "{error}");
    // One file cannot be two segments of a video.
    let error = with("-0RWZT-miFs, 10.000", "-0RWZT-miFs, 420.000", &plain);
    assert!(matches!(error, DatasetError::DuplicateName { .. }), "{error}");
}
