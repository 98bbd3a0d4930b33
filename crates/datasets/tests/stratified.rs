//! Drawn folds of clips with several labels, compared with the package iterative-stratification
//! (golden/folds).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use earmark_datasets::{ClipEntry, DatasetError, Manifest, Splits, Task};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    exact: Vec<Exact>,
    balance: Vec<Balance>,
}

/// A table without choices: the folds, numbered in the order of their first clips.
#[derive(Deserialize)]
struct Exact {
    classes: usize,
    folds: usize,
    labels: Vec<Vec<usize>>,
    fold_of: Vec<usize>,
}

/// A table, and how even the folds are that the package drew with 100 seeds.
#[derive(Deserialize)]
struct Balance {
    classes: usize,
    folds: usize,
    labels: Vec<Vec<usize>>,
    mean: Distribution,
    std: Distribution,
}

/// The measures of Sechidis et al. 2011, section 4.2.
#[derive(Debug, Deserialize)]
struct Distribution {
    labels: f64,
    examples: f64,
}

fn cases() -> Cases {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/folds/cases.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn manifest(classes: usize, labels: &[Vec<usize>], group: impl Fn(usize) -> Option<String>) -> Manifest {
    let item = |(i, labels): (usize, &Vec<usize>)| ClipEntry {
        name: format!("{i}.wav"),
        path: PathBuf::new(),
        labels: labels.clone(),
        verified: true,
        fold: None,
        group: group(i),
        usage: None,
    };
    Manifest {
        labels: (0..classes).map(|class| format!("class {class}")).collect(),
        task: Task::MultiLabel,
        train: labels.iter().enumerate().map(item).collect(),
        test: Vec::new(),
        excluded: 0,
        groups_span_folds: false,
    }
}

/// Clips by fold and class, and by fold.
fn counts(manifest: &Manifest, splits: &Splits) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut counts = vec![vec![0.0; manifest.labels.len()]; splits.folds];
    let mut sizes = vec![0.0; splits.folds];
    for (clip, &fold) in manifest.train.iter().zip(&splits.fold_of) {
        sizes[fold] += 1.0;
        clip.labels.iter().for_each(|label| counts[fold][*label] += 1.0);
    }
    (counts, sizes)
}

fn distribution(manifest: &Manifest, splits: &Splits) -> Distribution {
    let (counts, sizes) = counts(manifest, splits);
    let (n, classes, folds) = (manifest.train.len() as f64, manifest.labels.len(), splits.folds as f64);
    let mut labels = 0.0;
    for class in 0..classes {
        let total: f64 = counts.iter().map(|fold| fold[class]).sum();
        let ratios = counts.iter().zip(&sizes).map(|(fold, size)| fold[class] / (size - fold[class]));
        labels += ratios.map(|ratio| (ratio - total / (n - total)).abs()).sum::<f64>() / folds / classes as f64;
    }
    Distribution { labels, examples: sizes.iter().map(|size| (size - n / folds).abs()).sum::<f64>() / folds }
}

#[test]
fn folds_are_those_of_the_package_where_there_is_no_choice() {
    let cases = cases().exact;
    assert_eq!(cases.len(), 30);
    for (case, Exact { classes, folds, labels, fold_of }) in cases.iter().enumerate() {
        let manifest = manifest(*classes, labels, |_| None);
        for seed in 0..5 {
            let drawn = match Splits::stratified(&manifest, *folds, seed) {
                Ok(splits) => splits.fold_of,
                // A rare class may end up in one fold, which is refused.
                Err(DatasetError::ClassesInOneFold { .. }) => continue,
                Err(error) => panic!("{case}: {error}"),
            };
            let mut numbers = BTreeMap::new();
            let mut number = |fold| {
                let next = numbers.len();
                *numbers.entry(fold).or_insert(next)
            };
            let first_seen: Vec<usize> = drawn.into_iter().map(&mut number).collect();
            assert_eq!(&first_seen, fold_of, "case {case}, seed {seed}: {labels:?}");
        }
    }
}

