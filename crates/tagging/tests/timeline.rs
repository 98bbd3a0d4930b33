//! Long sounds, and tags over time.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundles;

use std::path::{Path, PathBuf};

use bundles::{clip, write};
use earmark_audio::{AudioError, Clip, write_wav};
use earmark_tagging::{Bundle, Parallelism, Part, ScoredWindow, Tagger, TaggingError, Timeline, TimelinePart, Warning};

/// Taggers of a bundle, of one thread and of three.
fn taggers(folder: &Path) -> [Tagger; 2] {
    write(folder, false);
    opened(folder)
}

fn opened(folder: &Path) -> [Tagger; 2] {
    [1, 3].map(|threads| Tagger::open(folder, Parallelism::split(threads, usize::MAX)).unwrap())
}

/// The windows of files, each with its length in seconds; none for a file that cannot be decoded.
fn windows(tagger: &Tagger, paths: &[PathBuf], timeline: Timeline) -> Vec<Option<(Vec<ScoredWindow>, f64)>> {
    let (mut files, mut open) = (Vec::new(), Vec::new());
    tagger
        .timelines(paths, timeline, |index, part| {
            assert_eq!(index, files.len());
            match part {
                TimelinePart::Windows(windows) => open.extend(windows),
                TimelinePart::End { seconds, .. } => files.push(Some((std::mem::take(&mut open), seconds))),
                TimelinePart::Failed(_) => files.push(None),
            }
            Ok::<(), ()>(())
        })
        .unwrap();
    files
}

#[test]
fn a_long_sound_is_the_mean_of_its_minutes() {
    let folder = tempfile::tempdir().unwrap();
    let [one, three] = taggers(folder.path());
    let long = clip(145.0, 16_000);
    let path = folder.path().join("long.wav");
    write_wav(&path, &long).unwrap();
    let decoded = earmark_audio::decode(&path, &one.limits).unwrap();
    let whole = one.probabilities(&decoded, &path).unwrap();
    let rate = decoded.sample_rate as usize;
    // Resampling sees the sound beyond the ends of a minute, which changes little.
    let part = |from: usize, to: usize| {
        let samples = decoded.samples[from * rate..to * rate].to_vec();
        one.probabilities(&Clip { samples, sample_rate: decoded.sample_rate }, &path).unwrap()
    };
    let parts = [(part(0, 60), 60.0), (part(60, 120), 60.0), (part(120, 145), 25.0)];
    for (class, ours) in whole.iter().enumerate() {
        let mean = parts.iter().map(|(of, seconds)| of[class] * seconds).sum::<f32>() / 145.0;
        assert!((ours - mean).abs() < 2e-3, "{ours}, not {mean}");
    }
    assert!(parts[0].0[0] != parts[1].0[0]);
    let scores = |tagger: &Tagger| {
        let mut scores = Vec::new();
        tagger
            .tag_files(std::slice::from_ref(&path), |_, tagged| {
                scores.extend(tagged.unwrap().tags.iter().map(|tag| tag.score));
                Ok::<(), ()>(())
            })
            .unwrap();
        scores
    };
    assert_eq!(scores(&one), scores(&three));
}

