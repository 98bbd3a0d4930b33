//! Opens files that are not trusted.

use std::fs::File;
use std::path::Path;

use earmark_files::FileError;

use crate::error::{EmbeddingsError, Fault};

/// Opens a regular file of at most `most` bytes.
pub(crate) fn open(path: &Path, most: u64) -> Result<(File, u64), EmbeddingsError> {
    let metadata = std::fs::metadata(path).map_err(FileError::of("read", path))?;
    // Reading from a pipe could block forever.
    if !metadata.is_file() {
        return Err(FileError::of("read", path)(std::io::Error::other("it is no regular file")).into());
    }
    if metadata.len() > most {
        let fault = Fault::TooLarge { what: "bytes", found: metadata.len(), most };
        return Err(EmbeddingsError::of(path)(fault));
    }
    let file = File::open(path).map_err(FileError::of("read", path))?;
    Ok((file, metadata.len()))
}
