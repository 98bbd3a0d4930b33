//! Settings that are read, written and refused; clips that are refused.

use earmark_features::{
    DeltaSettings, FeatureError, FrontEnd, MelSettings, MfccStatistics, Norm, mfcc_statistics, npy,
};
use serde_json::json;

fn front_end(value: serde_json::Value) -> Result<FrontEnd, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn missing_keys_have_the_reference_systems_values() {
    assert_eq!(front_end(json!({"kind": "logmel"})), Ok(FrontEnd::logmel()));
    assert_eq!(front_end(json!({"kind": "mfcc"})), Ok(FrontEnd::mfcc()));
    assert_eq!(front_end(json!({"kind": "wave"})), Ok(FrontEnd::wave()));
    assert_eq!((FrontEnd::wave().sample_rate(), FrontEnd::wave().frames_per_second()), (44_100, 44_100.0));
    assert_eq!(FrontEnd::mfcc().shape(), (3, 64));
    let FrontEnd::Mfcc { mel, .. } = FrontEnd::mfcc() else { panic!("not MFCC") };
    assert_eq!(mel.n_mels, 128);
}

#[test]
fn what_is_written_reads_as_the_same() {
    let odd = MelSettings {
        win_length: Some(800),
        fmax: Some(8_000.0),
        norm: Norm::None,
        top_db: None,
        ..MelSettings::default()
    };
    let all = [
        FrontEnd::logmel(),
        FrontEnd::mfcc(),
        FrontEnd::wave(),
        FrontEnd::LogMel { mel: odd.clone(), deltas: false, delta: DeltaSettings::default() },
        FrontEnd::Mfcc { n_mfcc: 13, mel: odd, deltas: true, delta: DeltaSettings::default() },
    ];
    for expected in all {
        let text = serde_json::to_string(&expected).unwrap();
        assert_eq!(serde_json::from_str::<FrontEnd>(&text).unwrap(), expected, "{text}");
    }
    let statistics = MfccStatistics { n_mfcc: 20, ..MfccStatistics::default() };
    let text = serde_json::to_string(&statistics).unwrap();
    assert_eq!(serde_json::from_str::<MfccStatistics>(&text).unwrap(), statistics);
}

#[test]
fn unknown_keys_are_named() {
    for (kind, key) in [("logmel", "n_mel"), ("mfcc", "hop"), ("wave", "n_fft"), ("logmel", "n_mfcc")] {
        let error = front_end(json!({"kind": kind, key: 1})).unwrap_err();
        assert!(error.contains(key), "{kind}: {error}");
    }
    assert!(front_end(json!({"kind": "gammatone"})).unwrap_err().contains("gammatone"));
    assert!(front_end(json!({"kind": "logmel", "window": "kaiser"})).unwrap_err().contains("kaiser"));
    let statistics = serde_json::from_value::<MfccStatistics>(json!({"n_fmcc": 2}));
    assert!(statistics.unwrap_err().to_string().contains("n_fmcc"));
}

#[test]
fn values_out_of_range_are_named() {
    let rows = [
        ("sr", json!(0)),
        ("n_fft", json!(1)),
        ("n_fft", json!(1_000_000)),
        ("win_length", json!(1_765)),
        ("win_length", json!(0)),
        ("hop_length", json!(0)),
        ("power", json!(0.0)),
        ("n_mels", json!(0)),
        ("n_mels", json!(5_000)),
        ("fmin", json!(-1.0)),
        ("fmin", json!(11_025.0)),
        ("fmax", json!(11_026.0)),
        ("ref", json!(0.0)),
        ("amin", json!(0.0)),
        ("top_db", json!(1e9)),
    ];
    for (key, value) in rows {
        let front_end = front_end(json!({"kind": "logmel", key: value})).unwrap();
        let error = front_end.extractor().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(&format!("`{key}`")), "{key} = {value}: {error:?}");
    }
    let nan = FrontEnd::LogMel {
        mel: MelSettings { amin: f32::NAN, ..MelSettings::default() },
        deltas: true,
        delta: DeltaSettings::default(),
    };
    assert!(nan.validate().unwrap_err().to_string().contains("amin"));
    let n_mfcc = front_end(json!({"kind": "mfcc", "n_mfcc": 129})).unwrap();
    assert!(n_mfcc.validate().unwrap_err().to_string().contains("n_mfcc"));
    let stereo = front_end(json!({"kind": "wave", "channels": 2})).unwrap();
    assert!(stereo.validate().unwrap_err().to_string().contains("channels"));
}

#[test]
fn clips_that_are_no_sound_are_errors() {
    let no_centre = MelSettings { center: false, ..MelSettings::default() };
    for front_end in [FrontEnd::logmel(), FrontEnd::mfcc(), FrontEnd::wave()] {
        let extractor = front_end.extractor().unwrap();
        assert_eq!(extractor.extract(&[]), Err(FeatureError::Empty));
        let error = extractor.extract(&[0.0, f32::INFINITY, f32::NAN]).unwrap_err();
        assert_eq!(error, FeatureError::NotFinite { index: 1, value: f32::INFINITY });
    }
    let extractor =
        FrontEnd::LogMel { mel: no_centre, deltas: true, delta: DeltaSettings::default() }.extractor().unwrap();
    assert_eq!(extractor.extract(&[0.0; 1_763]), Err(FeatureError::TooShort { samples: 1_763, needed: 1_764 }));
    assert_eq!(extractor.extract(&[0.0; 1_764]).unwrap().frames, 1);
    assert_eq!(mfcc_statistics(&[], &MfccStatistics::default()), Err(FeatureError::Empty));
}

#[test]
fn very_loud_clips_stay_finite() {
    let samples: Vec<f32> = (0..4_000).map(|n| if n % 2 == 0 { f32::MAX } else { f32::MIN }).collect();
    let features = FrontEnd::logmel().extractor().unwrap().extract(&samples).unwrap();
    assert!(features.data.iter().all(|value| value.is_finite()));
}

#[test]
fn one_extractor_serves_many_threads() {
    let extractor = FrontEnd::logmel().extractor().unwrap();
    let samples: Vec<f32> = (0..5_000).map(|n| (0.07 * n as f32).sin()).collect();
    let alone = extractor.extract(&samples).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| extractor.extract(&samples).unwrap())).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

#[test]
fn npy_headers_are_numpys_own() {
    let rows: [(&[usize], &str); 3] = [(&[4], "(4,)"), (&[2, 2], "(2, 2)"), (&[1, 2, 2], "(1, 2, 2)")];
    for (shape, text) in rows {
        let bytes = npy(shape, &[1.0, 2.0, 3.0, -0.5]);
        let header = String::from_utf8_lossy(&bytes[10..128]);
        let expected = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {text}, }}");
        assert_eq!(header.trim_end_matches([' ', '\n']), expected);
        assert_eq!((bytes[127], &bytes[128..132]), (b'\n', &1f32.to_le_bytes()[..]));
    }
}
