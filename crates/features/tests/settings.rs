//! Reading, writing and validating settings; clips that are rejected.

use earmark_features::{
    Bands, DeltaFilter, DeltaMode, DeltaSettings, FeatureError, FrontEnd, MelSettings, MfccStatistics, Norm, PadMode,
    Reference, Statistic, StatisticSet, Window, mfcc_statistics, mfcc_statistics_names, npy,
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
    let deltas = DeltaSettings { delta: DeltaFilter::Fir, delta_width: 5, delta_mode: DeltaMode::Wrap };
    let number = MelSettings {
        norm: Norm::P(2.0),
        r#ref: Reference::Max,
        window: Window::BlackmanHarris,
        pad_mode: PadMode::Symmetric,
        preemphasis: 0.97,
        periodic: false,
        bands: Bands::Kaldi,
        log_offset: Some(1e-5),
        ..MelSettings::default()
    };
    let all = [
        FrontEnd::LogMel { mel: number, deltas: true, delta: deltas },
        FrontEnd::logmel(),
        FrontEnd::mfcc(),
        FrontEnd::wave(),
        FrontEnd::LogMel { mel: odd.clone(), deltas: false, delta: DeltaSettings::default() },
        FrontEnd::Mfcc { n_mfcc: 13, mel: odd, deltas: true, delta: DeltaSettings::default() },
    ];
    for expected in all {
        let text = serde_json::to_string(&expected).unwrap();
        assert_eq!(serde_json::from_str::<FrontEnd>(&text).unwrap(), expected, "{text}");
        let text = toml::to_string(&expected).unwrap();
        assert_eq!(toml::from_str::<FrontEnd>(&text).unwrap(), expected, "{text}");
    }
    let list = StatisticSet::List(vec![Statistic::Kurtosis, Statistic::Max]);
    for set in [StatisticSet::Paper, StatisticSet::Moments, StatisticSet::All, list] {
        let statistics = MfccStatistics { n_mfcc: 20, set, ..MfccStatistics::default() };
        let text = serde_json::to_string(&statistics).unwrap();
        assert_eq!(serde_json::from_str::<MfccStatistics>(&text).unwrap(), statistics, "{text}");
        let text = toml::to_string(&statistics).unwrap();
        assert_eq!(toml::from_str::<MfccStatistics>(&text).unwrap(), statistics, "{text}");
    }
}

