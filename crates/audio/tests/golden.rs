//! Compares decoded samples with those of libsndfile and FFmpeg; `golden/audio/make.py` generates
//! the files.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use earmark_audio::{AudioStream, Encoding, Limits, Reading, decode, is_sound_file};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/audio");

/// All files in the folder, with their sample rates.
const FILES: [(&str, u32); 48] = [
    ("aac.m4a", 44_100),
    ("aac_48k_stereo.m4a", 48_000),
    ("aac_8k.m4a", 8_000),
    ("aac_stereo.m4a", 22_050),
    ("alaw.wav", 8_000),
    ("f32.aifc", 44_100),
    ("f32_192k.wav", 192_000),
    ("f32_stereo.wav", 22_050),
    ("f64.aifc", 22_050),
    ("f64.wav", 22_050),
    ("f64_stereo.wav", 44_100),
    ("ffmpeg_stereo.mp3", 44_100),
    ("lame.mp3", 44_100),
    ("lame_16k.mp3", 16_000),
    ("lame_22k_stereo.mp3", 22_050),
    ("lame_32k.mp3", 32_000),
    ("lame_48k_stereo.mp3", 48_000),
    ("lame_8k.mp3", 8_000),
    ("s16.aiff", 22_050),
    ("s16.flac", 44_100),
    ("s16_8k.wav", 8_000),
    ("s16_little.aifc", 44_100),
    ("s16_six.flac", 16_000),
    ("s16_six.wav", 16_000),
    ("s16_stereo.flac", 48_000),
    ("s16_stereo.wav", 22_050),
    ("s24.wav", 48_000),
    ("s24_96k.flac", 96_000),
    ("s24_96k.wav", 96_000),
    ("s24_stereo.aiff", 22_050),
    ("s24_stereo.flac", 22_050),
    ("s24_stereo.wav", 22_050),
    ("s32.aiff", 48_000),
    ("s32.wav", 8_000),
    ("s32_stereo.wav", 32_000),
    ("s8.aiff", 11_025),
    ("s8.flac", 11_025),
    ("streamed_ffmpeg.wav", 22_050),
    ("streamed_zero.wav", 22_050),
    ("u8.wav", 22_050),
    ("u8_stereo.wav", 11_025),
    ("ulaw_stereo.wav", 8_000),
    ("vorbis.ogg", 44_100),
    ("vorbis_44k_stereo.ogg", 44_100),
    ("vorbis_48k.ogg", 48_000),
    ("vorbis_8k.ogg", 8_000),
    ("vorbis_six.ogg", 32_000),
    ("vorbis_stereo.ogg", 22_050),
];

/// The quantization step of 16 bits.
const STEP: f32 = 1.0 / 32_768.0;

/// The largest allowed difference: none for lossless formats, and one 16-bit step for codecs that
/// round.
fn allowed(name: &str) -> f32 {
    let lossy = [".ogg", ".mp3", ".m4a"].iter().any(|extension| name.ends_with(extension));
    if lossy { STEP } else { 0.0 }
}

