//! Sound that is read once, such as standard input, is that of the same bytes in a file.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use earmark_audio::{Arrival, AudioError, AudioStream, Clip, Limits, Reading, decode, is_sound_file};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/audio");

/// Gives few bytes at once, like a pipe.
struct Pipe(Cursor<Vec<u8>>, usize);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

/// All audio files of the golden data.
fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| is_sound_file(path)).collect()
}

fn read(bytes: &[u8], most: usize, reading: Reading) -> Result<Clip, AudioError> {
    let pipe = Pipe(Cursor::new(bytes.to_vec()), most);
    let mut stream = AudioStream::of_reader(pipe, Path::new("-"), &Limits::default(), reading)?;
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while stream.next_available(&mut block)? {
        samples.extend_from_slice(&block);
    }
    assert!(!stream.next_block(&mut block)?, "nothing follows the end");
    Ok(Clip { samples, sample_rate: stream.sample_rate() })
}

/// The bytes of the 44-byte header of a WAV file of `rate` Hz whose samples have `size` bytes.
fn head(kind: u16, rate: u32, size: u32, bits: u16) -> Vec<u8> {
    let mut head = [&b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"[..], &kind.to_le_bytes(), &[1, 0], &rate.to_le_bytes()].concat();
    head.extend((rate * u32::from(bits / 8)).to_le_bytes());
    head.extend([bits / 8, bits].into_iter().flat_map(u16::to_le_bytes));
    head.extend(b"data");
    head.extend(size.to_le_bytes());
    head
}

#[test]
fn every_format_is_read_from_a_pipe() {
    let mut wrong = Vec::new();
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        let whole = decode(&path, &Limits::default()).unwrap();
        for most in [701, usize::MAX] {
            match read(&bytes, most, Reading::default()) {
                Ok(clip) if clip == whole => {}
                Ok(clip) => wrong.push(format!("{}: {} samples", path.display(), clip.samples.len())),
                Err(error) => wrong.push(format!("{}: {error}", path.display())),
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn what_is_cut_is_as_damaged_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        for share in [2, 3, 10] {
            let cut = &bytes[..bytes.len() - bytes.len() / share];
            let file = folder.path().join("cut");
            std::fs::write(&file, cut).unwrap();
            let (of_file, of_pipe) = (decode(&file, &Limits::default()), read(cut, 5_000, Reading::default()));
            let same = match (&of_file, &of_pipe) {
                (Ok(a), Ok(b)) => a == b,
                (Err(a), Err(b)) => std::mem::discriminant(a) == std::mem::discriminant(b),
                _ => false,
            };
            if !same {
                let text = |of: Result<Clip, AudioError>| {
                    of.map_or_else(|of| of.to_string(), |of| format!("{}", of.samples.len()))
                };
                wrong.push(format!("{} without 1/{share}: {}, and {}", path.display(), text(of_file), text(of_pipe)));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn live_sound_has_no_end_and_no_impossible_samples() {
    let live = Reading { arrival: Arrival::Live, ..Reading::default() };
    let growing = Reading { arrival: Arrival::Growing, ..Reading::default() };
    let samples: Vec<u8> = [0.5, f32::NAN, 1e20, -0.5].into_iter().flat_map(f32::to_le_bytes).collect();
    let of = |announced: u32| [head(3, 8_000, announced, 32), samples.clone()].concat();
    let expected = vec![0.5, 0.0, 0.0, -0.5];
    for announced in [0, u32::MAX] {
        assert_eq!(read(&of(announced), 3, live).unwrap().samples, expected);
        assert!(matches!(read(&of(announced), 3, Reading::default()), Err(AudioError::NotFinite { .. })));
    }
    // What a header says about a file that grows was true some time ago.
    assert_eq!(read(&of(8), 100, live).unwrap().samples, expected[..2]);
    assert_eq!(read(&of(8), 100, growing).unwrap().samples, expected);
    let mut stream = AudioStream::of_reader(Cursor::new(of(0)), "-".as_ref(), &Limits::default(), live).unwrap();
    stream.next_block(&mut Vec::new()).unwrap();
    assert_eq!(stream.silenced(), 2);

    let limits = Limits { max_seconds: 0.01, ..Limits::default() };
    let raw = |arrival| Reading { raw: Some("8000,1,s16le".parse().unwrap()), channel: None, arrival };
    let of = |arrival| AudioStream::of_reader(Cursor::new(vec![0; 2_000]), "-".as_ref(), &limits, raw(arrival));
    assert!(of(Arrival::Live).is_ok());
    assert!(matches!(of(Arrival::Whole).err().unwrap(), AudioError::Limit { key: "max_seconds", .. }));

    for name in ["s16.aiff", "aac.m4a"] {
        let bytes = std::fs::read(Path::new(FOLDER).join(name)).unwrap();
        assert!(matches!(read(&bytes, 5_000, live), Err(AudioError::Unsupported { .. })), "{name}");
    }
}

#[test]
fn faults_of_what_is_read_once_are_named() {
    let raw = |text: &str| Reading { raw: Some(text.parse().unwrap()), ..Reading::default() };
    let usual = Reading::default();
    let adpcm = [head(2, 8_000, 400, 8), vec![0; 400]].concat();
    let mut no_form = b"RIFF\0\0\0\0WAVEdata".to_vec();
    no_form.extend([4, 0, 0, 0, 0, 0, 0, 0]);
    type Is = fn(&AudioError) -> bool;
    let rows: [(&str, Vec<u8>, Reading, Is); 9] = [
        ("nothing", Vec::new(), usual, |e| matches!(e, AudioError::NotAudio { .. })),
        ("garbage", vec![7; 100_000], usual, |e| matches!(e, AudioError::NotAudio { .. })),
        ("ADPCM", adpcm, usual, |e| matches!(e, AudioError::Unsupported { .. })),
        ("no form", no_form, usual, |e| matches!(e, AudioError::Damaged { .. })),
        ("half a header", head(1, 8_000, 4, 16)[..30].to_vec(), usual, |e| matches!(e, AudioError::Damaged { .. })),
        ("half a frame", vec![0; 7], raw("8000,2,s16le"), |e| matches!(e, AudioError::Damaged { .. })),
        ("no samples", Vec::new(), raw("8000,2,s16le"), |e| matches!(e, AudioError::Empty { .. })),
        ("a low rate", vec![0; 8], raw("10,2,s16le"), |e| matches!(e, AudioError::Limit { .. })),
        ("no such channel", vec![0; 8], Reading { channel: Some(2), ..raw("8000,2,s16le") }, |e| {
            matches!(e, AudioError::NoChannel { channel: 3, channels: 2, .. })
        }),
    ];
    for (name, bytes, reading, is) in rows {
        let error = read(&bytes, 1_000, reading).unwrap_err();
        assert!(is(&error), "{name}: {error:?}");
    }
}

#[test]
fn raw_files_are_read_as_what_they_are_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.raw");
    std::fs::write(&path, [1u8, 0, 0, 64, 255, 127, 0, 128]).unwrap();
    let open = |text: &str, channel| {
        let reading = Reading { raw: Some(text.parse().unwrap()), channel, ..Reading::default() };
        let mut out = Vec::new();
        AudioStream::open_as(&path, &Limits::default(), reading).unwrap().next_block(&mut out).unwrap();
        out
    };
    let steps = |values: &[i32]| values.iter().map(|of| *of as f32 / 32_768.0).collect::<Vec<_>>();
    assert_eq!(open("8000,1,s16le", None), steps(&[1, 16_384, 32_767, -32_768]));
    assert_eq!(open("8000,2,s16le", Some(1)), steps(&[16_384, -32_768]));
    assert_eq!(open("8000,2,s16be", Some(0)), steps(&[256, -129]));
    let folder = AudioStream::open_as(
        folder.path(),
        &Limits::default(),
        Reading { raw: Some("8000,1,u8".parse().unwrap()), ..Reading::default() },
    );
    assert!(matches!(folder.err().unwrap(), AudioError::Io { .. }));
}
