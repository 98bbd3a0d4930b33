//! The clips that the leading model is most wrong about.

use earmark_stacking::most_probable;
use maud::{Markup, html};

use crate::image;
use crate::material::Material;
use crate::page::Page;
use crate::sounds::{Found, Sounds};
use crate::words::said;
use earmark_pipeline::{Evaluation, Model, MultiLabel, Scoring};

/// The number of clips that are shown.
const MOST: usize = 12;
/// The smallest probability of the true label in the loss, so that the loss stays finite.
const LEAST: f32 = 1e-7;

/// A clip, its labels and its prediction.
pub struct Hard {
    pub name: String,
    pub fold: Option<usize>,
    pub verified: bool,
    pub truth: Vec<Answer>,
    pub given: Vec<Answer>,
    pub loss: f32,
    pub found: Found,
}

/// A label and its probability.
pub struct Answer {
    pub label: String,
    pub probability: f32,
}

/// A row of a table that is predicted wrongly.
struct Wrong {
    row: usize,
    truth: Vec<usize>,
    given: Vec<usize>,
    loss: f32,
}

/// The clips with the highest loss among those whose most probable label is not theirs, in
/// descending order. The loss is minus the logarithm of the true label's probability.
pub fn of_one_label(material: &Material, judged: &Evaluation, sounds: &Sounds) -> Vec<Hard> {
    let wrong = |(row, (&truth, values)): (usize, (&usize, &[f32]))| {
        let (truth, given, loss) = (vec![truth], vec![most_probable(values)], -values[truth].max(LEAST).ln());
        Wrong { row, truth, given, loss }
    };
    hardest(material, judged, sounds, judged.truth.iter().zip(judged.table.rows()).enumerate().map(wrong).collect())
}

/// The clips with the highest loss among those whose labels are not those that reach their
/// thresholds, in descending order. The loss is the mean over classes of the binary cross-entropy.
pub fn of_several_labels(
    material: &Material<MultiLabel>,
    judged: &Evaluation<MultiLabel>,
    sounds: &Sounds,
) -> Vec<Hard> {
    let thresholds = judged.scores.thresholds();
    let wrong = |(row, (truth, values)): (usize, (&Vec<usize>, &[f32]))| {
        let given = (0..values.len()).filter(|&class| values[class] >= thresholds[class]).collect();
        let own = |(class, value): (usize, &f32)| if truth.contains(&class) { *value } else { 1.0 - value };
        let loss: f32 = values.iter().enumerate().map(|answer| -own(answer).max(LEAST).ln()).sum();
        Wrong { row, truth: truth.clone(), given, loss: loss / values.len() as f32 }
    };
    hardest(material, judged, sounds, judged.truth.iter().zip(judged.table.rows()).enumerate().map(wrong).collect())
}

/// The rows with the highest loss whose answer is wrong.
fn hardest<S: Scoring>(
    material: &Material<S>,
    judged: &Evaluation<S>,
    sounds: &Sounds,
    mut rows: Vec<Wrong>,
) -> Vec<Hard> {
    rows.retain(|row| row.truth != row.given);
    rows.sort_by(|a, b| b.loss.total_cmp(&a.loss));
    let hard = |Wrong { row, truth, given, loss }: Wrong| {
        let (name, values) = (&judged.table.names()[row], judged.table.row(row));
        let clip = material.clips.iter().find(|clip| clip.set == "train" && clip.fname == *name)?;
        let answers = |classes: Vec<usize>| {
            let answer = |class: usize| Answer { label: material.labels[class].clone(), probability: values[class] };
            classes.into_iter().map(answer).collect()
        };
        Some(Hard {
            name: name.clone(),
            fold: clip.fold,
            verified: clip.verified,
            truth: answers(truth),
            given: answers(given),
            loss,
            found: sounds.find(clip),
        })
    };
    rows.into_iter().take(MOST).filter_map(hard).collect()
}

/// The section. `what` is the loss, within a sentence.
pub fn section<S: Scoring>(page: &mut Page, hard: &[Hard], leader: &Model<S>, what: &str) {
    page.section("Hardest clips");
    if hard.is_empty() {
        page.paragraph("Every clip is classified correctly.");
        return;
    }
    page.paragraph(&format!(
        "The clips with the highest {what}, by {}. Some of them may have a wrong label: listen.",
        said(leader)
    ));
    let silent = hard.iter().filter(|hard| hard.found.sound.is_none()).count();
    if silent > 0 {
        let of = hard.len();
        page.note(&format!(
            "The sound of {silent} of these {of} clips was not found where the run had it (or is damaged, or another \
             by \
             now), so they have no player. “earmark report RUN --data FOLDER” looks elsewhere."
        ));
    }
    show(page, hard);
}

/// Adds the clips to the page, and their spectrograms as files next to the page.
fn show(page: &mut Page, hard: &[Hard]) {
    for (i, clip) in hard.iter().enumerate() {
        if let Some(png) = &clip.found.picture {
            page.file(format!("hardest-{:02}.png", i + 1), png.clone());
        }
    }
    page.put(html! { ol.clips { @for clip in hard { li { figure { (figure(clip)) } } } } });
}

/// A clip's spectrogram, player and caption.
fn figure(clip: &Hard) -> Markup {
    let seconds = clip.found.seconds.map_or(String::new(), |seconds| format!(", {seconds:.1} s"));
    let alt = format!(
        "Log-mel spectrogram of {}{seconds}: time to the right, frequency upwards, brighter is louder",
        clip.name
    );
    html! {
        @if let Some(png) = &clip.found.picture {
            img alt=(alt) src=(image::data_uri("image/png", png));
        }
        @if let Some(uri) = &clip.found.sound {
            audio controls="controls" preload="none" aria-label={ "Sound of " (clip.name) } src=(uri) {}
        }
        figcaption {
            (answers(&clip.truth)) ", predicted " (answers(&clip.given))
            br;
            span.soft {
                (clip.name)
                @if let Some(fold) = clip.fold { ", fold " (fold) }
                (seconds) (format!(", loss {:.2}", clip.loss))
                @if !clip.verified { ", label not verified" }
                @if clip.found.cut { "; the player has its beginning" }
            }
        }
    }
}

/// Labels with their probabilities.
fn answers(answers: &[Answer]) -> Markup {
    html! {
        @if answers.is_empty() { "no label" }
        @for (place, answer) in answers.iter().enumerate() {
            @if place > 0 { ", " }
            strong { (answer.label) } (format!(" ({:.3})", answer.probability))
        }
    }
}
