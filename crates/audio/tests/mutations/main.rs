//! Files broken in every way that their formats allow: cut at each boundary, with wrong lengths,
//! counts, channels, rates and depths, with garbage as audio data, with samples that are not
//! finite. Each must give finite samples or an error with a message, at its own rate and at two
//! others, within a second and 256 MB.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod anatomy;
mod flac;
mod mp3;
mod mp4;
mod ogg;
mod riff;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use anatomy::{Anatomy, noise};
use earmark_audio::{AudioError, Clip, Limits, decode, resample};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/audio");

/// Parses the structure of a format.
type Parse = fn(Vec<u8>) -> Anatomy;

const FILES: [(&str, Parse); 23] = [
    ("u8.wav", riff::wav),
    ("s16_stereo.wav", riff::wav),
    ("s24.wav", riff::wav),
    ("s32.wav", riff::wav),
    ("f32_stereo.wav", riff::wav),
    ("f64.wav", riff::wav),
    ("s16_six.wav", riff::wav),
    ("f32_192k.wav", riff::wav),
    ("alaw.wav", riff::wav),
    ("s16.aiff", riff::aiff),
    ("s24_stereo.aiff", riff::aiff),
    ("f32.aifc", riff::aiff),
    ("f64.aifc", riff::aiff),
    ("s16.flac", flac::flac),
    ("s16_six.flac", flac::flac),
    ("s24_stereo.flac", flac::flac),
    ("vorbis.ogg", ogg::ogg),
    ("vorbis_stereo.ogg", ogg::ogg),
    ("vorbis_six.ogg", ogg::ogg),
    ("lame.mp3", mp3::mp3),
    ("ffmpeg_stereo.mp3", mp3::mp3),
    ("aac.m4a", mp4::m4a),
    ("aac_stereo.m4a", mp4::m4a),
];

/// The requirement is one second and 256 MB for any file; milliseconds and kilobytes are typical.
const SLOWEST: Duration = Duration::from_secs(1);
const LARGEST: usize = 256 << 20;

/// A broken file: what was changed, and the resulting bytes.
struct Mutant {
    name: String,
    bytes: Vec<u8>,
}

#[test]
fn broken_files_give_errors_or_finite_samples() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wrong, mut slowest, mut largest) = (Vec::new(), (Duration::ZERO, String::new()), (0, String::new()));
    let mut total = 0;
    for (name, parse) in FILES {
        let path = folder.path().join(name);
        let mutants = mutants(&parse(std::fs::read(Path::new(FOLDER).join(name)).unwrap()));
        let mut decoded = 0;
        for mutant in &mutants {
            std::fs::write(&path, &mutant.bytes).unwrap();
            let loaded = load(&path);
            // Some file systems wait for the disk when a file is truncated and rewritten, so remove
            // it instead.
            std::fs::remove_file(&path).unwrap();
            let what = format!("{name}, {}", mutant.name);
            let faults = [
                loaded.fault.clone(),
                (loaded.seconds > SLOWEST).then(|| format!("took {:?}", loaded.seconds)),
                (loaded.bytes > LARGEST).then(|| format!("took {} MB", loaded.bytes >> 20)),
            ];
            wrong.extend(faults.into_iter().flatten().map(|fault| format!("{what}: {fault}")));
            decoded += usize::from(loaded.decoded);
            slowest = slowest.max((loaded.seconds, what.clone()));
            largest = largest.max((loaded.bytes, what));
        }
        println!("{name:20} {:4} mutants, of which {decoded:4} could be decoded", mutants.len());
        total += mutants.len();
    }
    println!("{total} mutants; slowest {slowest:?}; largest {largest:?} bytes");
    assert!(total >= 300, "{total} mutants");
    assert!(wrong.is_empty(), "{} of {total}: {wrong:#?}", wrong.len());
}

