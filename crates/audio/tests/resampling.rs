//! Compares resampled tones with the exact tone, and with the results of soxr, which
//! `golden/audio/make.py` generates.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::f64::consts::TAU;
use std::path::Path;

use earmark_audio::{AudioError, Clip, StreamResampler, resample};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const RATES: [(u32, u32); 9] = [
    (44_100, 22_050),
    (48_000, 22_050),
    (48_000, 44_100),
    (22_050, 44_100),
    (8_000, 22_050),
    (16_000, 44_100),
    (96_000, 22_050),
    (44_100, 16_000),
    (11_025, 44_100),
];

fn tone(hz: f64, sample_rate: u32, seconds: f64) -> Clip {
    let n = (seconds * f64::from(sample_rate)).round() as usize;
    let sample = |n: usize| (0.5 * (TAU * hz * n as f64 / f64::from(sample_rate) + 0.3).sin()) as f32;
    Clip { samples: (0..n).map(sample).collect(), sample_rate }
}

/// The level of `clip - expected` relative to the tone, in decibels. The ends are excluded, because
/// the filter sees the silence around the clip there: half its length, 700 samples of the lower
/// rate.
fn error_db(clip: &Clip, expected: &Clip, lower_rate: u32) -> f64 {
    let edge = (700 * u64::from(clip.sample_rate) / u64::from(lower_rate)) as usize;
    let inside = edge..clip.samples.len() - edge;
    let errors = clip.samples[inside.clone()].iter().zip(&expected.samples[inside.clone()]);
    let power: f64 = errors.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / inside.len() as f64;
    10.0 * (power / 0.125).log10()
}

#[test]
fn tones_inside_the_band_stay_as_they_are() {
    for (from, to) in RATES {
        let nyquist = f64::from(from.min(to)) / 2.0;
        for part in [0.01, 0.2, 0.5, 0.8, 0.95, 0.97] {
            let hz = nyquist * part;
            let clip = resample(&tone(hz, from, 0.6), to).unwrap();
            let expected = tone(hz, to, 0.6);
            assert_eq!((clip.samples.len(), clip.sample_rate), (expected.samples.len(), to));
            let error = error_db(&clip, &expected, from.min(to));
            println!("{from} to {to} Hz, {part}: {error:.1} dB");
            assert!(error < -100.0, "{from} to {to} Hz, tone of {hz} Hz: {error:.1} dB");
        }
    }
}

#[test]
fn tones_above_the_new_band_vanish() {
    for (from, to) in RATES.into_iter().filter(|(from, to)| from > to) {
        for part in [1.0, 1.01, 1.05] {
            let hz = f64::from(to) / 2.0 * part;
            let clip = resample(&tone(hz, from, 0.6), to).unwrap();
            let silence = Clip { samples: vec![0.0; clip.samples.len()], sample_rate: to };
            let alias = error_db(&clip, &silence, to);
            println!("{from} to {to} Hz, {part}: {alias:.1} dB");
            assert!(alias < -100.0, "{from} to {to} Hz, tone of {hz} Hz: {alias:.1} dB");
        }
    }
}

/// The level of `part - expected` relative to a tone of half full scale, in decibels.
fn distance_db(part: &[f32], expected: &[f32]) -> f64 {
    let power: f64 = part.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    10.0 * (power / part.len() as f64 / 0.125).log10()
}

