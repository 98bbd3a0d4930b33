//! Installed models: bundles that are found by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use earmark_files::FileError;

use crate::names::{MODELS, SUMS};
use crate::read::lists;
use crate::{Bundle, StoreError, TaggingError, Verified, verify};

/// The file with the name of the model that is used when none is named.
const DEFAULT: &str = "default";

/// A folder of models: each is a bundle in the folder of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStore {
    /// The folder, which may not exist yet.
    pub folder: PathBuf,
}

impl ModelStore {
    /// The store in the folder that `EARMARK_MODELS` names, by default `earmark/models` in the
    /// user's cache folder.
    ///
    /// # Errors
    /// Neither is known.
    pub fn open() -> Result<Self, StoreError> {
        let named = std::env::var_os(MODELS).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = named.or_else(|| Some(earmark_files::user_cache()?.join("earmark/models")));
        Ok(Self { folder: folder.ok_or(StoreError::NoFolder)? })
    }

    /// The folder of a model, whether or not it is installed.
    ///
    /// # Errors
    /// A name that is no file name.
    pub fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        match plain && !name.is_empty() && !name.starts_with('.') && name != DEFAULT {
            true => Ok(self.folder.join(name)),
            false => Err(StoreError::Name { name: name.to_owned() }),
        }
    }

    /// The installed models by name, also damaged ones.
    ///
    /// # Errors
    /// The folder cannot be read; a missing folder has no models.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let failed = || FileError::of("read", &self.folder);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if self.path(&name).is_ok() && entry.path().is_dir() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The folder of an installed model.
    ///
    /// # Errors
    /// There is no such model.
    pub fn find(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path(name)?;
        match path.is_dir() {
            true => Ok(path),
            false => {
                Err(StoreError::Unknown { name: name.to_owned(), folder: self.folder.clone(), known: self.names()? })
            }
        }
    }

    /// The folder of the first installed model that has a file with this SHA-256, by its list of
    /// checksums; whoever opens the model compares the file itself.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn find_sha256(&self, sha256: &str) -> Result<Option<PathBuf>, StoreError> {
        let paths = self.names()?.into_iter().map(|name| self.folder.join(name));
        Ok(paths.into_iter().find(|path| lists(path, sha256).unwrap_or(false)))
    }

    /// The bundle that a user names: a folder, relative to `base`, or an installed model.
    ///
    /// # Errors
    /// There is neither.
    pub fn resolve(&self, model: &str, base: &Path) -> Result<PathBuf, StoreError> {
        let folder = base.join(model);
        // A name with a separator, or a bundle: a folder that happens to have a model's name is not
        // meant.
        if folder.join(SUMS).exists() || self.path(model).is_err() {
            return Ok(folder);
        }
        self.find(model)
    }

    /// The name of the model that is used when none is named.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn default_name(&self) -> Result<Option<String>, StoreError> {
        let file = self.folder.join(DEFAULT);
        if !file.exists() {
            return Ok(None);
        }
        let name = earmark_files::read_to_string(&file)?.trim().to_owned();
        Ok(self.path(&name).is_ok_and(|path| path.is_dir()).then_some(name))
    }

    /// The folder of the model that is used when none is named.
    ///
    /// # Errors
    /// No model is chosen, or it was removed.
    pub fn default_path(&self) -> Result<PathBuf, StoreError> {
        self.find(&self.default_name()?.ok_or(StoreError::NoDefault)?)
    }

    /// Chooses the model that is used when none is named.
    ///
    /// # Errors
    /// There is no such model; the choice cannot be written.
    pub fn set_default(&self, name: &str) -> Result<(), StoreError> {
        self.find(name)?;
        Ok(earmark_files::write_atomic(&self.folder.join(DEFAULT), format!("{name}\n").as_bytes())?)
    }

    /// Reads a model as [`Bundle::read`] does: compares all of its files with their checksums.
    ///
    /// # Errors
    /// There is no such model, or it is incomplete or damaged.
    pub fn read(&self, name: &str) -> Result<(Bundle, BTreeMap<String, Vec<u8>>), StoreError> {
        Bundle::read(&self.find(name)?).map_err(|source| damaged(name, source))
    }

    /// Checks a model as [`verify`](crate::verify()) does, with a second of noise.
    ///
    /// # Errors
    /// Those of [`ModelStore::read`]; what ONNX Runtime refuses.
    pub fn verify(&self, name: &str) -> Result<Verified, StoreError> {
        verify(&self.find(name)?).map_err(|source| damaged(name, source))
    }

    /// Installs a bundle that `write` writes into the folder that it gets. Nobody sees an
    /// unfinished model, and an earlier one of the same name is replaced whole.
    ///
    /// # Errors
    /// The name; the disk.
    pub fn install(
        &self,
        name: &str,
        write: impl FnOnce(&Path) -> Result<(), TaggingError>,
    ) -> Result<PathBuf, TaggingError> {
        let path = self.path(name)?;
        let hidden = |what: &str| self.folder.join(format!(".{name}.{what}.{}", std::process::id()));
        let (new, old) = (hidden("new"), hidden("old"));
        earmark_files::create_folder(&new)?;
        let written = write(&new).and_then(|()| {
            if path.exists() {
                std::fs::rename(&path, &old).map_err(FileError::of("move", &path))?;
            }
            Ok(std::fs::rename(&new, &path).map_err(FileError::of("move", &new))?)
        });
        for folder in [new, old] {
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(FileError::of("remove", &folder))?;
            }
        }
        written.map(|()| path)
    }

    /// Removes a model, also a damaged one.
    ///
    /// # Errors
    /// There is no such model; the disk.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.find(name)?;
        if self.default_name()?.as_deref() == Some(name) {
            let file = self.folder.join(DEFAULT);
            std::fs::remove_file(&file).map_err(FileError::of("remove", &file))?;
        }
        Ok(std::fs::remove_dir_all(&path).map_err(FileError::of("remove", &path))?)
    }
}

