//! The sections of a report on clips that may have several labels.

use std::cmp::Reverse;

use earmark_pipeline::{Evaluation, Model, ModelKind, MultiLabel, Run};
use earmark_stacking::{
    CALIBRATION_BINS, Interval, MultiLabelClassScore, calibration_error, co_occurrence as co_occurrence_counts,
    reliability_multi_label,
};
use earmark_tables::counted;

use crate::material::Material;
use crate::page::{Cell, Page};
use crate::plots::{self, Bar, Curve};
use crate::sounds::Sounds;
use crate::words::{capital, clips, number, said, with_interval};
use crate::{hardest, level2, sections, versions};

/// The number of classes whose curves are drawn.
const CURVES: usize = 24;
/// The number of pairs of labels that are listed.
const PAIRS: usize = 12;

pub fn all(page: &mut Page, run: &Run, material: &Material<MultiLabel>, sounds: &Sounds) {
    summary(page, material);
    models(page, material);
    sections::curves(page, material);
    match material.leader() {
        Some(leader) => {
            classes(page, material, leader);
            co_occurrence(page, material, leader);
            calibration(page, leader);
            let hard = hardest::of_several_labels(material, &leader.out_of_fold, sounds);
            hardest::section(page, &hard, leader, "binary cross-entropy, as the mean over classes");
        }
        None => {
            page.section("Predictions");
            page.note(
                "No fold of any learner is done, so there is nothing to judge: no classes, co-occurrence, \
                 reliability or hardest clips.",
            );
        }
    }
    level2::all(page, material);
    sections::recipe(page, material);
    page.section("Versions");
    versions::table(page, run);
}

fn summary(page: &mut Page, material: &Material<MultiLabel>) {
    page.section("Summary");
    let train: Vec<_> = material.clips.iter().filter(|clip| clip.is_train()).collect();
    let labels: usize = train.iter().map(|clip| clip.labels().count()).sum();
    page.paragraph(&format!(
        "{} trained on {} of {} classes in {} folds; a clip has {:.2} labels on average. There are {} for testing. \
         Unless stated otherwise, numbers are out of fold: each training clip is scored by models that were not \
         trained on it. Intervals are 95 % confidence intervals from the bootstrap over clips.",
        counted(material.recipe.learners.len(), "learner"),
        clips(train.len()),
        material.labels.len(),
        material.folds,
        labels as f64 / train.len().max(1) as f64,
        clips(material.count("test")),
    ));
    if let Some(leader) = material.leader() {
        let Evaluation { scores, intervals, .. } = &leader.out_of_fold;
        page.paragraph(&format!(
            "{} has a mean average precision of {}, lwlrap {}, and macro F1 {} at the thresholds.",
            capital(&said(leader)),
            with_interval(scores.macro_average_precision, intervals.macro_average_precision),
            with_interval(scores.lwlrap, intervals.lwlrap),
            number(scores.macro_f1),
        ));
    }
    sections::verified_by_a_run(page, material);
    sections::missing(page, material);
}

fn models(page: &mut Page, material: &Material<MultiLabel>) {
    page.section("Models");
    let models = &material.results.models;
    if models.is_empty() {
        page.note("No job has predicted anything yet.");
        return;
    }
    let header = ["model", "clips", "mAP", "micro AP", "lwlrap", "macro AUC", "d'", "macro F1", "micro F1", "coverage"];
    let caption = "Out of fold. mAP: mean of the classes' average precision; lwlrap: label-weighted label-ranking \
                   average precision; AUC: area under the ROC curve; d': its distance in deviations; F1: at each \
                   class's threshold, which is chosen on the same clips; coverage: how many labels must be taken to \
                   have all of a clip, lower is better. In brackets, intervals of 95 %. Bold: the best of a column.";
    page.table(caption, &header, &rows(models, |model| Some(&model.out_of_fold)));
    if models.iter().any(|model| model.test.is_some()) {
        let caption = "The same on the test clips, at the thresholds that were chosen out of fold.";
        page.table(caption, &header, &rows(models, |model| model.test.as_ref()));
    }
}

