//! The feature cache: it returns the front ends' exact bits and detects all damage.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod place;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use earmark_audio::{AudioError, Clip, Limits, decode, resample, write_wav};
use earmark_datasets::OpenOptions;
use earmark_datasets::check::{CheckSettings, ProblemKind, check};
use earmark_features::{FeatureError, FrontEnd, MelSettings, MfccStatistics};
use earmark_loader::{EntryFault, FeatureCache, FeatureRequest, LoadError, LoadReport};
use place::{Place, extracted, front_ends, same, statistics, values};

#[test]
fn a_cache_gives_the_bits_of_the_front_ends() {
    let place = Place::with_clips(5);
    let (front_ends, statistics) = (front_ends(), statistics());
    let request = FeatureRequest {
        front_ends: front_ends.iter().collect(),
        statistics: Some(&statistics),
        ..FeatureRequest::default()
    };
    let cache = place.cache(false);
    for made in [5 * 4, 0] {
        let report = cache.load(&place.clips(), &request, || {}).unwrap();
        assert_eq!((report.made, report.found, report.repaired.len()), (made, 20 - made, 0), "all is made once");
        assert_eq!((report.bytes, cache.bytes()), (place.bytes(), place.bytes()), "what it costs");
        for (clip, (path, _)) in report.clips.iter().zip(place.clips()) {
            let loaded = clip.as_ref().unwrap();
            for (front_end, features) in front_ends.iter().zip(&loaded.features) {
                let expected = extracted(path, front_end);
                assert_eq!((features.channels(), features.bins()), front_end.shape());
                assert_eq!(features.frames(), expected.frames);
                assert!(same(&values(features.view()), &expected.data), "{front_end:?}");
            }
            let sound = resample(&decode(path, &request.limits).unwrap(), statistics.mel.sr).unwrap();
            let expected = statistics.extractor().unwrap().extract(&sound.samples).unwrap();
            assert!(same(&loaded.statistics, &expected));
        }
    }
    let (path, sha256) = place.clips()[0];
    let found = cache.get(sha256, &front_ends[0]).unwrap().unwrap();
    assert!(same(&values(found.view()), &extracted(path, &front_ends[0]).data));
    assert!(place.cache(true).get(sha256, &front_ends[0]).unwrap().is_none(), "another precision");
}

#[test]
fn only_what_is_missing_is_made() {
    let place = Place::with_clips(3);
    let (cache, half) = (place.cache(false), place.cache(true));
    let logmel = FrontEnd::logmel();
    let mel = MelSettings { hop_length: 221, ..MelSettings::default() };
    let other = FrontEnd::LogMel { mel, deltas: true, delta: Default::default() };
    let deltas = MfccStatistics::default();
    let made = |cache: &FeatureCache, front_ends: &[&FrontEnd], statistics| -> usize {
        let request = FeatureRequest { front_ends: front_ends.to_vec(), statistics, ..FeatureRequest::default() };
        cache.load(&place.clips(), &request, || {}).unwrap().made
    };
    assert_eq!(made(&cache, &[&logmel], None), 3);
    assert_eq!(made(&cache, &[&FrontEnd::wave(), &logmel], None), 3, "the wave");
    assert_eq!(made(&cache, &[&other, &logmel], None), 3, "another setting");
    assert_eq!(made(&cache, &[], Some(&deltas)), 3, "statistics");
    assert_eq!(made(&half, &[&logmel, &FrontEnd::wave(), &other], Some(&deltas)), 9, "halves, but not of statistics");
    let before = place.files();
    assert_eq!(made(&cache, &[&logmel, &FrontEnd::wave(), &other], Some(&deltas)), 0);
    assert_eq!(before, place.files());
}