/// A gain error counts as noise. soxr's gain falls by up to 0.008 dB towards the end of its band,
/// which is why it reaches only 60 to 77 dB there; all other errors in its tones are below -130 dB.
#[test]
fn tones_reach_90_db_beside_soxr() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/audio"));
    let table = std::fs::read_to_string(folder.join("soxr.csv")).unwrap();
    let bytes = std::fs::read(folder.join("soxr.npy")).unwrap();
    let stored = &bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..];
    let stored: Vec<f32> = stored.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let (mut tones, mut aliases) = (0, 0);
    for (row, soxr) in table.lines().skip(1).zip(stored.chunks_exact(1024)) {
        let cells: Vec<f64> = row.split(',').map(|cell| cell.parse().unwrap()).collect();
        let (from, to, hz, start) = (cells[0] as u32, cells[1] as u32, cells[2], cells[3] as usize);
        let part = start..start + 1024;
        let ours = &resample(&tone(hz, from, 0.5), to).unwrap().samples[part.clone()];
        let inside = 2.0 * hz < f64::from(to);
        let expected = if inside { tone(hz, to, 0.5).samples[part].to_vec() } else { vec![0.0; 1024] };
        let (ours_db, soxr_db) = (-distance_db(ours, &expected), -distance_db(soxr, &expected));
        let what = if inside { "signal to noise" } else { "alias rejection" };
        println!("{from} to {to} Hz, {hz} Hz: {what} {ours_db:.1} dB, soxr's {soxr_db:.1} dB");
        assert!(ours_db >= 90.0, "{from} to {to} Hz, {hz} Hz: {what} {ours_db:.1} dB");
        (tones, aliases) = if inside { (tones + 1, aliases) } else { (tones, aliases + 1) };
    }
    assert_eq!((tones, aliases), (25, 10));
}

#[test]
fn lengths_are_rounded() {
    for (from, to) in RATES.into_iter().chain([(44_100, 44_101), (12_345, 6_789), (7, 5)]) {
        for n in [1usize, 2, 3, 100, 1_023, 4_411] {
            let clip = resample(&Clip { samples: vec![0.1; n], sample_rate: from }, to).unwrap();
            let expected = (n as f64 * f64::from(to) / f64::from(from)).round() as usize;
            assert_eq!(clip.samples.len(), expected, "{n} samples from {from} to {to} Hz");
            assert!(clip.samples.iter().all(|sample| sample.is_finite()));
        }
    }
}

#[test]
fn the_same_rate_is_a_copy_and_rates_of_zero_are_refused() {
    let clip = tone(440.0, 8_000, 0.1);
    assert_eq!(resample(&clip, 8_000).unwrap(), clip);
    let empty = Clip { samples: Vec::new(), sample_rate: 8_000 };
    assert_eq!(resample(&empty, 16_000).unwrap().samples, []);
    assert!(matches!(resample(&clip, 0), Err(AudioError::Resample { from: 8_000, to: 0, .. })));
    let none = Clip { sample_rate: 0, ..clip };
    assert!(matches!(resample(&none, 8_000), Err(AudioError::Resample { from: 0, to: 8_000, .. })));
}

#[test]
fn samples_that_no_transform_can_take_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::MIN, 1e21] {
        let mut samples = vec![0.1; 500];
        samples[77] = bad;
        let error = resample(&Clip { samples, sample_rate: 8_000 }, 22_050).unwrap_err();
        assert!(
            matches!(&error, AudioError::Resample { reason, .. } if reason.contains("sample 77 ")),
            "{bad}: {error}"
        );
    }
    let loud = Clip { samples: vec![1e20; 500], sample_rate: 8_000 };
    assert!(resample(&loud, 22_050).unwrap().samples.iter().all(|sample| sample.is_finite()));
}

#[test]
fn rates_far_apart_or_without_a_divisor_are_refused_or_cheap() {
    for (from, to) in [
        (1, 22_050),
        (7, 22_050),
        (22_050, 1),
        (1, 768_000),
        (1 << 20, 1),
        (1, 1 << 20),
        (1_000, 1 << 20),
        (524_287, 22_050),
        (383_999, 383_987),
        (u32::MAX, 44_100),
    ] {
        let error = StreamResampler::new(from, to).err().unwrap().to_string();
        assert!(error.contains("possible"), "{from} to {to} Hz: {error}");
    }
    let before = MEMORY.current_usage();
    for (from, to) in [(1_000, 22_050), (1_000, 768_000), (383_999, 44_100), (383_983, 139_999), (44_101, 44_100)] {
        MEMORY.reset_peak_usage();
        let clip = resample(&Clip { samples: vec![0.1; 100], sample_rate: from }, to).unwrap();
        let bytes = MEMORY.peak_usage().saturating_sub(before);
        println!("{from} to {to} Hz: {} MB", bytes >> 20);
        assert!(bytes < 128 << 20 && !clip.samples.is_empty(), "{from} to {to} Hz: {} MB", bytes >> 20);
    }
}