#[test]
fn a_window_is_tagged_as_a_clip() {
    let folder = tempfile::tempdir().unwrap();
    // One front end, and sounds of its rate, so that nothing is resampled.
    let of_two = folder.path().join("two");
    write(&of_two, false);
    let (mut bundle, files) = Bundle::read(&of_two).unwrap();
    bundle.learners.truncate(1);
    bundle.write(folder.path(), files).unwrap();
    let taggers = opened(folder.path());
    let lengths = [5.25, 0.4, 1.0, 40.0];
    let path = |index: usize| folder.path().join(format!("{index}.wav"));
    let mut paths: Vec<PathBuf> = (0..lengths.len()).map(path).collect();
    for (path, seconds) in paths.iter().zip(lengths) {
        write_wav(path, &clip(seconds, 22_050)).unwrap();
    }
    paths.insert(1, folder.path().join("README.md"));
    std::fs::write(&paths[1], "no sound").unwrap();
    let timeline = Timeline::new(1.0, 0.5).unwrap();
    let found = windows(&taggers[0], &paths, timeline);
    for (tagger, paths) in [(&taggers[1], &paths[..]), (&taggers[1], &paths[..2])] {
        assert_eq!(windows(tagger, paths, timeline), found[..paths.len()]);
    }
    let times = |file: usize| {
        let (windows, seconds) = found[file].as_ref().unwrap();
        (windows.iter().map(|window| (window.start, window.end)).collect::<Vec<_>>(), *seconds)
    };
    let last = ((5.25 - 1.0) * 22_050_f64).round() / 22_050.0;
    let starts = (0..9).map(|place| 0.5 * f64::from(place)).chain([last]);
    assert_eq!(times(0).1, 115_762.0 / 22_050.0);
    for ((start, end), expected) in times(0).0.into_iter().zip(starts) {
        assert!((start - expected).abs() < 1e-4 && (end - start - 1.0).abs() < 1e-9, "{start}, not {expected}");
    }
    assert_eq!(times(0).0.len(), 10);
    assert_eq!(times(0).0[9].1, times(0).1, "the last window ends where the sound ends");
    assert!(found[1].is_none());
    assert_eq!(times(2), (vec![(0.0, 0.4)], 0.4), "a short sound is one window");
    assert_eq!(times(3), (vec![(0.0, 1.0)], 1.0));
    assert_eq!(times(4).0.len(), 79);
    for file in [0, 4] {
        let decoded = earmark_audio::decode(&paths[file], &taggers[0].limits).unwrap();
        for window in &found[file].as_ref().unwrap().0 {
            let [start, end] = [window.start, window.end].map(|seconds| (seconds * 22_050.0).round() as usize);
            let cut = Clip { samples: decoded.samples[start..end].to_vec(), sample_rate: 22_050 };
            assert_eq!(taggers[0].probabilities(&cut, &paths[file]).unwrap(), window.probabilities);
        }
    }
}

#[test]
fn a_sound_that_is_damaged_in_the_middle_fails_after_its_windows() {
    let folder = tempfile::tempdir().unwrap();
    let taggers = taggers(folder.path());
    let path = folder.path().join("damaged.wav");
    write_wav(&path, &clip(60.0, 22_050)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    for tagger in &taggers {
        for paths in [vec![path.clone()], vec![path.clone(); 4]] {
            let (mut failed, mut ends) = (0, 0);
            let done = tagger.timelines(&paths, Timeline::new(1.0, 1.0).unwrap(), |_, part| {
                match part {
                    TimelinePart::Failed(error) => {
                        assert!(matches!(error, TaggingError::Audio(_)), "{error}");
                        failed += 1;
                    }
                    TimelinePart::End { .. } => ends += 1,
                    TimelinePart::Windows(_) => {}
                }
                Ok::<(), ()>(())
            });
            assert_eq!((done, failed, ends), (Ok(()), paths.len(), 0));
        }
    }
}

#[test]
fn a_sound_that_is_damaged_at_its_end_fails_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.raw");
    // A minute, and a byte of the next sample.
    std::fs::write(&path, vec![0; 2 * 60 * 16_000 + 1]).unwrap();
    for mut tagger in taggers(folder.path()) {
        tagger.part.raw = Some("16000,1,s16le".parse().unwrap());
        let (mut windows, mut failed) = (0, 0);
        let done = tagger.timelines(std::slice::from_ref(&path), Timeline::new(1.0, 1.0).unwrap(), |_, part| {
            match part {
                TimelinePart::Windows(of) => windows += of.len(),
                TimelinePart::Failed(TaggingError::Audio(AudioError::Damaged { .. })) => failed += 1,
                other => panic!("{other:?}"),
            }
            Ok::<(), ()>(())
        });
        assert_eq!((done, failed), (Ok(()), 1));
        assert!(windows <= 60);
        assert!(matches!(tagger.tag_file(&path), Err(TaggingError::Audio(AudioError::Damaged { .. }))));
    }
}

#[test]
fn whoever_has_enough_ends_a_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let taggers = taggers(folder.path());
    let path = folder.path().join("long.wav");
    write_wav(&path, &clip(60.0, 22_050)).unwrap();
    for tagger in &taggers {
        for paths in [vec![path.clone()], vec![path.clone(); 50]] {
            let done = tagger.timelines(&paths, Timeline::new(0.5, 0.5).unwrap(), |_, _| Err("enough"));
            assert_eq!(done, Err("enough"));
        }
    }
}

