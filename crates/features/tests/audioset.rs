//! The front end of the published AudioSet networks, with values by their authors' code: the folder
//! of EARMARK_AUDIOSET.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Read;

use earmark_features::{FrontEnd, Scaling};

/// The shape and the values of an array of `golden.npz`; none if the variable is not set, which
/// fails in CI.
fn golden(name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
    let Some(folder) = std::env::var_os("EARMARK_AUDIOSET") else {
        assert!(std::env::var_os("CI").is_none(), "EARMARK_AUDIOSET must be set in CI");
        eprintln!("EARMARK_AUDIOSET is not set: skipped");
        return None;
    };
    let file = std::fs::File::open(std::path::Path::new(&folder).join("golden.npz")).unwrap();
    let mut bytes = Vec::new();
    zip::ZipArchive::new(file).unwrap().by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split('(').nth(1).unwrap().split(')').next().unwrap();
    let shape = shape.split(',').filter_map(|side| side.trim().parse().ok()).collect();
    let values = bytes[10 + length..].chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap()));
    Some((shape, values.collect()))
}

#[test]
fn the_log_mel_is_that_of_the_authors() {
    let (front_end, scaling) = (FrontEnd::efficientat(), Scaling::efficientat());
    let extractor = front_end.extractor().unwrap();
    for clip in 0..4 {
        let Some((_, samples)) = golden(&format!("wave{clip}")) else { return };
        let (shape, expected) = golden(&format!("mel{clip}")).unwrap();
        let features = extractor.extract(&samples).unwrap();
        assert_eq!([features.bins, features.frames], shape[..]);
        let mut rows = features.rows();
        scaling.apply(&mut rows);
        let difference = rows.iter().zip(&expected).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
        println!("clip {clip}: {difference:.1e}");
        assert!(difference <= 1e-4, "clip {clip}: {difference:.1e}");
    }
}
