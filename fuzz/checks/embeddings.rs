//! Invariants for arbitrary bytes that are read as a table of embeddings.

use std::path::Path;

use earmark_embeddings::{Embeddings, EmbeddingsError};

/// Writes the bytes to `folder`, as a NumPy array of three rows or, if they start like it, as
/// Parquet, and reads them: finite values of the declared shape that survive a round trip, or an
/// error. Returns whether they are a table.
pub fn check(folder: &Path, bytes: &[u8]) -> bool {
    let name = if bytes.starts_with(b"PAR1") { "x.parquet" } else { "x.npy" };
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    std::fs::write(folder.join("x.csv"), "path,start,end\na.wav,0,1\na.wav,1,2\nb.wav,0,1\n").unwrap();
    match Embeddings::read(&path) {
        Ok(table) => {
            assert_eq!(table.values().len(), table.rows().len() * table.size());
            assert!(table.values().iter().all(|value| value.is_finite()));
            let again = folder.join("again.parquet");
            table.write(&again).unwrap();
            assert!(Embeddings::read(&again).unwrap() == table);
            true
        }
        // Readable bytes must not cause a disk error.
        Err(EmbeddingsError::File(error)) => panic!("{error}"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
