//! Short files per second of [`Tagger::tag_files`], beside what decoding, front ends and ONNX
//! Runtime alone take for the same files with the same threads.
//!
//! `cargo bench -p earmark-tagging --bench files -- MODEL SOUNDS [FILES] [THREADS]`: the folders of
//! a model and of sounds, each of which is taken as often as needed for so many files (2,000).
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use earmark_audio::{Limits, decode, is_sound_file, resample};
use earmark_features::Features;
use earmark_tagging::{Bundle, Learner, Model, Parallelism, Signature, Tagger};

/// Windows per run of a network, as in the tagger.
const BATCH: usize = 16;
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [model, sounds, rest @ ..] = &arguments[..] else { panic!("which model, and which sounds?") };
    let number = |at: usize| rest.get(at).map(|word| word.parse::<usize>().unwrap());
    let (count, threads) = (number(0).unwrap_or(2_000), number(1).unwrap_or(2));
    let mut found = sounds_in(sounds.as_ref());
    found.sort_unstable();
    let paths: Vec<PathBuf> = found.iter().cycle().take(count).cloned().collect();

    let tagger = Tagger::open(model.as_ref(), Parallelism::split(threads, paths.len())).unwrap();
    let mut parts = Parts::open(model.as_ref(), threads);
    // In turn, so that a busy moment of the machine affects both.
    let (mut whole, mut alone) = (f64::INFINITY, [f64::INFINITY; 3]);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        tagger.tag_files(&paths, |_, tagged| tagged.map(|_| ())).unwrap();
        whole = whole.min(start.elapsed().as_secs_f64());
        for (best, seconds) in alone.iter_mut().zip(parts.seconds(&paths, threads)) {
            *best = best.min(seconds);
        }
    }
    let sum: f64 = alone.iter().sum();
    let per_file = |seconds: f64| 1e3 * seconds * threads as f64 / count as f64;
    println!("{count} files, {threads} threads, the best of {ROUNDS} rounds");
    println!("{:<14} {:>8} {:>16} {:>8}", "", "files/s", "ms of a thread", "share");
    for (name, seconds) in ["decoding", "front ends", "ONNX Runtime"].into_iter().zip(alone) {
        println!("{name:<14} {:>8} {:>16.2} {:>7.0}%", "", per_file(seconds), 100.0 * seconds / sum);
    }
    println!("{:<14} {:>8.1} {:>16.2}", "these alone", count as f64 / sum, per_file(sum));
    println!("{:<14} {:>8.1} {:>16.2}   ratio {:.3}", "tag_files", count as f64 / whole, per_file(whole), sum / whole);
}

fn sounds_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| match path.is_dir() {
        true => sounds_in(&path),
        false => Some(path).filter(|path| is_sound_file(path)).into_iter().collect(),
    };
    entries.flat_map(of).collect()
}

/// What the files need, without the tagger.
struct Parts {
    bundle: Bundle,
    /// The networks of each thread, by learner.
    networks: Vec<Mutex<Vec<Vec<Model>>>>,
}

impl Parts {
    fn open(folder: &Path, threads: usize) -> Self {
        let (bundle, files) = Bundle::read(folder).unwrap();
        let load = |learner: &Learner| {
            let (channels, bins) = learner.features.shape();
            let frames = learner.windows.least_frames.is_none().then_some(learner.windows.frames);
            let signature = Signature::network(channels, bins, frames, bundle.labels.len());
            let network = |file: &str| Model::load(file, &files[file], 1, signature.clone()).unwrap();
            learner.networks.iter().map(|of| network(&of.file)).collect::<Vec<_>>()
        };
        let of_thread = |_| Mutex::new(bundle.learners.iter().map(load).collect());
        let networks = (0..threads).map(of_thread).collect();
        Self { bundle, networks }
    }

    /// Seconds for decoding and resampling, for the front ends, and for ONNX Runtime. Few files are
    /// in memory at once.
    fn seconds(&mut self, paths: &[PathBuf], threads: usize) -> [f64; 3] {
        let mut sums = [0.0; 3];
        let learners = &self.bundle.learners;
        let extractors: Vec<_> = learners.iter().map(|learner| learner.features.extractor().unwrap()).collect();
        for paths in paths.chunks(200) {
            let mut timed = |part: usize, start: Instant| sums[part] += start.elapsed().as_secs_f64();
            let start = Instant::now();
            let clips = each(paths, threads, |_, path| {
                let clip = decode(path, &Limits::default()).unwrap();
                let of = |learner: &Learner| resample(&clip, learner.features.sample_rate()).unwrap().samples.clone();
                learners.iter().map(of).collect::<Vec<_>>()
            });
            timed(0, start);
            let start = Instant::now();
            let features: Vec<Vec<Features>> = each(&clips, threads, |_, clip| {
                extractors.iter().zip(clip).map(|(extractor, samples)| extractor.extract(samples).unwrap()).collect()
            });
            timed(1, start);
            let start = Instant::now();
            each(&features, threads, |thread, features| self.run(thread, features));
            timed(2, start);
        }
        sums
    }

    fn run(&self, thread: usize, features: &[Features]) {
        let mut networks = self.networks[thread].lock().unwrap();
        for ((learner, models), features) in self.bundle.learners.iter().zip(&mut *networks).zip(features) {
            let view = features.view();
            let frames = learner.windows.length(view);
            for (network, model) in learner.networks.iter().zip(models) {
                let scaling = network.scaling.of_clip(view);
                for starts in learner.windows.starts(view).chunks(BATCH) {
                    let x = learner.windows.cut(view, scaling.as_deref(), starts);
                    model.run(&x, [starts.len(), view.channels(), view.bins(), frames]).unwrap();
                }
            }
        }
    }
}

/// Processes items with threads, which take the next one when they are free.
fn each<T: Sync, U: Send>(items: &[T], threads: usize, process: impl Fn(usize, &T) -> U + Sync) -> Vec<U> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, done, process) = (&next, &done, &process);
            scope.spawn(move || {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = process(thread, item);
                    done.lock().unwrap().push(result);
                }
            });
        }
    });
    done.into_inner().unwrap()
}
