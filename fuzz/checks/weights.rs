//! What must hold for any bytes that are read as a file of weights.

use std::path::Path;

use earmark_nets::{Weights, WeightsError};

/// Puts the bytes at `path` and reads them: finite values that fill their shapes, which safetensors
/// keeps, or an error. Says whether they are weights.
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
        // Bytes that can be read are never a failure of the disk.
        Err(WeightsError::File(error)) => panic!("{error}"),
        Err(_) => false,
    }
}
