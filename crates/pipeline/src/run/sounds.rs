//! `data.json`: the location of a run's sounds and features, for a report that is written later.

use std::path::{Path, PathBuf};

use earmark_files::FileError;
use serde::{Deserialize, Serialize};

use super::{CACHE, Run};
use crate::error::Result;

/// Where a run found its sounds, and where its features are cached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SoundFolders {
    /// The folder that contains the sounds, at any depth.
    pub sounds: Option<PathBuf>,
    /// The folder of the feature cache.
    pub cache: PathBuf,
}

impl SoundFolders {
    /// The file in a run's folder.
    pub const FILE: &str = "data.json";
}

impl Run {
    /// Stores the folders. Paths are made absolute, but symbolic links are not resolved, because
    /// their targets may change.
    pub(crate) fn store_sound_folders(&self, sounds: &Path, cache: &Path) -> Result<()> {
        let absolute = |path: &Path| {
            let path = if path == Path::new("") { Path::new(".") } else { path };
            std::path::absolute(path).map_err(FileError::of("find", path))
        };
        let folders = SoundFolders { sounds: Some(absolute(sounds)?), cache: absolute(cache)? };
        Ok(earmark_files::write_atomic(&self.path(SoundFolders::FILE), &serde_json::to_vec_pretty(&folders)?)?)
    }

    /// The stored folders; if the file cannot be read, the run's own cache and no sounds.
    pub fn sound_folders(&self) -> SoundFolders {
        let bytes = earmark_files::read(&self.path(SoundFolders::FILE)).ok();
        let folders = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        folders.unwrap_or_else(|| SoundFolders { sounds: None, cache: self.path(CACHE) })
    }
}