#[test]
fn entries_are_those_of_the_content() {
    let place = Place::with_clips(2);
    let clip = decode(place.clips()[0].0, &Default::default()).unwrap();
    let twin = place.folder().join("twin.wav");
    write_wav(&twin, &clip).unwrap();
    let logmel = FrontEnd::logmel();
    let request = FeatureRequest { front_ends: vec![&logmel], ..FeatureRequest::default() };
    let load = |sha256: &str| place.cache(false).load(&[(&twin, sha256)], &request, || {});
    let first = place.clips()[0].1.to_owned();
    assert_eq!(place.cache(false).load(&place.clips(), &request, || {}).unwrap().made, 2);
    assert_eq!(load(&first).unwrap().made, 0, "the same bytes under another name");
    write_wav(&twin, &Clip { samples: vec![0.5; 3_000], ..clip }).unwrap();
    let sha256 = earmark_files::sha256_file(&twin).unwrap();
    assert_eq!(load(&sha256).unwrap().made, 1, "other bytes under the same name");
    let before = place.files();
    let changed = load(&"0".repeat(64)).unwrap_err();
    assert!(matches!(&changed, LoadError::Changed { path } if *path == twin) && !changed.is_of_the_clip(), "{changed}");
    assert_eq!(before, place.files(), "nothing is kept under a wrong sum");
}

