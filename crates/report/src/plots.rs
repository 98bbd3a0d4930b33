//! The plots of a report.

use earmark_stacking::{Interval, ReliabilityBin};

use crate::material::JobState;
use crate::svg::{Anchor, Scale, Svg, shortened, step, text_width, tick};
use crate::words;
use earmark_pipeline::HistoryRow;
use earmark_pipeline::Split;
use earmark_pipeline::{Evaluation, Model};

/// The width of a plot that fills the page.
const WIDTH: f64 = 760.0;
/// The maximum length of a label in letters; the tooltip has the whole label.
const LONGEST: usize = 30;

/// With more classes than this, the names at a confusion matrix would overlap.
pub const MOST_NAMES: usize = 66;

/// The name of a score, and a function that returns the score and its interval.
type Measure = (&'static str, fn(&Evaluation) -> (f64, Interval));

/// The accuracy and mAP@3 of each system as dots on their intervals.
pub fn systems(systems: &[Model]) -> Svg {
    const ROW: f64 = 24.0;
    let measures: [Measure; 2] = [
        ("accuracy", |judged| (judged.scores.accuracy, judged.intervals.accuracy)),
        ("mAP@3", |judged| (judged.scores.map3, judged.intervals.map3)),
    ];
    let bottom = 26.0 + ROW * systems.len() as f64;
    let label = "Accuracy and mAP@3 of each model, out of fold, with intervals; the table before it has the numbers.";
    let mut svg = Svg::new(WIDTH, bottom + 24.0, label);
    let names: Vec<String> = systems.iter().map(|system| shortened(&system.name, LONGEST)).collect();
    let left = names.iter().map(|name| text_width(name)).fold(60.0, f64::max) + 12.0;
    let panel = (WIDTH - left) / 2.0;
    for (i, name) in names.iter().enumerate() {
        svg.text("", (left - 10.0, 40.0 + ROW * i as f64), Anchor::End, name);
    }
    for (place, (name, measure)) in measures.into_iter().enumerate() {
        let values: Vec<(f64, Interval)> = systems.iter().map(|system| measure(&system.out_of_fold)).collect();
        let low = values.iter().map(|(value, interval)| value.min(interval.low)).fold(1.0, f64::min);
        let high = values.iter().map(|(value, interval)| value.max(interval.high)).fold(0.0, f64::max);
        let unit = step((high - low).max(0.01), 4);
        let from = ((low / unit).floor() * unit, ((high / unit).ceil() * unit).min(1.0));
        let start = left + panel * place as f64;
        let x = Scale { from, to: (start + 8.0, start + panel - 30.0) };
        svg.text("head", (x.to.0, 14.0), Anchor::Start, name);
        for value in x.ticks(4) {
            svg.line("grid", (x.at(value), 24.0), (x.at(value), bottom));
            svg.text("soft", (x.at(value), bottom + 16.0), Anchor::Middle, &tick(value, step(from.1 - from.0, 4)));
        }
        for (i, (system, (value, interval))) in systems.iter().zip(&values).enumerate() {
            let y = 36.0 + ROW * i as f64;
            svg.line("range", (x.at(interval.low), y), (x.at(interval.high), y));
            svg.circle("dot", (x.at(*value), y), 4.5, &format!("{}: {value:.4}", system.name));
        }
    }
    svg
}

/// Loss and accuracy by epoch, with one line for each of a learner's jobs.
pub fn curves(learner: &str, jobs: &[&JobState]) -> Svg {
    type Value = fn(&HistoryRow) -> f64;
    let held_out = jobs.iter().flat_map(|job| &job.history).any(|epoch| epoch.held_out_accuracy.is_some());
    let mut panels: Vec<(&str, Value)> = vec![("training loss", |epoch| epoch.loss)];
    panels.push(("training accuracy", |epoch| epoch.accuracy));
    if held_out {
        panels.push(("held-out accuracy", |epoch| epoch.held_out_accuracy.unwrap_or(f64::NAN)));
    }
    let label = format!("Learning curves of {learner}: {} by epoch, a line for each job.", words(&panels));
    let mut svg = Svg::new(WIDTH, 226.0, &label);
    let width = WIDTH / panels.len() as f64;
    let epochs = jobs.iter().flat_map(|job| &job.history).map(|epoch| epoch.epoch).max().unwrap_or(1);
    for (place, (name, value)) in panels.into_iter().enumerate() {
        let start = width * place as f64;
        let values = jobs.iter().flat_map(|job| &job.history).map(value).filter(|value| value.is_finite());
        let highest = if name.ends_with("loss") { values.fold(0.0, f64::max).max(1e-6) * 1.05 } else { 1.0 };
        let x = Scale { from: (0.0, epochs as f64), to: (start + 34.0, start + width - 14.0) };
        let y = Scale { from: (0.0, highest), to: (178.0, 24.0) };
        axes(&mut svg, x, y, name, "epoch");
        for (i, job) in jobs.iter().enumerate() {
            let points: Vec<(f64, f64)> =
                job.history.iter().map(|epoch| (x.at(epoch.epoch as f64), y.at(value(epoch)))).collect();
            if let [point] = points[..]
                && point.1.is_finite()
            {
                svg.circle("dot", point, 2.5, &job.split.to_string());
            }
            svg.path(&split_class(i, job), &points, &job.split.to_string());
        }
    }
    let mut at = 34.0;
    for (i, job) in jobs.iter().enumerate() {
        svg.path(&split_class(i, job), &[(at, 217.0), (at + 18.0, 217.0)], "");
        svg.text("", (at + 23.0, 221.0), Anchor::Start, &job.split.to_string());
        at += 38.0 + text_width(&job.split.to_string());
    }
    svg
}

fn words<T>(panels: &[(&str, T)]) -> String {
    panels.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn split_class(i: usize, job: &JobState) -> String {
    if job.split == Split::Full { "full".to_owned() } else { format!("c{}", i % 6) }
}

/// Draws the grid, ticks and titles of two axes.
fn axes(svg: &mut Svg, x: Scale, y: Scale, title: &str, x_name: &str) {
    svg.text("head", (x.to.0, 14.0), Anchor::Start, title);
    let unit = step(y.from.1 - y.from.0, 5);
    for value in y.ticks(5) {
        svg.line("grid", (x.to.0, y.at(value)), (x.to.1, y.at(value)));
        svg.text("soft", (x.to.0 - 6.0, y.at(value) + 4.0), Anchor::End, &tick(value, unit));
    }
    let whole = if x.from.1 > 1.0 { 1.0 } else { 0.0 };
    let unit = step(x.from.1 - x.from.0, 5).max(whole);
    for value in x.ticks(5).into_iter().filter(|value| value.fract() == 0.0 || x.from.1 <= 1.0) {
        svg.line("axis", (x.at(value), y.to.0), (x.at(value), y.to.0 + 4.0));
        svg.text("soft", (x.at(value), y.to.0 + 16.0), Anchor::Middle, &tick(value, unit));
    }
    svg.line("axis", (x.to.0, y.to.0), (x.to.1, y.to.0));
    svg.text("soft", (x.to.1, y.to.0 + 29.0), Anchor::End, x_name);
}

/// The confusion matrix with a row for each true class; a cell is darker the more clips it has.
pub fn confusion(labels: &[String], counts: &[Vec<usize>]) -> Svg {
    let totals: Vec<usize> = counts.iter().map(|row| row.iter().sum()).collect();
    let label = "Confusion matrix: rows are true classes, columns what was predicted. The table after it lists what \
                 is confused most.";
    matrix(labels, counts, &totals, label, ["true class", "predicted", "predicted as"])
}

/// The labels that are given to the clips with each label, of which there are `totals`.
pub fn co_occurrence(labels: &[String], counts: &[Vec<usize>], totals: &[usize]) -> Svg {
    let label = "Co-occurrence: rows are the labels of clips, columns the labels that they are given. The table after \
                 it lists what is given wrongly most often.";
    matrix(labels, counts, totals, label, ["label", "given", "given"])
}

fn matrix(labels: &[String], counts: &[Vec<usize>], totals: &[usize], label: &str, words: [&str; 3]) -> Svg {
    let [row_name, column_name, verb] = words;
    let classes = labels.len();
    let cell = (600.0 / classes.max(1) as f64).clamp(3.0, 40.0);
    let short: Vec<String> = labels.iter().map(|label| shortened(label, LONGEST)).collect();
    let has_names = classes <= MOST_NAMES;
    let longest = short.iter().map(|label| text_width(label)).fold(0.0, f64::max);
    let margin = if has_names { longest + 14.0 } else { 24.0 };
    // Names above narrow columns are steeper, so that they do not touch.
    let (degrees, size) = if cell < 20.0 { (-62.0_f64, "small") } else { (-48.0, "") };
    let (across, up) = (degrees.to_radians().cos(), -degrees.to_radians().sin());
    let (left, top) = (margin + 16.0, margin * up + 26.0);
    let side = cell * classes as f64;
    let right = if has_names { longest * across + 6.0 } else { 10.0 };
    let mut svg = Svg::new((left + side + right).max(320.0), top + side + 12.0, label);
    svg.text("head", (left, 14.0), Anchor::Start, column_name);
    svg.turned_text("head", (12.0, top + side / 2.0), Anchor::Middle, -90.0, row_name);
    for (i, name) in short.iter().enumerate().filter(|_| has_names) {
        let middle = cell * (i as f64 + 0.5);
        svg.text(size, (left - 6.0, top + middle + 3.5), Anchor::End, name);
        svg.turned_text(size, (left + middle + 3.0, top - 6.0), Anchor::Start, degrees, name);
    }
    for (truth, row) in counts.iter().enumerate() {
        let clips = totals[truth].max(1);
        for (answer, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let at = (left + cell * answer as f64, top + cell * truth as f64);
            let share = count as f64 / clips as f64;
            let tip = format!("{} {verb} {}: {count} of {}", labels[truth], labels[answer], words::clips(clips));
            let class = if truth == answer { "cell" } else { "wrong" };
            svg.rect(class, at, (cell, cell), 0.1 + 0.9 * share, &tip);
            if cell >= 18.0 {
                let class = if share > 0.55 { "on" } else { "" };
                let middle = (at.0 + cell / 2.0, at.1 + cell / 2.0 + 4.0);
                svg.text(class, middle, Anchor::Middle, &count.to_string());
            }
        }
    }
    svg.rect("frame", (left, top), (side, side), 1.0, "");
    svg
}

/// A bar with a name, a value, and marks at other values.
pub struct Bar {
    pub name: String,
    pub value: f64,
    pub marks: Vec<f64>,
    pub tip: String,
}

/// Horizontal bars on an axis from 0 to `most`.
pub fn bars(label: &str, axis: &str, bars: &[Bar], most: f64) -> Svg {
    const ROW: f64 = 18.0;
    let bottom = 30.0 + ROW * bars.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 22.0, label);
    let names: Vec<String> = bars.iter().map(|bar| shortened(&bar.name, LONGEST + 10)).collect();
    let left = names.iter().map(|name| text_width(name)).fold(40.0, f64::max) + 10.0;
    let x = Scale { from: (0.0, most), to: (left, WIDTH - 56.0) };
    svg.text("head", (left, 14.0), Anchor::Start, axis);
    let unit = step(most, 5);
    for value in x.ticks(5) {
        svg.line("grid", (x.at(value), 22.0), (x.at(value), bottom));
        svg.text("soft", (x.at(value), bottom + 15.0), Anchor::Middle, &tick(value, unit));
    }
    for (i, (bar, name)) in bars.iter().zip(&names).enumerate() {
        let middle = 26.0 + ROW * (i as f64 + 0.5);
        svg.text("", (left - 8.0, middle + 4.0), Anchor::End, name);
        if !bar.value.is_finite() {
            svg.text("soft", (left + 4.0, middle + 4.0), Anchor::Start, "no clips");
            continue;
        }
        svg.rect("bar", (left, middle - 5.5), (x.at(bar.value) - left, 11.0), 0.85, &bar.tip);
        for mark in bar.marks.iter().filter(|mark| mark.is_finite()) {
            svg.line("mark", (x.at(*mark), middle - 7.5), (x.at(*mark), middle + 7.5));
        }
        let value = tick(bar.value, unit / 100.0);
        svg.text("soft", (WIDTH, middle + 4.0), Anchor::End, &value);
    }
    svg
}

/// A class's precision over recall.
pub struct Curve {
    pub name: String,
    /// Recall and precision.
    pub points: Vec<(f64, f64)>,
    /// The point at the threshold.
    pub dot: Option<(f64, f64)>,
}

/// A panel for each curve.
pub fn precision_recall(curves: &[Curve]) -> Svg {
    const COLUMNS: usize = 4;
    const SIDE: f64 = 190.0;
    let rows = curves.len().div_ceil(COLUMNS).max(1);
    let label = "Precision over recall of each class, with the point at its threshold; the table before it has the \
                 numbers.";
    let mut svg = Svg::new(WIDTH, SIDE * rows as f64, label);
    for (i, curve) in curves.iter().enumerate() {
        let (left, top) = (SIDE * (i % COLUMNS) as f64, SIDE * (i / COLUMNS) as f64);
        let x = Scale { from: (0.0, 1.0), to: (left + 30.0, left + SIDE - 8.0) };
        let y = Scale { from: (0.0, 1.0), to: (top + SIDE - 34.0, top + 24.0) };
        svg.text("head", (x.to.0, top + 14.0), Anchor::Start, &shortened(&curve.name, 22));
        for value in [0.0, 0.5, 1.0] {
            svg.line("grid", (x.to.0, y.at(value)), (x.to.1, y.at(value)));
            svg.text("soft", (x.to.0 - 5.0, y.at(value) + 4.0), Anchor::End, &tick(value, 0.5));
            svg.text("soft", (x.at(value), y.to.0 + 15.0), Anchor::Middle, &tick(value, 0.5));
        }
        let points: Vec<(f64, f64)> =
            curve.points.iter().map(|(recall, precision)| (x.at(*recall), y.at(*precision))).collect();
        svg.path("c0", &points, &curve.name);
        if let Some((recall, precision)) = curve.dot {
            let tip = format!("{}: recall {recall:.3}, precision {precision:.3}", curve.name);
            svg.circle("dot", (x.at(recall), y.at(precision)), 4.0, &tip);
        }
    }
    svg
}

/// The answers whose probabilities a reliability diagram judges.
#[derive(Clone, Copy)]
pub enum Answers {
    /// The most probable label of each clip.
    MostProbable,
    /// Every label of every clip.
    All,
}

/// The accuracy by confidence and, below, the number of answers by confidence.
pub fn reliability(bins: &[ReliabilityBin], of: Answers) -> Svg {
    let (answers, right, axis) = match of {
        Answers::MostProbable => ("clips", "accuracy", "confidence: the largest probability"),
        Answers::All => ("labels", "share that is true", "probability of a label"),
    };
    let label = &format!("Reliability diagram: {right} by probability, and the number of {answers}.");
    let mut svg = Svg::new(470.0, 440.0, label);
    let x = Scale { from: (0.0, 1.0), to: (46.0, 446.0) };
    let y = Scale { from: (0.0, 1.0), to: (304.0, 24.0) };
    axes(&mut svg, x, y, right, "");
    svg.line("dashed", (x.at(0.0), y.at(0.0)), (x.at(1.0), y.at(1.0)));
    let most = bins.iter().map(|bin| bin.clips).max().unwrap_or(0).max(1);
    let heights = Scale { from: (0.0, most as f64), to: (410.0, 340.0) };
    let width = 1.0 / bins.len().max(1) as f64;
    let seen = || bins.iter().enumerate().filter(|(_, bin)| bin.clips > 0);
    let points: Vec<(f64, f64)> = seen().map(|(_, bin)| (x.at(bin.confidence), y.at(bin.accuracy))).collect();
    svg.path("c0", &points, "");
    for (i, bin) in seen() {
        let (clips, confidence, accuracy) = (bin.clips, bin.confidence, bin.accuracy);
        let tip = format!("{clips} {answers}: mean probability {confidence:.3}, right {accuracy:.3}");
        let from = x.at(width * i as f64);
        let high = heights.at(clips as f64);
        svg.rect("bar", (from + 1.0, high), (400.0 * width - 2.0, 410.0 - high), 0.85, &tip);
        svg.circle("dot", (x.at(confidence), y.at(accuracy)), 4.0, &tip);
    }
    svg.line("axis", (x.to.0, 410.0), (x.to.1, 410.0));
    svg.text("soft", (40.0, 346.0), Anchor::End, &most.to_string());
    svg.text("soft", (40.0, 413.0), Anchor::End, "0");
    svg.turned_text("soft", (12.0, 375.0), Anchor::Middle, -90.0, answers);
    svg.text("soft", (x.to.1, 431.0), Anchor::End, axis);
    svg
}
