//! Bundles: writing, opening, and damage of every kind; and tagging clips of unusual lengths and
//! rates.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundles;

use std::path::Path;

use bundles::common::uniform;
use bundles::{FILES, LABELS, clip, open, refused, rewrite, write};
use earmark_audio::{Clip, write_wav};
use earmark_tagging::{Bundle, BundleFault, SUMS, TaggingError, Warning};

#[test]
fn clips_of_any_length_and_rate_are_tagged() {
    for stack in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), stack);
        let tagger = open(folder.path()).unwrap();
        assert_eq!(tagger.labels(), LABELS);
        let mut answers: Vec<Vec<f32>> = Vec::new();
        for seconds in [0.05, 1.5, 7.0] {
            for rate in [8_000, 48_000] {
                let what = format!("{seconds} s at {rate} Hz, stack: {stack}");
                let clip = clip(seconds, rate);
                let probabilities = tagger.probabilities(&clip, Path::new("clip")).unwrap();
                assert_eq!(probabilities.len(), LABELS.len(), "{what}");
                assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)), "{what}: {probabilities:?}");
                assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{what}: {probabilities:?}");
                assert_eq!(tagger.probabilities(&clip, Path::new("clip")).unwrap(), probabilities, "{what}, again");
                answers.push(probabilities);
            }
        }
        answers.dedup();
        assert!(answers.len() > 1, "the answer does not depend on the sound, stack: {stack}");
    }
}

#[test]
fn files_give_sorted_tags_and_silence_has_some_too() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let tagger = open(folder.path()).unwrap();
    let path = folder.path().join("sound.wav");
    let silence = Clip { samples: vec![0.0; 30_000], sample_rate: 44_100 };
    for clip in [clip(2.2, 22_050), silence] {
        write_wav(&path, &clip).unwrap();
        let tags = tagger.tag_file(&path).unwrap().tags;
        let mut labels: Vec<&str> = tags.iter().map(|tag| tag.label.as_str()).collect();
        labels.sort_unstable();
        assert_eq!(labels, LABELS);
        assert!(tags.is_sorted_by(|a, b| a.score >= b.score), "{tags:?}");
        let decoded = earmark_audio::decode(&path, &tagger.limits).unwrap();
        let best = tagger.probabilities(&decoded, &path).unwrap().into_iter().fold(0.0, f32::max);
        assert_eq!(tags[0].score, best);
    }
}

#[test]
fn a_clip_without_finite_samples_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false);
    let tagger = open(folder.path()).unwrap();
    for (samples, rate) in
        [(vec![], 22_050), (vec![], 8_000), (vec![0.0, f32::NAN, 0.0], 22_050), (vec![f32::INFINITY; 90], 8_000)]
    {
        let error = tagger.probabilities(&Clip { samples, sample_rate: rate }, Path::new("some/clip.wav")).unwrap_err();
        assert!(error.to_string().contains("clip.wav"), "{rate} Hz: {error}");
    }
    for rate in [8_000, 16_000, 22_050] {
        // Far above full scale, up to the limit of 32 bits: returns probabilities or an error,
        // never NaN.
        for size in [1e3, 1e10, 1e19, 1e21, f32::MAX] {
            let samples = uniform("loud", 4_000).into_iter().map(|value| value * size).collect();
            match tagger.probabilities(&Clip { samples, sample_rate: rate }, Path::new("loud.wav")) {
                Ok(probabilities) => assert!(
                    probabilities.iter().all(|p| (0.0..=1.0).contains(p)),
                    "{size:e} at {rate} Hz: {probabilities:?}"
                ),
                Err(error) => println!("{size:e} at {rate} Hz: {error}"),
            }
        }
    }
    let error = tagger.tag_file(&folder.path().join("README.md")).unwrap_err();
    assert!(matches!(error, TaggingError::Audio(_)) && error.to_string().contains("README.md"), "{error}");
}

/// Whether an error is a given fault of a given file.
fn is(error: &TaggingError, file: &str, of: impl Fn(&BundleFault) -> bool) -> bool {
    matches!(error, TaggingError::Bundle { path, fault } if (file.is_empty() || path.ends_with(file)) && of(fault))
}

#[test]
fn a_flipped_bit_is_found_in_every_file() {
    for name in FILES {
        for place in [0.0, 0.5, 1.0] {
            let error = refused(|folder| {
                let mut bytes = std::fs::read(folder.join(name)).unwrap();
                let at = ((bytes.len() - 1) as f64 * place) as usize;
                bytes[at] ^= 1;
                std::fs::write(folder.join(name), bytes).unwrap();
            });
            assert!(is(&error, name, |fault| matches!(fault, BundleFault::Checksum)), "{name}: {error}");
        }
    }
}

