//! The clips to generate.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::dsp::chance;
use super::options::SynthOptions;
use super::sources::CLASSES;
use crate::random::{key, stream};

/// A clip to generate.
pub(super) struct Task {
    pub name: String,
    /// The classes of its sources, sorted.
    pub classes: Vec<usize>,
    pub rng: ChaCha8Rng,
}

/// `n` clips that cycle through the classes, sorted by name. `first` is the index of the first one
/// among all clips.
pub(super) fn tasks(options: &SynthOptions, part: &str, first: usize, n: usize) -> Vec<Task> {
    let seed = options.seed;
    let task = |i: usize| Task {
        // The odd factor makes the names unique, and shuffles the classes.
        name: format!("{:08x}.wav", ((first + i) as u32).wrapping_mul(0x9e37_79b1).wrapping_add(0x3c6e_f372)),
        classes: match options.multi_label {
            false => vec![i % CLASSES.len()],
            true => classes(i % CLASSES.len(), &mut stream(seed, &[key("synth"), key("sources"), key(part), i as u64])),
        },
        rng: stream(seed, &[key("synth"), key(part), i as u64]),
    };
    let mut tasks: Vec<Task> = (0..n).map(task).collect();
    tasks.sort_by(|a, b| a.name.cmp(&b.name));
    tasks
}

/// One class in 35 % of the clips, two in 39 %, three in 26 %.
fn classes(first: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut classes = vec![first];
    while classes.len() < 3 && chance(rng, if classes.len() == 1 { 0.65 } else { 0.4 }) {
        let class = rng.random_range(0..CLASSES.len() as u32) as usize;
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    classes.sort_unstable();
    classes
}
