//! Speed of front ends on a 5 s clip in memory: with one thread, compared with librosa and
//! torchaudio; the share of the Fourier transforms alone; and with two threads.
//!
//! `cargo bench -p earmark-features --bench front_ends -- [ROUNDS]`; `benches/front_ends.py` does
//! the same with librosa and torchaudio if EARMARK_PYTHON (or `python3`) has them. All of them take
//! turns, and the best round of each counts.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use earmark_features::{Extractor, FrontEnd};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

const SECONDS: usize = 5;
const PEERS: [&str; 2] = ["librosa", "torchaudio"];

struct Row {
    name: &'static str,
    json: &'static str,
    sr: usize,
    n_fft: usize,
    hop_length: usize,
}

const ROWS: [Row; 4] = [
    Row { name: "logmel", json: r#"{"kind": "logmel"}"#, sr: 22_050, n_fft: 1764, hop_length: 220 },
    Row {
        name: "logmel44",
        json: r#"{"kind": "logmel", "sr": 44100, "n_fft": 3528, "hop_length": 441}"#,
        sr: 44_100,
        n_fft: 3528,
        hop_length: 441,
    },
    Row { name: "mfcc", json: r#"{"kind": "mfcc"}"#, sr: 22_050, n_fft: 1764, hop_length: 220 },
    Row {
        name: "efficientat",
        json: r#"{"kind": "logmel", "sr": 32000, "preemphasis": 0.97, "n_fft": 1024, "win_length": 800,
            "hop_length": 320, "periodic": false, "pad_mode": "reflect", "n_mels": 128, "fmax": 15000.0, "htk": true,
            "bands": "kaldi", "norm": "none", "log_offset": 1e-5, "deltas": false}"#,
        sr: 32_000,
        n_fft: 1024,
        hop_length: 320,
    },
];

fn main() {
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(60);
    let mut peers = Peers::start();
    println!("times real time, one thread; two threads and the transforms' share of one thread's time");
    println!(
        "{:<11} {:>7} {:>8} {:>6} {:>11} {:>6} {:>11} {:>10}",
        "", "ours", "librosa", "ratio", "torchaudio", "ratio", "two threads", "transforms"
    );
    for row in &ROWS {
        let extractor = serde_json::from_str::<FrontEnd>(row.json).unwrap().extractor().unwrap();
        let samples = sound(SECONDS * row.sr);
        let mut transforms = Transforms::new(row, &samples);
        let mut best = [Duration::MAX; 5];
        for _ in 0..rounds {
            let times = [
                alone(&extractor, &samples),
                peers.run(PEERS[0], row.name),
                peers.run(PEERS[1], row.name),
                transforms.run(),
                together(&extractor, &samples),
            ];
            best.iter_mut().zip(times).for_each(|(best, time)| *best = (*best).min(time));
        }
        let [ours, librosa, torchaudio, transforms, both] = best.map(|time| time.as_secs_f64());
        let speed = |seconds: f64| SECONDS as f64 / seconds;
        println!(
            "{:<11} {:>7.0} {:>8.0} {:>6.2} {:>11.0} {:>6.2} {:>11.2} {:>9.0}%",
            row.name,
            speed(ours),
            speed(librosa),
            librosa / ours,
            speed(torchaudio),
            torchaudio / ours,
            2.0 * ours / both,
            100.0 * transforms / ours,
        );
    }
}

/// 16-bit noise at 10 % of full scale.
fn sound(samples: usize) -> Vec<f32> {
    let mut noise = 1u32;
    let mut next = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((noise >> 16) as f32 - 32_768.0) / 327_680.0
    };
    (0..samples).map(|_| next()).collect()
}

fn alone(extractor: &Extractor, samples: &[f32]) -> Duration {
    let start = Instant::now();
    black_box(extractor.extract(black_box(samples)).unwrap());
    start.elapsed()
}

/// Two threads with two clips each: the time from the common start until both are done, per clip of
/// each thread.
fn together(extractor: &Extractor, samples: &[f32]) -> Duration {
    const CLIPS: u32 = 2;
    let waiting = AtomicUsize::new(2);
    let work = || {
        black_box(extractor.extract(samples).unwrap());
        waiting.fetch_sub(1, Ordering::SeqCst);
        while waiting.load(Ordering::SeqCst) > 0 {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        for _ in 0..CLIPS {
            black_box(extractor.extract(black_box(samples)).unwrap());
        }
        (start, Instant::now())
    };
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(work);
        (work(), second.join().unwrap())
    });
    (first.1.max(second.1) - first.0.min(second.0)) / CLIPS
}

/// Only the Fourier transforms that a clip takes, with two frames in each.
struct Transforms {
    fft: std::sync::Arc<dyn rustfft::Fft<f64>>,
    input: Vec<Complex<f64>>,
    buffer: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    count: usize,
}

impl Transforms {
    fn new(row: &Row, samples: &[f32]) -> Self {
        let fft = FftPlanner::new().plan_fft_forward(row.n_fft);
        let input: Vec<_> = samples[..row.n_fft].iter().map(|x| Complex::new(f64::from(*x), f64::from(-*x))).collect();
        let scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
        let frames = 1 + samples.len() / row.hop_length;
        Transforms { fft, buffer: input.clone(), input, scratch, count: frames.div_ceil(2) }
    }

    fn run(&mut self) -> Duration {
        let once = |_| {
            self.buffer.copy_from_slice(&self.input);
            let start = Instant::now();
            self.fft.process_with_scratch(black_box(&mut self.buffer), &mut self.scratch);
            start.elapsed()
        };
        (0..self.count).map(once).sum()
    }
}

/// The Python process of the peers, which runs a round on request.
struct Peers(Option<(Child, ChildStdin, BufReader<ChildStdout>)>);

impl Peers {
    fn start() -> Self {
        let python = std::env::var("EARMARK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/front_ends.py");
        let mut command = Command::new(&python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = command.spawn().ok().and_then(|mut child| {
            let (stdin, mut stdout) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
            let mut line = String::new();
            stdout.read_line(&mut line).ok()?;
            print!("{line}");
            (!line.is_empty()).then_some((child, stdin, stdout))
        });
        if started.is_none() {
            println!("{python} has no librosa and torchaudio: no peers");
        }
        Peers(started)
    }

    /// Runs one round; without peers it takes no time.
    fn run(&mut self, library: &str, row: &str) -> Duration {
        let Some((_, stdin, stdout)) = &mut self.0 else { return Duration::ZERO };
        writeln!(stdin, "{library} {row}").unwrap();
        stdin.flush().unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Duration::from_secs_f64(line.trim().parse().unwrap())
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        if let Some((mut child, stdin, _)) = self.0.take() {
            drop(stdin); // The process exits at the end of its input.
            let _ = child.wait();
        }
    }
}
