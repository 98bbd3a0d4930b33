//! From sound files to entries: each file is decoded once for all of its missing entries.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use earmark_audio::{Limits, SoundId};
use earmark_files::FileError;
use rayon::prelude::*;

use super::entry::Extent;
use super::extractor::EntryExtractor;
use super::pass::{Idle, Passed, Sound, pass};
use super::request::FeatureRequest;
use super::writer::{CompleteEntry, EntryWriter};
use super::{CachedFeatures, EntryFault, FeatureCache, LoadError, Loss};

/// The features of a clip.
#[derive(Debug, Clone)]
pub struct ClipFeatures {
    /// The features, in the order of [`FeatureRequest::front_ends`].
    pub features: Vec<CachedFeatures>,
    /// The MFCC statistics; empty if they were not requested.
    pub statistics: Vec<f32>,
    /// Identifies the same sound in other files; `None` for silence, or if nothing was requested.
    pub sound: Option<SoundId>,
}

/// The result of loading a list of clips.
#[derive(Debug)]
pub struct LoadReport {
    /// The features of each clip, or why it has none ([`LoadError::is_of_the_clip`]).
    pub clips: Vec<Result<ClipFeatures, LoadError>>,
    /// Number of entries that were computed.
    pub made: usize,
    /// Number of entries that were cached.
    pub found: usize,
    /// Cached entries that were damaged and were recomputed.
    pub repaired: Vec<(PathBuf, EntryFault)>,
    /// Size on disk of all entries of these clips, in bytes.
    pub bytes: u64,
}

/// A clip's entries, in the order of its parts.
struct Entries {
    entries: Vec<CachedFeatures>,
    made: usize,
    repaired: Vec<(PathBuf, EntryFault)>,
}

impl FeatureCache {
    /// Loads the requested features of clips, which are given as sound file and its SHA-256.
    /// Missing entries are decoded, computed and cached. Clips are spread over rayon's threads;
    /// `tick` is called after each.
    ///
    /// Each thread keeps in memory a block of samples, resamplers, and the data that front ends
    /// need until a clip's end: 4 bytes per frame and band for front ends with a `top_db`, the
    /// reference `max` or deltas that wrap. If all of them together need more than 32 MB, the clip
    /// is decoded once for each.
    ///
    /// # Errors
    /// The disk fails, a front end is invalid, or a file has changed since its SHA-256 was
    /// computed. An error of a single clip is returned at its position in the report.
    pub fn load(
        &self,
        clips: &[(&Path, &str)],
        request: &FeatureRequest<'_>,
        tick: impl Fn() + Sync,
    ) -> Result<LoadReport, LoadError> {
        let parts = EntryExtractor::all(request).map_err(LoadError::Settings)?;
        let loaded = clips.par_iter().map_init(Idle::default, |idle, &(path, sha256)| {
            let entries = self.entries(&parts, Sound::File { path, sha256 }, &request.limits, idle);
            tick();
            match entries {
                Err(error) if !error.is_of_the_clip() => Err(error),
                entries => Ok(entries),
            }
        });
        let loaded: Vec<Result<Entries, LoadError>> = loaded.collect::<Result<_, _>>()?;
        let mut report =
            LoadReport { clips: Vec::with_capacity(clips.len()), made: 0, found: 0, repaired: Vec::new(), bytes: 0 };
        let mut lengths = BTreeMap::new();
        for entries in loaded {
            report.clips.push(entries.map(|Entries { entries, made, repaired }| {
                lengths.extend(entries.iter().map(|entry| (entry.header.key, entry.bytes_on_disk())));
                report.made += made;
                report.found += entries.len() - made;
                report.repaired.extend(repaired);
                ClipFeatures::new(entries, request)
            }));
        }
        report.bytes = lengths.values().sum();
        Ok(report)
    }

    /// The features that replace a clip that cannot be decoded: those of half a second of silence.
    ///
    /// # Errors
    /// The disk fails, or a front end is invalid.
    pub fn silence(&self, request: &FeatureRequest<'_>) -> Result<ClipFeatures, LoadError> {
        let parts = EntryExtractor::all(request).map_err(LoadError::Settings)?;
        Ok(ClipFeatures::new(
            self.entries(&parts, Sound::Silence, &request.limits, &mut Idle::default())?.entries,
            request,
        ))
    }

