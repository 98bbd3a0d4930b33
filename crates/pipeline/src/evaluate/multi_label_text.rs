//! The scores of a run whose clips may have several labels, as tables of text.

use earmark_stacking::{Difference, MultiLabelClassScore, MultiLabelDifferences};

use super::text::ScoreTables;
use super::{Evaluation, MultiLabel, Results};
use crate::text::{score, with_interval};

impl ScoreTables for MultiLabel {
    const COLUMNS: &'static [&'static str] =
        &["mAP", "micro AP", "lwlrap", "AUC", "d'", "macro F1", "micro F1", "coverage"];
    const DIFFERENCES: [&'static str; 2] = ["mAP", "lwlrap"];

    /// The first three with their intervals.
    fn cells(Evaluation { scores, intervals, .. }: &Evaluation<Self>) -> Vec<String> {
        vec![
            with_interval(scores.macro_average_precision, intervals.macro_average_precision),
            with_interval(scores.micro_average_precision, intervals.micro_average_precision),
            with_interval(scores.lwlrap, intervals.lwlrap),
            score(scores.macro_roc_auc),
            score(scores.d_prime),
            score(scores.macro_f1),
            score(scores.micro_f1),
            score(scores.coverage_error),
        ]
    }

    fn differences_of(differences: &MultiLabelDifferences) -> [Difference; 2] {
        [differences.macro_average_precision, differences.lwlrap]
    }

    /// The scores of each class by the last model, the stack.
    fn class_rows(results: &Results<Self>) -> Vec<Vec<String>> {
        let Some(model) = results.models.last() else { return Vec::new() };
        let header = [&format!("{}, out of fold", model.name), "clips", "AP", "AUC", "threshold", "F1"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(model.out_of_fold.scores.per_class.iter().map(|class| {
            let MultiLabelClassScore { label, clips, average_precision, roc_auc, threshold, f1 } = class;
            let numbers = [*average_precision, *roc_auc, f64::from(*threshold), *f1].map(score);
            [label.clone(), clips.to_string()].into_iter().chain(numbers).collect()
        }));
        rows
    }
}
