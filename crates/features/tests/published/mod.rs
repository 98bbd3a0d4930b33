//! The folder of EARMARK_AUDIOSET, and the arrays by the authors' own code in its `golden.npz`.

use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder; without it, tests are skipped, or fail in CI.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("EARMARK_AUDIOSET");
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "EARMARK_AUDIOSET must be set in CI");
        eprintln!("EARMARK_AUDIOSET is not set: skipped");
    }
    folder.map(PathBuf::from)
}

/// The shape and the values of an array.
pub fn golden(folder: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let file = std::fs::File::open(folder.join("golden.npz")).unwrap();
    let mut bytes = Vec::new();
    zip::ZipArchive::new(file).unwrap().by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split('(').nth(1).unwrap().split(')').next().unwrap();
    let shape: Vec<usize> = shape.split(',').filter_map(|side| side.trim().parse().ok()).collect();
    let values = bytes[10 + length..].chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap()));
    let values: Vec<f32> = values.collect();
    assert_eq!(shape.iter().product::<usize>(), values.len());
    (shape, values)
}