/// A row for each model that has scores.
fn rows(
    models: &[Model<MultiLabel>],
    judged: impl Fn(&Model<MultiLabel>) -> Option<&Evaluation<MultiLabel>>,
) -> Vec<Vec<Cell>> {
    type Column = (fn(&Evaluation<MultiLabel>) -> f64, fn(&Evaluation<MultiLabel>) -> Option<Interval>, f64);
    let columns: [Column; 8] = [
        (|it| it.scores.macro_average_precision, |it| Some(it.intervals.macro_average_precision), 1.0),
        (|it| it.scores.micro_average_precision, |it| Some(it.intervals.micro_average_precision), 1.0),
        (|it| it.scores.lwlrap, |it| Some(it.intervals.lwlrap), 1.0),
        (|it| it.scores.macro_roc_auc, |_| None, 1.0),
        (|it| it.scores.d_prime, |_| None, 1.0),
        (|it| it.scores.macro_f1, |_| None, 1.0),
        (|it| it.scores.micro_f1, |_| None, 1.0),
        (|it| it.scores.coverage_error, |_| None, -1.0),
    ];
    let all: Vec<_> = models.iter().filter_map(|model| Some((model, judged(model)?))).collect();
    let best =
        columns.map(|(value, _, sign)| all.iter().map(|(_, it)| sign * value(it)).fold(f64::NEG_INFINITY, f64::max));
    let row = |(model, it): &(&Model<MultiLabel>, &Evaluation<MultiLabel>)| {
        let numbers = columns.iter().zip(best).map(|((value, interval, sign), best)| {
            let text = interval(it).map_or(number(value(it)), |interval| with_interval(value(it), interval));
            if sign * value(it) == best && all.len() > 1 { Cell::Best(text) } else { Cell::Number(text) }
        });
        let first = [Cell::Text(model.name.clone()), Cell::Number(it.truth.len().to_string())];
        first.into_iter().chain(numbers).collect()
    };
    all.iter().map(row).collect()
}

fn classes(page: &mut Page, material: &Material<MultiLabel>, leader: &Model<MultiLabel>) {
    page.section("Classes");
    let is_other = |model: &&Model<MultiLabel>| model.kind == ModelKind::Learner && model.name != leader.name;
    let others: Vec<_> = material.results.models.iter().filter(is_other).collect();
    let per_class = &leader.out_of_fold.scores.per_class;
    let mut order: Vec<usize> = (0..per_class.len()).collect();
    order.sort_by(|&a, &b| per_class[b].average_precision.total_cmp(&per_class[a].average_precision));
    let bar = |&class: &usize| {
        let MultiLabelClassScore { label, clips: with, average_precision, .. } = &per_class[class];
        let marks = others.iter().map(|model| model.out_of_fold.scores.per_class[class].average_precision);
        let tip = format!("{label}: average precision {average_precision:.4}, {}", clips(*with));
        Bar { name: label.clone(), value: *average_precision, marks: marks.collect(), tip }
    };
    let bars: Vec<Bar> = order.iter().map(bar).collect();
    let label = "Average precision of each class; the table after it has the numbers.";
    let caption = format!("Average precision of each class by {}. Tick marks: the other learners.", said(leader));
    page.plot("classes", &plots::bars(label, "average precision", &bars, 1.0), &caption);
    let row = |&class: &usize| {
        let MultiLabelClassScore { label, clips, average_precision, roc_auc, threshold, f1 } = &per_class[class];
        let scores = [*average_precision, *roc_auc, f64::from(*threshold), *f1].map(number);
        [label.clone()]
            .map(Cell::Text)
            .into_iter()
            .chain([clips.to_string()].into_iter().chain(scores).map(Cell::Number))
    };
    let rows: Vec<Vec<Cell>> = order.iter().map(|class| row(class).collect()).collect();
    let header = ["class", "clips", "average precision", "AUC", "threshold", "F1"];
    page.table("Classes from the best to the worst.", &header, &rows);
    let curves: Vec<Curve> = order.iter().rev().take(CURVES).map(|class| curve(leader, *class)).collect();
    let caption = format!(
        "Precision over recall of {} classes, the worst first, by {}. The dot is at the threshold.",
        curves.len(),
        said(leader)
    );
    page.plot("precision-recall", &plots::precision_recall(&curves), &caption);
}