fn damaged(name: &str, source: TaggingError) -> StoreError {
    match source {
        // The model may be whole.
        TaggingError::Library { .. } => StoreError::Unchecked { name: name.to_owned(), source: Box::new(source) },
        _ => StoreError::Damaged { name: name.to_owned(), source: Box::new(source) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path) -> Result<(), TaggingError> {
        let labels = vec!["Dog".to_owned(), "Rain".to_owned()];
        Bundle::new(labels, Vec::new(), None, None).write(folder, BTreeMap::new())
    }

    #[test]
    fn models_are_installed_chosen_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let store = ModelStore { folder: place.path().join("models") };
        assert_eq!((store.names().unwrap(), store.default_name().unwrap()), (Vec::new(), None));
        assert!(matches!(store.default_path(), Err(StoreError::NoDefault)));
        let path = store.install("one", write).unwrap();
        assert!(path.join(SUMS).exists());
        let sha256 = earmark_files::sha256_file(&path.join("config.json")).unwrap();
        assert_eq!(store.find_sha256(&sha256).unwrap(), Some(path));
        assert_eq!(store.find_sha256(&"0".repeat(64)).unwrap(), None);
        store.install("one", write).unwrap();
        store.install("two", write).unwrap();
        assert_eq!(store.names().unwrap(), ["one", "two"]);
        assert_eq!(std::fs::read_dir(&store.folder).unwrap().count(), 2, "nothing else is left");
        store.set_default("two").unwrap();
        assert_eq!(store.default_path().unwrap(), store.folder.join("two"));
        store.remove("two").unwrap();
        assert!(matches!(store.default_path(), Err(StoreError::NoDefault)));
        let unknown = store.find("two").unwrap_err();
        assert!(matches!(&unknown, StoreError::Unknown { known, .. } if known[..] == ["one"]), "{unknown}");
        assert!(matches!(store.set_default("two"), Err(StoreError::Unknown { .. })));
        for name in ["", ".", "..", "a/b", "default", "a b"] {
            assert!(matches!(store.find(name), Err(StoreError::Name { .. })), "{name}");
        }
    }

    #[test]
    fn a_failed_installation_leaves_the_earlier_model() {
        let place = tempfile::tempdir().unwrap();
        let store = ModelStore { folder: place.path().to_owned() };
        store.install("one", write).unwrap();
        let failed = store.install("one", |folder| {
            write(folder)?;
            Err(StoreError::NoFolder.into())
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
        assert!(store.find("one").unwrap().join(SUMS).exists());
    }

    #[test]
    fn half_a_model_is_damaged() {
        let place = tempfile::tempdir().unwrap();
        let store = ModelStore { folder: place.path().to_owned() };
        let path = store.install("one", write).unwrap();
        std::fs::remove_file(path.join(SUMS)).unwrap();
        let damaged = store.verify("one").unwrap_err();
        assert!(matches!(&damaged, StoreError::Damaged { name, .. } if name == "one"), "{damaged}");
        assert_eq!(store.names().unwrap(), ["one"]);
        store.remove("one").unwrap();
        assert_eq!(store.names().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_folder_or_a_name_is_resolved() {
        let place = tempfile::tempdir().unwrap();
        let store = ModelStore { folder: place.path().join("models") };
        let installed = store.install("one", write).unwrap();
        write(&place.path().join("bundle")).unwrap();
        let resolve = |model: &str| store.resolve(model, place.path());
        assert_eq!(resolve("one").unwrap(), installed);
        assert_eq!(resolve("bundle").unwrap(), place.path().join("bundle"));
        assert_eq!(resolve("runs/x/bundle").unwrap(), place.path().join("runs/x/bundle"));
        assert!(matches!(resolve("three"), Err(StoreError::Unknown { .. })));
    }
}
