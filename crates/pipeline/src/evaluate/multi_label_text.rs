//! The scores of a run whose clips may have several labels, as tables of text.

use std::fmt;

use earmark_stacking::{Interval, MultiLabelClassScore};
use earmark_tables::text_table;

use super::{Evaluation, MultiLabel, Results, interval_note};
use crate::text::{score, with_interval};

/// As tables for people: one line per model, out of fold and on the test clips; how much better the
/// stack is; each class by the last model, the stack.
impl fmt::Display for Results<MultiLabel> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_test: Option<Vec<_>> =
            self.models.iter().map(|model| model.test.as_ref().map(|test| (&model.name, test))).collect();
        let oof = self.models.iter().map(|model| (&model.name, &model.out_of_fold)).collect();
        let sets = [Some(("out of fold", oof)), of_test.map(|models| ("test", models))];
        for (set, models) in sets.into_iter().flatten() {
            writeln!(f, "{}", scores_text(set, models))?;
        }
        let (differences, note) = (text_table(&differences_rows(self)), interval_note(&self.resampling));
        write!(f, "{differences}{note}\n\n{}", text_table(&class_rows(self)))
    }
}

fn scores_text(set: &str, models: Vec<(&String, &Evaluation<MultiLabel>)>) -> String {
    let header = [set, "mAP", "micro AP", "lwlrap", "AUC", "d'", "macro F1", "micro F1", "coverage"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(models.into_iter().map(|(name, evaluation)| [vec![name.clone()], evaluation.cells()].concat()));
    text_table(&rows)
}

impl Evaluation<MultiLabel> {
    /// Macro and micro average precision and lwlrap with their intervals; AUC, d', macro and micro
    /// F1, coverage.
    pub fn cells(&self) -> Vec<String> {
        let Self { scores, intervals, .. } = self;
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
}

fn differences_rows(results: &Results<MultiLabel>) -> Vec<Vec<String>> {
    let has_test = results.differences.iter().any(|comparison| comparison.test.is_some());
    let header = ["difference", "mAP", "lwlrap", "test mAP", "test lwlrap"];
    let mut rows = vec![header[..if has_test { 5 } else { 3 }].iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>()];
    for comparison in &results.differences {
        let sets = [Some(&comparison.out_of_fold), comparison.test.as_ref()];
        let values = sets.into_iter().flatten().flat_map(|set| [set.macro_average_precision, set.lwlrap]);
        let cells = values.map(|difference| {
            let Interval { low, high } = difference.interval;
            format!("{:+.4} [{low:+.3}, {high:+.3}]", difference.value)
        });
        let name = format!("{} minus {}", comparison.model, comparison.against);
        rows.push([name].into_iter().chain(cells).collect());
    }
    rows
}

fn class_rows(results: &Results<MultiLabel>) -> Vec<Vec<String>> {
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
