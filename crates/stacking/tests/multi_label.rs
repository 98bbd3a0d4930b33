//! Compares the scores of clips with several labels with those of scikit-learn and scipy
//! (golden/metrics).
#![allow(clippy::unwrap_used, reason = "tests")]

use earmark_stacking::{
    CALIBRATION_BINS, Difference, Interval, MultiLabelDifferences, MultiLabelIntervals, MultiLabelScores,
    ReliabilityBin, Resampling, StackError, Table, best_thresholds, bootstrap_multi_label,
    bootstrap_multi_label_difference, calibration_error, reliability_multi_label, score_multi_label,
};
use serde::Deserialize;

/// A case written by golden/metrics/multi_label.py. `None` stands for NaN or infinity.
#[derive(Deserialize)]
struct Case {
    name: String,
    truth: Vec<Vec<usize>>,
    probabilities: Vec<Vec<f32>>,
    /// Probabilities of another system, on the same clips.
    other: Vec<Vec<f32>>,
    average_precision: Vec<Option<f64>>,
    roc_auc: Vec<Option<f64>>,
    thresholds: Vec<f32>,
    f1: Vec<Option<f64>>,
    macro_average_precision: f64,
    micro_average_precision: f64,
    lwlrap: f64,
    macro_roc_auc: Option<f64>,
    d_prime: Option<f64>,
    macro_f1: f64,
    micro_f1: f64,
    coverage_error: f64,
    reliability: Vec<ReliabilityBin>,
    resampling: Resampling,
    intervals: Option<MultiLabelIntervals>,
    differences: Option<MultiLabelDifferences>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/metrics/multi_label.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 12);
    cases
}

fn labels(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class{class}")).collect()
}

fn table(rows: &[Vec<f32>]) -> Table {
    let names = (0..rows.len()).map(|i| format!("{i}.wav")).collect();
    Table::new(names, labels(rows[0].len()), rows.concat()).unwrap()
}

fn scores(truth: &[Vec<usize>], rows: &[Vec<f32>]) -> MultiLabelScores {
    let table = table(rows);
    score_multi_label(&labels(rows[0].len()), truth, &table, &best_thresholds(truth, &table)).unwrap()
}