/// All mutants of a file, without duplicates.
fn mutants(file: &Anatomy) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>| mutants.push(Mutant { name, bytes });
    let length = file.bytes.len();
    for (name, at) in &file.cuts {
        for (place, at) in [("before", at.saturating_sub(1)), ("at", *at), ("after", at + 1)] {
            add(format!("cut {place} {name}"), file.bytes[..at.min(length)].to_vec());
        }
        // Removes 16 bytes, so that everything after them is shifted.
        let hole = [&file.bytes[..*at], &file.bytes[(at + 16).min(length)..]].concat();
        add(format!("16 bytes less at {name}"), hole);
    }
    for field in &file.fields {
        let Some(old) = field.get(&file.bytes) else { continue };
        for value in field.values(old) {
            let mut bytes = file.bytes.clone();
            field.set(&mut bytes, value);
            let mut repaired = bytes.clone();
            (file.repair)(&mut repaired);
            add(format!("{} {value:#x}", field.name), bytes);
            add(format!("{} {value:#x}, checksums right", field.name), repaired);
        }
    }
    let (head, rest) = file.bytes.split_at(file.header_end);
    for (name, garbage) in
        [("noise", noise(rest.len())), ("zeros", vec![0; rest.len()]), ("ones", vec![255; rest.len()])]
    {
        add(format!("{name} for sound"), [head, &garbage].concat());
        add(format!("{name} after the sound"), [&file.bytes, &garbage[..]].concat());
        add(format!("{name} before the file"), [&garbage[..rest.len().min(100)], &file.bytes].concat());
    }
    add("a megabyte of noise for sound".to_owned(), [head, &noise(1 << 20)].concat());
    add("a megabyte of noise after the sound".to_owned(), [&file.bytes[..], &noise(1 << 20)].concat());
    add("twice the file".to_owned(), [&file.bytes[..], &file.bytes].concat());
    add("twice the header".to_owned(), [head, &file.bytes].concat());
    let mut seen = HashSet::from([file.bytes.clone()]);
    mutants.retain(|mutant| seen.insert(mutant.bytes.clone()));
    mutants
}

/// The result of loading a file.
struct Loaded {
    fault: Option<String>,
    decoded: bool,
    /// The time of the longest step: decoding, or resampling to one rate.
    seconds: Duration,
    bytes: usize,
}

/// Times a call, and keeps the longer of the two durations.
fn timed<T>(longest: &mut Duration, call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = call();
    *longest = start.elapsed().max(*longest);
    result
}

/// Resamples a decoded clip, which must succeed unless its samples are too large.
fn resampled(clip: &Clip, sample_rate: u32) -> Result<Clip, String> {
    if clip.samples.is_empty() {
        return Err("no samples and no error".to_owned());
    }
    match resample(clip, sample_rate) {
        Err(error) if !clip.samples.iter().any(|sample| sample.abs() > 1e20) => Err(error.to_string()),
        Err(_) => Ok(clip.clone()),
        Ok(clip) => Ok(clip),
    }
}

fn load(path: &Path) -> Loaded {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let mut seconds = Duration::ZERO;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let clip = timed(&mut seconds, || decode(path, &Limits::default()))?;
        let others = [22_050, 44_100].map(|rate| timed(&mut seconds, || resampled(&clip, rate)));
        Ok(others.into_iter().chain([Ok(clip)]).collect::<Vec<_>>())
    }));
    let bytes = MEMORY.peak_usage().saturating_sub(before);
    let decoded = matches!(result, Ok(Ok(_)));
    let fault = match result {
        Err(_) => Some("panicked".to_owned()),
        Ok(Ok(clips)) => clips.into_iter().find_map(|clip| match clip {
            Err(fault) => Some(fault),
            Ok(clip) if clip.sample_rate == 0 => Some("a rate of 0".to_owned()),
            Ok(clip) if clip.samples.iter().any(|sample| !sample.is_finite()) => Some("samples not finite".to_owned()),
            Ok(_) => None,
        }),
        // The file is readable, so an I/O error is wrong.
        Ok(Err(AudioError::Io { source, .. })) => Some(format!("called unreadable: {source}")),
        Ok(Err(error)) => {
            (!error.to_string().contains(&path.display().to_string())).then(|| format!("no name: {error}"))
        }
    };
    Loaded { fault, decoded, seconds, bytes }
}
