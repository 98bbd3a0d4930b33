//! The sections of a report, in their order. A section that lacks its data says so.

use earmark_pipeline::LearnerSettings;
use earmark_stacking::{Differences, Interval};
use earmark_tables::counted;

use crate::material::{JobState, Material};
use crate::page::{Cell, Page};
use crate::sounds::Sounds;
use crate::words::{capital, clips, number, percent, said, with_interval};
use crate::{answers, level2, plots, versions};
use earmark_pipeline::Run;
use earmark_pipeline::Split;
use earmark_pipeline::text::duration;
use earmark_pipeline::{ARITHMETIC, Comparison, Evaluation, Model, ModelKind, Scoring};

pub fn all(page: &mut Page, run: &Run, material: &Material, sounds: &Sounds) {
    summary(page, material);
    systems(page, material);
    curves(page, material);
    match material.leader() {
        Some(leader) => answers::all(page, material, leader, sounds),
        None => {
            page.section("Predictions");
            page.note(
                "No fold of any learner is done, so there are no answers to judge: no confusion matrix, \
                       classes, reliability or hardest clips.",
            );
        }
    }
    level2::all(page, material);
    recipe(page, material);
    page.section("Versions");
    versions::table(page, run);
}

fn summary(page: &mut Page, material: &Material) {
    page.section("Summary");
    let (train, test) = (material.count("train"), material.count("test"));
    let held_out = if test == 0 {
        "There are no test clips.".to_owned()
    } else {
        format!("There are {} for testing.", clips(test))
    };
    page.paragraph(&format!(
        "{} {} trained on {} of {} classes in {} folds. {held_out} Unless stated otherwise, numbers are out of \
         fold: each training clip is scored by models that were not trained on it. Intervals are 95 % confidence \
         intervals from the bootstrap over clips.",
        counted(material.recipe.learners.len(), "learner"),
        if material.recipe.learners.len() == 1 { "was" } else { "were" },
        clips(train),
        material.labels.len(),
        material.folds,
    ));
    if let Some(leader) = material.leader() {
        let Evaluation { scores, intervals, .. } = &leader.out_of_fold;
        page.paragraph(&format!(
            "{} classifies {} of the clips correctly (interval {} to {}), with a mean average precision at 3 of {}.{}",
            capital(&said(leader)),
            percent(scores.accuracy),
            percent(intervals.accuracy.low),
            percent(intervals.accuracy.high),
            with_interval(scores.map3, intervals.map3),
            leader.test.as_ref().map_or(String::new(), |test| format!(
                " On the test clips it classifies {} correctly, with {}.",
                percent(test.scores.accuracy),
                number(test.scores.map3)
            )),
        ));
    }
    verified_by_a_run(page, material);
    for Comparison { against, out_of_fold, .. } in &material.results.differences {
        let other = match against.as_str() {
            ARITHMETIC => "the mean of all learners".to_owned(),
            learner => format!("the best single learner by mAP@3, {learner}"),
        };
        page.paragraph(&format!("Against {other}: {}", verdict(out_of_fold)));
    }
    if let Some(why) = level2::why(material) {
        page.paragraph(&why);
    }
    let seconds: f64 = material.jobs.iter().map(seconds).sum();
    page.paragraph(&format!("Training took {} in all, summed over jobs.", duration(seconds)));
    missing(page, material);
}

/// Says so if another run decides which labels count as verified.
pub fn verified_by_a_run<S: Scoring>(page: &mut Page, material: &Material<S>) {
    if material.verified_by_a_run {
        page.note(
            "Some labels count as verified because the stack of another run (`--verified-by`) predicts them. That run \
             knew the labels of all folds, so the scores out of fold are slightly optimistic.",
        );
    }
}

pub fn missing<S: Scoring>(page: &mut Page, material: &Material<S>) {
    let open = || material.jobs.iter().filter(|job| !job.done);
    if open().count() > 0 {
        let is_begun = |job: &&JobState| job.failed.is_some() || !job.history.is_empty();
        let begun: Vec<String> = open().filter(is_begun).map(state).collect();
        let not_begun = open().count() - begun.len();
        let not_begun = (not_begun > 0).then(|| format!("{not_begun} not begun"));
        page.note(&format!(
            "This run is incomplete. Not done: {} of {} ({}).",
            open().count(),
            counted(material.jobs.len(), "job"),
            begun.into_iter().chain(not_begun).collect::<Vec<_>>().join(", ")
        ));
    }
    if let Some(fault) = &material.level2_fault {
        page.note(&format!("The stack is not shown: {fault}."));
    } else if !material.results.models.iter().any(|system| system.kind == ModelKind::Stack) {
        page.note(
            "The learners are not stacked yet; “earmark train” does it when the last job is done, and so does \
                   “earmark stack”.",
        );
    }
}

