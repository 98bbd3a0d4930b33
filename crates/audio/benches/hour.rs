//! CPU time and memory for long files: 15, 30 and 60 minutes at 44,100 Hz, decoded and resampled to
//! 22,050 Hz block by block.
//!
//! `cargo bench -p earmark-audio --bench hour`. For comparison, `benches/hour.py` does the same
//! with libsndfile and soxr if EARMARK_PYTHON (or `python3`) has them; it also writes the FLAC
//! files.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use earmark_audio::{AudioStream, Limits, StreamResampler};

const RATE: u32 = 44_100;
const MINUTES: [u32; 3] = [15, 30, 60];
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--load") {
        return load(Path::new(&arguments[at + 1]));
    }
    let folder = tempfile::tempdir().unwrap();
    let python = std::env::var("EARMARK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/hour.py");
    let peer = |arguments: &[&str]| output(Command::new(&python).arg(&script).args(arguments));
    for minutes in MINUTES {
        write_wav(&folder.path().join(format!("{minutes}.wav")), minutes);
    }
    let has_peer = peer(&["--make-flac", &folder.path().to_string_lossy()]).is_some();
    if !has_peer {
        println!("{python} has no soundfile and soxr: no peer, and no FLAC");
    }
    println!("{:<8} {:>9} {:>8} {:>9} {:>8} {:>7}", "", "ours, s", "MB", "peer, s", "MB", "ratio");
    for kind in if has_peer { &["wav", "flac"][..] } else { &["wav"] } {
        let (mut ours, mut theirs) = ([(f64::MAX, 0.0); MINUTES.len()], [(f64::MAX, 0.0); MINUTES.len()]);
        for _ in 0..ROUNDS {
            for (n, minutes) in MINUTES.into_iter().enumerate() {
                let path = folder.path().join(format!("{minutes}.{kind}"));
                let path = path.to_string_lossy();
                let loaded = output(Command::new(std::env::current_exe().unwrap()).args(["--load", &path])).unwrap();
                ours[n] = better(ours[n], &loaded);
                if has_peer {
                    theirs[n] = better(theirs[n], &peer(&["--load", &path]).unwrap());
                }
            }
        }
        for (minutes, (ours, theirs)) in MINUTES.into_iter().zip(ours.into_iter().zip(theirs)) {
            print!("{minutes:>2}.{kind:<5} {:>9.2} {:>8.1}", ours.0, ours.1);
            match has_peer {
                true => println!(" {:>9.2} {:>8.1} {:>7.2}", theirs.0, theirs.1, theirs.0 / ours.0),
                false => println!(),
            }
        }
        let growth = ours[2].0 / ours[0].0;
        println!("four times the {kind} takes {growth:.2} times as long, and {:+.1} MB", ours[2].1 - ours[0].1);
    }
}

/// Decodes and resamples a file, and prints the time in seconds and the peak memory in megabytes.
fn load(path: &Path) {
    let start = Instant::now();
    let mut stream = AudioStream::open(path, &Limits::default()).unwrap();
    let mut resampler = StreamResampler::new(stream.sample_rate(), 22_050).unwrap();
    let (mut block, mut out, mut samples) = (Vec::new(), Vec::new(), 0);
    while stream.next_block(&mut block).unwrap() {
        out.clear();
        resampler.push(&block, &mut out).unwrap();
        samples += out.len();
    }
    out.clear();
    resampler.finish(&mut out).unwrap();
    samples += out.len();
    assert!(samples > 0 && samples % (60 * 22_050) == 0, "{samples} samples");
    // The peak memory use that the kernel reports; 0 if it reports none.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    let kilobytes: f64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    // CPU time, where the kernel reports it: it excludes the work of other programs.
    let schedule = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds: Option<f64> = schedule.split_whitespace().next().and_then(|number| number.parse().ok());
    let seconds = nanoseconds.map_or(start.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9);
    println!("{seconds} {}", kilobytes / 1024.0);
}

/// The output of a program; none if it fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The shorter of two times, and the larger of the two memory sizes.
fn better(best: (f64, f64), loaded: &str) -> (f64, f64) {
    let numbers: Vec<f64> = loaded.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (best.0.min(numbers[0]), best.1.max(numbers[1]))
}

/// Writes a tone with noise, 16-bit mono.
fn write_wav(path: &Path, minutes: u32) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let samples = minutes * 60 * RATE;
    file.write_all(b"RIFF").unwrap();
    file.write_all(&(36 + 2 * samples).to_le_bytes()).unwrap();
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0").unwrap();
    file.write_all(&RATE.to_le_bytes()).unwrap();
    file.write_all(&(2 * RATE).to_le_bytes()).unwrap();
    file.write_all(b"\x02\0\x10\0data").unwrap();
    file.write_all(&(2 * samples).to_le_bytes()).unwrap();
    let mut noise = 1u32;
    for n in 0..samples {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let tone = 8_000.0 * (0.05 * f64::from(n)).sin();
        let sample = tone as i16 + (noise >> 21) as i16;
        file.write_all(&sample.to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
}
