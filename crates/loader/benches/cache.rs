//! From sound files to features on disk: ESC-10's 400 clips of 5 s, as Ogg and as WAV, on two
//! threads; seconds of the best of five rounds. The peer is librosa in two processes, measured in
//! the same rounds: the time with warm processes, and the time of the whole script including its
//! start.
//!
//! `EARMARK_ESC10=FOLDER cargo bench -p earmark-loader --bench cache`; EARMARK_PYTHON (or
//! `python3`) must have librosa. The output goes to TMPDIR. Set it to `/dev/shm` to exclude the
//! disk, and other load on it, from the measurement.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use earmark_audio::{Limits, decode, write_wav};
use earmark_datasets::sound_files;
use earmark_features::{FrontEnd, MfccStatistics};
use earmark_loader::{FeatureCache, FeatureRequest};
use rayon::prelude::*;

const ROUNDS: usize = 5;

fn main() {
    let Some(folder) = std::env::var_os("EARMARK_ESC10") else { return println!("EARMARK_ESC10 is not set: skipped") };
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    let place = tempfile::tempdir().unwrap();
    let ogg = sound_files(Path::new(&folder)).unwrap();
    let wav: Vec<PathBuf> = (0..ogg.len()).map(|at| place.path().join(format!("{at}.wav"))).collect();
    ogg.par_iter().zip(&wav).for_each(|(ogg, wav)| write_wav(wav, &decode(ogg, &Limits::default()).unwrap()).unwrap());

    let (logmel, mfcc, wave, statistics) =
        (FrontEnd::logmel(), FrontEnd::mfcc(), FrontEnd::wave(), MfccStatistics::default());
    let only = FeatureRequest { front_ends: vec![&logmel], ..FeatureRequest::default() };
    let all = FeatureRequest {
        front_ends: vec![&logmel, &mfcc, &wave],
        statistics: Some(&statistics),
        ..FeatureRequest::default()
    };
    println!("{} clips to log-mel with deltas, two threads or processes; seconds", ogg.len());
    println!(
        "{:<4} {:>5} {:>8} {:>6} {:>7} {:>6} {:>14} {:>9} {:>15}",
        "", "ours", "librosa", "ratio", "script", "ratio", "ours, 16 bits", "from disk", "all front ends"
    );
    for (kind, paths) in [("Ogg", &ogg), ("WAV", &wav)] {
        // Ours, the peer, the peer's whole script, ours in 16 bits, ours from the cache, and ours
        // with every front end of the paper.
        let mut best = [f64::NAN; 6];
        for _ in 0..ROUNDS {
            let place = tempfile::tempdir().unwrap();
            let cache = |name: &str| place.path().join(name);
            let ours = build(&cache("32 bits"), paths, &only, false, true);
            let (librosa, script) = peer(&cache("librosa"), paths);
            let half = build(&cache("16 bits"), paths, &only, true, true);
            let again = build(&cache("32 bits"), paths, &only, false, false);
            let every = build(&cache("all"), paths, &all, false, true);
            let taken = [ours, librosa, script, half, again, every];
            best.iter_mut().zip(taken).for_each(|(best, taken)| *best = best.min(taken));
        }
        let [ours, librosa, script, half, again, all] = best;
        let (ratio, with_start) = (librosa / ours, script / ours);
        println!(
            "{kind:<4} {ours:>5.2} {librosa:>8.2} {ratio:>6.2} {script:>7.2} {with_start:>6.2} {half:>14.2} \
             {again:>9.2} {all:>15.2}"
        );
    }
}

/// Seconds from the file names to the features on disk (`making`), or from the cache to memory.
fn build(cache: &Path, paths: &[PathBuf], request: &FeatureRequest<'_>, half: bool, making: bool) -> f64 {
    let start = Instant::now();
    let sums: Vec<String> = paths.par_iter().map(|path| earmark_files::sha256_file(path).unwrap()).collect();
    let clips: Vec<(&Path, &str)> = paths.iter().zip(&sums).map(|(path, sum)| (path.as_path(), sum.as_str())).collect();
    let cache = FeatureCache::open(cache, half).unwrap();
    let report = cache.load(&clips, request, || {}).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(report.clips.iter().all(Result::is_ok) && (report.made > 0) == making);
    seconds
}

/// Seconds that librosa takes with warm processes, and seconds of the whole script; NaN if librosa
/// is missing.
fn peer(out: &Path, paths: &[PathBuf]) -> (f64, f64) {
    let python = std::env::var("EARMARK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    std::fs::create_dir_all(out).unwrap();
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/cache.py")).arg(out);
    let start = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let list: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    // Ignore errors: a peer that failed to start does not read its input.
    child.stdin.take().unwrap().write_all(list.join("\n").as_bytes()).unwrap_or_default();
    let output = child.wait_with_output().unwrap();
    let seconds = String::from_utf8(output.stdout).unwrap().trim().parse();
    seconds.map_or((f64::NAN, f64::NAN), |seconds| (seconds, start.elapsed().as_secs_f64()))
}