#[test]
fn damaged_entries_are_made_again_and_listed() {
    let place = Place::with_clips(2);
    let front_ends = [FrontEnd::logmel(), FrontEnd::wave()];
    let request = FeatureRequest { front_ends: front_ends.iter().collect(), ..FeatureRequest::default() };
    let load = || place.cache(false).load(&place.clips(), &request, || {}).unwrap();
    let good = load();
    let paths: Vec<PathBuf> = place.files().into_keys().collect();
    let (whole, other) = (std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
    let with = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let version = |version: u32| {
        let mut file = with(8, &version.to_le_bytes());
        let seal = crc32fast::hash(&file[..148]).to_le_bytes();
        file[148..152].copy_from_slice(&seal);
        file
    };
    let length = |found: usize| EntryFault::Length { found: found as u64, announced: whole.len() as u64 };
    let cases = [
        (Vec::new(), EntryFault::Foreign),
        (b"a text".to_vec(), EntryFault::Foreign),
        (vec![0; whole.len()], EntryFault::Foreign),
        (whole[..50].to_vec(), EntryFault::Length { found: 50, announced: 192 }),
        (whole[..whole.len() - 1].to_vec(), length(whole.len() - 1)),
        ([whole.as_slice(), &[0]].concat(), length(whole.len() + 1)),
        (with(20, &[whole[20] ^ 1]), EntryFault::Header),
        (with(whole.len() - 9, &[whole[whole.len() - 9] ^ 64]), EntryFault::Values),
        (version(0), EntryFault::Version { found: 0 }),
        (version(2), EntryFault::Version { found: 2 }),
        (version(77), EntryFault::Version { found: 77 }),
        (other, EntryFault::OtherKey),
    ];
    for (bytes, fault) in cases {
        // The file is replaced while the old one is still mapped.
        std::fs::remove_file(&paths[0]).unwrap();
        std::fs::write(&paths[0], &bytes).unwrap();
        let report = load();
        assert_eq!(report.repaired, [(paths[0].clone(), fault.clone())]);
        assert_eq!((report.made, std::fs::read(&paths[0]).unwrap() == whole), (1, true), "{fault}");
        assert!(same_features(&report, &good), "{fault}");
        assert_eq!(load().made, 0, "{fault}");
    }
}

fn same_features(a: &LoadReport, b: &LoadReport) -> bool {
    a.clips.iter().zip(&b.clips).all(|(a, b)| {
        let (a, b) = (&a.as_ref().unwrap().features, &b.as_ref().unwrap().features);
        a.iter().zip(b).all(|(a, b)| same(&values(a.view()), &values(b.view())))
    })
}

#[test]
fn the_error_of_a_clip_is_in_its_place() {
    let mut place = Place::with_clips(3);
    place.add("cut.wav", &std::fs::read(place.clips()[0].0).unwrap()[..2_000]);
    place.add("text.wav", b"no sound at all");
    let uncentred = FrontEnd::LogMel {
        mel: MelSettings { center: false, n_fft: 65_536, ..MelSettings::default() },
        deltas: false,
        delta: Default::default(),
    };
    let logmel = FrontEnd::logmel();
    let request = |front_end| FeatureRequest { front_ends: vec![front_end], ..FeatureRequest::default() };
    let report = place.cache(false).load(&place.clips(), &request(&logmel), || {}).unwrap();
    let faults: Vec<String> = report.clips.iter().filter_map(|clip| Some(clip.as_ref().err()?.to_string())).collect();
    assert_eq!((report.clips.len(), report.made, faults.len()), (5, 3, 2), "{faults:?}");
    assert!(
        faults[0].contains("cut.wav is damaged") && faults[1].contains("text.wav is not an audio file"),
        "{faults:?}"
    );
    assert!(report.clips[3].as_ref().is_err_and(LoadError::is_of_the_clip));
    assert_eq!(place.files().len(), 3, "nothing is left of them");
    let report = place.cache(false).load(&place.clips()[..1], &request(&uncentred), || {}).unwrap();
    let fault = report.clips[0].as_ref().unwrap_err();
    let too_short = |path: &Path, source: &FeatureError| {
        path.ends_with("0.wav") && matches!(source, FeatureError::TooShort { needed: 65_536, .. })
    };
    let is_named = matches!(fault, LoadError::Features { path, source } if too_short(path, source));
    assert!(fault.is_of_the_clip() && is_named, "{fault}");

    let missing = place.folder().join("missing.wav");
    let fault = place.cache(false).load(&[(&missing, "0")], &request(&logmel), || {}).unwrap_err();
    assert!(
        matches!(fault, LoadError::Audio(AudioError::Io { .. })),
        "a disk that fails is no matter of a clip: {fault}"
    );
    let wrong = FrontEnd::Wave { sr: 1, channels: 1 };
    let fault = place.cache(false).load(&place.clips(), &request(&wrong), || {}).unwrap_err();
    assert!(matches!(fault, LoadError::Settings(_)) && !fault.is_of_the_clip(), "{fault}");
}

#[test]
fn samples_beyond_all_reason_are_refused_by_every_front_end_and_by_the_check() {
    let mut place = Place::with_clips(0);
    let loud = |peak: f32| place::float_wav(&[&[0.25; 4_000][..], &[peak], &[-0.5; 4_000]].concat());
    place.add("fine.wav", &loud(1e12));
    place.add("loud.wav", &loud(-1e13));
    place.add("louder.wav", &loud(1e29));
    let own = MelSettings { sr: 44_100, ..MelSettings::default() };
    let resampled = MelSettings { sr: 16_000, ..MelSettings::default() };
    let flat = |mel: MelSettings| FrontEnd::LogMel { mel, deltas: true, delta: Default::default() };
    for front_end in [flat(own), flat(resampled), FrontEnd::mfcc(), FrontEnd::summary(), FrontEnd::wave()] {
        let request = FeatureRequest { front_ends: vec![&front_end], ..FeatureRequest::default() };
        let report = place.cache(false).load(&place.clips(), &request, || {}).unwrap();
        let features = &report.clips[0].as_ref().unwrap().features[0];
        assert!(values(features.view()).iter().all(|value| value.is_finite()), "{front_end:?}");
        for (clip, peak) in report.clips[1..].iter().zip([-1e13, 1e29]) {
            let error = clip.as_ref().unwrap_err();
            assert!(
                matches!(error, LoadError::Audio(AudioError::Sample { value, .. }) if *value == peak),
                "{front_end:?}: {error}"
            );
            assert!(error.is_of_the_clip());
        }
    }
    let rows = ["fine.wav,a", "loud.wav,a", "louder.wav,b"].join("\n");
    std::fs::write(place.folder().join("clips.csv"), format!("fname,label\n{rows}\n")).unwrap();
    let table = place.folder().join("clips.csv");
    let report = check(&table, &OpenOptions::default(), &CheckSettings::default(), |_, _| ()).unwrap();
    let damaged = report.problems.iter().filter(|problem| problem.kind == ProblemKind::Damaged);
    let files: Vec<&String> = damaged.flat_map(|problem| &problem.files).collect();
    assert!(files.len() == 2 && files[0].ends_with("loud.wav") && files[1].ends_with("louder.wav"), "{files:?}");
}

#[test]
fn a_sound_is_the_same_in_any_container() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/audio");
    let mut place = Place::with_clips(1);
    let flac = golden.join("s16.flac");
    place.add("a.flac", &std::fs::read(&flac).unwrap());
    let wav = place.folder().join("a copy.wav");
    write_wav(&wav, &decode(&flac, &Limits::default()).unwrap()).unwrap();
    place.add("a copy.wav", &std::fs::read(&wav).unwrap());
    place.add("silence.wav", &place::float_wav(&[0.0; 900]));
    let (logmel, wave) = (FrontEnd::logmel(), FrontEnd::wave());
    // Computed by one front end, then read; then computed by another.
    let request = |front_end| FeatureRequest { front_ends: vec![front_end], ..FeatureRequest::default() };
    for request in [request(&logmel), request(&logmel), request(&wave)] {
        let report = place.cache(false).load(&place.clips(), &request, || {}).unwrap();
        let sounds: Vec<_> = report.clips.iter().map(|clip| clip.as_ref().unwrap().sound).collect();
        assert!(sounds[0].is_some() && sounds[0] != sounds[1], "{sounds:?}");
        assert!(sounds[1].is_some() && sounds[1] == sounds[2] && sounds[3].is_none(), "{sounds:?}");
    }
}