    /// The entries of a sound; missing ones are computed.
    fn entries(
        &self,
        parts: &[EntryExtractor<'_>],
        sound: Sound<'_>,
        limits: &Limits,
        idle: &mut Idle,
    ) -> Result<Entries, LoadError> {
        let keys: Vec<String> = parts.iter().map(|part| part.key(self.precision, sound.name())).collect();
        let (mut entries, mut repaired) = (Vec::with_capacity(parts.len()), Vec::new());
        for key in &keys {
            entries.push(match self.load_entry(key) {
                Ok(found) => {
                    found.iter().try_for_each(|entry| sound.check(limits, entry.header.sound))?;
                    found
                }
                Err(Loss::File(error)) => return Err(error.into()),
                Err(Loss::Fault(fault)) => {
                    repaired.push((self.path(key), fault));
                    None
                }
            });
        }
        let missing: Vec<usize> = (0..parts.len()).filter(|&part| entries[part].is_none()).collect();
        for (part, writer, extent) in self.make(parts, &keys, &missing, sound, limits, idle)? {
            entries[part] = Some(self.keep(writer.finish(parts[part].shape(), &keys[part], extent)?, &keys[part])?);
        }
        Ok(Entries { entries: entries.into_iter().flatten().collect(), made: missing.len(), repaired })
    }

    /// Renames an entry to its final name. If another process has written the same entry meanwhile,
    /// that one is used and this one is dropped. A damaged file with this name is removed; no
    /// process can have mapped it.
    fn keep(&self, written: CompleteEntry, key: &str) -> Result<CachedFeatures, LoadError> {
        /// After this many attempts in which the name is taken but no entry is found, use the
        /// unnamed file.
        const TRIES: usize = 100;
        let (path, CompleteEntry { file, open, header }) = (self.path(key), written);
        let mut unnamed = Some(file);
        for _ in 0..TRIES {
            let Some(file) = unnamed.take() else { break };
            let Some(file) = file.settle_new()? else { break };
            unnamed = Some(file);
            match self.load_entry(key) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(Loss::File(error)) => return Err(error.into()),
                Err(Loss::Fault(_)) => match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(FileError::of("replace", &path)(error).into());
                    }
                    _ => {}
                },
            }
        }
        Ok(CachedFeatures::map(open, header, &self.budget).map_err(FileError::of("read", &path))?)
    }

    /// Writes the missing parts, all under temporary names: if one part fails, no entry is created.
    /// Fails if the sound file no longer matches the SHA-256 in the keys.
    fn make(
        &self,
        parts: &[EntryExtractor<'_>],
        keys: &[String],
        missing: &[usize],
        sound: Sound<'_>,
        limits: &Limits,
        idle: &mut Idle,
    ) -> Result<Vec<(usize, EntryWriter, Extent)>, LoadError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let writer = |part: usize| EntryWriter::create(&self.path(&keys[part]), parts[part].precision(self.precision));
        let Passed { mut made, waiting } = pass(sound, limits, parts, missing, idle, writer)?;
        for part in waiting {
            made.extend(pass(sound, limits, parts, &[part], idle, writer)?.made);
        }
        match sound {
            Sound::File { path, sha256 } if earmark_files::sha256_file(path)? != sha256 => {
                Err(LoadError::Changed { path: path.to_owned() })
            }
            _ => Ok(made),
        }
    }
}

impl ClipFeatures {
    fn new(mut entries: Vec<CachedFeatures>, request: &FeatureRequest<'_>) -> Self {
        let sound = entries.first().and_then(|entry| entry.header.sound.id);
        let statistics = entries.split_off(request.front_ends.len()).first().map(|entry| {
            let mut values = vec![0.0; entry.view().width()];
            entry.view().read(0, &mut values);
            values
        });
        ClipFeatures { features: entries, statistics: statistics.unwrap_or_default(), sound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A complete entry with these values that does not have its final name yet.
    fn written(cache: &FeatureCache, key: &str, values: &[f32]) -> CompleteEntry {
        let mut writer = EntryWriter::create(&cache.path(key), cache.precision).unwrap();
        writer.write(values).unwrap();
        let sound = Extent { sample_rate: 44_100, samples: 5, channels: 1, id: None };
        writer.finish((1, 1), key, sound).unwrap()
    }

    fn values(features: &CachedFeatures) -> Vec<f32> {
        let mut values = vec![0.0; features.frames()];
        features.view().read(0, &mut values);
        values
    }

    #[test]
    fn of_two_writers_the_first_entry_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = FeatureCache::open(folder.path(), false).unwrap();
        let key = "a".repeat(64);
        // Two processes would write the same values; different values show whose file is kept.
        let [first, second, third] = [1.0, 2.0, 3.0].map(|value| written(&cache, &key, &[value; 3]));
        let first = cache.keep(first, &key).unwrap();
        assert_eq!(values(&cache.keep(second, &key).unwrap()), [1.0; 3]);
        assert_eq!(values(&first), [1.0; 3], "its file is still there, and mapped");
        // A damaged file under the same name is replaced; the mapped file is not modified.
        std::fs::remove_file(cache.path(&key)).unwrap();
        std::fs::write(cache.path(&key), b"damaged").unwrap();
        assert_eq!(values(&cache.keep(third, &key).unwrap()), [3.0; 3]);
        assert_eq!(values(&cache.load_entry(&key).ok().flatten().unwrap()), [3.0; 3]);
        assert_eq!(values(&first), [1.0; 3]);
        let files = std::fs::read_dir(cache.path(&key).parent().unwrap()).unwrap();
        assert_eq!(files.count(), 1, "the losers' files are gone");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_place_of_an_entry_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = FeatureCache::open(folder.path(), false).unwrap();
        let key = "b".repeat(64);
        let entry = written(&cache, &key, &[1.0; 3]);
        std::fs::create_dir_all(cache.path(&key).parent().unwrap()).unwrap();
        let made = std::process::Command::new("mkfifo").arg(cache.path(&key)).status().unwrap();
        assert!(made.success());
        assert!(matches!(cache.load_entry(&key), Err(Loss::Fault(_))));
        assert_eq!(values(&cache.keep(entry, &key).unwrap()), [1.0; 3]);
        assert!(cache.path(&key).is_file());
    }
}
