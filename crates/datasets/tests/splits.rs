//! Folds are balanced, keep groups together, are the same on all machines, and can be read back
//! from their file.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use earmark_audio::SoundId;
use earmark_datasets::{ClipEntry, DatasetError, Manifest, Splits, Task};

/// Clips with these labels; `group` returns the group of clip `i`.
fn manifest(labels: &[usize], group: impl Fn(usize) -> Option<String>) -> Manifest {
    let classes = labels.iter().max().map_or(0, |last| last + 1);
    let item = |(i, label): (usize, &usize)| ClipEntry {
        name: format!("{i}.wav"),
        path: PathBuf::from(format!("{i}.wav")),
        labels: vec![*label],
        verified: true,
        fold: None,
        group: group(i),
        usage: None,
    };
    Manifest {
        labels: (0..classes).map(|class| format!("class, {class}")).collect(),
        train: labels.iter().enumerate().map(item).collect(),
        test: Vec::new(),
        excluded: 0,
        task: Task::SingleLabel,
        groups_span_folds: false,
    }
}

/// The number of clips of each class in each fold.
fn counts(manifest: &Manifest, splits: &Splits) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; manifest.labels.len()]; splits.folds];
    for (item, fold) in manifest.train.iter().zip(&splits.fold_of) {
        counts[*fold][item.label().unwrap()] += 1;
    }
    counts
}

#[test]
fn each_fold_has_its_share_of_each_class() {
    let labels: Vec<usize> = (0..203).map(|i| [0, 0, 0, 0, 1, 1, 2][i % 7]).collect();
    let manifest = manifest(&labels, |_| None);
    for folds in [2, 3, 5, 10] {
        let splits = Splits::stratified(&manifest, folds, 7).unwrap();
        let counts = counts(&manifest, &splits);
        for class in 0..3 {
            let of_class: Vec<usize> = counts.iter().map(|fold| fold[class]).collect();
            let (least, most) = (of_class.iter().min().unwrap(), of_class.iter().max().unwrap());
            assert!(most - least <= 1, "{folds} folds, class {class}: {of_class:?}");
        }
        let sizes: Vec<usize> = counts.iter().map(|fold| fold.iter().sum()).collect();
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 2, "{folds} folds: {sizes:?}");
    }
}

#[test]
fn a_seed_gives_the_same_folds_on_every_machine() {
    let manifest = manifest(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1], |_| None);
    let drawn = |seed| Splits::stratified(&manifest, 2, seed).unwrap().fold_of;
    assert_eq!(drawn(1), drawn(1));
    assert!((2..20).any(|seed| drawn(seed) != drawn(1)));
    // Pinned, because runs that were started with an earlier version must keep their folds.
    assert_eq!(drawn(1), [0, 1, 0, 0, 1, 0, 0, 1, 1, 1]);
}

#[test]
fn groups_stay_whole_and_classes_stay_balanced() {
    // 60 groups of 1 to 6 clips; most have one class, some two.
    let (mut labels, mut group) = (Vec::new(), Vec::new());
    for g in 0..60_usize {
        for clip in 0..1 + g % 6 {
            labels.push(if g % 10 == 9 { clip % 3 } else { g % 3 });
            group.push(format!("g{g}"));
        }
    }
    let manifest = manifest(&labels, |i| Some(group[i].clone()));
    let splits = Splits::stratified(&manifest, 5, 3).unwrap();
    let mut folds: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (group, fold) in group.iter().zip(&splits.fold_of) {
        folds.entry(group).or_default().insert(*fold);
    }
    assert!(folds.values().all(|folds| folds.len() == 1), "{folds:?}");
    let counts = counts(&manifest, &splits);
    for class in 0..3 {
        let of_class: Vec<usize> = counts.iter().map(|fold| fold[class]).collect();
        let share = labels.iter().filter(|label| **label == class).count() / 5;
        assert!(of_class.iter().all(|count| count.abs_diff(share) <= 3), "class {class}: {of_class:?}");
    }
}

