//! One cache and several processes: two that build it at once, killed ones, and ones with little
//! disk space or few file descriptors.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod place;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use earmark_features::FrontEnd;
use earmark_loader::{FeatureCache, FeatureRequest, LoadReport};
use place::{Place, extracted, front_ends, same, statistics, values};

/// The variable that passes the folder of a [`Place`] to the process that runs [`child`].
const FOLDER: &str = "EARMARK_TEST_CACHE";

/// Loads all clips of a folder with all front ends. The other tests run it as a separate process.
#[test]
#[ignore = "the other tests run it"]
fn child() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let folder = Path::new(&folder);
    let mut clips: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    clips.retain(|path| path.is_file());
    let clips: Vec<_> = clips.into_iter().map(|path| (earmark_files::sha256_file(&path).unwrap(), path)).collect();
    let clips: Vec<_> = clips.iter().map(|(sha256, path)| (path.as_path(), sha256.as_str())).collect();
    let (front_ends, statistics) = (front_ends(), statistics());
    let request = FeatureRequest {
        front_ends: front_ends.iter().collect(),
        statistics: Some(&statistics),
        ..FeatureRequest::default()
    };
    let cache = FeatureCache::open(&folder.join("cache"), false).unwrap();
    let report = cache.load(&clips, &request, || {}).unwrap_or_else(|error| panic!("{error}"));
    // All clips are in use at once here.
    let frames: usize = report.clips.iter().map(|clip| clip.as_ref().unwrap().features[2].view().frames()).sum();
    println!("{} clips, {frames} samples, {} made", report.clips.len(), report.made);
}

/// [`child`] under a limit of the shell's `ulimit`.
fn process(place: &Place, limit: &str) -> Child {
    let shell = format!("trap '' XFSZ; {limit} exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &shell]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env(FOLDER, place.folder());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Loads the clips in this process, and checks every bit.
fn load(place: &Place) -> LoadReport {
    let (front_ends, statistics) = (front_ends(), statistics());
    let request = FeatureRequest {
        front_ends: front_ends.iter().collect(),
        statistics: Some(&statistics),
        ..FeatureRequest::default()
    };
    let report = place.cache(false).load(&place.clips(), &request, || {}).unwrap();
    for (clip, (path, _)) in report.clips.iter().zip(place.clips()) {
        for (front_end, features) in front_ends.iter().zip(&clip.as_ref().unwrap().features) {
            assert!(same(&values(features.view()), &extracted(path, front_end).data), "{front_end:?}");
        }
    }
    report
}

/// The temporary files in the cache.
fn temporary(place: &Place) -> Vec<std::path::PathBuf> {
    place.files().into_keys().filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
}

#[test]
fn two_processes_build_one_cache() {
    let place = Place::with_clips(24);
    let both = [process(&place, ""), process(&place, "")];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && printed(&output).contains("24 clips"), "{}", printed(&output));
    }
    let report = load(&place);
    assert_eq!((report.made, report.repaired.len(), place.files().len()), (0, 0, 24 * 4));
    assert_eq!(report.bytes, place.bytes());
}

#[test]
fn a_killed_process_leaves_a_good_cache() {
    let mut missing = 0;
    for wait_for in [1, 5, 20, 60] {
        let place = Place::with_clips(24);
        std::fs::create_dir(place.folder().join("cache")).unwrap();
        let mut child = process(&place, "");
        while place.files().len() < wait_for {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it had made {wait_for} entries");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let report = load(&place);
        assert!(report.repaired.is_empty(), "an entry is whole or not there: {:?}", report.repaired);
        missing += report.made;
        let left = temporary(&place);
        assert_eq!(place.files().len(), 24 * 4 + left.len());
        // Until a minute after the last write, they may belong to a running process that has not
        // locked them yet.
        place.cache(false);
        assert_eq!(temporary(&place), left);
        left.iter().for_each(|path| age(path));
        place.cache(false);
        assert_eq!((temporary(&place).len(), place.files().len()), (0, 24 * 4));
    }
    assert!(missing > 0, "no process was killed in time");
}

/// Sets a file's modification time to a minute ago.
fn age(path: &Path) {
    let minute = SystemTime::now() - Duration::from_secs(60);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(minute).unwrap();
}

#[test]
fn what_a_living_process_writes_is_not_swept() {
    let place = Place::with_clips(24);
    std::fs::create_dir(place.folder().join("cache")).unwrap();
    let mut child = process(&place, "");
    let (mut swept_under, mut old) = (0, BTreeSet::new());
    while child.try_wait().unwrap().is_none() {
        for path in temporary(&place) {
            // It may be renamed or removed meanwhile. A file that is not locked yet keeps its
            // modification time.
            if let Ok(file) = std::fs::File::options().write(true).open(&path)
                && matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
            {
                file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
                old.insert(path);
            }
        }
        place.cache(false);
        swept_under += usize::from(!old.is_empty());
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && printed(&output).contains("24 clips"), "{}", printed(&output));
    assert!(swept_under > 0, "no file was swept while it was written");
    assert_eq!((temporary(&place).len(), load(&place).made), (0, 0));
}

#[test]
fn a_full_disk_is_an_error_and_leaves_no_partial_file() {
    let place = Place::with_clips(8);
    // A limit on the file size simulates a full disk: the entries of the wave are larger, and some
    // are half written when the limit is reached.
    let output = process(&place, "ulimit -f 64;").wait_with_output().unwrap();
    let printed = printed(&output);
    assert!(!output.status.success() && printed.contains("cannot write") && printed.contains("cache"), "{printed}");
    assert!(printed.contains("File too large"), "{printed}");
    assert_eq!(temporary(&place), Vec::<std::path::PathBuf>::new());
    let report = load(&place);
    assert!(report.repaired.is_empty() && report.made > 0);
}

#[test]
fn more_clips_than_files_may_be_open() {
    let mut place = Place::with_clips(0);
    for clip in 0..1_100u32 {
        let samples: Vec<f32> = (0..600).map(|at| ((at * 31 + clip) % 1_999) as f32 / 1_999.0).collect();
        place.add(&format!("{clip}.wav"), &place::float_wav(&samples));
    }
    for made in [4_400, 0] {
        let output = process(&place, "ulimit -n 40;").wait_with_output().unwrap();
        let expected = format!("1100 clips, {} samples, {made} made", 1_100 * 600);
        assert!(output.status.success() && printed(&output).contains(&expected), "{}", printed(&output));
    }
}

#[test]
fn a_cache_that_may_only_be_read_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_clips(2);
    let (logmel, wave) = (FrontEnd::logmel(), FrontEnd::wave());
    let load = |front_end| {
        place.cache(false).load(
            &place.clips(),
            &FeatureRequest { front_ends: vec![front_end], ..FeatureRequest::default() },
            || {},
        )
    };
    assert_eq!(load(&logmel).unwrap().made, 2);
    let folders = || {
        let below = std::fs::read_dir(place.folder().join("cache")).unwrap().map(|folder| folder.unwrap().path());
        below.chain([place.folder().join("cache")]).collect::<Vec<_>>()
    };
    let allow = |mode: u32| {
        folders().iter().for_each(|path| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap());
    };
    allow(0o555);
    let mine = std::fs::write(place.folder().join("cache/probe"), b"").is_ok();
    assert_eq!(load(&logmel).unwrap().made, 0);
    let denied = load(&wave);
    allow(0o755);
    if mine {
        return eprintln!("the superuser may write anywhere: skipped");
    }
    let error = denied.unwrap_err();
    assert!(!error.is_of_the_clip() && error.to_string().contains("ermission denied"), "{error}");
}
