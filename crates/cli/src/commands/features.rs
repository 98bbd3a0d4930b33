//! `earmark features`: the features of one file as a NumPy file. For the wave, the memory does not
//! depend on the length of the file; other features take 4 bytes per frame and band until the clip
//! ends ([`FeatureStream`](earmark_features::FeatureStream)).

use anyhow::Context;
use earmark_audio::{AudioStream, StreamResampler};
use earmark_features::{FrontEnd, MfccStatistics, NpyWriter, npy, setting_fault};
use earmark_files::{FileError, write_atomic, write_atomic_with};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::args::{FeatureKind, Features};
use crate::output;

/// Computes the features.
pub fn run(options: &Features) -> anyhow::Result<()> {
    output::check_place("--out", &options.out)?;
    if options.kind == FeatureKind::Stats {
        return statistics(options);
    }
    let front_end: FrontEnd = set(Some(options.kind), &options.set)?;
    not_onto_itself(options)?;
    let extractor = front_end.extractor()?;
    let (channels, bins) = front_end.shape();
    let named = || options.file.display().to_string();
    write_atomic_with(&options.out, |file| {
        let written = || FileError::of("write", &options.out);
        let mut npy = NpyWriter::new(file, channels * bins);
        let mut stream = extractor.stream();
        decode(options, front_end.sample_rate(), |samples| {
            stream.push(samples).with_context(named)?;
            Ok(npy.write_ready(&mut stream).map_err(written())?)
        })?;
        let frames = stream.finish().with_context(named)?;
        let shape = match front_end {
            FrontEnd::Wave { .. } => vec![channels, frames],
            FrontEnd::Summary { .. } | FrontEnd::Embedding { .. } => vec![channels],
            FrontEnd::LogMel { .. } | FrontEnd::Mfcc { .. } => vec![channels, bins, frames],
        };
        Ok(npy.finish(&mut stream, frames, &shape).map_err(written())?)
    })
}

fn statistics(options: &Features) -> anyhow::Result<()> {
    not_onto_itself(options)?;
    let settings: MfccStatistics = set(None, &options.set)?;
    let extractor = settings.extractor()?;
    let mut stream = extractor.stream();
    let named = || options.file.display().to_string();
    decode(options, settings.mel.sr, |samples| stream.push(samples).with_context(named))?;
    let values = stream.finish().with_context(named)?;
    Ok(write_atomic(&options.out, &npy(&[values.len()], &values))?)
}

/// Refuses to overwrite the sound file with its features.
fn not_onto_itself(options: &Features) -> anyhow::Result<()> {
    let same = options.out.canonicalize().is_ok_and(|out| options.file.canonicalize().is_ok_and(|file| file == out));
    anyhow::ensure!(!same, "--out {} is the sound file itself", options.out.display());
    Ok(())
}

/// Parses front-end settings of the form `key=value`. A value that is not JSON is a string.
fn set<T: DeserializeOwned + Serialize>(kind: Option<FeatureKind>, pairs: &[String]) -> anyhow::Result<T> {
    let mut map: Map<String, Value> = kind.map(|kind| ("kind".to_owned(), json!(kind))).into_iter().collect();
    for pair in pairs {
        let (key, value) = pair.split_once('=').with_context(|| format!("--set {pair}: not of the form KEY=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        anyhow::ensure!(key != "kind", "--set kind: use --kind");
        anyhow::ensure!(map.insert(key.to_owned(), value).is_none(), "--set {key}: given twice");
    }
    match setting_fault::<T>(&map) {
        Some(fault) => anyhow::bail!("--set: {}", earmark_files::with_suggestion(&fault)),
        None => Ok(serde_json::from_value(map.into())?),
    }
}

/// Decodes the file block by block, at the sample rate of the features.
fn decode(options: &Features, rate: u32, mut each: impl FnMut(&[f32]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut sound = AudioStream::open(&options.file, &options.limits.limits()?)?;
    let named = || options.file.display().to_string();
    let mut resampler = StreamResampler::new(sound.sample_rate(), rate).with_context(named)?;
    let (mut block, mut resampled) = (Vec::new(), Vec::new());
    while sound.next_block(&mut block)? {
        resampled.clear();
        resampler.push(&block, &mut resampled).with_context(named)?;
        each(&resampled)?;
    }
    resampled.clear();
    resampler.finish(&mut resampled).with_context(named)?;
    each(&resampled)
}
