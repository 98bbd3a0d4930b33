//! The clips that the leading system is most wrong about.

use earmark_stacking::most_probable;
use maud::{Markup, html};

use crate::image;
use crate::material::Material;
use crate::page::Page;
use crate::sounds::{Found, Sounds};
use earmark_pipeline::Evaluation;

/// The number of clips that are shown.
const MOST: usize = 12;
/// The smallest probability of the true label in the loss, so that the loss stays finite.
const LEAST: f32 = 1e-7;

/// A clip, its label and its prediction.
pub struct Hard {
    pub name: String,
    pub fold: Option<usize>,
    pub verified: bool,
    pub truth: Answer,
    pub best: Answer,
    pub found: Found,
}

/// A label and its probability.
pub struct Answer {
    pub label: String,
    pub probability: f32,
}

impl Hard {
    /// Minus the logarithm of the true label's probability.
    pub fn loss(&self) -> f32 {
        -self.truth.probability.max(LEAST).ln()
    }
}

/// The misclassified clips with the highest loss, in descending order.
pub fn hardest(material: &Material, judged: &Evaluation, sounds: &Sounds) -> Vec<Hard> {
    let answer = |class: usize, row: &[f32]| Answer { label: material.labels[class].clone(), probability: row[class] };
    wrong(judged)
        .into_iter()
        .filter_map(|(i, truth, best)| {
            let (name, row) = (&judged.table.names()[i], judged.table.row(i));
            let clip = material.clips.iter().find(|clip| clip.set == "train" && clip.fname == *name)?;
            Some(Hard {
                name: name.clone(),
                fold: clip.fold,
                verified: clip.verified,
                truth: answer(truth, row),
                best: answer(best, row),
                found: sounds.find(clip),
            })
        })
        .collect()
}

/// The misclassified rows with their true and predicted classes, in ascending order of the
/// probability of the true class.
fn wrong(judged: &Evaluation) -> Vec<(usize, usize, usize)> {
    let rows = judged.truth.iter().zip(judged.table.rows()).enumerate();
    let mut wrong: Vec<_> = rows.map(|(i, (&truth, row))| (row[truth], i, truth, most_probable(row))).collect();
    wrong.retain(|(_, _, truth, best)| truth != best);
    wrong.sort_by(|a, b| a.0.total_cmp(&b.0));
    wrong.into_iter().take(MOST).map(|(_, i, truth, best)| (i, truth, best)).collect()
}

/// Adds the clips to the page, and their spectrograms as files next to the page.
pub fn show(page: &mut Page, hard: &[Hard]) {
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
            strong { (clip.truth.label) } (format!(" ({:.3}), predicted ", clip.truth.probability))
            strong { (clip.best.label) } (format!(" ({:.3})", clip.best.probability))
            br;
            span.soft {
                (clip.name)
                @if let Some(fold) = clip.fold { ", fold " (fold) }
                (seconds) (format!(", loss {:.2}", clip.loss()))
                @if !clip.verified { ", label not verified" }
                @if clip.found.cut { "; the player has its beginning" }
            }
        }
    }
}