#[test]
fn copies_share_a_fold_with_all_groups_that_they_join() {
    let labels: Vec<usize> = (0..40).map(|clip| clip % 2).collect();
    let sounds = |pairs: &[(usize, usize)]| {
        // The last two are silent, and not copies of each other.
        let sound = |clip: u16| SoundId::of(8_000, &[0.0, f32::from(38_u16.saturating_sub(clip))]);
        let mut sounds: Vec<Option<SoundId>> = (0..40).map(sound).collect();
        assert!(sounds[37].is_some() && sounds[38..] == [None, None]);
        pairs.iter().for_each(|&(copy, of)| sounds[copy] = sounds[of]);
        sounds
    };
    // Clips 0 to 3 are from one recording, 4 to 7 from another.
    let group = |clip: usize| (clip < 8).then(|| format!("recording {}", clip / 4));
    let mut alone = manifest(&labels, group);
    assert!(!alone.group_copies(&sounds(&[])) && alone == manifest(&labels, group));
    assert!(!alone.group_copies(&sounds(&[(2, 1)])), "they share a group already");
    let mut joined = manifest(&labels, group);
    assert!(joined.group_copies(&sounds(&[(20, 6), (37, 20), (3, 37), (30, 31), (12, 30)])));
    assert!(!joined.group_copies(&sounds(&[(20, 6), (37, 20), (3, 37), (30, 31), (12, 30)])), "once is enough");
    let mut torn = 0;
    for seed in 0..20 {
        let splits = Splits::stratified(&joined, 4, seed).unwrap();
        for together in [&[0, 1, 2, 3, 4, 5, 6, 7, 20, 37][..], &[30, 31, 12]] {
            assert!(
                together.iter().all(|clip| splits.fold_of[*clip] == splits.fold_of[together[0]]),
                "{:?}",
                splits.fold_of
            );
        }
        let before = Splits::stratified(&manifest(&labels, group), 4, seed).unwrap();
        torn += usize::from(before.fold_of[12] != before.fold_of[30]);
    }
    assert!(torn > 0, "without the sounds they would have been torn");
}

#[test]
fn a_class_that_cannot_reach_every_fold_is_an_error() {
    let labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
    let too_small = |manifest: &Manifest, folds: usize| {
        let error = Splits::stratified(manifest, folds, 1).unwrap_err();
        let DatasetError::ClassesTooSmall { classes, grouped, folds, fewer } = &error else { panic!("{error:?}") };
        let counts = classes.iter().map(|(label, count)| (label.trim_start_matches("class, ").to_owned(), *count));
        let text = counts.map(|(label, count)| format!("{label}: {count}")).collect::<Vec<_>>().join(", ");
        (text, *grouped, *folds, *fewer)
    };
    let said = |text: &str, grouped, folds, fewer| (text.to_owned(), grouped, folds, fewer);
    assert_eq!(too_small(&manifest(&labels, |_| None), 5), said("1: 4", false, 5, Some(4)));
    assert_eq!(too_small(&manifest(&[0, 0, 0, 0, 0, 1], |_| None), 5), said("1: 1", false, 5, None));
    let several = manifest(&[0, 0, 0, 0, 0, 1, 2, 2, 2, 3], |_| None);
    assert_eq!(too_small(&several, 5), said("1: 1, 2: 3, 3: 1", false, 5, Some(3)));
    assert_eq!(too_small(&manifest(&[0, 0, 0, 1, 1, 1, 1], |_| None), 6), said("0: 3, 1: 4", false, 6, Some(3)));
    let grouped = manifest(&labels, |i| Some(format!("{}", i / 2)));
    assert_eq!(too_small(&grouped, 3), said("1: 2", true, 3, Some(2)));
    Splits::stratified(&grouped, 2, 1).unwrap();
    for folds in [0, 1] {
        let splits = Splits::stratified(&grouped, folds, 1);
        assert!(matches!(splits, Err(DatasetError::TooFewFolds { .. })));
    }
}

