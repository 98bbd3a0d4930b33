//! The sections on the stack: how it was chosen, which features it uses, and how it performs
//! without each learner.

use earmark_datasets::Task;
use earmark_stacking::{CandidateScores, Excluded, Interval, Merits, PairedDifference, StackKind, most_probable};
use earmark_tables::counted;

use crate::material::{AblationRow, Importance, Material};
use crate::page::{Cell, Page};
use crate::plots::{self, Bar};
use crate::words::{clips, number, percent, with_interval};
use earmark_pipeline::{ALL_LEARNERS, ARITHMETIC, Comparison, STACK, Scoring, TrainMerits};

/// If the stack's accuracy on the clips that it was fitted on is higher by this much, it overfits.
const OVERFIT: f64 = 0.05;
/// If two models predict the same label for this share of clips, they are nearly the same.
const ALIKE: f64 = 0.97;
/// The number of features of the stack that are shown.
const FEATURES: usize = 25;

pub fn all<S: Scoring>(page: &mut Page, material: &Material<S>) {
    choice(page, material);
    importance(page, material);
    without(page, material);
}

/// With `kind = "auto"`: all candidates, and why one of them was chosen.
fn choice<S: Scoring>(page: &mut Page, material: &Material<S>) {
    let Some(choice) = &material.choice else { return };
    page.section("Choice of the combination");
    let (divided, loss, of_scores) = match S::TASK {
        Task::SingleLabel => ("logarithms", "log loss", ["accuracy", "mAP@3"]),
        Task::MultiLabel => ("log odds", "binary cross-entropy over classes", ["mAP", "lwlrap"]),
    };
    page.paragraph(&format!(
        "The choice: {}. The {divided} of its probabilities are divided by a temperature of {:.2}, which calibrates \
         them and changes no ranking.",
        choice.reason, choice.temperature
    ));
    let row = |of: &CandidateScores| {
        let PairedDifference { mean, standard_error } = of.difference;
        let numbers = [number(of.loss), format!("{mean:+.4} ± {standard_error:.4}")];
        let numbers =
            numbers.into_iter().chain(merits(&of.merits).map(|(value, interval)| with_interval(value, interval)));
        let folds = choice.folds.iter().filter(|fold| fold.chosen == of.name).map(|fold| fold.fold.to_string());
        let mut cells = vec![Cell::Text(of.name.clone())];
        cells.extend(numbers.map(|text| if of.name == choice.chosen { Cell::Best(text) } else { Cell::Number(text) }));
        cells.push(Cell::Text(folds.collect::<Vec<_>>().join(", ")));
        cells
    };
    let rows: Vec<_> = choice.candidates.iter().map(row).collect();
    let caption = format!(
        "The candidates from simple to complex, each fitted and scored out of fold. Loss: the mean {loss} after \
         temperature scaling, lower is better; then its difference from the smallest, with the standard error of the \
         difference. In brackets, intervals of 95 %. Last: the folds whose clips the candidate predicts, because it \
         was chosen without them. Bold: chosen on all folds."
    );
    let header = ["candidate", "loss", "from the smallest", of_scores[0], of_scores[1], "folds"];
    page.table(&caption, &header, &rows);
    page.paragraph(
        "The stack's scores on this page are those of the last column: neither the choice nor the fit saw the clips \
         that it is scored on. A candidate's own scores do not include the choice, so the best of them is optimistic.",
    );
    for Excluded { name, reason } in &choice.excluded {
        page.note(&format!("Not a candidate: {name}. It needs more clips: {reason}."));
    }
}

/// The two scores of a candidate in the table.
fn merits(merits: &Merits) -> [(f64, Interval); 2] {
    match *merits {
        Merits::SingleLabel { map3, map3_interval, accuracy, accuracy_interval, .. } => {
            [(accuracy, accuracy_interval), (map3, map3_interval)]
        }
        Merits::MultiLabel {
            macro_average_precision,
            macro_average_precision_interval,
            lwlrap,
            lwlrap_interval,
            ..
        } => [(macro_average_precision, macro_average_precision_interval), (lwlrap, lwlrap_interval)],
    }
}

