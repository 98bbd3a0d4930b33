//! A comparison as tables of text.

use std::fmt;

use earmark_datasets::Task;
use earmark_stacking::{PairedScore, PairedScores};
use earmark_tables::{counted, text_table};

use super::RunComparison;
use crate::evaluate::interval_note;
use crate::text::{difference, score};

/// As tables for people: a line per score, out of fold and on the test clips; the classes out of
/// fold.
impl fmt::Display for RunComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.runs.each_ref().map(|run| run.display());
        writeln!(f, "A: {a}\nB: {b}\nmodel: {}", self.model)?;
        if self.only != [0; 2] {
            let [of_a, of_b] = self.only;
            writeln!(f, "omitted: {} that only A has, {of_b} that only B has", counted(of_a, "clip"))?;
        }
        writeln!(f)?;
        for (set, scores) in [("out of fold", Some(&self.out_of_fold)), ("test", self.test.as_ref())] {
            let Some(scores) = scores else { continue };
            writeln!(f, "{}", text_table(&score_rows(set, scores, self.task)))?;
        }
        writeln!(f, "{}", text_table(&class_rows(&self.out_of_fold, self.task)))?;
        writeln!(f, "{}", interval_note(&self.resampling))?;
        writeln!(f, "The same clips are drawn for A and B: an interval without 0 is a significant difference.")
    }
}

/// The name of a score for people.
fn title(score: &str, task: Task) -> &str {
    match (score, task) {
        ("map_at_3", _) => "mAP@3",
        ("macro_average_precision", Task::SingleLabel) => "macro AP",
        ("macro_average_precision", Task::MultiLabel) => "mAP",
        ("micro_average_precision", _) => "micro AP",
        ("average_precision", _) => "AP",
        (other, _) => other,
    }
}

fn cells(of: &PairedScore) -> [String; 3] {
    [score(of.a), score(of.b), difference(of.difference, of.interval)]
}

fn score_rows(set: &str, scores: &PairedScores, task: Task) -> Vec<Vec<String>> {
    let header =
        [format!("{set}, {}", counted(scores.clips, "clip")), "A".to_owned(), "B".to_owned(), "B minus A".to_owned()];
    let mut rows = vec![header.to_vec()];
    let row = |score: &PairedScore| std::iter::once(title(score.name, task).to_owned()).chain(cells(score)).collect();
    rows.extend(scores.scores.iter().map(row));
    rows
}

fn class_rows(scores: &PairedScores, task: Task) -> Vec<Vec<String>> {
    let names = scores.per_class.first().map_or(&[][..], |class| &class.scores).iter();
    let titles = names.flat_map(|score| {
        let title = title(score.name, task);
        [format!("{title} A"), format!("{title} B"), "B minus A".to_owned()]
    });
    let mut rows = vec![["class, out of fold".to_owned(), "clips".to_owned()].into_iter().chain(titles).collect()];
    rows.extend(scores.per_class.iter().map(|class| {
        let first = [class.label.clone(), class.clips.to_string()];
        first.into_iter().chain(class.scores.iter().flat_map(cells)).collect()
    }));
    rows
}
