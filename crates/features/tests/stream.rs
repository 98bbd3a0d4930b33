//! A stream gives the same features as the whole clip, bit for bit, however the samples are split.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use earmark_features::{FeatureError, FrontEnd, MfccStatistics};
use serde_json::{Value, json};

fn sound(samples: usize) -> Vec<f32> {
    (0..samples)
        .map(|n| (0.05 * n as f32).sin() * (0.000_3 * n as f32).cos() + ((n * 7919) % 1000) as f32 / 5e3)
        .collect()
}

/// Settings that cover every kind, padding mode, delta mode and behavior at the end of a clip.
fn settings() -> Vec<Value> {
    let mut all = vec![json!({"kind": "wave"}), json!({"kind": "mfcc", "n_mels": 40, "n_mfcc": 20})];
    let small = json!({"kind": "logmel", "sr": 16000, "n_fft": 401, "hop_length": 160, "n_mels": 24});
    let rows = [
        json!({}),
        json!({"top_db": -1.0}),
        json!({"top_db": -1.0, "deltas": false}),
        json!({"center": false}),
        json!({"center": false, "top_db": -1.0, "hop_length": 700}),
        json!({"pad_mode": "edge", "delta_mode": "nearest", "top_db": -1.0}),
        json!({"pad_mode": "reflect", "delta_mode": "mirror", "top_db": -1.0, "delta_width": 5}),
        json!({"pad_mode": "symmetric", "delta_mode": "constant", "top_db": -1.0, "hop_length": 900}),
        json!({"delta_mode": "wrap", "top_db": -1.0, "delta_width": 255}),
        json!({"delta": "fir", "top_db": -1.0}),
        json!({"delta": "fir", "delta_width": 3}),
        json!({"preemphasis": 0.97, "pad_mode": "reflect"}),
        json!({"preemphasis": 0.5, "center": false, "log_offset": 1e-5, "deltas": false}),
    ];
    for row in rows {
        let mut merged = small.clone();
        merged.as_object_mut().unwrap().extend(row.as_object().unwrap().clone());
        all.push(merged);
    }
    all
}

#[test]
fn the_size_of_pieces_changes_no_bit() {
    for settings in settings() {
        let extractor = serde_json::from_value::<FrontEnd>(settings.clone()).unwrap().extractor().unwrap();
        for samples in [1, 150, 200, 201, 401, 700, 4_000, 120_000] {
            let sound = sound(samples);
            let whole = extractor.extract(&sound);
            for piece in [1, 7, 400, 4_096, 1 << 20] {
                if samples > 10_000 && piece < 400 {
                    continue;
                }
                let mut stream = extractor.stream();
                let (mut data, mut some, mut early) = (Vec::new(), vec![9.0], 0);
                for piece in sound.chunks(piece) {
                    stream.push(piece).unwrap();
                    while stream.take(&mut some) > 0 {
                        early += 1;
                        data.extend_from_slice(&some);
                    }
                }
                let frames = stream.finish();
                let Ok(whole) = &whole else {
                    assert_eq!(frames.unwrap_err(), *whole.as_ref().unwrap_err(), "{settings}, {samples}");
                    continue;
                };
                assert_eq!(frames, Ok(whole.frames), "{settings}, {samples} samples by {piece}");
                while stream.take(&mut some) > 0 {
                    assert!(some.len() <= 1024 * whole.channels * whole.bins);
                    data.extend_from_slice(&some);
                }
                assert!(data == whole.data, "{settings}, {samples} samples by {piece}");
                if samples > 10_000 && piece < 10_000 {
                    let unlimited = settings["top_db"] == json!(-1.0) || settings.get("log_offset").is_some();
                    let top_db = settings["kind"] != "wave" && !unlimited;
                    let waits = top_db || settings["delta_mode"] == "wrap";
                    assert_eq!(early > 0, !waits, "{settings}: frames that are final come before the end");
                }
            }
        }
    }
}

#[test]
fn statistics_of_pieces_are_those_of_the_whole() {
    for top_db in [-1.0, 80.0] {
        let settings: MfccStatistics = serde_json::from_value(json!({"n_mfcc": 20, "top_db": top_db})).unwrap();
        let extractor = settings.extractor().unwrap();
        for samples in [1, 900, 60_000] {
            let sound = sound(samples);
            let whole = extractor.extract(&sound).unwrap();
            for piece in [333, 5_000] {
                let mut stream = extractor.stream();
                sound.chunks(piece).for_each(|piece| stream.push(piece).unwrap());
                assert_eq!(stream.finish().unwrap(), whole, "{samples} samples by {piece}, top_db {top_db}");
            }
        }
    }
}

#[test]
fn the_error_of_an_impossible_sample_has_its_time() {
    for front_end in [FrontEnd::logmel(), FrontEnd::wave()] {
        let extractor = front_end.extractor().unwrap();
        assert_eq!(extractor.stream().finish(), Err(FeatureError::Empty));
        let mut stream = extractor.stream();
        stream.push(&[0.0; 500]).unwrap();
        assert!(matches!(stream.push(&[0.0, f32::NAN]), Err(FeatureError::NotFinite { index: 501, .. })));
        assert!(stream.finish().is_ok());
        assert_eq!(stream.push(&[0.0]), Err(FeatureError::Finished));
        assert!(stream.finish().is_ok(), "finishing twice does no harm");
    }
}
