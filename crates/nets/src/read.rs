//! Weight files of both formats.

use std::io::Read;
use std::path::Path;

use earmark_files::FileError;

use crate::weights::{Weights, WeightsError};

impl Weights {
    /// Reads a weight file: safetensors or, in builds with the feature `pth`, a PyTorch file. The
    /// format is detected from the bytes, not from the file name.
    ///
    /// # Errors
    /// As [`Weights::from_safetensors`]; a file that cannot be read; a pickle that requests code
    /// execution.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let mut head = Vec::new();
        let file = std::fs::File::open(path).map_err(FileError::of("read", path))?;
        file.take(9).read_to_end(&mut head).map_err(FileError::of("read", path))?;
        // A safetensors file starts with the length of the header (eight bytes) and the header
        // itself (JSON).
        if head.get(8) == Some(&b'{') {
            return Self::from_safetensors(&earmark_files::read(path)?);
        }
        #[cfg(feature = "pth")]
        return crate::pth::read(path);
        #[cfg(not(feature = "pth"))]
        Err(WeightsError::Unreadable("this build of earmark reads safetensors alone".to_owned()))
    }
}