/// Reads 32-bit floats from a `.npy` file.
fn stored(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(Path::new(FOLDER).join(format!("{name}.npy"))).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn every_format_decodes_as_the_reference_does() {
    let mut wrong = Vec::new();
    for (name, sample_rate) in FILES {
        let clip = match decode(&Path::new(FOLDER).join(name), &Limits::default()) {
            Ok(clip) => clip,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let expected = stored(name);
        let greatest = clip.samples.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name:20} {:6} of {:6} samples, {:.4} steps", clip.samples.len(), expected.len(), greatest / STEP);
        let same_form = clip.sample_rate == sample_rate && clip.samples.len() == expected.len();
        if !same_form || greatest > allowed(name) || expected.iter().all(|sample| sample.abs() < 0.1) {
            wrong.push(format!("{name}: {} samples, difference {greatest:e}", clip.samples.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let listed = |path: &PathBuf| FILES.iter().any(|(name, _)| path.ends_with(name));
    let entries = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let forgotten: Vec<PathBuf> = entries.filter(|path| is_sound_file(path) && !listed(path)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

/// The folder of ESC-10; none if it is not available, which fails in CI.
fn esc10() -> Option<PathBuf> {
    let folder = std::env::var_os("EARMARK_ESC10");
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "EARMARK_ESC10 must be set in CI");
        eprintln!("EARMARK_ESC10 is not set: skipped");
    }
    folder.map(PathBuf::from)
}

/// Mean, root mean square, and mean with a random sign for every sample.
fn measures(part: &[f32]) -> [f64; 3] {
    let mut state = 1u64;
    let mut sums = [0.0; 3];
    for sample in part.iter().copied().map(f64::from) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let sign = if state >> 63 == 1 { 1.0 } else { -1.0 };
        let terms = [sample, sample * sample, sample * sign];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    let [mean, power, signed] = sums.map(|sum| sum / part.len() as f64);
    [mean, power.sqrt(), signed]
}

/// `esc10.csv` contains the expected measures, since the clips cannot be committed. A 16-bit step
/// is 300 times the allowed difference.
#[test]
fn clips_of_esc10_measure_as_libsndfile_decodes_them() {
    let Some(folder) = esc10() else { return };
    let table = std::fs::read_to_string(Path::new(FOLDER).join("esc10.csv")).unwrap();
    let mut clips: BTreeMap<&str, (Vec<f32>, usize)> = BTreeMap::new();
    let mut greatest: f64 = 0.0;
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let (start, end): (usize, usize) = (cells[1].parse().unwrap(), cells[2].parse().unwrap());
        let decoded = || (decode(&folder.join(cells[0]), &Limits::default()).unwrap().samples, 0);
        let (samples, loaded) = clips.entry(cells[0]).or_insert_with(decoded);
        assert_eq!(*loaded, start);
        *loaded = end;
        for (ours, theirs) in measures(&samples[start..end]).into_iter().zip(&cells[3..]) {
            greatest = greatest.max((ours - theirs.parse::<f64>().unwrap()).abs());
        }
    }
    println!("{} clips, greatest difference {greatest:.1e}", clips.len());
    assert_eq!(clips.len(), 5);
    assert!(clips.values().all(|(samples, loaded)| samples.len() == *loaded));
    assert!(greatest < 1e-7, "{greatest:e}");
}

#[test]
fn all_clips_of_esc10_decode_whole() {
    let Some(folder) = esc10() else { return };
    let files = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let folders = files(folder).into_iter().filter(|path| path.is_dir());
    let clips: Vec<PathBuf> =
        folders.flat_map(files).filter(|path| path.extension().is_some_and(|kind| kind == "ogg")).collect();
    assert_eq!(clips.len(), 400);
    let mut samples = 0;
    let mut five_seconds = 0;
    for path in clips {
        let clip = decode(&path, &Limits::default()).unwrap();
        assert_eq!(clip.sample_rate, 44_100, "{}", path.display());
        samples += clip.samples.len();
        five_seconds += usize::from((clip.seconds() - 5.0).abs() < 0.01);
    }
    // libsndfile decodes the same number of samples; 17 clips last 3.6 to 7.2 s, the others 5 s.
    assert_eq!((samples, five_seconds), (88_353_280, 383));
}

/// The bytes are the same for all integers; floats have their own, so that all are finite.
#[test]
fn raw_samples_are_those_of_the_reference() {
    let folder = Path::new(FOLDER).join("../raw");
    let mut wrong = Vec::new();
    for (name, _) in Encoding::NAMES {
        let file = if name.starts_with('f') { format!("{name}.raw") } else { "integers.raw".to_owned() };
        let reading = Reading { raw: Some(format!("8000,2,{name}").parse().unwrap()), ..Reading::default() };
        let mut stream = AudioStream::open_as(&folder.join(file), &Limits::default(), reading).unwrap();
        let (mut samples, expected) = (Vec::new(), stored(&format!("../raw/{name}")));
        stream.next_block(&mut samples).unwrap();
        if samples != expected || expected.len() < 190 {
            wrong.push(name);
        }
    }
    assert_eq!(wrong, [""; 0]);
}
