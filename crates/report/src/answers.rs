//! The sections on one system's predictions: which classes it confuses, how well it predicts each
//! class, how well its probabilities are calibrated, and where it is most wrong.

use std::cmp::Reverse;

use earmark_stacking::{CALIBRATION_BINS, confusion, reliability};

use crate::hardest;
use crate::material::Material;
use crate::page::{Cell, Page};
use crate::plots::{self, Bar};
use crate::sounds::Sounds;
use crate::words::{clips, number, said};
use earmark_pipeline::{Evaluation, Model, ModelKind};

/// The number of pairs of confused classes that are listed.
const CONFUSIONS: usize = 12;

pub fn all(page: &mut Page, material: &Material, leader: &Model, sounds: &Sounds) {
    confusions(page, material, leader);
    classes(page, material, leader);
    calibration(page, leader);
    let hard = hardest::of_one_label(material, &leader.out_of_fold, sounds);
    hardest::section(page, &hard, leader, "loss of their true label");
}

fn confusions(page: &mut Page, material: &Material, leader: &Model) {
    page.section("Confusion matrix");
    let Evaluation { truth, table, .. } = &leader.out_of_fold;
    let counts = confusion(material.labels.len(), truth, table);
    let caption =
        format!("Predictions of {}. The shade is the share of the true class; the diagonal is correct.", said(leader));
    let many =
        if material.labels.len() > plots::MOST_NAMES { " Names stand in the tips and in the table below." } else { "" };
    page.plot("confusion", &plots::confusion(&material.labels, &counts), &(caption + many));
    let labels = &material.labels;
    let pairs = counts.iter().enumerate().flat_map(|(truth, row)| {
        row.iter()
            .enumerate()
            .filter(move |(answer, count)| *answer != truth && **count > 0)
            .map(move |(answer, count)| (*count, truth, answer))
    });
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by_key(|(count, truth, answer)| (Reverse(*count), *truth, *answer));
    if pairs.is_empty() {
        page.paragraph("Every clip is classified correctly.");
        return;
    }
    let row = |&(count, truth, answer): &(usize, usize, usize)| {
        let of = counts[truth].iter().sum::<usize>();
        vec![
            Cell::Text(labels[truth].clone()),
            Cell::Text(labels[answer].clone()),
            Cell::Number(count.to_string()),
            Cell::Number(of.to_string()),
        ]
    };
    let rows: Vec<_> = pairs.iter().take(CONFUSIONS).map(row).collect();
    page.table("The most frequent confusions.", &["true class", "predicted", "clips", "of"], &rows);
}

fn classes(page: &mut Page, material: &Material, leader: &Model) {
    page.section("Classes");
    let others: Vec<&Model> = material
        .results
        .models
        .iter()
        .filter(|system| system.kind == ModelKind::Learner && system.name != leader.name)
        .collect();
    let per_class = &leader.out_of_fold.scores.per_class;
    let mut order: Vec<usize> = (0..per_class.len()).collect();
    order.sort_by(|&a, &b| per_class[b].average_precision.total_cmp(&per_class[a].average_precision));
    let bars: Vec<Bar> = order
        .iter()
        .map(|&class| {
            let score = &per_class[class];
            let marks = others.iter().map(|system| system.out_of_fold.scores.per_class[class].average_precision);
            let tip =
                format!("{}: average precision {:.4}, {}", score.label, score.average_precision, clips(score.clips));
            Bar { name: score.label.clone(), value: score.average_precision, marks: marks.collect(), tip }
        })
        .collect();
    let marks = match (others.is_empty(), leader.kind) {
        (true, _) => "",
        (_, ModelKind::Stack) => " Tick marks: the single learners.",
        _ => " Tick marks: the other learners.",
    };
    let plot = plots::bars(
        "Average precision of each class; the table after it has the numbers.",
        "average precision",
        &bars,
        1.0,
    );
    page.plot("classes", &plot, &format!("Average precision of each class by {}.{marks}", said(leader)));
    let row = |&class: &usize| {
        let score = &per_class[class];
        let numbers = [score.clips.to_string(), number(score.average_precision), number(score.roc_auc)];
        [Cell::Text(score.label.clone())].into_iter().chain(numbers.map(Cell::Number)).collect()
    };
    let rows: Vec<_> = order.iter().map(row).collect();
    page.table("Classes from the best to the worst.", &["class", "clips", "average precision", "AUC"], &rows);
}

fn calibration(page: &mut Page, leader: &Model) {
    page.section("Calibration");
    let Evaluation { truth, table, scores, .. } = &leader.out_of_fold;
    let bins = reliability(truth, table, CALIBRATION_BINS);
    let caption = format!(
        "Reliability of {}: on the dashed line, answers are right as often as their probability says. Expected \
         calibration error {}.",
        said(leader),
        number(scores.expected_calibration_error)
    );
    page.plot("reliability", &plots::reliability(&bins, plots::Answers::MostProbable), &caption);
}