#[test]
fn folds_are_as_even_as_those_of_the_package() {
    const SEEDS: u64 = 100;
    for Balance { classes, folds, labels, mean, std } in cases().balance {
        let manifest = manifest(classes, &labels, |_| None);
        let drawn = |seed| distribution(&manifest, &Splits::stratified(&manifest, folds, seed).unwrap());
        let drawn: Vec<Distribution> = (0..SEEDS).map(drawn).collect();
        let of = |value: fn(&Distribution) -> f64| drawn.iter().map(value).sum::<f64>() / SEEDS as f64;
        // The standard error of the difference of two such means is a seventh of the deviation.
        let (in_labels, in_examples) = (of(|one| one.labels), of(|one| one.examples));
        assert!((in_labels - mean.labels).abs() < std.labels / 2.0, "{} clips: {in_labels} {mean:?}", labels.len());
        assert!(
            (in_examples - mean.examples).abs() < std.examples / 2.0,
            "{} clips: {in_examples} {mean:?}",
            labels.len()
        );
    }
}

/// 900 clips with one to three of 12 classes, the last of which is rare; two thirds of the clips
/// are in groups.
fn grouped() -> Manifest {
    let labels: Vec<Vec<usize>> = (0..900_usize)
        .map(|clip| {
            let mut labels = BTreeSet::from([clip % 11]);
            if clip % 3 == 0 {
                labels.insert(clip / 3 % 11);
            }
            if clip % 60 == 7 {
                labels.insert(11);
            }
            labels.into_iter().collect()
        })
        .collect();
    manifest(12, &labels, |clip| (clip % 3 != 1).then(|| format!("recording {}", clip / (4 + clip / 300))))
}

#[test]
fn groups_stay_whole_and_every_class_is_even() {
    let manifest = grouped();
    let splits = Splits::stratified(&manifest, 5, 3).unwrap();
    let mut folds: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (clip, fold) in manifest.train.iter().zip(&splits.fold_of) {
        folds.entry(clip.group.as_deref().unwrap_or(&clip.name)).or_default().insert(*fold);
    }
    assert!(folds.values().all(|folds| folds.len() == 1));
    let (counts, _) = counts(&manifest, &splits);
    for class in 0..12 {
        let share = counts.iter().map(|fold| fold[class]).sum::<f64>() / 5.0;
        let most = counts.iter().map(|fold| (fold[class] - share).abs()).fold(0.0, f64::max);
        assert!(most <= (0.15 * share).max(1.5), "class {class}: {counts:?}");
    }
    // Pinned, because runs that were started with an earlier version must keep their folds.
    let text: String = splits.fold_of.iter().map(usize::to_string).collect();
    assert_eq!(earmark_files::sha256(text.as_bytes())[..16], *"be4b15d1e6836789");
}

#[test]
fn a_class_without_enough_groups_is_an_error() {
    let labels = [vec![0, 1], vec![0, 1], vec![1], vec![0], vec![0], vec![1]];
    let alone = manifest(2, &labels, |_| None);
    Splits::stratified(&alone, 4, 0).unwrap();
    let grouped = manifest(2, &labels, |clip| (clip > 1).then(|| "one recording".to_owned()));
    let error = Splits::stratified(&grouped, 4, 0).unwrap_err();
    let DatasetError::ClassesTooSmall { classes, grouped: true, folds: 4, fewer } = &error else { panic!("{error}") };
    assert_eq!(classes, &[("class 0".to_owned(), 3), ("class 1".to_owned(), 3)]);
    assert!(fewer.is_some_and(|fewer| Splits::stratified(&grouped, fewer, 0).is_ok()), "{fewer:?}");
    let none = manifest(2, &[vec![0, 1], vec![], vec![0, 1]], |_| None);
    assert!(matches!(Splits::stratified(&none, 2, 0), Err(DatasetError::NoLabel { name }) if name == "1.wav"));
}