/// A possible reason why the stack is not better than its best learner and the mean; `None` if it
/// is better, or if nothing is known.
pub fn why(material: &Material) -> Option<String> {
    let learns = matches!(material.stack_kind(), StackKind::Xgboost | StackKind::Logistic);
    let fit = material.train_scores.as_ref().filter(|_| learns)?;
    let TrainMerits::SingleLabel { accuracy, .. } = fit.merits else { return None };
    let results = material.results;
    let is_better = |by: &Comparison| by.out_of_fold.accuracy.interval.low > 0.0;
    if results.differences.iter().all(is_better) {
        return None;
    }
    let of_kind = |name| results.models.iter().find(|system| system.name == name).map(|system| &system.out_of_fold);
    let (stack, mean) = (of_kind(STACK)?, of_kind(ARITHMETIC)?);
    let pairs = || stack.table.rows().zip(mean.table.rows());
    let alike = pairs().filter(|(a, b)| most_probable(a) == most_probable(b)).count() as f64 / pairs().count() as f64;
    let reason = match (accuracy - stack.scores.accuracy > OVERFIT, alike > ALIKE) {
        (true, _) => {
            " It overfits: it is much better on the clips that it was fitted on than on others. More clips, fewer \
             features, or more regularization may help."
        }
        (false, true) => " The two hardly differ: the learners agree so much that weights add little to their mean.",
        (false, false) => "",
    };
    Some(format!(
        "Why the stack is not better: it was fitted on {} with {} each, and classifies {} of these correctly after \
         that, {} out of fold. On {} of the clips it predicts the same label as the learners' mean.{reason}",
        clips(fit.clips),
        counted(fit.columns, "feature"),
        percent(accuracy),
        percent(stack.scores.accuracy),
        percent(alike),
    ))
}

fn importance<S: Scoring>(page: &mut Page, material: &Material<S>) {
    page.section("Feature importance");
    if material.importance.is_empty() {
        page.note("There is no level2/importance.csv: the stack has no importances, or is not fitted yet.");
        return;
    }
    let mut learners: Vec<(&str, f64)> = Vec::new();
    let total: f64 = material.importance.iter().map(Importance::total).sum();
    for row in &material.importance {
        match learners.iter_mut().find(|(name, _)| *name == row.learner) {
            Some((_, sum)) => *sum += row.total(),
            None => learners.push((&row.learner, row.total())),
        }
    }
    learners.sort_by(|a, b| b.1.total_cmp(&a.1));
    let what = match material.stack_kind() {
        StackKind::Logistic => "mean absolute coefficients, in units of the features' deviations",
        StackKind::WeightedMean => "weights of the learners, on each of their features",
        _ => "gain of the trees' splits",
    };
    let share = |part: f64| if total > 0.0 { part / total } else { 0.0 };
    let bar = |name: &str, part: f64| Bar {
        name: name.to_owned(),
        value: share(part),
        marks: Vec::new(),
        tip: format!("{name}: {:.2} %", 100.0 * share(part)),
    };
    let by_learner: Vec<Bar> = learners.iter().map(|(name, part)| bar(name, *part)).collect();
    let most = by_learner.first().map_or(1.0, |bar| bar.value).max(0.01);
    let plot = plots::bars("Importance by source of features.", "share", &by_learner, most);
    page.plot("importance-learners", &plot, &format!("The {what}: the share of each source's features together."));
    let mut rows: Vec<_> = material.importance.iter().collect();
    rows.sort_by(|a, b| b.total().total_cmp(&a.total()));
    let bars: Vec<Bar> = rows.iter().take(FEATURES).map(|row| bar(&row.feature, row.total())).collect();
    let most = bars.first().map_or(1.0, |bar| bar.value).max(0.001);
    let plot = plots::bars("Importance of the most important features.", "share", &bars, most);
    let caption = format!("The {what}: the {} most important features of {}.", bars.len(), rows.len());
    page.plot("importance", &plot, &caption);
}

fn without<S: Scoring>(page: &mut Page, material: &Material<S>) {
    page.section("Ablation");
    let Some(all) = material.ablation.iter().find(|row| row.without == ALL_LEARNERS) else {
        page.note("There is no level2/ablation.csv: the stack was not fitted without one learner at a time.");
        return;
    };
    let columns = match S::TASK {
        Task::SingleLabel => [("accuracy", "accuracy"), ("map_at_3", "mAP@3"), ("macro_average_precision", "macro AP")],
        Task::MultiLabel => {
            [("macro_average_precision", "mAP"), ("micro_average_precision", "micro AP"), ("lwlrap", "lwlrap")]
        }
    };
    let row = |row: &AblationRow| {
        let is_whole = row.without == ALL_LEARNERS;
        let name = if is_whole { "none: all learners".to_owned() } else { row.without.clone() };
        let score = |name: &str| {
            let [value, of_all] = [row, all].map(|row| row.scores.get(name).copied().unwrap_or(f64::NAN));
            let change = if is_whole { String::new() } else { format!(" ({:+.3})", value - of_all) };
            Cell::Number(number(value) + &change)
        };
        [Cell::Text(name)].into_iter().chain(columns.map(|(name, _)| score(name))).collect()
    };
    let rows: Vec<_> = material.ablation.iter().map(row).collect();
    let header: Vec<&str> = ["omitted"].into_iter().chain(columns.map(|(_, title)| title)).collect();
    page.table("The stack fitted without one of its sources, out of fold; in parentheses, the change.", &header, &rows);
}
