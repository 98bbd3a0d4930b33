//! Invariants for arbitrary bytes that are decoded as a sound file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use earmark_audio::{AudioError, AudioStream, Clip, Limits, Reading, StreamResampler, decode};

/// The maximum number of samples in a block of a stream.
const BLOCK: usize = 81_920;

/// The maximum total chunk size of the cached resamplers: planning each one again would make
/// everything a hundred times slower.
const KEPT: usize = 1 << 17;

thread_local! {
    static RESAMPLERS: RefCell<BTreeMap<(u32, u32), StreamResampler>> = const { RefCell::new(BTreeMap::new()) };
}

/// Decodes the bytes unchanged, and again with corrected checksums, without which random changes in
/// Ogg or FLAC would never get past the checksum tests. Returns whether they can be decoded.
pub fn check(path: &Path, bytes: &[u8]) -> bool {
    let mut repaired = bytes.to_vec();
    if bytes.starts_with(b"OggS") {
        repair_ogg(&mut repaired);
    } else if bytes.starts_with(b"fLaC") {
        repair_flac(&mut repaired);
    }
    if repaired != bytes {
        decodes(path, &repaired);
    }
    decodes(path, bytes)
}

/// Writes the bytes to `path` and decodes them: the result is finite samples within the limits,
/// which can be resampled, or an error that names the file.
fn decodes(path: &Path, bytes: &[u8]) -> bool {
    std::fs::write(path, bytes).unwrap();
    let limits = Limits { max_seconds: 60.0, ..Limits::default() };
    forward(path, bytes, &limits);
    match decode(path, &limits) {
        Ok(clip) => {
            let rates = limits.min_sample_rate..=limits.max_sample_rate;
            assert!(rates.contains(&clip.sample_rate), "{} Hz", clip.sample_rate);
            assert!(!clip.samples.is_empty() && clip.seconds() <= limits.max_seconds, "{} s", clip.seconds());
            assert!(clip.samples.iter().all(|sample| sample.is_finite()));
            assert!(streamed(path, &limits) == clip.samples);
            [22_050, 44_100].iter().for_each(|rate| resamples(&clip, *rate));
            true
        }
        // Readable bytes must not cause a disk error, which would also stop the work on all other
        // clips.
        Err(error @ AudioError::Io { .. }) => panic!("{error}"),
        Err(error) => {
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            false
        }
    }
}

/// Reads the bytes once, as from a pipe: finite samples within the limits, or an error that names
/// the source and is none of the disk.
fn forward(path: &Path, bytes: &[u8], limits: &Limits) {
    let read = || -> Result<(Vec<f32>, u32), AudioError> {
        let reader = std::io::Cursor::new(bytes.to_vec());
        let mut stream = AudioStream::of_reader(reader, path, limits, Reading::default())?;
        let (mut samples, mut block) = (Vec::new(), Vec::new());
        while stream.next_available(&mut block)? {
            samples.extend_from_slice(&block);
        }
        Ok((samples, stream.sample_rate()))
    };
    match read() {
        Ok((samples, rate)) => {
            assert!(!samples.is_empty() && samples.len() as f64 <= limits.max_seconds * f64::from(rate));
            assert!(samples.iter().all(|sample| sample.is_finite()));
        }
        Err(error) => {
            assert!(!matches!(error, AudioError::Io { .. }), "{error}");
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }
}

/// Resamples a clip. This may only fail for samples that no transform can process.
fn resamples(clip: &Clip, sample_rate: u32) {
    let rates = (clip.sample_rate, sample_rate);
    let kept = RESAMPLERS.with_borrow_mut(|kept| kept.remove(&rates));
    let mut resampler = kept.unwrap_or_else(|| StreamResampler::new(rates.0, rates.1).unwrap());
    let mut resampled = Vec::new();
    if let Err(error) = resampler.push(&clip.samples, &mut resampled) {
        assert!(clip.samples.iter().any(|sample| sample.abs() > 1e20), "{error}");
        return;
    }
    resampler.finish(&mut resampled).unwrap();
    assert_eq!(resampled.len() as u64, resampler.length(clip.samples.len() as u64));
    assert!(resampled.iter().all(|sample| sample.is_finite()));
    RESAMPLERS.with_borrow_mut(|kept| {
        if kept.values().map(StreamResampler::chunk).sum::<usize>() > KEPT {
            kept.clear();
        }
        if resampler.chunk() < KEPT / 8 {
            kept.insert(rates, resampler);
        }
    });
}

/// Decodes all blocks of a file that is known to be valid.
fn streamed(path: &Path, limits: &Limits) -> Vec<f32> {
    let mut stream = AudioStream::open(path, limits).unwrap();
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while stream.next_block(&mut block).unwrap() {
        assert!(block.len() <= BLOCK, "a block of {} samples", block.len());
        samples.extend_from_slice(&block);
    }
    samples
}

/// Corrects the checksum of every page. Source: RFC 3533, 6.
pub fn repair_ogg(bytes: &mut [u8]) {
    let mut rest = bytes;
    while rest.starts_with(b"OggS") && rest.len() >= 27 {
        let Some(lengths) = rest.get(27..27 + usize::from(rest[26])) else { return };
        let length = 27 + lengths.len() + lengths.iter().copied().map(usize::from).sum::<usize>();
        let Some((page, next)) = rest.split_at_mut_checked(length) else { return };
        page[22..26].fill(0);
        let checksum = crc(page, 32, 0x04C1_1DB7);
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        rest = next;
    }
}

/// Removes the checksum of the samples and corrects that of every frame, taking each sync code as
/// the start of a frame. Source: RFC 9639, 8.2, 9.1, 9.3.
pub fn repair_flac(bytes: &mut [u8]) {
    const STREAM_INFO: usize = 42;
    if bytes.len() < STREAM_INFO {
        return;
    }
    bytes[STREAM_INFO - 16..STREAM_INFO].fill(0);
    let is_start = |at: &usize| bytes[*at] == 0xFF && matches!(bytes.get(at + 1), Some(0xF8 | 0xF9));
    let mut starts: Vec<usize> = (STREAM_INFO..bytes.len()).filter(is_start).collect();
    starts.push(bytes.len());
    for ends in starts.windows(2) {
        if let [frame @ .., _, _] = &bytes[ends[0]..ends[1]] {
            let checksum = crc(frame, 16, 0x8005) as u16;
            bytes[ends[1] - 2..ends[1]].copy_from_slice(&checksum.to_be_bytes());
        }
    }
}

/// The CRC of `bytes`, most significant bit first, for a polynomial of `bits` bits.
fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
    let top = 1 << (bits - 1);
    let step = |rest: u32, _| if rest & top != 0 { rest << 1 ^ polynomial } else { rest << 1 };
    let rest = bytes.iter().fold(0, |rest, byte| (0..8).fold(rest ^ u32::from(*byte) << (bits - 8), step));
    if bits == 32 { rest } else { rest & ((1 << bits) - 1) }
}