#[test]
fn limits_are_the_same_with_and_without_entries() {
    let place = Place::with_clips(2);
    let stereo = place.folder().join("stereo.wav");
    std::fs::write(&stereo, place::two_channels(&[0.25; 6_000])).unwrap();
    let sums = [earmark_files::sha256_file(&stereo).unwrap()];
    let clips = [place.clips(), vec![(stereo.as_path(), sums[0].as_str())]].concat();
    let (logmel, wave) = (FrontEnd::logmel(), FrontEnd::wave());
    let cases = [
        (Limits { max_seconds: 0.21, ..Limits::default() }, [true, false, true]),
        (Limits { max_samples: 8_999, ..Limits::default() }, [false, false, true]),
        (Limits { max_channels: 1, ..Limits::default() }, [true, true, false]),
        (Limits { max_sample_rate: 44_099, ..Limits::default() }, [false; 3]),
        (Limits { min_sample_rate: 44_101, ..Limits::default() }, [false; 3]),
        (Limits::default(), [true; 3]),
    ];
    let cache = |name: &str| FeatureCache::open(&place.folder().join(name), false).unwrap();
    let full = cache("full");
    let loose = FeatureRequest { front_ends: vec![&logmel, &wave], ..FeatureRequest::default() };
    assert_eq!(full.load(&clips, &loose, || {}).unwrap().made, 6);
    let half = cache("half");
    assert_eq!(
        half.load(&clips, &FeatureRequest { front_ends: vec![&wave], ..FeatureRequest::default() }, || {})
            .unwrap()
            .made,
        3
    );
    for (number, (limits, fine)) in cases.into_iter().enumerate() {
        let request = FeatureRequest { limits, ..loose.clone() };
        let answer = |cache: &FeatureCache| -> Vec<String> {
            let report = cache.load(&clips, &request, || {}).unwrap();
            let faults =
                report.clips.iter().map(|clip| clip.as_ref().map_or_else(ToString::to_string, |_| String::new()));
            faults.collect()
        };
        let expected = answer(&cache(&format!("empty {number}")));
        assert_eq!(expected.iter().map(String::is_empty).collect::<Vec<_>>(), fine, "{expected:?}");
        assert_eq!(answer(&full), expected);
        assert_eq!(answer(&half), expected);
        full.silence(&FeatureRequest { limits: Limits { max_samples: 1, ..Limits::default() }, ..loose.clone() })
            .unwrap();
    }
}

#[test]
fn silence_replaces_a_clip_that_cannot_be_decoded() {
    let place = Place::with_clips(0);
    let (front_ends, statistics) = (front_ends(), statistics());
    let request = FeatureRequest {
        front_ends: front_ends.iter().collect(),
        statistics: Some(&statistics),
        ..FeatureRequest::default()
    };
    let silent = place.cache(false).silence(&request).unwrap();
    let path = place.folder().join("silence.wav");
    write_wav(&path, &Clip { samples: vec![0.0; 22_050], sample_rate: 44_100 }).unwrap();
    for (front_end, features) in front_ends.iter().zip(&silent.features) {
        assert!(same(&values(features.view()), &extracted(&path, front_end).data));
    }
    assert_eq!(silent.statistics.len(), 256);
}

