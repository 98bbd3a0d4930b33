//! Compares boosters with Python's xgboost (golden/stacking), and checks the errors of damaged
//! ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::{CASES, Case, labels};
use earmark_stacking::{Booster, Matrix, StackError, StackSettings, Table, to_onnx};
use serde_json::{Value, json};

#[test]
fn predicts_what_python_predicts_by_the_same_trees() {
    for name in CASES {
        let (case, json) = Case::read(name);
        let booster = Booster::from_json(&json).unwrap();
        assert_eq!((booster.features(), booster.classes()), (case.features, case.classes), "{name}");
        let distance = case.distance(&booster.probabilities(case.x()).unwrap());
        assert!(distance <= 1e-6, "{name}: {distance}");
        // XGBoost traverses the trees in another way if there are few rows.
        let rows = case.values.chunks_exact(case.features).map(|row| Matrix::new(row, case.features).unwrap());
        let one_by_one: Vec<f32> = rows.flat_map(|row| booster.probabilities(row).unwrap()).collect();
        let distance = case.distance(&one_by_one);
        assert!(distance <= 1e-6, "{name}, row by row: {distance}");
    }
}

/// Features that Python's `get_score` omits have no split.
#[test]
fn importance_is_that_of_python() {
    for name in CASES {
        let (case, json) = Case::read(name);
        let importance = Booster::from_json(&json).unwrap().importance().unwrap();
        assert_eq!(importance.len(), case.features);
        for (feature, importance) in importance.iter().enumerate() {
            let ours = [("gain", Some(importance.gain)), ("weight", importance.weight), ("cover", importance.cover)];
            for (kind, ours) in ours {
                let expected = case.scores[kind].get(&format!("f{feature}")).copied().unwrap_or(0.0);
                assert!(
                    (ours.unwrap() - expected).abs() <= 1e-5 * expected,
                    "{name} f{feature} {kind}: {ours:?} {expected}"
                );
            }
        }
        assert!(!case.scores["gain"].is_empty());
    }
}

