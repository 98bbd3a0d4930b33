//! Installs a file of weights.

use std::path::{Path, PathBuf};

use earmark_tagging::{ModelStore, Origin};

use crate::install::install;
use crate::published::of_file;
use crate::{ClassList, ModelError};

/// Installs the weights in a file of safetensors or PyTorch as the model `name`: a network `arch`
/// with these classes, each with a probability of its own. Returns the folder of the model.
///
/// # Errors
/// Weights of another network, a list of another number of classes, a network whose front end is
/// not known, or a folder that cannot be written.
pub fn import(
    store: &ModelStore,
    name: &str,
    path: &Path,
    arch: &str,
    classes: &ClassList,
) -> Result<PathBuf, ModelError> {
    store.path(name)?;
    let sha256 = earmark_files::sha256_file(path)?;
    let origin = match of_file(&sha256) {
        Some(model) => model.origin(sha256),
        None => {
            let source = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Origin { source, sha256, licence: None, paper: None }
        }
    };
    install(store, name, path, arch, classes, origin)
}
