//! The probability from which on a clip is given a label.

use crate::Table;

/// The threshold of a class without clips, about which nothing is known.
const UNKNOWN: f32 = 0.5;

/// For each class, the probability with the highest F1 if all clips with at least this probability
/// are given its label; of several, the lowest, as `argmax` over the thresholds of scikit-learn's
/// `precision_recall_curve` would choose. 0.5 for a class without clips.
///
/// Choose them on out-of-fold probabilities: on the clips that a model was trained on, they would
/// be too high.
///
/// # Shape
/// `truth`: for each row of `probabilities`, the indices of the columns that are its labels. The
/// result has one threshold per column.
///
/// # Panics
/// When the length of `truth` differs from the table's.
pub fn best_thresholds(truth: &[Vec<usize>], probabilities: &Table) -> Vec<f32> {
    assert_eq!(truth.len(), probabilities.names().len(), "labels for each clip");
    (0..probabilities.columns().len()).map(|class| best_threshold(class, truth, probabilities)).collect()
}

fn best_threshold(class: usize, truth: &[Vec<usize>], probabilities: &Table) -> f32 {
    let rows = probabilities.rows().zip(truth);
    let mut answers: Vec<(f32, bool)> = rows.map(|(row, labels)| (row[class], labels.contains(&class))).collect();
    answers.sort_by(|a, b| b.0.total_cmp(&a.0));
    let clips = answers.iter().filter(|(_, right)| *right).count();
    let (mut given, mut both, mut best) = (0, 0, (0.0, UNKNOWN));
    for equal in answers.chunk_by(|a, b| a.0 == b.0) {
        given += equal.len();
        both += equal.iter().filter(|(_, right)| *right).count();
        let f1 = 2.0 * both as f64 / (clips + given) as f64;
        if f1 > 0.0 && f1 >= best.0 {
            best = (f1, equal[0].0);
        }
    }
    best.1
}
