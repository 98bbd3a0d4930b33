//! The sounds of a run, found again: their spectrograms and players.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use earmark_audio::{decode, resample, wav};
use earmark_datasets::sound_files;
use earmark_features::{Extractor, FrontEnd};
use earmark_loader::FeatureCache;
use earmark_pipeline::{ClipRow, Recipe, Run};

use crate::error::ReportError;
use crate::image;

/// The largest file that is put into the page as it is.
const MOST_BYTES: u64 = 400_000;
/// Of larger ones, and of those that browsers do not play, so much is in the page, at [`RATE`]: 441
/// kB.
const SECONDS: usize = 10;
const RATE: u32 = 22_050;

/// Where to look for the sounds of a run.
pub struct Sounds<'a> {
    recipe: &'a Recipe,
    folder: Option<PathBuf>,
    /// All sounds below the folder; listed once a clip does not lie in it by its name.
    files: OnceCell<Vec<PathBuf>>,
    cache: Option<FeatureCache>,
    front_end: FrontEnd,
    extractor: Extractor,
}

/// What was found of a clip.
#[derive(Default)]
pub struct Found {
    /// Its spectrogram, PNG.
    pub picture: Option<Vec<u8>>,
    /// Its sound as a data URI.
    pub sound: Option<String>,
    /// Its length in seconds, where it was decoded.
    pub seconds: Option<f64>,
    /// Whether [`Self::sound`] is only its beginning.
    pub cut: bool,
}

impl<'a> Sounds<'a> {
    /// Looks in `folder`, or else where the run had its sounds. Sounds that are gone are no error.
    pub fn open(run: &Run, recipe: &'a Recipe, folder: Option<&Path>) -> Result<Self, ReportError> {
        let folders = run.sound_folders();
        let folder = folder.map(Path::to_owned).or(folders.sounds);
        let cache = folders.cache;
        // To open a cache makes its folder. One that cannot be opened costs spectrograms, not the
        // report.
        let half = recipe.data.cache_precision.is_half();
        let cache = cache.is_dir().then(|| FeatureCache::open(&cache, half)).and_then(|opened| {
            opened.inspect_err(|error| tracing::warn!("no spectrograms from the feature cache: {error}")).ok()
        });
        let is_logmel = |front_end: &&FrontEnd| matches!(front_end, FrontEnd::LogMel { .. });
        let front_end = recipe.features.values().find(is_logmel).cloned().unwrap_or_default();
        Ok(Self { recipe, folder, files: OnceCell::new(), cache, extractor: front_end.extractor()?, front_end })
    }

    /// Picture and sound of a clip, as far as it is there: the file of its name and SHA-256, or the
    /// cache's features.
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

/// The kind of a file that browsers play, by its extension.
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
