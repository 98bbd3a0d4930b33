//! Compares features with librosa's; `golden/features/make.py` generates the expected values.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::Path;

use earmark_audio::{Limits, decode};
use earmark_features::{
    Features, FrontEnd, MelSettings, MfccStatistics, Reference, delta, melspectrogram, mfcc_statistics, power_to_db,
};
use serde_json::{Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/features/");

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    kind: String,
    settings: serde_json::Map<String, Value>,
    sound: String,
    shape: Vec<usize>,
    offset: usize,
    /// The expected values contain every nth bin and frame.
    #[serde(default = "one")]
    bins: usize,
    #[serde(default = "one")]
    frames: usize,
}

fn one() -> usize {
    1
}

/// Reads the cases and their expected values.
fn read(name: &str, values: &str) -> (Vec<Case>, Vec<f32>) {
    let bytes = std::fs::read(format!("{FOLDER}{values}")).unwrap();
    let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    (serde_json::from_slice(&std::fs::read(format!("{FOLDER}{name}")).unwrap()).unwrap(), values)
}

/// Reads 16-bit samples from a `.npy` file, scaled to full scale 1.
fn stored(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(format!("{FOLDER}{name}.npy")).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).collect()
}

fn sound(name: &str) -> Vec<f32> {
    match name {
        "silence" => vec![0.0; 2000],
        "impulse" => (0..6615).map(|n| if n == 3000 { 32_767.0 / 32_768.0 } else { 0.0 }).collect(),
        "one_frame" => stored("noise")[..150].to_vec(),
        "short" => stored("noise")[..900].to_vec(),
        "chirp_9" => stored("chirp").repeat(9),
        name => stored(name),
    }
}

/// Earmark's values in librosa's order, and their shape.
fn compute(case: &Case, samples: &[f32]) -> (Vec<f32>, Vec<usize>) {
    let mut settings = case.settings.clone();
    if case.kind == "statistics" {
        let statistics: MfccStatistics = serde_json::from_value(Value::Object(settings)).unwrap();
        let values = mfcc_statistics(samples, &statistics).unwrap();
        let shape = vec![values.len()];
        return (values, shape);
    }
    let features = if case.kind == "mel" {
        let settings: MelSettings = serde_json::from_value(Value::Object(settings)).unwrap();
        melspectrogram(samples, &settings).unwrap()
    } else {
        settings.insert("kind".to_owned(), json!(case.kind));
        let front_end: FrontEnd = serde_json::from_value(Value::Object(settings)).unwrap();
        let features = front_end.extractor().unwrap().extract(samples).unwrap();
        assert_eq!(front_end.shape(), (features.channels, features.bins));
        features
    };
    thinned(&features, case.bins, case.frames)
}

/// Every nth bin and frame, `[channels, bins, frames]`.
fn thinned(features: &Features, bins: usize, frames: usize) -> (Vec<f32>, Vec<usize>) {
    let shape = [features.channels, features.bins.div_ceil(bins), features.frames.div_ceil(frames)];
    let kept = features.rows().chunks_exact(features.frames).enumerate().fold(Vec::new(), |mut kept, (row, values)| {
        if (row % features.bins).is_multiple_of(bins) {
            kept.extend(values.iter().step_by(frames));
        }
        kept
    });
    (kept, shape.to_vec())
}

/// The greatest difference, relative to the tolerance.
///
/// The tolerance is 1e-6 of the maximum for mel powers, 2e-5 dB for log-mel and its deltas, and
/// 1e-4 for MFCC, whose 32-bit numbers have a spacing of 6e-5 at 900, and for features derived from
/// them. For statistics it is 1e-6 of their value, or 1e-6 if that is more.
fn difference(kind: &str, ours: &[f32], expected: &[f32]) -> f64 {
    let greatest = |allowed: &dyn Fn(usize) -> f64| {
        let each = ours.iter().zip(expected).enumerate();
        each.map(|(at, (a, b))| f64::from((a - b).abs()) / allowed(at)).fold(0.0, f64::max)
    };
    match kind {
        "mel" => {
            let peak = f64::from(expected.iter().copied().fold(0.0, f32::max));
            greatest(&|_| 1e-6 * peak)
        }
        "logmel" => greatest(&|_| 2e-5),
        "mfcc" | "summary" => greatest(&|_| 1e-4),
        _ => {
            // Max, min, var, skew, mean, std, kurtosis. The less a coefficient varies, the more its
            // errors affect skewness and kurtosis, so the tolerance of these two is divided by a
            // deviation below 1.
            let n_mfcc = expected.len() / 7;
            greatest(&|at| {
                let (statistic, deviation) = (at / n_mfcc, f64::from(expected[5 * n_mfcc + at % n_mfcc]));
                let loose = if [3, 6].contains(&statistic) { (1.0 / deviation.max(1e-6)).max(1.0) } else { 1.0 };
                1e-6 * f64::from(expected[at].abs().max(1.0)) * loose
            })
        }
    }
}

