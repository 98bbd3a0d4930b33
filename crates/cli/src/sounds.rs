//! All sounds of a data set as the features that a run needs: from the cache, or decoded once and put there.

use std::path::{Path, PathBuf};

use earmark_datasets::{ClipEntry, ClipFeatures, FeatureCache, FeatureRequest, OnDecodeError};
use earmark_features::FrontEnd;
use rayon::prelude::*;

use crate::output;
use crate::progress::Bars;
use crate::recipe::Recipe;

/// What is heard of a data set, and how.
pub struct Ears<'a> {
    recipe: &'a Recipe,
    cache: FeatureCache,
    folder: PathBuf,
    request: FeatureRequest<'a>,
    /// Whether it says what the cache has come to.
    pub tells: bool,
}

impl<'a> Ears<'a> {
    /// Hears what `learners` need, and the statistics; the features are kept in `folder`.
    pub fn open(recipe: &'a Recipe, learners: impl Iterator<Item = &'a str>, folder: &Path) -> anyhow::Result<Self> {
        let mut front_ends: Vec<&FrontEnd> = Vec::new();
        for learner in learners {
            let front_end = recipe.front_end(learner)?;
            if !front_ends.contains(&front_end) {
                front_ends.push(front_end);
            }
        }
        let data = &recipe.data;
        let request = FeatureRequest { front_ends, statistics: Some(&recipe.statistics), limits: data.limits.clone() };
        let cache = FeatureCache::open(folder, data.cache_precision.is_half())?;
        Ok(Self { recipe, cache, folder: folder.to_owned(), request, tells: true })
    }

    /// The place of a front end's features in [`ClipFeatures::features`].
    pub fn place(&self, front_end: &FrontEnd) -> Option<usize> {
        self.request.front_ends.iter().position(|known| *known == front_end)
    }

    /// Bytes of all that the cache holds.
    pub fn bytes(&self) -> u64 {
        self.cache.bytes()
    }

    /// Loads or computes the features of all items in parallel; clips that cannot be decoded are
    /// silence in the answer (`zeros`) or none (`skip`), and always listed on stderr.
    ///
    /// # Errors
    /// With the policy `error`: all clips that cannot be decoded, at once. With any: a disk that
    /// fails.
    pub fn hear(&self, items: &[ClipEntry], sums: &[String], bars: &Bars) -> anyhow::Result<Vec<Option<ClipFeatures>>> {
        let sounds: Vec<(&Path, &str)> =
            items.iter().zip(sums).map(|(item, sum)| (item.path.as_path(), sum.as_str())).collect();
        let bar = bars.counter("features", items.len());
        let report = self.cache.load(&sounds, &self.request, || bar.inc(1))?;
        bar.finish_and_clear();
        for (path, fault) in &report.mended {
            bars.line(&format!("warning: {} was computed again: {fault}", path.display()));
        }
        let policy = self.recipe.data.damaged;
        let (mut clips, mut faults) = (Vec::with_capacity(items.len()), Vec::new());
        for clip in report.clips {
            clips.push(match clip {
                Ok(heard) => Some(heard),
                Err(error) => {
                    let reason = output::message_for_recipe(&error.into());
                    let (what, instead) = match policy {
                        OnDecodeError::Silence => ("replaced by silence", Some(self.cache.silence(&self.request)?)),
                        OnDecodeError::Fail | OnDecodeError::Skip => ("skipped", None),
                    };
                    if policy != OnDecodeError::Fail {
                        bars.line(&format!("warning: {reason}: {what}"));
                    }
                    faults.push(reason);
                    instead
                }
            });
        }
        anyhow::ensure!(
            policy != OnDecodeError::Fail || faults.is_empty(),
            "{} of {} clips cannot be used (`[data] damaged = \"skip\"` in the recipe skips them, \"zeros\" replaces them by silence):\n  {}",
            faults.len(),
            items.len(),
            faults.join("\n  ")
        );
        if report.made > 0 && self.tells {
            let (room, folder) = (size(report.bytes), self.folder.display());
            bars.line(&format!(
                "features: {room} in {folder} ({} computed, {} from the cache)",
                report.made, report.found
            ));
        }
        Ok(clips)
    }
}

/// The SHA-256 of each item's file.
///
/// # Errors
/// All files that cannot be read.
pub fn sums(items: &[ClipEntry], bars: &Bars) -> anyhow::Result<Vec<String>> {
    let bar = bars.counter("files", items.len());
    let sums = items.par_iter().map(|item| {
        bar.inc(1);
        earmark_files::sha256_file(&item.path)
    });
    let sums: Vec<_> = sums.collect();
    bar.finish_and_clear();
    let faults: Vec<String> = sums.iter().filter_map(|sum| sum.as_ref().err()).map(ToString::to_string).collect();
    anyhow::ensure!(
        faults.is_empty(),
        "{} of {} files cannot be read:\n  {}",
        faults.len(),
        sums.len(),
        faults.join("\n  ")
    );
    Ok(sums.into_iter().flatten().collect())
}

/// Bytes in a unit that suits them.
pub fn size(bytes: u64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| bytes as f64 >= *unit).unwrap_or((1.0, "bytes"));
    format!("{:.1} {name}", bytes as f64 / unit)
}
