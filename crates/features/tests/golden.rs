//! Features against librosa's; `golden/features/make.py` makes the values.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use earmark_features::{FrontEnd, MfccStatistics, mfcc_statistics};
use serde_json::{Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/features/");

/// Differences allowed: dB for log-mel, coefficients for MFCC, relative for statistics.
const TOLERANCE: f64 = 5e-4;

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    kind: String,
    settings: serde_json::Map<String, Value>,
    sound: String,
    shape: Vec<usize>,
    offset: usize,
}

/// 16-bit samples from a `.npy` file, as numbers of full scale 1.
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
        name => stored(name),
    }
}

fn values() -> Vec<f32> {
    let bytes = std::fs::read(format!("{FOLDER}values.f32")).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Our values and their shape.
fn compute(case: &Case) -> (Vec<f32>, Vec<usize>) {
    let samples = sound(&case.sound);
    let mut settings = case.settings.clone();
    if case.kind == "statistics" {
        let statistics: MfccStatistics = serde_json::from_value(Value::Object(settings)).unwrap();
        let values = mfcc_statistics(&samples, &statistics).unwrap();
        let shape = vec![values.len()];
        return (values, shape);
    }
    settings.insert("kind".to_owned(), json!(case.kind));
    let front_end: FrontEnd = serde_json::from_value(Value::Object(settings)).unwrap();
    let features = front_end.extractor().unwrap().extract(&samples).unwrap();
    assert_eq!(front_end.shape(), (features.channels, features.bins));
    (features.rows(), vec![features.channels, features.bins, features.frames])
}

#[test]
fn every_case_equals_librosa() {
    let cases: Vec<Case> =
        serde_json::from_str(&std::fs::read_to_string(format!("{FOLDER}cases.json")).unwrap()).unwrap();
    assert!(cases.len() > 50);
    let values = values();
    let mut wrong = Vec::new();
    for case in cases {
        let (ours, shape) = compute(&case);
        assert_eq!(shape, case.shape, "shape of {}", case.name);
        let expected = &values[case.offset..case.offset + ours.len()];
        let difference = |(a, b): (&f32, &f32)| {
            let scale = if case.kind == "statistics" { f64::from(b.abs().max(1.0)) } else { 1.0 };
            f64::from((a - b).abs()) / scale
        };
        let greatest = ours.iter().zip(expected).map(difference).fold(0.0, f64::max);
        println!("{:40} {greatest:.1e}", case.name);
        let finite = ours.iter().all(|value| value.is_finite());
        if greatest > TOLERANCE || !finite {
            wrong.push(format!("{}: {greatest:.1e}, finite: {finite}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