fn state(job: &JobState) -> String {
    let (name, epochs) = (format!("{}/{}", job.learner, job.split), job.history.len());
    match &job.failed {
        Some(reason) => format!("{name} failed after {epochs} of {}: {reason}", counted(job.epochs, "epoch")),
        None => format!("{name}: {epochs} of {}", counted(job.epochs, "epoch")),
    }
}

/// Whether the choice of clips explains a difference.
fn verdict(by: &Differences) -> String {
    let Interval { low, high } = by.accuracy.interval;
    let points = |value: f64| format!("{:+.1}", 100.0 * value);
    let meaning = if low > 0.0 {
        "In accuracy the stack is better beyond what the choice of clips explains."
    } else if high < 0.0 {
        "In accuracy the stack is worse beyond what the choice of clips explains."
    } else {
        "The interval of accuracy includes 0: on these clips the difference is not significant."
    };
    format!(
        "{} percentage points of accuracy (interval {} to {}), {:+.3} of mAP@3 ({:+.3} to {:+.3}). {meaning}",
        points(by.accuracy.value),
        points(low),
        points(high),
        by.map3.value,
        by.map3.interval.low,
        by.map3.interval.high
    )
}

fn systems(page: &mut Page, material: &Material) {
    page.section("Models");
    if material.results.models.is_empty() {
        page.note("No job has predicted anything yet.");
        return;
    }
    let systems = &material.results.models;
    let all = material.count("train");
    let partial = systems.iter().any(|system| system.out_of_fold.truth.len() < all);
    let header = ["system", "clips", "accuracy", "mAP@3", "macro AP", "macro AUC", "ECE"];
    let caption = "Out of fold. mAP@3: mean average precision at 3; AP: average precision; AUC: area under the ROC \
                   curve; ECE: expected calibration error, lower is better. In brackets, intervals of 95 %. \
                   Bold: the best of a column.";
    page.table(caption, &header, &rows(systems, |system| Some(&system.out_of_fold)));
    if partial {
        page.note(
            "Some learners are judged by the clips of the folds that are done; their numbers are of other clips than \
             the others'.",
        );
    }
    page.plot("systems", &plots::systems(systems), "Each system's score out of fold, on its interval.");
    if systems.iter().any(|system| system.test.is_some()) {
        page.table("The same on the test clips.", &header, &rows(systems, |system| system.test.as_ref()));
    }
}

/// A row for each system that has scores.
fn rows(systems: &[Model], judged: impl Fn(&Model) -> Option<&Evaluation>) -> Vec<Vec<Cell>> {
    type Column = (fn(&Evaluation) -> f64, fn(&Evaluation) -> Option<Interval>, f64);
    let columns: [Column; 5] = [
        (|it| it.scores.accuracy, |it| Some(it.intervals.accuracy), 1.0),
        (|it| it.scores.map3, |it| Some(it.intervals.map3), 1.0),
        (|it| it.scores.macro_average_precision, |it| Some(it.intervals.macro_average_precision), 1.0),
        (|it| it.scores.macro_roc_auc, |_| None, 1.0),
        (|it| it.scores.expected_calibration_error, |_| None, -1.0),
    ];
    let all: Vec<(&Model, &Evaluation)> = systems.iter().filter_map(|system| Some((system, judged(system)?))).collect();
    let best =
        columns.map(|(value, _, sign)| all.iter().map(|(_, it)| sign * value(it)).fold(f64::NEG_INFINITY, f64::max));
    let row = |(system, it): &(&Model, &Evaluation)| {
        let numbers = columns.iter().zip(best).map(|((value, interval, sign), best)| {
            let text = interval(it).map_or(number(value(it)), |interval| with_interval(value(it), interval));
            if sign * value(it) == best && all.len() > 1 { Cell::Best(text) } else { Cell::Number(text) }
        });
        let first = [Cell::Text(system.name.clone()), Cell::Number(it.truth.len().to_string())];
        first.into_iter().chain(numbers).collect()
    };
    all.iter().map(row).collect()
}

