//! Invariants for arbitrary bytes that are read as a file of weights.

use std::path::Path;

use earmark_nets::{Weights, WeightsError};

/// Writes the bytes to `path` and reads them: finite values that match their shapes and survive a
/// round trip through safetensors, or an error. Returns whether they are weights.
pub fn check(path: &Path, bytes: &[u8]) -> bool {
    std::fs::write(path, bytes).unwrap();
    match Weights::read(path) {
        Ok(weights) => {
            assert!(weights.is_finite());
            assert!(weights.0.values().all(|array| array.shape.iter().product::<usize>() == array.data.len()));
            let written = weights.to_safetensors().unwrap();
            assert!(Weights::from_safetensors(&written).unwrap() == weights);
            true
        }
        // Readable bytes must not cause a disk error.
        Err(WeightsError::File(error)) => panic!("{error}"),
        Err(_) => false,
    }
}
