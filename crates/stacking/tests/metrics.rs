//! Compares scores with scikit-learn's (golden/metrics), and with values computed by hand for ties.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use earmark_stacking::{
    CALIBRATION_BINS, Difference, Differences, Interval, Intervals, ReliabilityBin, Resampling, Scores, StackError,
    Table, bootstrap, bootstrap_difference, bootstrap_mean, confusion, reliability, score,
};
use serde::Deserialize;

/// A case written by golden/metrics/make.py. `None` stands for NaN.
#[derive(Deserialize)]
struct Case {
    name: String,
    truth: Vec<usize>,
    probabilities: Vec<Vec<f32>>,
    /// Probabilities of another system, on the same clips.
    other: Vec<Vec<f32>>,
    map_at_3: f64,
    accuracy: f64,
    average_precision: Vec<Option<f64>>,
    roc_auc: Vec<Option<f64>>,
    confusion: Vec<Vec<usize>>,
    expected_calibration_error: f64,
    torchmetrics_calibration_error: Option<f64>,
    reliability: Vec<ReliabilityBin>,
    resampling: Resampling,
    /// scipy's intervals, with our draws.
    intervals: Option<Intervals>,
    differences: Option<Differences>,
    /// scipy's intervals, with its own draws.
    free_intervals: Option<FreeIntervals>,
}

#[derive(Deserialize)]
struct FreeIntervals {
    map_at_3: Interval,
    accuracy: Interval,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/metrics/cases.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 10);
    cases
}

fn labels(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class{class}")).collect()
}

fn table(rows: &[Vec<f32>]) -> Table {
    let names = (0..rows.len()).map(|i| format!("{i}.wav")).collect();
    Table::new(names, labels(rows[0].len()), rows.concat()).unwrap()
}

fn scores(truth: &[usize], rows: &[Vec<f32>]) -> Scores {
    score(&labels(rows[0].len()), truth, &table(rows)).unwrap()
}

