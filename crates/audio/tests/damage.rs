//! Files that are truncated, modified, empty or not audio: each gives an error with a message, none
//! a panic.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use earmark_audio::{AudioError, AudioStream, Clip, Limits, decode, write_wav};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/audio");

const FORMATS: [&str; 12] = [
    "u8.wav",
    "s16_stereo.wav",
    "f64.wav",
    "s16.flac",
    "s24_stereo.flac",
    "s16.aiff",
    "vorbis.ogg",
    "vorbis_stereo.ogg",
    "lame.mp3",
    "ffmpeg_stereo.mp3",
    "aac.m4a",
    "aac_stereo.m4a",
];

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(FOLDER).join(name)).unwrap()
}

/// Decodes bytes as a file with this name.
fn decoded(name: &str, bytes: &[u8]) -> Result<Clip, AudioError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    decode(&path, &Limits::default())
}

fn reason(name: &str, bytes: &[u8]) -> String {
    match decoded(name, bytes) {
        Ok(clip) => format!("decoded {} samples", clip.samples.len()),
        Err(error) => error.to_string(),
    }
}

/// A WAV file of 32-bit floats.
fn float_wav(samples: &[f32]) -> Vec<u8> {
    let data = samples.len() as u32 * 4;
    let mut bytes = [&b"RIFF"[..], &(36 + data).to_le_bytes(), b"WAVEfmt \x10\0\0\0\x03\0\x01\0"].concat();
    bytes.extend(8_000u32.to_le_bytes());
    bytes.extend(32_000u32.to_le_bytes());
    bytes.extend(b"\x04\0\x20\0data");
    bytes.extend(data.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

#[test]
fn a_truncated_file_is_damaged() {
    for name in FORMATS {
        let bytes = golden(name);
        for percent in [95, 60, 30] {
            // The padding that LAME's tag announces may be missing from an MP3 file.
            if name.ends_with("mp3") && percent == 95 {
                continue;
            }
            let error = decoded(name, &bytes[..bytes.len() * percent / 100]).unwrap_err();
            assert!(matches!(error, AudioError::Damaged { .. }), "{name}, {percent} %: {error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn the_error_of_a_truncated_file_has_the_missing_length() {
    let wav = reason("s16_stereo.wav", &golden("s16_stereo.wav")[..44 + 4 * 100 + 3]);
    assert!(wav.ends_with("the header announces 2205 frames, 100 could be decoded"), "{wav}");
    let aiff = golden("s16.aiff");
    let cut = reason("s16.aiff", &aiff[..aiff.len() - 10]);
    assert!(cut.ends_with("the header announces 2205 frames, 2200 could be decoded"), "{cut}");
    let flac = golden("s16.flac");
    let cut = reason("s16.flac", &flac[..flac.len() - 1]);
    assert!(cut.contains("the header announces 8820 frames"), "{cut}");
}

#[test]
fn a_header_alone_is_not_sound() {
    for name in FORMATS {
        for length in [1, 3, 11, 20, 30] {
            let error = decoded(name, &golden(name)[..length]).unwrap_err();
            let expected = matches!(error, AudioError::Damaged { .. } | AudioError::NotAudio { .. });
            assert!(expected, "{length} bytes of {name}: {error}");
        }
    }
}

#[test]
fn a_changed_packet_is_found() {
    let mut flac = golden("s24_stereo.flac");
    let middle = flac.len() / 2;
    flac[middle] ^= 0x55;
    let error = reason("s24_stereo.flac", &flac);
    assert!(error.contains("is damaged"), "{error}");
}

#[test]
fn a_changed_page_of_a_real_clip_is_found() {
    let Some(folder) = std::env::var_os("EARMARK_ESC10") else {
        assert!(std::env::var_os("CI").is_none(), "EARMARK_ESC10 must be set in CI");
        eprintln!("EARMARK_ESC10 is not set: skipped");
        return;
    };
    let mut ogg = std::fs::read(Path::new(&folder).join("001 - Dog bark/1-30226-A.ogg")).unwrap();
    let middle = ogg.len() / 2;
    ogg[middle] ^= 0x55;
    // The page's checksum does not match, so the page is skipped.
    let error = reason("dog.ogg", &ogg);
    assert!(error.contains("is damaged: at 3.000 s: packets are missing"), "{error}");
}

#[test]
fn empty_files_have_an_error_of_their_own() {
    let empty = float_wav(&[]);
    assert_eq!(empty.len(), 44);
    assert!(matches!(decoded("empty.wav", &empty), Err(AudioError::Empty { .. })));
    // A LIST chunk after an empty data chunk is not decoded as sound.
    let listed = [&empty[..], b"LIST\x04\0\0\0INFO"].concat();
    assert!(matches!(decoded("listed.wav", &listed), Err(AudioError::Empty { .. })));
    assert!(matches!(decoded("zero.wav", b""), Err(AudioError::NotAudio { .. })));
    let rows: [&[u8]; 4] = [b"x", b"fname,label\na.wav,Bark\n", &[0; 5_000], b"%PDF-1.7 and so on, no sound at all"];
    for bytes in rows {
        let error = decoded("text.wav", bytes).unwrap_err();
        assert!(matches!(error, AudioError::NotAudio { .. }), "{error}");
        assert!(error.to_string().contains("text.wav"), "{error}");
    }
}

#[test]
fn paths_that_are_no_files_are_io_errors() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing.wav"), PathBuf::from("/dev/null")] {
        let error = decode(&path, &Limits::default()).unwrap_err();
        assert!(matches!(error, AudioError::Io { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn samples_that_are_no_numbers_are_errors() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut samples = vec![0.5; 8_000];
        samples[4_000] = bad;
        let error = decoded("bad.wav", &float_wav(&samples)).unwrap_err();
        let AudioError::NotFinite { seconds, .. } = error else { panic!("{error}") };
        assert_eq!(seconds, 0.5);
    }
}

#[test]
fn limits_are_kept() {
    let rows = [
        (Limits { max_seconds: 0.05, ..Limits::default() }, "max_seconds"),
        (Limits { max_samples: 1_000, ..Limits::default() }, "max_samples"),
        (Limits { max_sample_rate: 7_000, ..Limits::default() }, "max_sample_rate"),
        (Limits { min_sample_rate: 200_000, ..Limits::default() }, "min_sample_rate"),
        (Limits { max_channels: 0, ..Limits::default() }, "max_channels"),
    ];
    for (limits, wanted) in rows {
        for name in FORMATS {
            let error = decode(&Path::new(FOLDER).join(name), &limits).unwrap_err();
            assert!(matches!(error, AudioError::Limit { key, .. } if key == wanted), "{name}: {error}");
        }
    }
    // A header may announce anything.
    let mut wav = golden("s16_stereo.wav");
    wav[22..24].copy_from_slice(&u16::MAX.to_le_bytes());
    let error = decoded("channels.wav", &wav).unwrap_err();
    assert!(
        matches!(error, AudioError::Limit { key: "max_channels", limit: 32.0, found: Some(65535.0), .. }),
        "{error}"
    );
    wav = golden("s16_stereo.wav");
    wav[24..28].copy_from_slice(&999u32.to_le_bytes());
    let error = decoded("rate.wav", &wav).unwrap_err();
    assert!(matches!(error, AudioError::Limit { key: "min_sample_rate", found: Some(999.0), .. }), "{error}");
}

/// The reported length is that of the whole file although only the header and the first packet were
/// read.
#[test]
fn a_length_that_is_announced_is_refused_before_decoding() {
    let limits = Limits { max_seconds: 0.05, ..Limits::default() };
    for name in FORMATS {
        let path = Path::new(FOLDER).join(name);
        let seconds = decode(&path, &Limits::default()).unwrap().seconds();
        let Err(AudioError::Limit { found: Some(found), .. }) = AudioStream::open(&path, &limits) else {
            panic!("{name}: its length is not known before it is decoded")
        };
        assert!((found - seconds).abs() < 0.08, "{name}: {found} s instead of {seconds} s");
    }
}

#[test]
fn limits_count_decoded_samples() {
    let path = Path::new(FOLDER).join("aac.m4a");
    let loaded = decode(&path, &Limits::default()).unwrap();
    let samples = loaded.samples.len();
    let exactly = Limits { max_samples: samples, max_seconds: loaded.seconds(), ..Limits::default() };
    assert_eq!(decode(&path, &exactly).unwrap(), loaded, "the priming before is not decoded");
    let less = Limits { max_samples: samples - 1, ..Limits::default() };
    assert!(matches!(decode(&path, &less), Err(AudioError::Limit { key: "max_samples", .. })));
    // An edit that leaves out everything: then the limit applies to what is decoded.
    let mut silent = golden("aac.m4a");
    let list = silent.windows(4).position(|name| name == b"elst").unwrap();
    silent[list + 16..list + 20].copy_from_slice(&1_000_000u32.to_be_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silent.m4a");
    std::fs::write(&path, silent).unwrap();
    assert!(matches!(decode(&path, &Limits::default()), Err(AudioError::Empty { .. })));
    let one = Limits { max_samples: 1, ..Limits::default() };
    assert!(matches!(decode(&path, &one), Err(AudioError::Limit { key: "max_samples", .. })));
}

/// A seed of the fuzz target.
fn seed(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/decode").join(name)).unwrap()
}

/// The frames of an ADTS file.
fn adts() -> Vec<Vec<u8>> {
    let (mut frames, mut rest) = (Vec::new(), &seed("adts.aac")[..]);
    while let [_, _, _, high, middle, low, ..] = rest {
        let length = usize::from(high & 3) << 11 | usize::from(*middle) << 3 | usize::from(low >> 5);
        let (frame, next) = rest.split_at(length);
        frames.push(frame.to_vec());
        rest = next;
    }
    assert_eq!(frames.len(), 3);
    frames
}

#[test]
fn cuts_inside_the_packets_of_adts_are_seen_and_others_are_not() {
    let frames = [adts(), adts()].concat();
    let bytes = frames.concat();
    // A single packet is not recognized as ADTS.
    for packets in 2..frames.len() {
        let end = frames[..packets].concat().len();
        assert_eq!(decoded("cut.aac", &bytes[..end]).unwrap().samples.len(), packets * 1_024);
        for cut in [end + 7, end + 100, end + frames[packets].len() - 1] {
            let error = decoded("cut.aac", &bytes[..cut]).unwrap_err();
            assert!(matches!(error, AudioError::Damaged { .. }), "{cut} bytes: {error}");
        }
    }
}

#[test]
fn frames_of_adts_may_grow() {
    let [_, large, small] = &adts()[..] else { panic!("three frames") };
    // The decoder's reader estimates the length from 100 frames at each quarter.
    let quarter = [small.repeat(100), large.repeat(150)].concat();
    assert_eq!(decoded("grows.aac", &quarter.repeat(4)).unwrap().samples.len(), 1_000 * 1_024);
}

#[test]
fn changed_bytes_never_panic() {
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let rounds = std::env::var("EARMARK_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(60);
    let folder = tempfile::tempdir().unwrap();
    for name in FORMATS {
        let path = folder.path().join(name);
        let original = golden(name);
        for round in 0..rounds {
            let mut bytes = original.clone();
            // In every other round, the changes are limited to the header.
            let reach = if round % 2 == 0 { bytes.len() } else { bytes.len().min(400) };
            for _ in 0..=random(4) {
                let at = random(reach);
                bytes[at] = [0, 0xff, bytes[at] ^ (1 << random(8)), random(256) as u8][random(4)];
            }
            bytes.truncate(if random(3) == 0 { random(bytes.len()) } else { bytes.len() });
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(clip) = decode(&path, &Limits::default()) {
                assert!(clip.samples.iter().all(|sample| sample.is_finite()), "{name}, round {round}");
            }
        }
    }
}

#[test]
fn a_written_clip_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/clip.wav");
    let clip = Clip { samples: vec![0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 1.0 / 32_768.0], sample_rate: 22_050 };
    write_wav(&path, &clip).unwrap();
    let read = decode(&path, &Limits::default()).unwrap();
    let full = 32_767.0 / 32_768.0;
    assert_eq!(read.samples, [0.0, 0.5, -0.5, full, -1.0, full, -1.0, 1.0 / 32_768.0]);
    assert_eq!(read.sample_rate, 22_050);
    assert!(write_wav(&path.join("below"), &clip).unwrap_err().to_string().contains("clip.wav"));
}

#[test]
#[cfg(unix)]
fn a_pipe_is_refused_before_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.wav");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let error = decode(&path, &Limits::default()).unwrap_err();
    assert!(matches!(error, AudioError::Io { .. }), "{error}");
}
