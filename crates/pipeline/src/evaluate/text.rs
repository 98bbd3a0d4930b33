//! The scores of a run as tables of text.

use std::fmt;

use earmark_stacking::{Interval, Resampling};
use earmark_tables::text_table;

use super::{Evaluation, Results};
use crate::text::{score, with_interval};

/// As tables for people: one line per model, out of fold and on the test clips; how much better the
/// stack is; average precision per class.
impl fmt::Display for Results {
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

/// Explains the intervals in brackets.
pub fn interval_note(resampling: &Resampling) -> String {
    format!(
        "In brackets: {} % confidence intervals from {} bootstrap resamples of the clips.",
        resampling.level * 100.0,
        resampling.resamples
    )
}

fn scores_text(set: &str, models: Vec<(&String, &Evaluation)>) -> String {
    let header = [set, "mAP@3", "accuracy", "macro AP", "macro AUC", "ECE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(models.into_iter().map(|(name, evaluation)| [vec![name.clone()], evaluation.cells()].concat()));
    text_table(&rows)
}

impl Evaluation {
    /// mAP@3, accuracy, macro AP, macro AUC, ECE; the first three with their intervals.
    pub fn cells(&self) -> Vec<String> {
        let Self { scores, intervals, .. } = self;
        vec![
            with_interval(scores.map3, intervals.map3),
            with_interval(scores.accuracy, intervals.accuracy),
            with_interval(scores.macro_average_precision, intervals.macro_average_precision),
            score(scores.macro_roc_auc),
            score(scores.expected_calibration_error),
        ]
    }
}

fn differences_rows(results: &Results) -> Vec<Vec<String>> {
    let has_test = results.differences.iter().any(|comparison| comparison.test.is_some());
    let header = ["difference", "mAP@3", "accuracy", "test mAP@3", "test accuracy"];
    let mut rows = vec![header[..if has_test { 5 } else { 3 }].iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>()];
    for comparison in &results.differences {
        let sets = [Some(&comparison.out_of_fold), comparison.test.as_ref()];
        let cells = sets.into_iter().flatten().flat_map(|set| [set.map3, set.accuracy]).map(|difference| {
            let Interval { low, high } = difference.interval;
            format!("{:+.4} [{low:+.3}, {high:+.3}]", difference.value)
        });
        let name = format!("{} minus {}", comparison.model, comparison.against);
        rows.push([name].into_iter().chain(cells).collect());
    }
    rows
}

fn class_rows(results: &Results) -> Vec<Vec<String>> {
    let header = ["average precision, out of fold".to_owned(), "clips".to_owned()];
    let names = results.models.iter().map(|model| model.name.clone());
    let mut rows = vec![header.into_iter().chain(names).collect::<Vec<_>>()];
    let classes = results.models.first().map_or(0, |model| model.out_of_fold.scores.per_class.len());
    for class in 0..classes {
        let of_class = || results.models.iter().map(|model| &model.out_of_fold.scores.per_class[class]);
        let first = of_class().next().map_or((String::new(), 0), |class| (class.label.clone(), class.clips));
        let cells = of_class().map(|class| score(class.average_precision));
        rows.push([first.0, first.1.to_string()].into_iter().chain(cells).collect());
    }
    rows
}
