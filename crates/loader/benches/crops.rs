//! Training batches from a warm cache: crops per second, with mixup and scaling, on two threads
//! that share the batches of an epoch; best of five rounds of 4,096 crops.
//!
//! `EARMARK_ESC10=FOLDER cargo bench -p earmark-loader --bench crops`
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::path::Path;
use std::time::Instant;

use earmark_datasets::sound_files;
use earmark_features::{FrontEnd, InputScaling, Scaling};
use earmark_features::{Padding, WindowAggregation, Windowing};
use earmark_loader::{
    Augmentation, Batch, BatchSettings, Batches, Example, FeatureCache, FeatureRequest, LoadReport, Mixup, Sampling,
};
use rayon::prelude::*;

const ROUNDS: usize = 5;
const CROPS: usize = 4096;
const BATCH: usize = 64;

fn main() {
    let Some(folder) = std::env::var_os("EARMARK_ESC10") else { return println!("EARMARK_ESC10 is not set: skipped") };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, two) = (pool(1), pool(2));
    let place = tempfile::tempdir().unwrap();
    let paths = sound_files(Path::new(&folder)).unwrap();
    let sums: Vec<String> = paths.iter().map(|path| earmark_files::sha256_file(path).unwrap()).collect();
    let clips: Vec<(&Path, &str)> = paths.iter().zip(&sums).map(|(path, sum)| (path.as_path(), sum.as_str())).collect();
    println!("crops per second, mixup, batches of {BATCH}, {} clips", clips.len());
    println!("{:<24} {:>11} {:>12} {:>20}", "", "one thread", "two threads", "two share each batch");
    let (logmel, wave) = (FrontEnd::logmel(), FrontEnd::wave());
    let fixed = InputScaling::Fixed(Scaling { mean: vec![-40.0, 0.0, 0.0], deviation: vec![20.0, 1.0, 1.0] });
    for (name, front_end, frames, scaling) in
        [("log-mel 3x64x150", &logmel, 150, &fixed), ("wave 66,150", &wave, 66_150, &InputScaling::None)]
    {
        for half in [false, true] {
            let cache = FeatureCache::open(&place.path().join("cache"), half).unwrap();
            let request = FeatureRequest { front_ends: vec![front_end], ..FeatureRequest::default() };
            let report = cache.load(&clips, &request, || {}).unwrap();
            let examples = examples(&sums, &report);
            let windowing = Windowing {
                frames,
                hop: frames,
                padding: Padding::Zero,
                pad_value: 0.0,
                average: WindowAggregation::Probabilities,
                least_frames: None,
            };
            let settings = BatchSettings {
                classes: 41,
                task: earmark_datasets::Task::SingleLabel,
                windowing: &windowing,
                scaling,
                augmentation: Augmentation::default(),
                mixup: Mixup { alpha: 3.0 },
                label_smoothing: 0.0,
                unverified_weight: 1.0,
                sampling: Sampling::Shuffled,
                batch_size: BATCH,
                seed: 0,
                keys: [0, 0],
                parallel: false,
            };
            let apart = Batches::new(&examples, settings);
            let shared = Batches::new(&examples, BatchSettings { parallel: true, ..settings });
            let mut best = [0.0f64; 3];
            for _ in 0..ROUNDS {
                for (best, (pool, batches, share)) in
                    best.iter_mut().zip([(&one, &apart, false), (&two, &apart, false), (&two, &shared, true)])
                {
                    *best = best.max(pool.install(|| speed(batches, share)));
                }
            }
            let name = format!("{name}, {} bits", if half { 16 } else { 32 });
            println!("{name:<24} {:>11.0} {:>12.0} {:>20.0}", best[0], best[1], best[2]);
        }
    }
}

fn examples<'a>(names: &'a [String], report: &'a LoadReport) -> Vec<Example<'a>> {
    let clips = names.iter().zip(&report.clips).enumerate();
    clips
        .map(|(clip, (name, loaded))| {
            let features = loaded.as_ref().unwrap().features[0].view();
            Example { name, features, labels: vec![clip % 41].leak(), verified: true }
        })
        .collect()
}

/// Crops per second over some epochs; each thread has its own batch buffer.
fn speed(batches: &Batches<'_>, shared: bool) -> f64 {
    let mut work = Vec::new();
    for epoch in 0.. {
        for (index, members) in batches.epoch(epoch).into_iter().enumerate() {
            work.push((epoch, index, members));
        }
        if work.len() * BATCH >= CROPS {
            break;
        }
    }
    let start = Instant::now();
    let make = |work: &[(usize, usize, Vec<usize>)]| -> usize {
        let mut batch = Batch::default();
        let crops = work.iter().map(|(epoch, index, members)| {
            batches.fill(*epoch, *index, members, &mut batch);
            batch.members.len()
        });
        crops.sum()
    };
    let threads = if shared { 1 } else { rayon::current_num_threads() };
    let crops: usize = work.par_chunks(work.len().div_ceil(threads)).map(make).sum();
    crops as f64 / start.elapsed().as_secs_f64()
}