/// Collects the values that differ by more than a tolerance, so that one run reports every fault.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn check(&mut self, what: String, got: f64, expected: f64, tolerance: f64) {
        let both_none = got.is_nan() && expected.is_nan();
        if !both_none && (got - expected).abs().partial_cmp(&tolerance).is_none_or(|order| order.is_gt()) {
            self.0.push(format!("{what} is {got}, not {expected}"));
        }
    }

    fn interval(&mut self, what: &str, got: Interval, expected: Interval, tolerance: f64) {
        self.check(format!("{what}, low"), got.low, expected.low, tolerance);
        self.check(format!("{what}, high"), got.high, expected.high, tolerance);
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

fn mean_of(values: &[Option<f64>]) -> f64 {
    let values: Vec<f64> = values.iter().copied().flatten().collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Compares with scikit-learn's scores, and with mAP@3 by Kaggle's own function.
#[test]
fn scores_equal_those_of_others() {
    let mut faults = Faults::default();
    for case in cases() {
        let got = scores(&case.truth, &case.probabilities);
        let mut check =
            |what: &str, got, expected| faults.check(format!("{}: {what}", case.name), got, expected, 1e-12);
        check("mAP@3", got.map3, case.map_at_3);
        check("accuracy", got.accuracy, case.accuracy);
        for (class, score) in got.per_class.iter().enumerate() {
            let of = |expected: &[Option<f64>]| expected[class].unwrap_or(f64::NAN);
            check(&format!("AP of {class}"), score.average_precision, of(&case.average_precision));
            check(&format!("AUC of {class}"), score.roc_auc, of(&case.roc_auc));
            let clips = case.truth.iter().filter(|&&truth| truth == class).count();
            assert_eq!((score.clips, &score.label), (clips, &format!("class{class}")), "{}", case.name);
        }
        check("macro AP", got.macro_average_precision, mean_of(&case.average_precision));
        check("macro AUC", got.macro_roc_auc, mean_of(&case.roc_auc));
        let matrix = confusion(got.per_class.len(), &case.truth, &table(&case.probabilities));
        assert_eq!(matrix, case.confusion, "{}", case.name);
    }
    faults.none();
}

/// Compares with the code of the paper's authors, and with torchmetrics, which computes in 32 bits.
#[test]
fn calibration_equals_that_of_others() {
    let mut faults = Faults::default();
    for case in cases() {
        let error = scores(&case.truth, &case.probabilities).expected_calibration_error;
        faults.check(format!("{}: ECE", case.name), error, case.expected_calibration_error, 1e-12);
        if let Some(expected) = case.torchmetrics_calibration_error {
            faults.check(format!("{}: torchmetrics' ECE", case.name), error, expected, 1e-6);
        }
        let bins = reliability(&case.truth, &table(&case.probabilities), CALIBRATION_BINS);
        assert_eq!(bins.len(), case.reliability.len());
        for (i, (got, expected)) in bins.iter().zip(&case.reliability).enumerate() {
            let what = |part: &str| format!("{}: {part} of bin {i}", case.name);
            assert_eq!(got.clips, expected.clips, "{}", what("clips"));
            faults.check(what("confidence"), got.confidence, expected.confidence, 1e-12);
            faults.check(what("accuracy"), got.accuracy, expected.accuracy, 1e-12);
        }
    }
    faults.none();
}

/// scipy uses our draws, so the results do not depend on chance.
#[test]
fn intervals_equal_those_of_scipy() {
    let mut faults = Faults::default();
    for case in cases() {
        let Case { name, truth, resampling, .. } = &case;
        let [ours, other] = [&case.probabilities, &case.other].map(|rows| table(rows));
        if let Some(expected) = &case.intervals {
            let got = bootstrap(truth, &ours, resampling);
            faults.interval(&format!("{name}: mAP@3"), got.map3, expected.map3, 1e-12);
            faults.interval(&format!("{name}: accuracy"), got.accuracy, expected.accuracy, 1e-12);
            let expected = expected.macro_average_precision;
            faults.interval(&format!("{name}: macro AP"), got.macro_average_precision, expected, 1e-12);
        }
        if let Some(expected) = &case.differences {
            let got = bootstrap_difference(truth, &ours, &other, resampling);
            let mut check = |what: &str, got: Difference, expected: Difference| {
                faults.check(format!("{name}: {what}"), got.value, expected.value, 1e-12);
                faults.interval(&format!("{name}: {what}"), got.interval, expected.interval, 1e-12);
            };
            check("difference of mAP@3", got.map3, expected.map3);
            check("difference of accuracy", got.accuracy, expected.accuracy);
        }
    }
    faults.none();
}

/// Both draw ten thousand resamples with their own generators; a difference of one clip in the
/// score is within chance.
#[test]
fn intervals_are_those_of_scipy_but_for_chance() {
    let mut faults = Faults::default();
    for case in cases() {
        let Some(expected) = &case.free_intervals else { continue };
        let resampling = Resampling { resamples: 10_000, ..case.resampling };
        let got = bootstrap(&case.truth, &table(&case.probabilities), &resampling);
        let one_clip = 1.0 / case.truth.len() as f64 + 1e-9;
        faults.interval(&format!("{}: mAP@3", case.name), got.map3, expected.map_at_3, one_clip);
        faults.interval(&format!("{}: accuracy", case.name), got.accuracy, expected.accuracy, one_clip);
    }
    faults.none();
}

#[test]
fn intervals_of_one_clip_and_of_none() {
    let one = bootstrap(&[1], &table(&[vec![0.6, 0.4]]), &Resampling::default());
    assert_eq!(one.map3, Interval { low: 0.5, high: 0.5 });
    assert_eq!(one.accuracy, Interval { low: 0.0, high: 0.0 });
    let none = Table::new(Vec::new(), labels(2), Vec::new()).unwrap();
    for interval in [
        bootstrap(&[], &none, &Resampling::default()).macro_average_precision,
        bootstrap_difference(&[], &none, &none, &Resampling::default()).map3.interval,
        bootstrap_mean(&[], &Resampling::default()),
        bootstrap_mean(&[1.0], &Resampling { resamples: 0, ..Resampling::default() }),
    ] {
        assert!(interval.low.is_nan() && interval.high.is_nan());
        assert_eq!(serde_json::to_value(interval).unwrap()["low"], serde_json::Value::Null);
    }
    assert!(score(&labels(2), &[], &none).unwrap().expected_calibration_error.is_nan());
}

#[test]
fn the_seed_decides_the_interval_and_the_level_its_width() {
    let values: Vec<f64> = (0..50).map(|i| f64::from(i % 7)).collect();
    let of = |seed, level| bootstrap_mean(&values, &Resampling { resamples: 1001, seed, level });
    assert_eq!(of(1, 0.95), of(1, 0.95));
    assert_ne!(of(1, 0.95), of(2, 0.95));
    assert!(of(1, 0.5).low > of(1, 0.95).low && of(1, 0.5).high < of(1, 0.95).high);
    assert_eq!(bootstrap_mean(&[2.0; 9], &Resampling::default()), Interval { low: 2.0, high: 2.0 });
}

#[test]
fn ties_go_to_the_lower_index_and_only_three_ranks_count() {
    let cases: [(usize, &[f32], f64); 6] = [
        (0, &[0.25, 0.25, 0.25, 0.25], 1.0),
        (1, &[0.25, 0.25, 0.25, 0.25], 0.5),
        (2, &[0.25, 0.25, 0.25, 0.25], 1.0 / 3.0),
        (3, &[0.25, 0.25, 0.25, 0.25], 0.0),
        (0, &[0.1, 0.9], 0.5),
        (0, &[1.0], 1.0),
    ];
    for (truth, row, expected) in cases {
        assert_eq!(scores(&[truth], &[row.to_vec()]).map3, expected, "class {truth} of {row:?}");
    }
}

#[test]
fn json_has_null_where_there_is_nothing_to_judge() {
    let json = serde_json::to_value(scores(&[0], &[vec![0.7, 0.3]])).unwrap();
    assert_eq!(json["map_at_3"], 1.0);
    assert_eq!(json["per_class"][1]["average_precision"], serde_json::Value::Null);
    let back: Scores = serde_json::from_value(json).unwrap();
    assert!(back.per_class[1].average_precision.is_nan());
}

#[test]
fn refuses_what_does_not_fit() {
    let table = Table::new(vec!["a".into()], labels(2), vec![0.5, 0.5]).unwrap();
    assert!(matches!(score(&labels(3), &[0], &table), Err(StackError::Mismatch(_))));
    assert!(matches!(score(&labels(2), &[0, 1], &table), Err(StackError::Shape(_))));
    assert!(matches!(score(&labels(2), &[2], &table), Err(StackError::Clip(_))));
}
