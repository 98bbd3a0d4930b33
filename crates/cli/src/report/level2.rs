//! The sections on the stack: what it looks at, and what it would be without each learner.

use earmark_stacking::Kind;

use super::material::{Importance, Material, Without};
use super::page::{Cell, Page};
use super::plots::{self, Bar};
use super::words::number;

/// Features that are shown of the stack.
const FEATURES: usize = 25;

pub fn all(page: &mut Page, material: &Material) {
    importance(page, material);
    without(page, material);
}

fn importance(page: &mut Page, material: &Material) {
    page.section("What the stack looks at");
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
    let what = match material.recipe.stack.kind {
        Kind::Logistic => "mean absolute coefficients, in units of the features' deviations",
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
    let plot = plots::bars("Importance of the foremost features.", "share", &bars, most);
    page.plot("importance", &plot, &format!("The {what}: the {} foremost features of {}.", bars.len(), rows.len()));
}

fn without(page: &mut Page, material: &Material) {
    page.section("Leave one learner out");
    let Some(all) = material.without.iter().find(|row| row.without == "-") else {
        page.note("There is no level2/without.csv: the stack was not fitted without one learner at a time.");
        return;
    };
    let row = |row: &Without| {
        let name = if row.without == "-" { "none: all learners".to_owned() } else { row.without.clone() };
        let change = |value: f64, of_all: f64| {
            if row.without == "-" { number(value) } else { format!("{} ({:+.3})", number(value), value - of_all) }
        };
        let numbers = [
            change(row.accuracy, all.accuracy),
            change(row.map_at_3, all.map_at_3),
            change(row.macro_average_precision, all.macro_average_precision),
        ];
        [Cell::Text(name)].into_iter().chain(numbers.map(Cell::Number)).collect()
    };
    let rows: Vec<_> = material.without.iter().map(row).collect();
    page.table(
        "The stack fitted without one of its sources, out of fold; in parentheses, the change.",
        &["left out", "accuracy", "mAP@3", "macro AP"],
        &rows,
    );
}
