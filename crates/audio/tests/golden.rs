//! Decoded sound against libsndfile's and FFmpeg's; `golden/audio/make.py` makes the files.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use earmark_audio::{Limits, decode};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/audio");

/// Files and the greatest difference allowed: none, or one step of 16 bits for codecs that round.
const FILES: [(&str, u32, f32); 20] = [
    ("u8.wav", 22_050, 0.0),
    ("s16_stereo.wav", 22_050, 0.0),
    ("s24.wav", 48_000, 0.0),
    ("s24_stereo.wav", 22_050, 0.0),
    ("s32.wav", 8_000, 0.0),
    ("f32_stereo.wav", 22_050, 0.0),
    ("f64.wav", 22_050, 0.0),
    ("s16_six.wav", 16_000, 0.0),
    ("streamed_ffmpeg.wav", 22_050, 0.0),
    ("streamed_zero.wav", 22_050, 0.0),
    ("s16.flac", 44_100, 0.0),
    ("s24_stereo.flac", 22_050, 0.0),
    ("s16.aiff", 22_050, 0.0),
    ("s24_stereo.aiff", 22_050, 0.0),
    ("vorbis.ogg", 44_100, STEP),
    ("vorbis_stereo.ogg", 22_050, STEP),
    ("lame.mp3", 44_100, STEP),
    ("ffmpeg_stereo.mp3", 44_100, STEP),
    ("aac.m4a", 44_100, STEP),
    ("aac_stereo.m4a", 22_050, STEP),
];
const STEP: f32 = 1.0 / 32_768.0;

/// 32-bit floats from a `.npy` file.
fn stored(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(Path::new(FOLDER).join(format!("{name}.npy"))).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn every_format_decodes_as_the_reference_does() {
    let mut wrong = Vec::new();
    for (name, sample_rate, allowed) in FILES {
        let clip = match decode(&Path::new(FOLDER).join(name), &Limits::default()) {
            Ok(clip) => clip,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let expected = stored(name);
        let greatest = clip.samples.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name:20} {:6} of {:6} samples, {greatest:.1e}", clip.samples.len(), expected.len());
        if clip.sample_rate != sample_rate || clip.samples.len() != expected.len() || greatest > allowed {
            wrong.push(format!("{name}: {} samples, difference {greatest:e}", clip.samples.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn all_clips_of_esc10_decode_whole() {
    let Some(folder) = std::env::var_os("EARMARK_ESC10") else {
        assert!(std::env::var_os("CI").is_none(), "EARMARK_ESC10 must be set in CI");
        eprintln!("EARMARK_ESC10 is not set: skipped");
        return;
    };
    let files = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let folders = files(folder.into()).into_iter().filter(|path| path.is_dir());
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
    // libsndfile decodes as many; 17 clips last 3.6 to 7.2 s, the others 5 s.
    assert_eq!((samples, five_seconds), (88_353_280, 383));
}