/// The names of the cases that exceed the tolerance.
fn compare(
    cases: &[Case],
    values: &[f32],
    samples: impl Fn(&str) -> Vec<f32>,
    loose: impl Fn(&str) -> f64,
) -> Vec<String> {
    let (mut wrong, mut worst) = (Vec::new(), BTreeMap::<&str, f64>::new());
    for case in cases {
        let (ours, shape) = compute(case, &samples(&case.sound));
        assert_eq!(shape, case.shape, "shape of {}", case.name);
        let difference = difference(&case.kind, &ours, &values[case.offset..case.offset + ours.len()]);
        worst.entry(&case.kind).and_modify(|worst| *worst = worst.max(difference)).or_insert(difference);
        let finite = ours.iter().all(|value| value.is_finite());
        // The last bit of a 32-bit logarithm changes the foot of a triangle of torchaudio's.
        let loose = if case.settings.contains_key("bands") { 10.0 } else { loose(&case.kind) };
        if difference.is_nan() || difference > loose || !finite {
            wrong.push(format!("{}: {:.3}, finite: {finite}", case.name, difference / loose));
        }
    }
    println!("the greatest differences, as parts of what is allowed: {worst:.3?}");
    wrong
}

#[test]
fn every_case_equals_librosa() {
    let (cases, values) = read("cases.json", "values.f32");
    assert!(cases.len() > 150, "{}", cases.len());
    let wrong = compare(&cases, &values, sound, |_| 1.0);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn decibels_and_deltas_of_librosas_values_equal_librosas() {
    let (cases, values) = read("cases.json", "values.f32");
    let (mut decibels, mut deltas) = (0, 0);
    for case in cases.iter().filter(|case| case.kind == "logmel") {
        let size = case.shape[1..].iter().product();
        let channel = |at: usize| &values[case.offset + at * size..][..size];
        let front_end = |settings: Value| -> FrontEnd { serde_json::from_value(settings).unwrap() };
        let mut settings = case.settings.clone();
        settings.insert("kind".to_owned(), json!("logmel"));
        let FrontEnd::LogMel { mel, delta: settings, .. } = front_end(Value::Object(settings)) else { unreachable!() };
        let setting = case.name.split('/').next();
        let same =
            |other: &&Case| other.kind == "mel" && other.sound == case.sound && other.name.split('/').next() == setting;
        if let (Some(power), Reference::Power(reference)) = (cases.iter().find(same), mel.r#ref) {
            let mut power: Vec<f64> = values[power.offset..][..size].iter().map(|value| f64::from(*value)).collect();
            power_to_db(&mut power, f64::from(reference), f64::from(mel.amin), mel.top_db.map(f64::from));
            let ours: Vec<f32> = power.into_iter().map(|value| value as f32).collect();
            assert!(difference("logmel", &ours, channel(0)) < 1.0, "{}", case.name);
            decibels += 1;
        }
        for order in 1..case.shape[0] {
            let rows = channel(0).chunks_exact(case.shape[2]).zip(channel(order).chunks_exact(case.shape[2]));
            for (row, expected) in rows {
                let ours = delta(row, order as u8, &settings).unwrap();
                assert!(difference("logmel", &ours, expected) < 1.0, "{}, order {order}", case.name);
                deltas += 1;
            }
        }
    }
    assert!(decibels > 20 && deltas > 500, "{decibels} spectrograms, {deltas} rows");
}

#[test]
fn real_sound_equals_librosa() {
    let Some(folder) = std::env::var_os("EARMARK_ESC10") else {
        assert!(std::env::var_os("CI").is_none(), "EARMARK_ESC10 must be set in CI");
        eprintln!("EARMARK_ESC10 is not set: skipped");
        return;
    };
    let (cases, values) = read("esc10.json", "esc10.f32");
    assert!(cases.len() >= 8, "{}", cases.len());
    let samples = |name: &str| {
        let clip = decode(&Path::new(&folder).join(name), &Limits::default()).unwrap();
        assert_eq!(clip.sample_rate, 44_100);
        clip.samples
    };
    // The Vorbis decoders differ in the last bit, which affects the fourth power of outliers most:
    // 1e-4 dB, 5e-4 for MFCC, 5e-5 for statistics.
    let loose = |kind: &str| if kind == "statistics" { 50.0 } else { 5.0 };
    let wrong = compare(&cases, &values, samples, loose);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
