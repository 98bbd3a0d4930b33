//! Level 2 of clips with several labels, compared with scikit-learn (golden/one_vs_rest).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::labels;
use earmark_stacking::{
    MultiLabelRows, MultiLabelStack, StackError, StackKind, StackSettings, Table, check_multi_label_folds,
    multi_label_out_of_fold,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    classes: usize,
    c: f64,
    x: Vec<Vec<f32>>,
    truth: Vec<Vec<usize>>,
    folds: Vec<usize>,
    weights: Vec<f32>,
    out_of_fold: Vec<Vec<f64>>,
    all: Vec<Vec<f64>>,
}

impl Case {
    fn read() -> Vec<Case> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/one_vs_rest/cases.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn features(&self) -> Table {
        let names = (0..self.x.len()).map(|i| format!("{i}.wav")).collect();
        let columns = (0..self.x[0].len()).map(|column| format!("f{column}")).collect();
        Table::new(names, columns, self.x.concat()).unwrap()
    }

    fn rows<'a>(&'a self, features: &'a Table, classes: &'a [String]) -> MultiLabelRows<'a> {
        MultiLabelRows { features, truth: &self.truth, folds: &self.folds, weights: &self.weights, classes }
    }
}

fn logistic(c: f64) -> StackSettings {
    StackSettings { kind: StackKind::Logistic, c, ..StackSettings::default() }
}

fn distance(table: &Table, expected: &[Vec<f64>]) -> f64 {
    let expected = expected.concat();
    assert_eq!(table.data().len(), expected.len());
    table.data().iter().zip(expected).map(|(got, expected)| (f64::from(*got) - expected).abs()).fold(0.0, f64::max)
}

#[test]
fn equals_scikit_learn() {
    let cases = Case::read();
    assert_eq!(cases.len(), 2);
    for (i, case) in cases.iter().enumerate() {
        let (features, classes) = (case.features(), labels(case.classes));
        let rows = case.rows(&features, &classes);
        let out_of_fold = multi_label_out_of_fold(&rows, &logistic(case.c)).unwrap();
        let all = MultiLabelStack::fit(&rows, &logistic(case.c)).unwrap().predict(&features, &classes).unwrap();
        let far = [distance(&out_of_fold, &case.out_of_fold), distance(&all, &case.all)];
        println!("case {i}: {far:?}");
        assert!(far.iter().all(|far| *far < 1e-5), "case {i}: {far:?}");
    }
}

#[test]
fn the_mean_is_that_of_the_learners() {
    let case = &Case::read()[0];
    let (features, classes) = (case.features(), labels(case.classes));
    let settings = StackSettings { kind: StackKind::Mean, ..StackSettings::default() };
    let got = multi_label_out_of_fold(&case.rows(&features, &classes), &settings).unwrap();
    let mean = |row: &Vec<f32>| (0..4).map(|class| f64::from(row[class]).midpoint(f64::from(row[class + 4]))).collect();
    let expected: Vec<Vec<f64>> = case.x.iter().map(mean).collect();
    assert!(distance(&got, &expected) < 1e-6);
    // 9 : 1 and 1 : 1 are 3 : 1 in the geometric mean, for each class by itself.
    let settings = StackSettings { kind: StackKind::GeometricMean, ..settings };
    let names = vec!["a".to_owned()];
    let columns = ["x/0", "x/1", "y/0", "y/1"].map(str::to_owned).to_vec();
    let features = Table::new(names, columns, vec![0.9, 0.1, 0.5, 0.5]).unwrap();
    let classes = labels(2);
    let rows =
        MultiLabelRows { features: &features, truth: &[vec![0]], folds: &[0], weights: &[1.0], classes: &classes };
    let mean = MultiLabelStack::fit(&rows, &settings).unwrap().predict(&features, &classes).unwrap();
    assert!(distance(&mean, &[vec![0.75, 0.25]]) < 1e-6, "{mean:?}");
}

#[test]
fn what_it_cannot_be_and_what_does_not_fit() {
    let case = &Case::read()[0];
    let (features, classes) = (case.features(), labels(case.classes));
    let rows = case.rows(&features, &classes);
    for settings in [
        StackSettings { kind: StackKind::Xgboost, ..StackSettings::default() },
        StackSettings { temperature_scaling: true, ..logistic(1.0) },
    ] {
        assert!(!MultiLabelStack::is_of(&settings));
        assert!(matches!(MultiLabelStack::fit(&rows, &settings), Err(StackError::Setting { key: "kind", .. })));
    }
    let short = MultiLabelRows { truth: &case.truth[1..], ..rows };
    assert!(matches!(MultiLabelStack::fit(&short, &logistic(1.0)), Err(StackError::Shape(_))));
    let few = MultiLabelRows { classes: &classes[..3], ..rows };
    assert!(matches!(MultiLabelStack::fit(&few, &logistic(1.0)), Err(StackError::Clip(_))));
    let none: Vec<Vec<usize>> =
        case.truth.iter().map(|of| of.iter().copied().filter(|label| *label != 2).collect()).collect();
    let without = MultiLabelRows { truth: &none, ..rows };
    let early = |truth: &[Vec<usize>], settings: &StackSettings| {
        check_multi_label_folds(truth, &case.folds, &case.weights, &classes, settings).err()
    };
    assert!(early(&case.truth, &logistic(1.0)).is_none());
    assert!(early(&none, &StackSettings { kind: StackKind::Mean, ..logistic(1.0) }).is_none());
    let error = early(&none, &logistic(1.0));
    assert!(matches!(&error, Some(StackError::ClassWithoutRows { class, .. }) if class == "class2"), "{error:?}");
    let late = multi_label_out_of_fold(&without, &logistic(1.0)).err();
    assert_eq!(late.map(|error| error.to_string()), error.map(|error| error.to_string()));
    let error = MultiLabelStack::fit(&without, &logistic(1.0)).err();
    assert!(matches!(&error, Some(StackError::ClassWithoutRows { class, .. }) if class == "class2"), "{error:?}");
}