#[test]
fn windows_out_of_range_are_named() {
    let key = |window, hop| match Timeline::new(window, hop) {
        Err(TaggingError::Timeline { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    for window in [0.0, -1.0, 61.0, f64::NAN] {
        assert_eq!(key(window, 0.5), "window");
    }
    for hop in [0.0, 1.1, f64::NAN, -0.5] {
        assert_eq!(key(1.0, hop), "hop");
    }
}

#[test]
fn a_part_of_a_sound_is_tagged_with_its_own_times() {
    let folder = tempfile::tempdir().unwrap();
    let [mut one, mut three] = taggers(folder.path());
    let path = folder.path().join("long.wav");
    let long = clip(80.0, 22_050);
    write_wav(&path, &long).unwrap();
    let decoded = earmark_audio::decode(&path, &one.limits).unwrap();
    let cut = |from: usize, to: usize| Clip { samples: decoded.samples[from..to].to_vec(), sample_rate: 22_050 };
    let expected = one.probabilities(&cut(3 * 22_050, 70 * 22_050), &path).unwrap();
    let timeline = Timeline::new(1.0, 0.5).unwrap();
    for tagger in [&mut one, &mut three] {
        tagger.part = Part { start: 3.0, end: Some(70.0), channel: None, ..Part::default() };
        let tagged = tagger.tag_file(&path).unwrap();
        assert_eq!(tagged.seconds, 67.0);
        for tag in tagged.tags {
            let class = bundles::LABELS.iter().position(|label| *label == tag.label).unwrap();
            assert!((tag.score - expected[class]).abs() < 1e-5);
        }
        tagger.part = Part { start: 10.25, end: Some(12.0), channel: None, ..Part::default() };
        let found = windows(tagger, std::slice::from_ref(&path), timeline);
        let (found, seconds) = found[0].clone().unwrap();
        let times: Vec<_> = found.iter().map(|window| (window.start * 22_050.0).round() as usize).collect();
        assert_eq!((times, seconds), (vec![226_013, 237_038, 242_550], 38_587.0 / 22_050.0));
        for start in [80.0, 1e6] {
            tagger.part = Part { start, end: None, channel: None, ..Part::default() };
            assert!(matches!(tagger.tag_file(&path), Err(TaggingError::Ended { .. })));
        }
    }
    for part in [
        Part { start: -1.0, ..Part::default() },
        Part { start: f64::NAN, ..Part::default() },
        Part { start: 2.0, end: Some(2.0), channel: None, ..Part::default() },
        Part { end: Some(f64::NAN), ..Part::default() },
    ] {
        assert!(matches!(part.validate(), Err(TaggingError::Timeline { .. })), "{part:?}");
    }
}

#[test]
fn one_channel_is_tagged() {
    let folder = tempfile::tempdir().unwrap();
    let [mut tagger, _] = taggers(folder.path());
    let (sound, silence) = (clip(2.0, 22_050), vec![0.0; 44_100]);
    let path = folder.path().join("stereo.wav");
    let frames = silence.iter().zip(&sound.samples).flat_map(|(left, right)| [*left, *right]);
    let data: Vec<u8> = frames.flat_map(f32::to_le_bytes).collect();
    let mut bytes = earmark_audio::wav(&Clip { samples: Vec::new(), sample_rate: 22_050 }).unwrap();
    // 32-bit floats, two channels.
    bytes[4..8].copy_from_slice(&(36 + data.len() as u32).to_le_bytes());
    bytes[20..24].copy_from_slice(&[3, 0, 2, 0]);
    bytes[28..32].copy_from_slice(&(22_050_u32 * 8).to_le_bytes());
    bytes[32..36].copy_from_slice(&[8, 0, 32, 0]);
    bytes[40..44].copy_from_slice(&(data.len() as u32).to_le_bytes());
    bytes.extend(data);
    std::fs::write(&path, bytes).unwrap();
    let expected = tagger.probabilities(&sound, &path).unwrap();
    let mut tag = |channel| {
        tagger.part.channel = channel;
        tagger.tag_file(&path)
    };
    let second = tag(Some(1)).unwrap();
    for found in &second.tags {
        let class = bundles::LABELS.iter().position(|label| *label == found.label).unwrap();
        assert!((found.score - expected[class]).abs() < 1e-6);
    }
    assert!(matches!(tag(Some(0)).unwrap().warnings[..], [Warning::Silent { .. }]));
    assert_ne!(tag(None).unwrap().tags, second.tags);
    assert!(matches!(tag(Some(2)), Err(TaggingError::Audio(AudioError::NoChannel { channel: 3, channels: 2, .. }))));
}
