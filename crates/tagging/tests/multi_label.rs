//! Level 2 of clips with several labels: ONNX Runtime predicts what level 2 predicts.
#![allow(clippy::unwrap_used, reason = "tests")]

use earmark_stacking::{FeatureKind, MultiLabelRows, MultiLabelStack, StackFeatures, StackKind, StackSettings, Table};
use earmark_tagging::{Model, Signature};

/// Probabilities of a learner, some of them exactly 0 or 1; clips with a class have larger ones.
fn learner(seed: usize, truth: &[Vec<usize>], classes: usize) -> Table {
    let noise = |at: usize| (at.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 7 & 0xFFFF) as f32 / 65_536.0;
    let value = |(row, class): (usize, usize)| {
        let logit = 8.0 * noise(row * classes + class + seed * 7919) - 5.0;
        let logit = if truth[row].contains(&class) { logit + 3.0 } else { logit };
        let value = 1.0 / (1.0 + (-logit).exp());
        if value < 0.01 {
            0.0
        } else if value > 0.99 {
            1.0
        } else {
            value
        }
    };
    let cells = (0..truth.len()).flat_map(|row| (0..classes).map(move |class| (row, class)));
    let names = (0..truth.len()).map(|row| format!("{row}.wav")).collect();
    let labels = (0..classes).map(|class| format!("class{class}")).collect();
    Table::new(names, labels, cells.map(value).collect()).unwrap()
}

#[test]
fn stacks_of_every_kind_predict_as_level_2_does() {
    use FeatureKind::{LogProbabilities, MfccStatistics, Probabilities};
    let (rows, classes) = (150, 4);
    let truth: Vec<Vec<usize>> = (0..rows)
        .map(|row| (0..classes).filter(|class| (row >> class) % 3 == 0 || row % 4 == *class).collect())
        .collect();
    let (a, b) = (learner(1, &truth, classes), learner(2, &truth, classes));
    let learners = [("a", &a), ("b", &b)];
    let statistics: Vec<f32> = (0..rows * 2).map(|at| 400.0 + (at * 37 % 101) as f32).collect();
    let statistics = Table::new(a.names().to_vec(), vec!["m0".into(), "m1".into()], statistics).unwrap();
    let kinds: [(StackKind, &[FeatureKind]); 5] = [
        (StackKind::Mean, &[Probabilities]),
        (StackKind::GeometricMean, &[Probabilities]),
        (StackKind::Logistic, &[Probabilities]),
        (StackKind::Logistic, &[LogProbabilities, MfccStatistics]),
        (StackKind::Logistic, &[MfccStatistics]),
    ];
    for (kind, columns) in kinds {
        let features = StackFeatures::new(columns, &learners, Some(&statistics)).unwrap();
        let (folds, weights) = (vec![0; rows], vec![1.0; rows]);
        let training = MultiLabelRows {
            features: &features.table,
            truth: &truth,
            folds: &folds,
            weights: &weights,
            classes: a.columns(),
        };
        let settings = StackSettings { kind, ..StackSettings::default() };
        let stack = MultiLabelStack::fit(&training, &settings).unwrap();
        let mut given: Vec<Table> = learners.iter().map(|(name, table)| table.prefixed(name)).collect();
        given.extend((features.layout.statistics > 0).then(|| statistics.clone()));
        let given = Table::hstack(&given.iter().collect::<Vec<_>>()).unwrap();
        let signature = Signature::stack(given.columns().len(), classes);
        let mut model = Model::load("stack", &stack.to_onnx(&features.layout).unwrap(), 1, signature).unwrap();
        let tagged = model.run(given.data(), [rows, given.columns().len()]).unwrap();
        let expected = stack.predict(&features.table, a.columns()).unwrap();
        let largest = tagged.iter().zip(expected.data()).map(|(a, b)| f64::from(a - b).abs()).fold(0.0, f64::max);
        println!("{kind:?} of {columns:?}: {largest:.1e}");
        assert!(tagged.len() == rows * classes && largest <= 1e-5, "{kind:?} of {columns:?}: {largest:.1e}");
        // Several classes of a clip may be probable at once.
        assert!(expected.rows().any(|row| row.iter().sum::<f32>() > 1.5), "{kind:?}");
    }
}
