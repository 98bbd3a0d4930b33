//! A folder with clips and a cache.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use earmark_audio::{Clip, Limits, decode, resample, write_wav};
use earmark_features::{FeatureView, Features, FrontEnd, MelSettings, MfccStatistics};
use earmark_loader::FeatureCache;

/// A temporary folder that is removed on drop.
pub struct Place {
    folder: tempfile::TempDir,
    clips: Vec<(PathBuf, String)>,
}

impl Place {
    /// Clips of noise, some tenths of a second long.
    pub fn with_clips(n: u32) -> Self {
        let mut place = Place { folder: tempfile::tempdir().unwrap(), clips: Vec::new() };
        for clip in 0..n {
            let draw = |at: u32| (at.wrapping_mul(2_654_435_761).rotate_left(clip) >> 16) as f32 / 65_536.0 - 0.5;
            let samples = (0..9_000 + 2_345 * (clip % 7)).map(|at| draw(at + clip)).collect();
            let path = place.folder().join(format!("{clip}.wav"));
            write_wav(&path, &Clip { samples, sample_rate: 44_100 }).unwrap();
            place.clips.push((path.clone(), earmark_files::sha256_file(&path).unwrap()));
        }
        place
    }

    /// Adds a clip, valid or not.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let path = self.folder().join(name);
        std::fs::write(&path, bytes).unwrap();
        self.clips.push((path, earmark_files::sha256(bytes)));
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn clips(&self) -> Vec<(&Path, &str)> {
        self.clips.iter().map(|(path, sha256)| (path.as_path(), sha256.as_str())).collect()
    }

    pub fn cache(&self, half: bool) -> FeatureCache {
        FeatureCache::open(&self.folder().join("cache"), half).unwrap()
    }

    /// The cache's files, with modification time and length.
    pub fn files(&self) -> BTreeMap<PathBuf, (SystemTime, u64)> {
        let folders = std::fs::read_dir(self.folder().join("cache")).unwrap();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap()).filter_map(|file| {
            let file = file.unwrap();
            // Another process may have just renamed it.
            let metadata = file.metadata().ok()?;
            Some((file.path(), (metadata.modified().unwrap(), metadata.len())))
        });
        files.collect()
    }

    pub fn bytes(&self) -> u64 {
        self.files().values().map(|(_, bytes)| bytes).sum()
    }
}

/// Front ends of all kinds, at three rates.
pub fn front_ends() -> Vec<FrontEnd> {
    let mel = MelSettings { sr: 16_000, n_fft: 512, hop_length: 160, top_db: None, ..MelSettings::default() };
    let mfcc = FrontEnd::Mfcc { n_mfcc: 13, mel, deltas: false, delta: Default::default() };
    vec![FrontEnd::logmel(), mfcc, FrontEnd::wave()]
}

pub fn statistics() -> MfccStatistics {
    MfccStatistics::default()
}

/// The features of a file, computed without a cache.
pub fn extracted(path: &Path, front_end: &FrontEnd) -> Features {
    let clip = decode(path, &Limits::default()).unwrap();
    let clip = resample(&clip, front_end.sample_rate()).unwrap();
    front_end.extractor().unwrap().extract(&clip.samples).unwrap()
}

pub fn values(view: FeatureView<'_>) -> Vec<f32> {
    let mut values = vec![f32::NAN; view.frames() * view.width()];
    view.read(0, &mut values);
    values
}

/// Whether two arrays are bitwise equal.
pub fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// A WAV file of 32-bit floats at 44,100 Hz.
pub fn float_wav(samples: &[f32]) -> Vec<u8> {
    wav_of(1, samples)
}

/// The same with two channels, whose samples are interleaved.
pub fn two_channels(samples: &[f32]) -> Vec<u8> {
    wav_of(2, samples)
}

fn wav_of(channels: u16, samples: &[f32]) -> Vec<u8> {
    let data = samples.len() as u32 * 4;
    let header: [&[u8]; 12] = [
        b"RIFF",
        &(36 + data).to_le_bytes(),
        b"WAVEfmt ",
        &16u32.to_le_bytes(),
        &3u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &44_100u32.to_le_bytes(),
        &(176_400 * u32::from(channels)).to_le_bytes(),
        &(4 * channels).to_le_bytes(),
        &32u16.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    header.into_iter().flatten().copied().chain(samples.iter().flat_map(|sample| sample.to_le_bytes())).collect()
}
