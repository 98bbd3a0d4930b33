//! The clips that the leading system is most wrong about.

use earmark_stacking::most_probable;

use super::image;
use super::material::Material;
use super::page::Page;
use super::sounds::{Found, Sounds};
use super::svg::escape;
use crate::systems::Judged;

/// How many are shown.
const MOST: usize = 12;
/// Where the true label has no probability at all, the loss is counted from here.
const LEAST: f32 = 1e-7;

/// A clip, and what was answered.
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

/// The clips whose true label has the highest loss, hardest first; right answers are none of them.
pub fn hardest(material: &Material, judged: &Judged, sounds: &Sounds) -> Vec<Hard> {
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

/// Rows with their true class and the one that was answered, the least probable truth first.
fn wrong(judged: &Judged) -> Vec<(usize, usize, usize)> {
    let rows = judged.truth.iter().zip(judged.table.rows()).enumerate();
    let mut wrong: Vec<_> = rows.map(|(i, (&truth, row))| (row[truth], i, truth, most_probable(row))).collect();
    wrong.retain(|(_, _, truth, best)| truth != best);
    wrong.sort_by(|a, b| a.0.total_cmp(&b.0));
    wrong.into_iter().take(MOST).map(|(_, i, truth, best)| (i, truth, best)).collect()
}

/// Puts the clips on the page, pictures as files beside it too.
pub fn show(page: &mut Page, hard: &[Hard]) {
    page.html_piece("<ol class=\"clips\">\n");
    for (i, clip) in hard.iter().enumerate() {
        let (name, seconds) = (escape(&clip.name), clip.found.seconds.map(|seconds| format!(", {seconds:.1} s")));
        let seconds = seconds.unwrap_or_default();
        let picture = match &clip.found.picture {
            Some(png) => {
                page.file(format!("hardest-{:02}.png", i + 1), png.clone());
                let uri = image::data_uri("image/png", png);
                format!(
                    "<img alt=\"Log-mel spectrogram of {name}{seconds}: time to the right, pitch upwards, brighter \
                     is louder\" src=\"{uri}\"/>"
                )
            }
            None => String::new(),
        };
        let player = clip.found.sound.as_ref().map_or(String::new(), |uri| {
            format!(
                "<audio controls=\"controls\" preload=\"none\" aria-label=\"Sound of {name}\" src=\"{uri}\"></audio>"
            )
        });
        let cut = if clip.found.cut { "; the player has its beginning" } else { "" };
        let fold = clip.fold.map_or(String::new(), |fold| format!(", fold {fold}"));
        let unverified = if clip.verified { "" } else { ", label not verified" };
        page.html_piece(&format!(
            "<li><figure>{picture}{player}<figcaption><strong>{}</strong> ({:.3}), answered <strong>{}</strong> \
             ({:.3})<br/>\
             <span class=\"soft\">{name}{fold}{seconds}, loss {:.2}{unverified}{cut}</span></figcaption></figure></li>\n",
            escape(&clip.truth.label),
            clip.truth.probability,
            escape(&clip.best.label),
            clip.best.probability,
            clip.loss(),
        ));
    }
    page.html_piece("</ol>\n");
}