/// Collects the values that differ by more than 1e-12, so that one run reports every fault.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn check(&mut self, what: String, got: f64, expected: Option<f64>) {
        let same = match expected {
            None => !got.is_finite(),
            Some(expected) => (got - expected).abs() < 1e-12,
        };
        if !same {
            self.0.push(format!("{what} is {got}, not {expected:?}"));
        }
    }

    fn interval(&mut self, what: &str, got: Interval, expected: Interval) {
        self.check(format!("{what}, low"), got.low, Some(expected.low));
        self.check(format!("{what}, high"), got.high, Some(expected.high));
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[test]
fn scores_equal_those_of_others() {
    let mut faults = Faults::default();
    for case in cases() {
        let got = scores(&case.truth, &case.probabilities);
        let mut check = |what: &str, got, expected| faults.check(format!("{}: {what}", case.name), got, expected);
        check("macro AP", got.macro_average_precision, Some(case.macro_average_precision));
        check("micro AP", got.micro_average_precision, Some(case.micro_average_precision));
        check("lwlrap", got.lwlrap, Some(case.lwlrap));
        check("macro AUC", got.macro_roc_auc, case.macro_roc_auc);
        check("d'", got.d_prime, case.d_prime);
        check("macro F1", got.macro_f1, Some(case.macro_f1));
        check("micro F1", got.micro_f1, Some(case.micro_f1));
        check("coverage", got.coverage_error, Some(case.coverage_error));
        for (class, score) in got.per_class.iter().enumerate() {
            check(&format!("AP of {class}"), score.average_precision, case.average_precision[class]);
            check(&format!("AUC of {class}"), score.roc_auc, case.roc_auc[class]);
            check(&format!("F1 of {class}"), score.f1, case.f1[class]);
            let clips = case.truth.iter().filter(|labels| labels.contains(&class)).count();
            assert_eq!((score.clips, &score.label), (clips, &format!("class{class}")), "{}", case.name);
        }
    }
    faults.none();
}

#[test]
fn thresholds_equal_those_of_scikit_learn() {
    for case in cases() {
        let got = best_thresholds(&case.truth, &table(&case.probabilities));
        assert_eq!(got, case.thresholds, "{}", case.name);
    }
}

#[test]
fn bins_of_reliability_equal_those_of_numpy() {
    let mut faults = Faults::default();
    for case in cases() {
        let bins = reliability_multi_label(&case.truth, &table(&case.probabilities), CALIBRATION_BINS);
        assert_eq!(bins.len(), case.reliability.len());
        let (mut sum, mut pairs) = (0.0, 0);
        for (got, expected) in bins.iter().zip(&case.reliability) {
            assert_eq!(got.clips, expected.clips, "{}", case.name);
            let known = |value: f64| (!value.is_nan()).then_some(value);
            faults.check(format!("{}: confidence", case.name), got.confidence, known(expected.confidence));
            faults.check(format!("{}: accuracy", case.name), got.accuracy, known(expected.accuracy));
            pairs += got.clips;
            sum += if got.clips > 0 { (got.confidence - got.accuracy).abs() * got.clips as f64 } else { 0.0 };
        }
        assert_eq!(pairs, case.truth.len() * case.probabilities[0].len());
        faults.check(format!("{}: calibration error", case.name), calibration_error(&bins), Some(sum / pairs as f64));
    }
    faults.none();
}

/// scipy uses our draws, so the results do not depend on chance.
#[test]
fn intervals_equal_those_of_scipy() {
    let mut faults = Faults::default();
    for Case { name, truth, probabilities, other, resampling, intervals, differences, .. } in cases() {
        let [ours, other] = [probabilities, other].map(|rows| table(&rows));
        if let Some(expected) = intervals {
            let got = bootstrap_multi_label(&truth, &ours, &resampling);
            let mut check = |what: &str, got, expected| faults.interval(&format!("{name}: {what}"), got, expected);
            check("macro AP", got.macro_average_precision, expected.macro_average_precision);
            check("micro AP", got.micro_average_precision, expected.micro_average_precision);
            check("lwlrap", got.lwlrap, expected.lwlrap);
        }
        if let Some(expected) = differences {
            let got = bootstrap_multi_label_difference(&truth, &ours, &other, &resampling);
            let mut check = |what: &str, got: Difference, expected: Difference| {
                faults.check(format!("{name}: difference of {what}"), got.value, Some(expected.value));
                faults.interval(&format!("{name}: difference of {what}"), got.interval, expected.interval);
            };
            check("macro AP", got.macro_average_precision, expected.macro_average_precision);
            check("lwlrap", got.lwlrap, expected.lwlrap);
        }
    }
    faults.none();
}

#[test]
fn equal_probabilities_share_the_lower_rank() {
    let rows = [vec![0.5, 0.5, 0.5], vec![0.9, 0.1, 0.9]];
    let got = scores(&[vec![1], vec![2, 0]], &rows);
    // 1/3 for the label of the first clip; both labels of the second are among its first two.
    assert!((got.lwlrap - (1.0 / 3.0 + 1.0 + 1.0) / 3.0).abs() < 1e-15);
    assert_eq!(got.coverage_error, 2.5);
}

#[test]
fn a_perfect_and_an_unknown_class() {
    let got = scores(&[vec![0], vec![], vec![0]], &[vec![0.9, 0.3], vec![0.1, 0.2], vec![0.8, 0.6]]);
    assert_eq!((got.macro_roc_auc, got.d_prime, got.micro_f1), (1.0, f64::INFINITY, 2.0 * 2.0 / (2.0 + 3.0)));
    assert_eq!((got.per_class[0].threshold, got.per_class[1].threshold), (0.8, 0.5));
    assert!(got.per_class[1].f1.is_nan() && got.per_class[1].average_precision.is_nan());
    let json = serde_json::to_value(&got).unwrap();
    assert_eq!((&json["d_prime"], &json["per_class"][1]["f1"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    let back: MultiLabelScores = serde_json::from_value(json).unwrap();
    assert_eq!((back.lwlrap, back.d_prime.is_nan()), (1.0, true));
}

#[test]
fn no_clips() {
    let none = Table::new(Vec::new(), labels(2), Vec::new()).unwrap();
    let got = score_multi_label(&labels(2), &[], &none, &best_thresholds(&[], &none)).unwrap();
    for score in [got.macro_average_precision, got.lwlrap, got.d_prime, got.micro_f1, got.coverage_error] {
        assert!(score.is_nan());
    }
    let intervals = bootstrap_multi_label(&[], &none, &Resampling::default());
    assert!(intervals.micro_average_precision.low.is_nan() && intervals.lwlrap.high.is_nan());
}

#[test]
fn refuses_what_does_not_fit() {
    let table = Table::new(vec!["a".into()], labels(2), vec![0.5, 0.5]).unwrap();
    let score = |classes, truth: &[Vec<usize>], thresholds| {
        score_multi_label(&labels(classes), truth, &table, &vec![0.5; thresholds]).unwrap_err()
    };
    assert!(matches!(score(3, &[vec![0]], 3), StackError::Mismatch(_)));
    assert!(matches!(score(2, &[vec![0], vec![1]], 2), StackError::Shape(_)));
    assert!(matches!(score(2, &[vec![0, 2]], 2), StackError::Clip(_)));
    assert!(matches!(score(2, &[vec![0]], 1), StackError::Shape(_)));
}