#[test]
fn a_long_clip_gives_the_same_bits_in_several_ways_through_it() {
    let mut place = Place::with_clips(0);
    let noise = (0..12 * 22_050).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5);
    let path = place.folder().join("long.wav");
    write_wav(&path, &Clip { samples: noise.collect(), sample_rate: 22_050 }).unwrap();
    place.add("long.wav", &std::fs::read(&path).unwrap());
    // 17 MB per front end: too much for all of them at once.
    let mel = MelSettings { n_fft: 512, hop_length: 16, n_mels: 256, ..MelSettings::default() };
    let logmel = FrontEnd::LogMel { mel: mel.clone(), deltas: true, delta: Default::default() };
    let mfcc = FrontEnd::Mfcc { n_mfcc: 8, mel: mel.clone(), deltas: false, delta: Default::default() };
    let statistics = MfccStatistics { mel, ..MfccStatistics::default() };
    let wave = FrontEnd::wave();
    let request = FeatureRequest {
        front_ends: vec![&logmel, &wave, &mfcc],
        statistics: Some(&statistics),
        ..FeatureRequest::default()
    };
    let report = place.cache(false).load(&place.clips(), &request, || {}).unwrap();
    let loaded = report.clips[0].as_ref().unwrap();
    for (front_end, features) in request.front_ends.iter().zip(&loaded.features) {
        assert!(same(&values(features.view()), &extracted(&path, front_end).data), "{front_end:?}");
    }
    let sound = decode(&path, &request.limits).unwrap();
    assert!(same(&loaded.statistics, &statistics.extractor().unwrap().extract(&sound.samples).unwrap()));
}

#[test]
fn halves_are_rounded_as_numpys() {
    let golden = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/half/values.csv"));
    let rows = golden.lines().skip(1).map(|row| row.split_once(',').unwrap());
    let rows: Vec<(u32, u16)> =
        rows.map(|(a, b)| (u32::from_str_radix(a, 16).unwrap(), u16::from_str_radix(b, 16).unwrap())).collect();
    // Values that no sample can have are not stored.
    let rows: Vec<_> = rows.into_iter().filter(|(single, _)| f32::from_bits(*single).abs() <= 1e12).collect();
    let samples: Vec<f32> = rows.iter().map(|(single, _)| f32::from_bits(*single)).collect();
    let mut place = Place::with_clips(0);
    place.add("floats.wav", &place::float_wav(&samples));
    let wave = FrontEnd::wave();
    let request = FeatureRequest { front_ends: vec![&wave], ..FeatureRequest::default() };
    let report = place.cache(true).load(&place.clips(), &request, || {}).unwrap();
    let kept = values(report.clips[0].as_ref().unwrap().features[0].view());
    assert_eq!((kept.len(), rows.len() > 400), (rows.len(), true));
    for (kept, (single, half)) in kept.into_iter().zip(rows) {
        let half = half::f16::from_bits(half);
        assert_eq!(kept.to_bits(), half.to_f32().to_bits(), "{} to {half}, not {kept}", f32::from_bits(single));
    }
}

#[test]
fn a_place_that_cannot_be_a_cache_is_named() {
    let place = Place::with_clips(1);
    let file = place.folder().join("a file");
    std::fs::write(&file, b"").unwrap();
    let fault = FeatureCache::open(&file.join("cache"), false).unwrap_err().to_string();
    assert!(fault.contains("a file"), "{fault}");
    // Files occupy the paths of the entries' folders.
    let cache = place.cache(false);
    let hex = BTreeSet::from_iter("0123456789abcdef".chars());
    for (a, b) in hex.iter().flat_map(|a| hex.iter().map(move |b| (a, b))) {
        std::fs::write(place.folder().join(format!("cache/{a}{b}")), b"").unwrap();
    }
    let logmel = FrontEnd::logmel();
    let fault = cache
        .load(&place.clips(), &FeatureRequest { front_ends: vec![&logmel], ..FeatureRequest::default() }, || {})
        .unwrap_err();
    assert!(!fault.is_of_the_clip() && fault.to_string().contains("cache"), "{fault}");
    assert!(Path::new(&place.clips()[0].0).exists());
}
