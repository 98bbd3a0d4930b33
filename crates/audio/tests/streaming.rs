//! Streaming block by block gives the same samples and the same errors as decoding the whole file.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use earmark_audio::{
    AudioError, AudioStream, Clip, Limits, StreamResampler, decode, is_sound_file, resample, write_wav,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/audio");

/// All audio files of the golden data.
fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = entries.filter(|path| is_sound_file(path)).collect();
    assert!(files.len() >= 20, "{files:?}");
    files
}

/// A chirp of `n` samples, which never repeats.
fn chirp(n: usize, sample_rate: u32) -> Clip {
    Clip { samples: (0..n).map(|n| 0.7 * (1e-6 * (n * n) as f32).sin()).collect(), sample_rate }
}

/// A file's samples and rate, or the first error, decoded block by block.
fn blocks(path: &Path) -> Result<Clip, AudioError> {
    let mut stream = AudioStream::open(path, &Limits::default())?;
    let mut samples = Vec::new();
    // The previous contents of the vector must not matter.
    let mut block = vec![9.0; 7];
    while stream.next_block(&mut block)? {
        assert!((1..=81_920).contains(&block.len()), "a block of {} samples", block.len());
        samples.extend_from_slice(&block);
    }
    assert!(block.is_empty() && !stream.next_block(&mut block)?, "nothing follows the end");
    Ok(Clip { samples, sample_rate: stream.sample_rate() })
}

fn resampled(clip: &Clip, to: u32, sizes: &[usize]) -> Vec<f32> {
    let mut resampler = StreamResampler::new(clip.sample_rate, to).unwrap();
    let (mut rest, mut out) = (&clip.samples[..], Vec::new());
    for size in sizes.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*size));
        resampler.push(now, &mut out).unwrap();
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    resampler.finish(&mut out).unwrap();
    assert_eq!(out.len() as u64, resampler.length(clip.samples.len() as u64));
    out
}

