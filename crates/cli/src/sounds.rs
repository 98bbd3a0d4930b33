//! All sounds of a data set, decoded once, as the features that a run needs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anyhow::Context;
use earmark_audio::{AudioError, Clip, Limits, decode, resample};
use earmark_datasets::{Damaged, Item};
use earmark_features::{Extractor, Features, FrontEnd, MfccStatistics, mfcc_statistics};
use rayon::prelude::*;

use crate::output;
use crate::recipe::Recipe;

/// What a clip gives to level 1 and level 2.
pub struct Heard {
    /// Features by the name of their front end.
    pub features: BTreeMap<String, Features>,
    /// The MFCC statistics.
    pub statistics: Vec<f32>,
}

/// A clip that could not be heard, and why.
pub struct Unheard {
    /// Its place in the list.
    pub index: usize,
    /// Names the file and the reason.
    pub reason: String,
}

/// Hears all items in parallel; those that cannot be heard are silent in the answer (`zeros`) or none (`skip`), and
/// always listed.
///
/// # Errors
/// With the policy `error`: all clips that cannot be heard, at once.
pub fn hear(
    items: &[Item],
    recipe: &Recipe,
    tick: impl Fn() + Sync,
) -> anyhow::Result<(Vec<Option<Heard>>, Vec<Unheard>)> {
    let extractors = extractors(recipe)?;
    let heard: Vec<anyhow::Result<Heard>> = items
        .par_iter()
        .map(|item| {
            let heard = decode(&item.path, &Limits::default()).map_err(anyhow::Error::from).and_then(|clip| {
                of_clip(&clip, &extractors, &recipe.statistics).with_context(|| item.path.display().to_string())
            });
            tick();
            heard
        })
        .collect();
    let (mut clips, mut unheard) = (Vec::with_capacity(items.len()), Vec::new());
    for (index, heard) in heard.into_iter().enumerate() {
        clips.push(match heard {
            Ok(heard) => Some(heard),
            Err(error) => {
                // Only what is wrong with a clip is a matter of policy; a disk that fails is not.
                let of_the_clip =
                    error.downcast_ref::<AudioError>().is_none_or(|error| !matches!(error, AudioError::Io { .. }));
                let reason = output::message(&error);
                anyhow::ensure!(of_the_clip, reason);
                unheard.push(Unheard { index, reason });
                match recipe.data.damaged {
                    Damaged::Zeros => Some(of_clip(&silence(), &extractors, &recipe.statistics)?),
                    Damaged::Error | Damaged::Skip => None,
                }
            }
        });
    }
    if recipe.data.damaged == Damaged::Error && !unheard.is_empty() {
        let reasons: Vec<&str> = unheard.iter().map(|unheard| unheard.reason.as_str()).collect();
        anyhow::bail!(
            "{} of {} clips cannot be used (data.damaged = \"skip\" or \"zeros\" in the recipe goes on without them):\n  {}",
            unheard.len(),
            items.len(),
            reasons.join("\n  ")
        );
    }
    Ok((clips, unheard))
}

/// Half a second of nothing, what stands for a clip that could not be heard.
fn silence() -> Clip {
    Clip { samples: vec![0.0; 22_050], sample_rate: 44_100 }
}

fn extractors(recipe: &Recipe) -> anyhow::Result<Vec<(&String, &FrontEnd, Extractor)>> {
    let used =
        recipe.features.iter().filter(|(name, _)| recipe.learners.iter().any(|learner| learner.features == **name));
    used.map(|(name, front_end)| Ok((name, front_end, front_end.extractor()?))).collect()
}

fn of_clip(
    clip: &Clip,
    extractors: &[(&String, &FrontEnd, Extractor)],
    statistics: &MfccStatistics,
) -> anyhow::Result<Heard> {
    let mut at_rates: BTreeMap<u32, Clip> = BTreeMap::new();
    let rates = extractors.iter().map(|(_, front_end, _)| front_end.sample_rate()).chain([statistics.mel.sr]);
    for rate in rates {
        if let Entry::Vacant(place) = at_rates.entry(rate) {
            place.insert(resample(clip, rate)?);
        }
    }
    let features = extractors.iter().map(|(name, front_end, extractor)| {
        Ok(((*name).clone(), extractor.extract(&at_rates[&front_end.sample_rate()].samples)?))
    });
    Ok(Heard {
        features: features.collect::<anyhow::Result<_>>()?,
        statistics: mfcc_statistics(&at_rates[&statistics.mel.sr].samples, statistics)?,
    })
}