#[test]
fn a_class_that_falls_into_one_drawn_fold_is_an_error() {
    // The large group fills one fold, so the small groups, which share its class, end up in the
    // other.
    let labels: Vec<usize> = [[0; 20].as_slice(), &[1, 0, 0, 0, 1, 0, 0, 0]].concat();
    let group = |clip: usize| Some(if clip < 20 { "large".to_owned() } else { format!("small {}", clip / 4) });
    for seed in 0..10 {
        let error = Splits::stratified(&manifest(&labels, group), 2, seed).unwrap_err();
        assert!(matches!(&error, DatasetError::ClassesInOneFold { labels } if labels[0].contains('1')), "{error}");
    }
}

#[test]
fn given_folds_must_be_there_and_share_the_classes() {
    let mut given = manifest(&[0, 1, 0, 1], |_| None);
    assert!(matches!(Splits::given(&given), Err(DatasetError::NoFold { name, clips: 4 }) if name == "0.wav"));
    let folds = |given: &mut Manifest, folds: [usize; 4]| {
        given.train.iter_mut().zip(folds).for_each(|(item, fold)| item.fold = Some(fold));
        Splits::given(given)
    };
    assert_eq!(folds(&mut given, [0, 0, 1, 1]).unwrap(), Splits { folds: 2, fold_of: vec![0, 0, 1, 1] });
    assert!(matches!(folds(&mut given, [0; 4]), Err(DatasetError::TooFewFolds { folds: 1 })));
    let apart = folds(&mut given, [0, 1, 0, 1]).unwrap_err();
    let DatasetError::ClassesInOneFold { labels } = &apart else { panic!("{apart}") };
    assert_eq!(labels, &["class, 0", "class, 1"]);
    // As after `damaged = "skip"`, if all clips of some folds cannot be decoded.
    let empty = folds(&mut given, [0, 0, 4, 4]);
    assert!(matches!(&empty, Err(DatasetError::EmptyFolds { folds }) if *folds == [1, 2, 3]), "{empty:?}");
    let mut grouped = manifest(&[0, 1, 0, 1], |clip| Some(format!("recording {}", clip / 2)));
    folds(&mut grouped, [0, 0, 1, 1]).unwrap();
    let error = folds(&mut grouped, [0, 1, 1, 0]).unwrap_err();
    let DatasetError::GroupInTwoFolds { group, name } = &error else { panic!("{error:?}") };
    assert_eq!((group.as_str(), name.as_str()), ("recording 0", "1.wav"));
}

/// The folds of 997 clips in 7 classes, a third of them in groups of 3, as text.
fn fold_list(grouped: bool, folds: usize, seed: u64) -> String {
    let labels: Vec<usize> = (0..997).map(|clip| (clip * clip + clip / 5) % 7).collect();
    let group = |clip: usize| (grouped && clip % 3 != 2).then(|| format!("recording {}", clip / 4));
    let splits = Splits::stratified(&manifest(&labels, group), folds, seed).unwrap();
    splits.fold_of.iter().map(|fold| format!("{fold}\n")).collect()
}

/// If a checksum changes, runs that were started before the change cannot be resumed after it, and
/// machines with different versions draw different folds.
#[test]
fn folds_are_pinned() {
    let sums =
        [(false, 5, 0), (false, 10, 7), (true, 5, 0), (true, 4, 123_456_789_012)].map(|(grouped, folds, seed)| {
            earmark_files::sha256(fold_list(grouped, folds, seed).as_bytes())[..16].to_owned()
        });
    assert_eq!(sums, ["e164560f34001808", "672349f07124a843", "e0ec2178b35d069f", "9ddd47d8a99a18ec"]);
}