#[test]
fn blocks_are_the_whole() {
    for path in files() {
        assert_eq!(blocks(&path).unwrap(), decode(&path, &Limits::default()).unwrap(), "{}", path.display());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    let clip = chirp(200_001, 44_100);
    write_wav(&path, &clip).unwrap();
    let loaded = blocks(&path).unwrap();
    assert_eq!(loaded.samples.len(), 200_001);
    assert!(loaded.samples.iter().zip(&clip.samples).all(|(a, b)| (a - b).abs() <= 0.5 / 32_768.0));
}

#[test]
fn pieces_resample_as_the_whole() {
    for path in files() {
        let clip = decode(&path, &Limits::default()).unwrap();
        for to in [22_050, 16_000] {
            let whole = resample(&clip, to).unwrap().samples;
            for sizes in [&[1][..], &[7], &[441], &[1_024], &[1_025], &[100_000], &[0, 1, 4_096, 3, 2_205]] {
                assert!(resampled(&clip, to, sizes) == whole, "{} to {to} Hz by {sizes:?}", path.display());
            }
        }
    }
}

#[test]
fn pieces_resample_as_the_whole_between_odd_rates() {
    let clip = chirp(50_000, 44_100);
    for to in [44_101, 8_000, 44_100, 96_000, 11_025] {
        let whole = resample(&clip, to).unwrap().samples;
        for sizes in [&[1][..], &[4_410], &[65_536, 1]] {
            assert!(resampled(&clip, to, sizes) == whole, "to {to} Hz by {sizes:?}");
        }
    }
}

/// Compares with rubato's own processing of a whole clip.
#[test]
fn the_whole_is_what_rubato_makes_of_it() {
    use rubato::audioadapter_buffers::direct::InterleavedSlice;
    use rubato::{Fft, FixedSync, Resampler, WindowFunction};
    for (from, to, chunk) in [(44_100, 22_050, 2_048), (48_000, 44_100, 1_280), (8_000, 22_050, 1_280)] {
        for n in [1, 100, 1_280, 2_048, 30_000] {
            let clip = chirp(n, from);
            let window = WindowFunction::BlackmanHarris2;
            let sizes = (from as usize, to as usize, chunk);
            let mut fft = Fft::<f32>::new_custom(sizes.0, sizes.1, sizes.2, 1, 1, window, FixedSync::Both).unwrap();
            let expected = fft.process_all(&InterleavedSlice::new(&clip.samples, 1, n).unwrap(), n, None).unwrap();
            let ours = resample(&clip, to).unwrap().samples;
            // rubato rounds lengths up.
            assert!(expected.take_data().starts_with(&ours), "{n} samples from {from} to {to} Hz");
            assert_eq!(ours.len(), (n as f64 * f64::from(to) / f64::from(from)).round() as usize);
        }
    }
}

#[test]
fn a_resampler_starts_anew_after_its_end() {
    let (first, second) = (chirp(5_000, 44_100), chirp(777, 44_100));
    let mut resampler = StreamResampler::new(44_100, 16_000).unwrap();
    for clip in [&first, &second, &first] {
        let mut out = vec![3.0];
        resampler.push(&clip.samples, &mut out).unwrap();
        resampler.finish(&mut out).unwrap();
        assert_eq!(out[0], 3.0, "what is there stays");
        assert!(out[1..] == resample(clip, 16_000).unwrap().samples);
    }
}

#[test]
fn a_refused_push_takes_nothing() {
    let clip = chirp(9_000, 44_100);
    let mut resampler = StreamResampler::new(44_100, 22_050).unwrap();
    let mut out = Vec::new();
    resampler.push(&clip.samples[..4_000], &mut out).unwrap();
    let error = resampler.push(&[0.5, f32::NAN], &mut out).unwrap_err();
    assert!(matches!(&error, AudioError::Resample { reason, .. } if reason.contains("sample 4001 ")), "{error}");
    resampler.push(&clip.samples[4_000..], &mut out).unwrap();
    resampler.finish(&mut out).unwrap();
    assert!(out == resample(&clip, 22_050).unwrap().samples);
}

#[test]
fn a_damaged_file_fails_once_and_for_all() {
    let folder = tempfile::tempdir().unwrap();
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("streamed") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let cut = folder.path().join(&name);
        std::fs::write(&cut, &bytes[..bytes.len() * 6 / 10]).unwrap();
        let whole = decode(&cut, &Limits::default()).unwrap_err().to_string();
        assert_eq!(blocks(&cut).unwrap_err().to_string(), whole);
        if let Ok(mut stream) = AudioStream::open(&cut, &Limits::default()) {
            let mut block = Vec::new();
            while stream.next_block(&mut block).is_ok_and(|more| more) {}
            assert!(block.is_empty(), "{name}");
            assert!(matches!(stream.next_block(&mut block), Err(AudioError::Damaged { .. })), "{name}");
        }
    }
}

#[test]
fn streams_may_go_to_another_thread() {
    fn sent<T: Send>() {}
    sent::<AudioStream>();
    sent::<StreamResampler>();
}

#[test]
fn a_chain_of_ogg_streams_is_decoded_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain.ogg");
    let read = |name: &str| std::fs::read(Path::new(FOLDER).join(name)).unwrap();
    let loaded = |name: &str| decode(&Path::new(FOLDER).join(name), &Limits::default()).unwrap().samples;
    let (mono, stereo) = ("vorbis.ogg", "vorbis_44k_stereo.ogg");
    let (link, other) = (read(mono), read(stereo));
    std::fs::write(&path, [&link[..], &other, &link].concat()).unwrap();
    assert!(blocks(&path).unwrap().samples == [loaded(mono), loaded(stereo), loaded(mono)].concat());
    // A truncated stream is an error, whatever its place in the chain and wherever it is cut.
    for cut in [10, 100, 1_000, 4_000, 4_610] {
        let (link, other) = (&link[..], &other[..]);
        let rows = [
            ("first", [&link[..link.len() - cut], other, link].concat()),
            ("second", [link, &other[..other.len() - cut], link].concat()),
            ("last", [link, other, &link[..link.len() - cut]].concat()),
        ];
        for (which, bytes) in rows {
            std::fs::write(&path, bytes).unwrap();
            let result = blocks(&path);
            assert!(matches!(result, Err(AudioError::Damaged { .. })), "the {which} link is {cut} bytes short");
        }
    }
    std::fs::write(&path, [&link[..], &read("vorbis_48k.ogg")].concat()).unwrap();
    let error = blocks(&path).unwrap_err();
    let names_both = |reason: &str| reason.contains("44100") && reason.contains("48000");
    assert!(matches!(&error, AudioError::Unsupported { reason, .. } if names_both(reason)), "{error}");
}
