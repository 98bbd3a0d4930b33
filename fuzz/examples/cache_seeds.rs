//! Generates the seeds of the target `cache` with the cache's own writer.
//!
//! Run in `fuzz/`: `cargo run --release --example cache_seeds`

use std::fs;
use std::path::{Path, PathBuf};

use earmark_audio::{Clip, write_wav};
use earmark_loader::{FeatureCache, FeatureRequest};
use earmark_features::{FrontEnd, MelSettings, MfccStatistics};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/cache");
    fs::create_dir_all(&seeds)?;
    let folder = tempfile::tempdir()?;
    let sound = folder.path().join("clip.wav");
    let samples = (0..800).map(|at| 0.5 * (0.2 * at as f32).sin()).collect();
    write_wav(&sound, &Clip { samples, sample_rate: 8_000 })?;
    let sha256 = earmark_files::sha256_file(&sound)?;

    let mel = MelSettings { sr: 8_000, n_fft: 256, hop_length: 128, n_mels: 8, ..MelSettings::default() };
    let delta = || Default::default();
    let front_ends = [
        ("logmel", FrontEnd::LogMel { mel: mel.clone(), deltas: true, delta: delta() }),
        ("flat", FrontEnd::LogMel { mel: mel.clone(), deltas: false, delta: delta() }),
        ("mfcc", FrontEnd::Mfcc { n_mfcc: 5, mel: mel.clone(), deltas: true, delta: delta() }),
        ("wave", FrontEnd::Wave { sr: 8_000, channels: 1 }),
    ];
    let statistics = MfccStatistics { n_mfcc: 5, mel, ..MfccStatistics::default() };
    for half in [false, true] {
        let made = |name: &str, request: FeatureRequest<'_>| -> Result<Vec<u8>> {
            let cache = folder.path().join(format!("{name}.{half}"));
            FeatureCache::open(&cache, half)?.load(&[(&sound, &sha256)], &request, || {})?;
            Ok(fs::read(only(&only(&cache)?)?)?)
        };
        let ending = if half { "f16" } else { "f32" };
        for (name, front_end) in &front_ends {
            let request = FeatureRequest { front_ends: vec![front_end], ..FeatureRequest::default() };
            fs::write(seeds.join(format!("{name}.{ending}")), made(name, request)?)?;
        }
        let request = FeatureRequest { statistics: Some(&statistics), ..FeatureRequest::default() };
        let entry = made("statistics", request)?;
        fs::write(seeds.join("statistics.f32"), &entry)?;
        // What a crashed machine, or a later version, may leave.
        fs::write(seeds.join("cut.f32"), &entry[..entry.len() - 3])?;
        fs::write(seeds.join("header.f32"), &entry[..192])?;
        fs::write(seeds.join("newer.f32"), [&entry[..8], &[9], &entry[9..]].concat())?;
        let endless = [&entry[..16], &[0xFF; 16], &entry[32..]].concat();
        fs::write(seeds.join("endless.f32"), endless)?;
    }
    Ok(())
}

/// The only entry of a folder.
fn only(folder: &Path) -> Result<PathBuf> {
    Ok(fs::read_dir(folder)?.next().ok_or("an empty folder")??.path())
}