#[test]
fn learns_what_python_learns() {
    let mut learned = 0;
    for name in CASES {
        let (case, _) = Case::read(name);
        if case.fit {
            let distance = case.distance(&case.fit().probabilities(case.x()).unwrap());
            assert!(distance <= 1e-5, "{name}: {distance}");
            learned += 1;
        }
    }
    assert_eq!(learned, 2);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_another_seed_other_trees() {
    let (mut case, _) = Case::read("two_classes");
    let first = case.fit().to_json().to_vec();
    assert!(first == case.fit().to_json(), "two runs differ");
    case.settings.seed += 1;
    assert!(first != case.fit().to_json(), "the seed changes nothing");
}

#[test]
fn weights_are_used() {
    let (mut case, _) = Case::read("two_classes");
    let before = case.fit().probabilities(case.x()).unwrap();
    case.weights = vec![1.0; case.labels.len()];
    assert_ne!(before, case.fit().probabilities(case.x()).unwrap());
}

#[test]
fn a_booster_goes_through_its_json_and_to_another_thread() {
    let (case, _) = Case::read("missing");
    let booster = case.fit();
    let again = Booster::from_json(booster.to_json()).unwrap();
    let before = booster.probabilities(case.x()).unwrap();
    let after = std::thread::scope(|scope| {
        let case = &case;
        scope.spawn(move || again.probabilities(case.x()).unwrap()).join().unwrap()
    });
    assert_eq!(before, after);
}

/// Numbers that predictions do not need, but that would make XGBoost itself write out of bounds.
#[test]
fn what_is_not_checked_does_not_reach_xgboost() {
    let (case, json) = Case::read("missing");
    let whole: Value = serde_json::from_slice(&json).unwrap();
    let model = "/learner/gradient_booster/model";
    for place in ["trees/7/id", "trees/7/parents/1", "iteration_indptr/2", "gbtree_model_param/num_trees"] {
        let mut damaged = whole.clone();
        *damaged.pointer_mut(&format!("{model}/{place}")).expect(place) = json!(99_999_999_999_u64);
        let booster = Booster::from_json(&serde_json::to_vec(&damaged).unwrap()).unwrap();
        assert!(case.distance(&booster.probabilities(case.x()).unwrap()) <= 1e-6, "{place}");
    }
}

#[test]
fn predicts_a_table_and_no_rows() {
    let (case, json) = Case::read("base_score");
    let booster = Booster::from_json(&json).unwrap();
    let columns: Vec<String> = (0..case.features).map(|i| format!("f{i}")).collect();
    let table = Table::new(vec!["a.wav".into()], columns.clone(), vec![0.5; case.features]).unwrap();
    let predicted = booster.predict(&table, &labels(3)).unwrap();
    assert_eq!((predicted.names(), predicted.columns()), (table.names(), labels(3).as_slice()));
    assert!((predicted.row(0).iter().sum::<f32>() - 1.0).abs() < 1e-6);
    let empty = Table::new(Vec::new(), columns, Vec::new()).unwrap();
    assert_eq!(booster.predict(&empty, &labels(3)).unwrap().data(), &[] as &[f32]);
    assert!(matches!(booster.predict(&table, &labels(2)), Err(StackError::Shape(_))));
    assert!(matches!(booster.probabilities(Matrix::new(&[0.0; 4], 4).unwrap()), Err(StackError::Shape(_))));
}

#[test]
fn refuses_rows_that_cannot_be_learned_from() {
    let x = [0.0, 1.0, 2.0, 3.0];
    let fit = |labels: &[usize], weights: &[f32], classes: usize, rounds: u32| {
        let settings = StackSettings { rounds, ..StackSettings::default() };
        let x = Matrix::new(&x, 1).unwrap();
        Booster::fit(x, labels, weights, &common::labels(classes), &settings).err().unwrap()
    };
    let ones = [1.0; 4];
    assert!(matches!(fit(&[0, 1, 0], &ones, 2, 1), StackError::Shape(_)));
    assert!(matches!(fit(&[0, 0, 0, 0], &ones, 1, 1), StackError::TooFew(_)));
    assert!(matches!(fit(&[0, 1, 2, 0], &ones, 2, 1), StackError::Clip(_)));
    let lacks = |error, missing| matches!(error, StackError::ClassWithoutRows { class, .. } if class == missing);
    assert!(lacks(fit(&[0, 1, 0, 1], &ones, 3, 1), "class2"));
    assert!(lacks(fit(&[0, 1, 0, 0], &[1.0, 0.0, 1.0, 1.0], 2, 1), "class1"));
    assert!(matches!(fit(&[0, 1, 0, 1], &[1.0, -1.0, 1.0, 1.0], 2, 1), StackError::Clip(_)));
    assert!(matches!(fit(&[0, 1, 0, 1], &ones, 2, 0), StackError::Setting { key: "rounds", .. }));
    assert!(Matrix::new(&x, 3).is_err() && Matrix::new(&x, 0).is_err() && Matrix::new(&[f32::INFINITY], 1).is_err());
}

/// Every kind of damage causes an error with its reason, before XGBoost reads the file.
#[test]
fn damaged_trees_are_refused() {
    let (case, json) = Case::read("missing");
    let whole: Value = serde_json::from_slice(&json).unwrap();
    let tree = "/learner/gradient_booster/model/trees/2";
    let cases = [
        ("/learner/objective/name", json!("multi:softmax"), "has the objective `multi:softmax`"),
        ("/learner/gradient_booster/name", json!("dart"), "holds a `dart`"),
        ("/learner/learner_model_param/num_class", json!("99999999999"), "num_class is `99999999999`"),
        ("/learner/learner_model_param/num_feature", json!("2"), "asks for feature"),
        ("/learner/learner_model_param/base_score", json!("[1E0,2E0]"), "base_score is `[1E0,2E0]` for 4 classes"),
        ("/learner/learner_model_param/base_score", json!("NaN"), "base_score is `NaN`"),
        ("/learner/gradient_booster/model/tree_info", json!([0]), "1 classes for 24 trees"),
        ("/learner/gradient_booster/model/tree_info/3", json!(4), "tree 3 is of class 4"),
        (&format!("{tree}/left_children/0"), json!(1000), "tree 2 is damaged: node 0 has the children 1000 and 2"),
        (&format!("{tree}/left_children/0"), json!(-1), "tree 2 is damaged: node 0 has the children -1 and 2"),
        (&format!("{tree}/left_children/0"), json!(0), "tree 2 is damaged: node 0 has two parents"),
        (&format!("{tree}/right_children/0"), json!(1), "tree 2 is damaged: node 1 has two parents"),
        (&format!("{tree}/split_type/0"), json!(1), "tree 2 splits by category at node 0"),
        (&format!("{tree}/split_conditions"), json!([1.0]), "tree 2 is damaged: its arrays differ in length"),
        (&format!("{tree}/tree_param/size_leaf_vector"), json!("4"), "tree 2 has leaves of several values"),
        (&format!("{tree}/split_conditions/0"), json!("x"), "is damaged: invalid type"),
    ];
    for (place, value, reason) in cases {
        let mut damaged = whole.clone();
        *damaged.pointer_mut(place).expect(place) = value;
        let bytes = serde_json::to_vec(&damaged).unwrap();
        let error = Booster::from_json(&bytes).err().expect(place).to_string();
        assert!(error.contains(reason), "{place}: {error}");
        assert_eq!(to_onnx(&bytes, case.features, case.classes).expect_err(place).to_string(), error);
    }
    for length in [0, 1, json.len() / 2, json.len() - 1] {
        let error = Booster::from_json(&json[..length]).err().unwrap().to_string();
        assert!(error.contains("the booster's JSON is damaged"), "{error}");
    }
}
