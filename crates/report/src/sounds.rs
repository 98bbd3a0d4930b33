//! Finds the sounds of a run again: their spectrograms and players.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use earmark_audio::{decode, resample, wav};
use earmark_datasets::sound_files;
use earmark_features::{Extractor, FrontEnd};
use earmark_loader::FeatureCache;
use earmark_pipeline::{ClipRow, Recipe, Run};

use crate::error::ReportError;
use crate::image;

/// The size of the largest file that is embedded in the page unchanged.
const MOST_BYTES: u64 = 400_000;
/// The part of larger files, and of files that browsers cannot play, that is embedded, resampled to
/// [`RATE`]: 441 kB.
const SECONDS: usize = 10;
const RATE: u32 = 22_050;

/// The places where the sounds of a run may be.
pub struct Sounds<'a> {
    recipe: &'a Recipe,
    folder: Option<PathBuf>,
    /// All sounds below the folder, listed when a clip is not found directly by its name.
    files: OnceCell<Vec<PathBuf>>,
    cache: Option<FeatureCache>,
    front_end: FrontEnd,
    extractor: Extractor,
}

/// The sound and picture of a clip, if they were found.
#[derive(Default)]
pub struct Found {
    /// The spectrogram as PNG.
    pub picture: Option<Vec<u8>>,
    /// The sound as a data URI.
    pub sound: Option<String>,
    /// The duration in seconds, if the sound was decoded.
    pub seconds: Option<f64>,
    /// Whether [`Self::sound`] is only the beginning.
    pub cut: bool,
}

impl<'a> Sounds<'a> {
    /// Looks for sounds in `folder` or, by default, where the run had them. Missing sounds are not
    /// an error.
    pub fn open(run: &Run, recipe: &'a Recipe, folder: Option<&Path>) -> Result<Self, ReportError> {
        let folders = run.sound_folders();
        let folder = folder.map(Path::to_owned).or(folders.sounds);
        let cache = folders.cache;
        // Opening a cache creates its folder, so a missing one is not opened. If a cache cannot be
        // opened, the report only lacks spectrograms.
        let half = recipe.data.cache_precision.is_half();
        let cache = cache.is_dir().then(|| FeatureCache::open(&cache, half)).and_then(|opened| {
            opened.inspect_err(|error| tracing::warn!("no spectrograms from the feature cache: {error}")).ok()
        });
        let is_logmel = |front_end: &&FrontEnd| matches!(front_end, FrontEnd::LogMel { .. });
        let front_end = recipe.features.values().find(is_logmel).cloned().unwrap_or_default();
        Ok(Self { recipe, folder, files: OnceCell::new(), cache, extractor: front_end.extractor()?, front_end })
    }

    /// Finds the picture and sound of a clip: from a file with its name and SHA-256, or else only
    /// the picture from the cached features.
    pub fn find(&self, clip: &ClipRow) -> Found {
        let is_it = |path: &PathBuf| earmark_files::sha256_file(path).is_ok_and(|sum| sum == clip.sha256);
        let by_name = self.folder.iter().map(|folder| folder.join(&clip.fname)).find(is_it);
        let below = || self.files().iter().filter(|path| path.ends_with(&clip.fname)).find(|path| is_it(path)).cloned();
        match by_name.or_else(below) {
            Some(path) => self.decoded(&path).unwrap_or_default(),
            None => Found { picture: self.cached(&clip.sha256), ..Found::default() },
        }
    }

    fn files(&self) -> &[PathBuf] {
        self.files
            .get_or_init(|| self.folder.as_deref().and_then(|folder| sound_files(folder).ok()).unwrap_or_default())
    }

    fn decoded(&self, path: &Path) -> Result<Found, ReportError> {
        let clip = decode(path, &self.recipe.data.limits)?;
        let samples = resample(&clip, self.front_end.sample_rate())?;
        let features = self.extractor.extract(&samples.samples)?;
        let mut found = Found { seconds: Some(clip.seconds()), ..Found::default() };
        found.picture = image::spectrogram(features.view());
        if let Some(kind) = kind(path).filter(|_| path.metadata().is_ok_and(|file| file.len() <= MOST_BYTES)) {
            found.sound = Some(image::data_uri(kind, &earmark_files::read(path)?));
        } else {
            let mut start = resample(&clip, RATE)?;
            let most = SECONDS * RATE as usize;
            found.cut = start.samples.len() > most;
            start.samples.truncate(most);
            found.sound = wav(&start).map(|bytes| image::data_uri("audio/wav", &bytes));
        }
        Ok(found)
    }

    fn cached(&self, sha256: &str) -> Option<Vec<u8>> {
        let features = self.cache.as_ref()?.get(sha256, &self.front_end).ok()??;
        image::spectrogram(features.view())
    }
}

/// The MIME type of a file that browsers can play, by its extension.
fn kind(path: &Path) -> Option<&'static str> {
    Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" | "oga" => "audio/ogg",
        "mp3" => "audio/mpeg",
        "m4a" | "mp4" => "audio/mp4",
        "aac" => "audio/aac",
        _ => return None,
    })
}