pub fn curves<S: Scoring>(page: &mut Page, material: &Material<S>) {
    page.section("Learning curves");
    page.paragraph(
        "Training accuracy is of random crops, mixed where the recipe mixes, so it may stay below that of whole \
         clips.",
    );
    if material.recipe.learners.iter().any(LearnerSettings::is_of_whole_clips) {
        page.paragraph(
            "Kernels and linear models are fitted at once and have no curve. In the table, loss and accuracy of a \
             kernel are those of each clip judged by all others that it was fitted on; those of a linear model are \
             on the clips that it was fitted on.",
        );
    }
    for learner in material.recipe.learners.iter().filter(|learner| !learner.is_of_whole_clips()) {
        let of_learner = || material.jobs.iter().filter(|job| job.learner == learner.name);
        let jobs: Vec<&JobState> = of_learner().filter(|job| !job.history.is_empty()).collect();
        if jobs.is_empty() {
            page.note(&format!("{} has not begun.", learner.name));
            continue;
        }
        let full = if jobs.iter().any(|job| job.split == Split::Full) {
            "; full is trained on all training \
                clips"
        } else {
            ""
        };
        let caption = format!("{}: {} on {}. A line for each job{full}.", learner.name, learner.arch, learner.features);
        page.plot(&format!("curves-{}", learner.name), &plots::curves(&learner.name, &jobs), &caption);
    }
    let rows = material.jobs.iter().map(|job| {
        let last = job.history.last();
        let numbers = [
            format!("{} of {}", job.history.len(), job.epochs),
            last.map_or("–".to_owned(), |epoch| number(epoch.loss)),
            last.map_or("–".to_owned(), |epoch| number(epoch.accuracy)),
            last.map_or("–".to_owned(), |_| duration(seconds(job))),
        ];
        let done = if job.done {
            "done"
        } else if job.failed.is_some() {
            "failed"
        } else if last.is_some() {
            "under way"
        } else {
            "not begun"
        };
        let names = [Cell::Text(format!("{}/{}", job.learner, job.split)), Cell::Text(done.to_owned())];
        names.into_iter().chain(numbers.map(Cell::Number)).collect()
    });
    let header = ["job", "state", "epochs", "last loss", "last accuracy", "time"];
    page.table(
        "The jobs; loss and accuracy are those of the last epoch, on crops that it was fitted on.",
        &header,
        &rows.collect::<Vec<_>>(),
    );
}

pub fn recipe<S: Scoring>(page: &mut Page, material: &Material<S>) {
    page.section("Recipe");
    let row = |learner: &LearnerSettings| {
        let start = match material.weights.get(&learner.name) {
            Some(origin) => format!("{} ({})", origin.source, origin.licence.as_deref().unwrap_or("licence unknown")),
            None if learner.is_of_whole_clips() => "-".to_owned(),
            None => "random".to_owned(),
        };
        let names = [&learner.name, &learner.arch, &learner.features, &start].map(|text| Cell::Text(text.clone()));
        let mixup = if learner.mixup > 0.0 { format!("Beta({0}, {0})", learner.mixup) } else { "none".to_owned() };
        let numbers = if learner.is_of_whole_clips() {
            ["whole clips", "none", "-", "-", "-"].map(str::to_owned)
        } else {
            [
                format!("{} s", learner.crop_seconds),
                mixup,
                learner.epochs.to_string(),
                learner.batch_size.to_string(),
                learner.learning_rate.to_string(),
            ]
        };
        names.into_iter().chain(numbers.map(Cell::Number)).collect()
    };
    let header = ["learner", "network", "features", "first weights", "crops", "mixup", "epochs", "batch", "rate"];
    let rows: Vec<_> = material.recipe.learners.iter().map(row).collect();
    page.table(&format!("The learners; seed {}.", material.recipe.seed), &header, &rows);
    page.folded("The whole recipe, defaults written out", &material.recipe_text);
}

/// The time that a job has taken so far.
fn seconds(job: &JobState) -> f64 {
    job.history.iter().map(|epoch| epoch.seconds).fold(0.0, |sum, seconds| sum + seconds)
}
