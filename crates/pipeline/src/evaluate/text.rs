//! The scores of a run as tables of text.

use std::fmt;

use earmark_stacking::{Difference, Differences, Resampling};
use earmark_tables::text_table;

use super::{Evaluation, Results, Scoring, SingleLabel};
use crate::text::{difference, score, with_interval};

/// The tables of scores.
pub trait ScoreTables: Scoring {
    /// The scores of a model, in the order of [`ScoreTables::cells`].
    const COLUMNS: &'static [&'static str];
    /// The two scores whose differences are shown.
    const DIFFERENCES: [&'static str; 2];

    /// A model's scores, some with their intervals.
    fn cells(evaluation: &Evaluation<Self>) -> Vec<String>;

    /// The differences of the two scores.
    fn differences_of(differences: &Self::Differences) -> [Difference; 2];

    /// The scores of each class, below a header.
    fn class_rows(results: &Results<Self>) -> Vec<Vec<String>>;
}

/// As tables for people: one line per model, out of fold and on the test clips; how much better the
/// stack is; the classes.
impl<S: ScoreTables> fmt::Display for Results<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_test: Option<Vec<_>> =
            self.models.iter().map(|model| model.test.as_ref().map(|test| (&model.name, test))).collect();
        let oof = self.models.iter().map(|model| (&model.name, &model.out_of_fold)).collect();
        let sets = [Some(("out of fold", oof)), of_test.map(|models| ("test", models))];
        for (set, models) in sets.into_iter().flatten() {
            writeln!(f, "{}", scores_text(set, models))?;
        }
        let (differences, note) = (text_table(&differences_rows(self)), interval_note(&self.resampling));
        write!(f, "{differences}{note}\n\n{}", text_table(&S::class_rows(self)))
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

fn scores_text<S: ScoreTables>(set: &str, models: Vec<(&String, &Evaluation<S>)>) -> String {
    let header = [set].into_iter().chain(S::COLUMNS.iter().copied());
    let mut rows = vec![header.map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(models.into_iter().map(|(name, evaluation)| [vec![name.clone()], S::cells(evaluation)].concat()));
    text_table(&rows)
}

fn differences_rows<S: ScoreTables>(results: &Results<S>) -> Vec<Vec<String>> {
    let has_test = results.differences.iter().any(|comparison| comparison.test.is_some());
    let of_test = S::DIFFERENCES.iter().filter(|_| has_test).map(|name| format!("test {name}"));
    let header = ["difference"].into_iter().chain(S::DIFFERENCES).map(str::to_owned).chain(of_test);
    let mut rows = vec![header.collect::<Vec<_>>()];
    for comparison in &results.differences {
        let sets = [Some(&comparison.out_of_fold), comparison.test.as_ref()];
        let cells = sets.into_iter().flatten().flat_map(S::differences_of);
        let cells = cells.map(|Difference { value, interval }| difference(value, interval));
        let name = format!("{} minus {}", comparison.model, comparison.against);
        rows.push([name].into_iter().chain(cells).collect());
    }
    rows
}

impl ScoreTables for SingleLabel {
    const COLUMNS: &'static [&'static str] = &["mAP@3", "accuracy", "macro AP", "macro AUC", "ECE"];
    const DIFFERENCES: [&'static str; 2] = ["mAP@3", "accuracy"];

    fn cells(Evaluation { scores, intervals, .. }: &Evaluation<Self>) -> Vec<String> {
        vec![
            with_interval(scores.map3, intervals.map3),
            with_interval(scores.accuracy, intervals.accuracy),
            with_interval(scores.macro_average_precision, intervals.macro_average_precision),
            score(scores.macro_roc_auc),
            score(scores.expected_calibration_error),
        ]
    }

    fn differences_of(differences: &Differences) -> [Difference; 2] {
        [differences.map3, differences.accuracy]
    }

    /// The average precision of each class by each model.
    fn class_rows(results: &Results<Self>) -> Vec<Vec<String>> {
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
}