#[test]
fn settings_are_written_as_librosa_has_them() {
    let text =
        "kind = 'logmel'\npad_mode = 'replicate'\nnorm = 2\nref = 'max'\nwindow = 'flattop'\ndelta_mode = 'mirror'";
    let FrontEnd::LogMel { mel, delta, .. } = toml::from_str(text).unwrap() else { panic!("not log-mel") };
    assert_eq!((mel.pad_mode, mel.norm, mel.r#ref), (PadMode::Edge, Norm::P(2.0), Reference::Max));
    assert_eq!((mel.window, delta.delta_mode), (Window::FlatTop, DeltaMode::Mirror));
}

#[test]
fn what_earlier_versions_wrote_reads_as_it_was_meant() {
    let bundle = json!({"kind": "logmel", "sr": 22050, "n_fft": 1764, "hop_length": 220, "window": "hann",
        "center": true, "pad_mode": "constant", "power": 2.0, "n_mels": 64, "fmin": 0.0, "htk": false, "norm": "slaney",
        "ref": 1.0, "amin": 1e-10, "top_db": 80.0, "deltas": true});
    assert_eq!(front_end(bundle), Ok(FrontEnd::logmel()));
    let statistics: MfccStatistics = serde_json::from_value(json!({"n_mfcc": 64, "n_mels": 128})).unwrap();
    assert_eq!(statistics, MfccStatistics::default());
}

#[test]
fn sets_of_statistics_have_names_and_values() {
    let sound: Vec<f32> = (0..9_000).map(|n| (0.000_02 * (n * n) as f32).sin()).collect();
    let of = |set: serde_json::Value| -> Vec<(String, f32)> {
        let settings: MfccStatistics = serde_json::from_value(json!({"n_mfcc": 3, "set": set})).unwrap();
        let values = mfcc_statistics(&sound, &settings).unwrap();
        let names = mfcc_statistics_names(&settings);
        assert_eq!(names.len(), values.len());
        names.into_iter().zip(values).collect()
    };
    let all = of(json!("all"));
    assert_eq!(all.len(), 21);
    for set in [json!("paper"), json!("moments"), json!(["kurtosis", "min"])] {
        let some = of(set.clone());
        assert!(some.iter().all(|pair| all.contains(pair)), "{set}: {some:?} are not all in {all:?}");
    }
    assert_eq!(of(json!("paper")), all[..12]);
    assert_eq!(of(json!(["std"]))[2].0, "mfcc_std_02");
    for set in [json!([]), json!(["max", "max"])] {
        let settings: MfccStatistics = serde_json::from_value(json!({"set": set})).unwrap();
        assert!(matches!(settings.extractor(), Err(FeatureError::Setting { key: "set", .. })), "{set}");
    }
    assert!(serde_json::from_value::<MfccStatistics>(json!({"set": "median"})).is_err());
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
        ("preemphasis", json!(1.0)),
        ("preemphasis", json!(-0.5)),
        ("log_offset", json!(0.0)),
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
        ("amin", json!(1e-40)),
        ("ref", json!(-1.0)),
        ("norm", json!(0.0)),
        ("top_db", json!(1e9)),
        ("delta_width", json!(4)),
        ("delta_width", json!(1)),
        ("delta_width", json!(257)),
    ];
    for (key, value) in rows {
        let front_end = front_end(json!({"kind": "logmel", key: value})).unwrap();
        let error = front_end.extractor().err();
        assert!(
            matches!(&error, Some(FeatureError::Setting { key: found, .. }) if *found == key),
            "{key} = {value}: {error:?}"
        );
    }
    let nan = FrontEnd::LogMel {
        mel: MelSettings { amin: f32::NAN, ..MelSettings::default() },
        deltas: true,
        delta: DeltaSettings::default(),
    };
    let n_mfcc = front_end(json!({"kind": "mfcc", "n_mfcc": 129})).unwrap();
    let slaney = front_end(json!({"kind": "logmel", "bands": "kaldi"})).unwrap();
    let normalized = front_end(json!({"kind": "logmel", "bands": "kaldi", "htk": true})).unwrap();
    let stereo = front_end(json!({"kind": "wave", "channels": 2})).unwrap();
    let rows = [(nan, "amin"), (n_mfcc, "n_mfcc"), (slaney, "htk"), (normalized, "norm"), (stereo, "channels")];
    for (front_end, key) in rows {
        let error = front_end.validate().unwrap_err();
        assert!(matches!(&error, FeatureError::Setting { key: found, .. } if *found == key), "{error}");
    }
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
    let emphasised = front_end(json!({"kind": "logmel", "preemphasis": 0.97})).unwrap().extractor().unwrap();
    assert_eq!(emphasised.extract(&[0.0]), Err(FeatureError::TooShort { samples: 1, needed: 2 }));
    assert_eq!(emphasised.extract(&[0.0; 2]).unwrap().frames, 1);
    assert_eq!(mfcc_statistics(&[], &MfccStatistics::default()), Err(FeatureError::Empty));
}

#[test]
fn very_loud_clips_stay_finite() {
    let samples: Vec<f32> = (0..4_000).map(|n| if n % 2 == 0 { f32::MAX } else { f32::MIN }).collect();
    let emphasised = front_end(json!({"kind": "logmel", "preemphasis": 0.97, "log_offset": 1e-5})).unwrap();
    for front_end in [FrontEnd::logmel(), emphasised] {
        let features = front_end.extractor().unwrap().extract(&samples).unwrap();
        assert!(features.data.iter().all(|value| value.is_finite()));
    }
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