#[test]
fn a_flipped_bit_is_found_in_the_sums() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), true);
    let sums = folder.path().join(SUMS);
    let whole = std::fs::read(&sums).unwrap();
    assert_eq!(String::from_utf8(whole.clone()).unwrap().lines().count(), FILES.len(), "every file has a sum");
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            std::fs::write(&sums, bytes).unwrap();
            let error = Bundle::read(folder.path()).map(|_| ());
            assert!(error.is_err(), "byte {at}, {:?}, bit {bit}", char::from(whole[at]));
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    for name in FILES {
        let error = refused(|folder| std::fs::remove_file(folder.join(name)).unwrap());
        assert!(is(&error, name, |fault| matches!(fault, BundleFault::Lost)), "{name}: {error}");
    }
    let error = refused(|folder| std::fs::remove_file(folder.join(SUMS)).unwrap());
    assert!(is(&error, "", |fault| matches!(fault, BundleFault::Unfinished)), "{error}");
    let error = refused(|folder| std::fs::remove_dir_all(folder).unwrap());
    assert!(is(&error, "", |fault| matches!(fault, BundleFault::Missing)), "{error}");
}

#[test]
fn a_folder_that_is_being_written_anew_is_no_bundle() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false);
    let first = Bundle::read(folder.path()).unwrap();
    write(folder.path(), true);
    let second = Bundle::read(folder.path()).unwrap();
    assert!(first.0.stack.is_none() && second.0.stack.is_some());
    // A folder in place of a file makes writing fail halfway, and the folder is no longer a bundle.
    std::fs::remove_file(folder.path().join("fine.onnx")).unwrap();
    std::fs::create_dir(folder.path().join("fine.onnx")).unwrap();
    assert!(second.0.write(folder.path(), second.1).is_err());
    let error = Bundle::read(folder.path()).unwrap_err();
    assert!(is(&error, "", |fault| matches!(fault, BundleFault::Unfinished)), "{error}");
}

#[test]
fn a_form_of_another_version_is_named() {
    // The two formats of the development versions.
    for format in ["1", "2"] {
        let error = refused(|folder| {
            bundles::edit(folder, |config| drop(config.as_object_mut().unwrap().remove("resampler")));
            rewrite(folder, r#""format":2"#, &format!(r#""format":{format}, "unknown":0"#));
        });
        assert!(is(&error, "config.json", |fault| matches!(fault, BundleFault::Development)), "{error}");
        assert!(error.to_string().contains("run `earmark stack RUN`"), "{error}");
    }
    let version = format!(r#""earmark": "{}""#, env!("CARGO_PKG_VERSION"));
    for (format, earmark) in [("3", "1.4.0"), ("18446744073709551615", "2.0.0")] {
        let error = refused(|folder| {
            rewrite(folder, r#""format": 2"#, &format!(r#""format": {format}, "new_key": 3"#));
            rewrite(folder, &version, &format!(r#""earmark": "\u001b{earmark}""#));
        });
        let newer = |fault: &BundleFault| {
            let BundleFault::Newer { format: of, earmark: by } = fault else { return false };
            of.to_string() == format && by == earmark
        };
        assert!(is(&error, "config.json", newer), "{error}");
        assert!(error.to_string().contains(&format!("update Earmark to at least version {earmark}")), "{error}");
    }
    let error = refused(|folder| rewrite(folder, r#""format": 2"#, r#""format": 0"#));
    assert!(is(&error, "config.json", |fault| matches!(fault, BundleFault::Setting { .. })), "{error}");
}

#[test]
fn silence_is_tagged_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), false);
    let tagger = open(folder.path()).unwrap();
    let warnings = |name: &str, channels: u16, samples: &[i16]| {
        let path = folder.path().join(name);
        std::fs::write(&path, pcm(channels, samples)).unwrap();
        let tagged = tagger.tag_file(&path).unwrap();
        assert_eq!(tagged.tags.len(), LABELS.len());
        tagged.warnings
    };
    let tone: Vec<i16> = (0..8_000).map(|n| ((0.2 * f64::from(n)).sin() * 9_000.0) as i16).collect();
    let pairs = |second: fn(i16) -> i16| tone.iter().flat_map(|&s| [s, second(s)]).collect::<Vec<i16>>();
    assert_eq!(warnings("tone.wav", 1, &tone), []);
    assert_eq!(warnings("both.wav", 2, &pairs(|s| s)), []);
    assert_eq!(warnings("left.wav", 2, &pairs(|_| 0)), []);
    assert_eq!(warnings("zeros.wav", 1, &[0; 8_000]), [Warning::Silent { peak: 0.0 }]);
    assert_eq!(warnings("constant.wav", 2, &[12_000; 16_000]), [Warning::Silent { peak: 0.0 }]);
    assert_eq!(warnings("one.wav", 1, &[12_000]), [Warning::Short { samples: 1 }]);
    let cancelling = warnings("cancelling.wav", 2, &pairs(|s| -s));
    assert!(matches!(cancelling[..], [Warning::Cancelling { peak }] if peak > 0.25), "{cancelling:?}");
}

/// A WAV file of 16-bit samples at 16 kHz.
fn pcm(channels: u16, samples: &[i16]) -> Vec<u8> {
    let mut wav = earmark_audio::wav(&Clip { samples: vec![0.0; samples.len()], sample_rate: 16_000 }).unwrap();
    wav[22..24].copy_from_slice(&channels.to_le_bytes());
    wav[28..32].copy_from_slice(&(32_000 * u32::from(channels)).to_le_bytes());
    wav[32..34].copy_from_slice(&(2 * channels).to_le_bytes());
    wav.truncate(44);
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}