/// Precision and recall of a class at each threshold, from the highest.
fn curve(leader: &Model<MultiLabel>, class: usize) -> Curve {
    let Evaluation { truth, table, scores, .. } = &leader.out_of_fold;
    let MultiLabelClassScore { label, clips: with, threshold, .. } = &scores.per_class[class];
    let answer = |(labels, row): (&Vec<usize>, &[f32])| (row[class], labels.contains(&class));
    let mut answers: Vec<(f32, bool)> = truth.iter().zip(table.rows()).map(answer).collect();
    answers.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut given, mut right) = (0, 0);
    let mut curve = Curve { name: label.clone(), points: Vec::new(), dot: None };
    for equal in answers.chunk_by(|a, b| a.0 == b.0) {
        given += equal.len();
        right += equal.iter().filter(|(_, has)| *has).count();
        let point = (right as f64 / (*with).max(1) as f64, right as f64 / given as f64);
        if equal[0].0 >= *threshold {
            curve.dot = Some(point);
        }
        curve.points.push(point);
    }
    curve
}

fn calibration(page: &mut Page, leader: &Model<MultiLabel>) {
    page.section("Calibration");
    let Evaluation { truth, table, .. } = &leader.out_of_fold;
    let bins = reliability_multi_label(truth, table, CALIBRATION_BINS);
    let caption = format!(
        "Reliability of {} over all pairs of a clip and a class: on the dashed line, clips have a label as often as \
         its probability says. Expected calibration error {}.",
        said(leader),
        number(calibration_error(&bins))
    );
    page.plot("reliability", &plots::reliability(&bins, plots::Answers::All), &caption);
}

fn co_occurrence(page: &mut Page, material: &Material<MultiLabel>, leader: &Model<MultiLabel>) {
    page.section("Co-occurrence");
    let Evaluation { truth, table, scores, .. } = &leader.out_of_fold;
    let (labels, thresholds) = (&material.labels, scores.thresholds());
    let counts = co_occurrence_counts(truth, table, &thresholds);
    let mut wrong = vec![vec![0; labels.len()]; labels.len()];
    for (has, row) in truth.iter().zip(table.rows()) {
        let is_wrong = |class: &usize| row[*class] >= thresholds[*class] && !has.contains(class);
        for given in (0..labels.len()).filter(is_wrong) {
            has.iter().for_each(|label| wrong[*label][given] += 1);
        }
    }
    let totals: Vec<usize> = scores.per_class.iter().map(|class| class.clips).collect();
    let caption = format!(
        "Of the clips with a label (row), how many {} gives each label (column) at its threshold. A clip counts in \
         the row of each of its labels. The diagonal is correct; beside it are labels that these clips also have, and \
         wrong ones.",
        said(leader)
    );
    page.plot("co-occurrence", &plots::co_occurrence(labels, &counts, &totals), &caption);
    let pairs = wrong.iter().enumerate().flat_map(|(label, row)| {
        row.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(given, count)| (*count, label, given))
    });
    let mut pairs: Vec<(usize, usize, usize)> = pairs.collect();
    pairs.sort_by_key(|(count, label, given)| (Reverse(*count), *label, *given));
    let row = |&(count, label, given): &(usize, usize, usize)| {
        let names = [label, given].map(|class| Cell::Text(labels[class].clone()));
        names.into_iter().chain([count, totals[label]].map(|n| Cell::Number(n.to_string()))).collect()
    };
    let rows: Vec<Vec<Cell>> = pairs.iter().take(PAIRS).map(row).collect();
    if rows.is_empty() {
        page.paragraph("No clip is given a label that it does not have.");
    } else {
        page.table("The labels that are most often given wrongly.", &["clips with", "given", "clips", "of"], &rows);
    }
}
