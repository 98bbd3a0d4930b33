//! Time and memory of long clips: 15, 30 and 60 minutes of WAV at 44,100 Hz to features on disk,
//! each front end alone and all at once, on one thread in a separate process; best of two rounds.
//!
//! `cargo bench -p earmark-loader --bench hour`
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use earmark_audio::{Clip, write_wav};
use earmark_features::{FrontEnd, MfccStatistics};
use earmark_loader::{FeatureCache, FeatureRequest};

const MINUTES: [usize; 3] = [15, 30, 60];
const KINDS: [&str; 5] = ["log-mel", "MFCC", "wave", "statistics", "all"];
const ROUNDS: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--load") {
        return load(Path::new(&arguments[at + 1]), &arguments[at + 2]);
    }
    let place = tempfile::tempdir().unwrap();
    for minutes in MINUTES {
        let draw = |n: usize| ((n as u32).wrapping_mul(2_654_435_761) >> 16) as f32 / 131_072.0 - 0.25;
        let samples = (0..minutes * 60 * 44_100).map(draw).collect();
        write_wav(&place.path().join(format!("{minutes}.wav")), &Clip { samples, sample_rate: 44_100 }).unwrap();
    }
    println!("seconds, and MB of memory at most (VmHWM)");
    println!("{:<12} {:>15} {:>15} {:>15} {:>12} {:>12}", "", "15 min", "30 min", "60 min", "30/15 min", "60/30 min");
    for kind in KINDS {
        let mut best = [(f64::MAX, f64::MAX); MINUTES.len()];
        for _ in 0..ROUNDS {
            for (best, minutes) in best.iter_mut().zip(MINUTES) {
                let path = place.path().join(format!("{minutes}.wav"));
                let output = Command::new(std::env::current_exe().unwrap()).arg("--load").arg(path).arg(kind).output();
                let printed = String::from_utf8(output.unwrap().stdout).unwrap();
                let (seconds, megabytes) = printed.trim().split_once(' ').unwrap();
                *best = (best.0.min(seconds.parse().unwrap()), best.1.min(megabytes.parse().unwrap()));
            }
        }
        let printed = best.map(|(seconds, megabytes)| format!("{seconds:.1} s, {megabytes:.0} MB"));
        let (first, second) = (best[1].0 / best[0].0, best[2].0 / best[1].0);
        println!("{kind:<12} {:>15} {:>15} {:>15} {first:>12.2} {second:>12.2}", printed[0], printed[1], printed[2]);
    }
}

/// Loads a file with an empty cache, and prints seconds and megabytes.
fn load(path: &Path, kind: &str) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let place = tempfile::tempdir().unwrap();
    let (logmel, mfcc, wave, statistics) =
        (FrontEnd::logmel(), FrontEnd::mfcc(), FrontEnd::wave(), MfccStatistics::default());
    let front_ends = [("log-mel", &logmel), ("MFCC", &mfcc), ("wave", &wave)];
    let request = FeatureRequest {
        front_ends: front_ends.iter().filter(|(name, _)| [name, "all"].contains(&kind)).map(|(_, it)| *it).collect(),
        statistics: ["statistics", "all"].contains(&kind).then_some(&statistics),
        ..FeatureRequest::default()
    };
    let start = Instant::now();
    let sum = earmark_files::sha256_file(path).unwrap();
    let cache = FeatureCache::open(place.path(), false).unwrap();
    let report = cache.load(&[(path, sum.as_str())], &request, || {}).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(report.clips[0].is_ok());
    // The kernel's count of peak memory; 0 on systems without it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    let kilobytes: f64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    println!("{seconds} {}", kilobytes / 1024.0);
}
