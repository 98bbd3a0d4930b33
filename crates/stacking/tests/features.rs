//! The columns of level 2, chosen by name.
#![allow(clippy::unwrap_used, reason = "tests")]

use earmark_stacking::{FeatureKind, Layout, StackError, StackFeatures, StackKind, StackSettings, Table};

use FeatureKind::{LogProbabilities, MfccStatistics, Probabilities};

fn table(columns: &[&str], data: &[f32]) -> Table {
    let names = (0..data.len() / columns.len()).map(|i| format!("{i}.wav")).collect();
    Table::new(names, columns.iter().map(|&column| column.to_owned()).collect(), data.to_vec()).unwrap()
}

#[test]
fn columns_follow_the_names() {
    let (a, b) = (table(&["x", "y"], &[0.25, 0.75, 1.0, 0.0]), table(&["x", "y"], &[0.5, 0.5, 0.1, 0.9]));
    let statistics = table(&["mfcc_0_max"], &[7.0, -7.0]);
    let learners = [("a", &a), ("b", &b)];
    let features = |kinds: &[FeatureKind]| StackFeatures::new(kinds, &learners, Some(&statistics)).unwrap();
    let all = features(&[MfccStatistics, LogProbabilities, Probabilities]);
    let columns = ["mfcc_0_max", "log a/x", "log a/y", "log b/x", "log b/y", "a/x", "a/y", "b/x", "b/y"];
    assert_eq!(all.table.columns(), columns);
    assert_eq!(all.sources, ["mfcc_statistics", "a", "a", "b", "b", "a", "a", "b", "b"]);
    let floor = 1e-12_f32.ln();
    let second = [-7.0, 0.0, floor, 0.1_f32.ln(), 0.9_f32.ln(), 1.0, 0.0, 0.1, 0.9];
    assert_eq!(all.table.row(1), second);
    let kinds = vec![MfccStatistics, LogProbabilities, Probabilities];
    assert_eq!(all.layout, Layout { kinds, learners: 2, classes: 2, statistics: 1 });
    assert_eq!(all.layout.columns(), 9);
    let plain = features(&[Probabilities]);
    assert_eq!((plain.table.columns().len(), plain.layout.statistics), (4, 0));

    let error = |kinds: &[FeatureKind], learners: &[(&str, &Table)], statistics: Option<&Table>| {
        StackFeatures::new(kinds, learners, statistics).unwrap_err()
    };
    assert!(matches!(error(&[MfccStatistics], &learners, None), StackError::Missing(_)));
    assert!(matches!(error(&[], &learners, None), StackError::Missing(_)));
    let other = table(&["x", "z"], &[0.5, 0.5, 0.1, 0.9]);
    assert!(matches!(error(&[Probabilities], &[("a", &a), ("c", &other)], None), StackError::Mismatch(_)));
}

#[test]
fn a_mean_takes_probabilities_alone() {
    let columns = |kind| StackSettings { kind, ..StackSettings::default() }.columns();
    assert_eq!(columns(StackKind::Logistic), [Probabilities, MfccStatistics]);
    assert_eq!(columns(StackKind::Mean), [Probabilities]);
    assert_eq!(columns(StackKind::GeometricMean), [Probabilities]);
}
