//! The features of all clips of a run: read from the cache, or computed once and stored there.

use std::path::{Path, PathBuf};

use earmark_audio::AudioError;
use earmark_datasets::{ClipEntry, OnDecodeError};
use earmark_features::{EmbeddingNetworks, FrontEnd};
use earmark_loader::{ClipFeatures, FeatureCache, FeatureRequest, LoadError};
use earmark_tables::counted;
use earmark_training::DeviceFeatures;
use rayon::prelude::*;

use crate::error::{PipelineError, Result};
use crate::events::{Event, Note, Observer, Stage, Warning, note, warn};
use crate::recipe::Recipe;

/// Loads the features that a recipe's learners need.
pub(crate) struct FeatureLoader<'a> {
    recipe: &'a Recipe,
    cache: FeatureCache,
    folder: PathBuf,
    request: FeatureRequest<'a>,
}

impl<'a> FeatureLoader<'a> {
    /// A loader for the features that `learners` need, and for the MFCC statistics; `networks` are
    /// those of embeddings, the cache is in `folder`.
    pub fn open(
        recipe: &'a Recipe,
        learners: impl Iterator<Item = &'a str>,
        networks: &EmbeddingNetworks,
        folder: &Path,
    ) -> Result<Self> {
        let mut front_ends: Vec<&FrontEnd> = Vec::new();
        for learner in learners {
            let front_end = recipe.front_end(learner)?;
            if !front_ends.contains(&front_end) {
                front_ends.push(front_end);
            }
        }
        let data = &recipe.data;
        let (networks, limits) = (networks.clone(), data.limits.clone());
        let request = FeatureRequest { front_ends, networks, statistics: Some(&recipe.statistics), limits };
        let cache = FeatureCache::open(folder, data.cache_precision.is_half())?;
        Ok(Self { recipe, cache, folder: folder.to_owned(), request })
    }

    /// The features of each front end for GPUs, which keep `reserve` bytes free beside them.
    pub fn on_gpus<'b>(&self, clips: &'b [ClipFeatures], reserve: u64) -> Vec<DeviceFeatures<'b>> {
        let of = |index: usize| DeviceFeatures::new(clips.iter().map(move |clip| clip.features[index].view()), reserve);
        (0..self.request.front_ends.len()).map(of).collect()
    }

    /// The index of a front end's features in [`ClipFeatures::features`].
    pub fn index_of(&self, front_end: &FrontEnd) -> Result<usize> {
        let index = self.request.front_ends.iter().position(|known| *known == front_end);
        index.ok_or_else(|| PipelineError::Recipe("a learner has features that were not loaded".to_owned()))
    }

    /// The size of the whole cache in bytes.
    pub fn bytes(&self) -> u64 {
        self.cache.bytes()
    }

    /// Loads or computes the features of all clips in parallel. A clip that cannot be decoded gets
    /// the features of silence (`silence`) or none (`skip`), and always a warning.
    ///
    /// # Errors
    /// With the policy `fail`: all clips that cannot be decoded, in one error. With any policy: an
    /// error of the disk.
    pub fn load(
        &self,
        clips: &[ClipEntry],
        checksums: &[String],
        observer: &dyn Observer,
    ) -> Result<Vec<Option<ClipFeatures>>> {
        let files: Vec<(&Path, &str)> =
            clips.iter().zip(checksums).map(|(clip, sha256)| (clip.path.as_path(), sha256.as_str())).collect();
        observer.event(&Event::StageStarted(Stage::Features, clips.len()));
        let report = self.cache.load(&files, &self.request, || observer.event(&Event::StageAdvanced(Stage::Features)));
        observer.event(&Event::StageFinished(Stage::Features));
        let report = report?;
        for (path, fault) in &report.repaired {
            warn(observer, Warning::CacheEntry { path: path.clone(), reason: fault.to_string() });
        }
        let policy = self.recipe.data.on_decode_error;
        let (mut features, mut reasons) = (Vec::with_capacity(clips.len()), Vec::new());
        for clip in report.clips {
            features.push(match clip {
                Ok(clip) => Some(clip),
                Err(error) => {
                    let reason = with_remedy(error);
                    let (instead, clip) = match policy {
                        OnDecodeError::Silence => ("replaced by silence", Some(self.cache.silence(&self.request)?)),
                        OnDecodeError::Fail | OnDecodeError::Skip => ("skipped", None),
                    };
                    if policy != OnDecodeError::Fail {
                        warn(observer, Warning::Clip { reason: reason.clone(), instead });
                    }
                    reasons.push(reason);
                    clip
                }
            });
        }
        if policy == OnDecodeError::Fail && !reasons.is_empty() {
            let summary = format!(
                "{} of {} cannot be used (`[data] on_decode_error = \"skip\"` in the recipe skips them, \
                 \"silence\" replaces them by silence)",
                reasons.len(),
                counted(clips.len(), "clip")
            );
            return Err(PipelineError::Clips { summary, reasons });
        }
        if report.made > 0 {
            let (computed, cached) = (report.made, report.found);
            note(observer, Note::Features { computed, cached, bytes: report.bytes, folder: self.folder.clone() });
        }
        Ok(features)
    }
}

/// Why a clip has no features, and which key of the recipe raises the limit that it exceeds.
fn with_remedy(error: LoadError) -> String {
    let remedy = match &error {
        LoadError::Audio(AudioError::Limit { key, .. }) => {
            let verb = if key.starts_with("min_") { "lower" } else { "raise" };
            format!("; {verb} [data.limits] {key} in the recipe")
        }
        _ => String::new(),
    };
    PipelineError::from(error).line() + &remedy
}

/// The SHA-256 of each clip's file.
///
/// # Errors
/// Lists all files that cannot be read.
pub(crate) fn checksums(clips: &[ClipEntry], observer: &dyn Observer) -> Result<Vec<String>> {
    observer.event(&Event::StageStarted(Stage::Checksums, clips.len()));
    let checksums: Vec<_> = clips
        .par_iter()
        .map(|clip| {
            let checksum = earmark_files::sha256_file(&clip.path);
            observer.event(&Event::StageAdvanced(Stage::Checksums));
            checksum
        })
        .collect();
    observer.event(&Event::StageFinished(Stage::Checksums));
    let reasons: Vec<String> =
        checksums.iter().filter_map(|checksum| checksum.as_ref().err()).map(ToString::to_string).collect();
    if !reasons.is_empty() {
        let summary = format!("{} of {} cannot be read", reasons.len(), counted(clips.len(), "file"));
        return Err(PipelineError::Clips { summary, reasons });
    }
    Ok(checksums.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_moves_a_limit_is_named() {
        let limit = |key| AudioError::Limit { path: "a.wav".into(), key, limit: 3600.0, found: Some(10_800.2) };
        let long = "a.wav is longer than 3600 s (about 10800 s)";
        let text = with_remedy(LoadError::Audio(limit("max_seconds")));
        assert_eq!(text, format!("{long}; raise [data.limits] max_seconds in the recipe"));
        assert!(with_remedy(LoadError::Audio(limit("min_sample_rate"))).contains("; lower [data.limits] "));
    }
}
