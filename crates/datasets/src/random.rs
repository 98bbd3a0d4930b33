//! Random numbers that are the same on every machine and in every version.
//!
//! Each use has a separate stream, identified by keys: the crop of clip 17 in epoch 3 draws from
//! `stream(seed, &[key("crop"), 3, 17])`. So neither the order of the work nor the number of
//! threads affects a draw, and a killed run resumes with the same numbers as if it had not been
//! interrupted.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator for one purpose of a run. The same seed and keys always give the same numbers; a
/// different number, value or order of keys gives others.
pub fn stream(seed: u64, keys: &[u64]) -> ChaCha8Rng {
    let mut state = splitmix(seed);
    for key in keys {
        state = splitmix(state ^ key);
    }
    state = splitmix(state ^ keys.len() as u64);
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        state = splitmix(state);
        chunk.copy_from_slice(&state.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// A name as a key of [`stream`]: 64-bit FNV-1a of its bytes.
pub fn key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// `0..n` in random order: the clips of an epoch.
pub fn epoch_order(n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(rng);
    order
}

/// A factor from `1 / (1 + most)` to `1 + most`, log-uniformly distributed.
pub fn log_uniform(most: f32, rng: &mut ChaCha8Rng) -> f32 {
    (rng.random_range(-1.0_f32..=1.0) * most.max(0.0).ln_1p()).exp()
}

/// One step of splitmix64 (Steele, Lea, Flood 2014), which maps similar inputs to unrelated
/// outputs.
fn splitmix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;
    use std::collections::BTreeSet;

    #[test]
    fn key_is_fnv_1a() {
        // From the test vectors of the draft "The FNV Non-Cryptographic Hash Algorithm".
        assert_eq!(key(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(key("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(key("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn numbers_are_those_of_another_implementation() {
        // The crops, folds and mixup of every run depend on these numbers, so they must not change
        // between versions or machines.
        let golden = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/random/streams.csv"));
        for row in golden.lines().skip(1) {
            let fields: Vec<&str> = row.split(',').collect();
            let number = |text: &str| text.parse::<u64>().unwrap();
            let keys: Vec<u64> = fields[1].split_whitespace().map(number).collect();
            let mut stream = stream(number(fields[0]), &keys);
            assert_eq!([stream.next_u64(), stream.next_u64()], [number(fields[2]), number(fields[3])], "{row}");
        }
        assert_eq!(golden.lines().count(), 6);
    }

    #[test]
    fn other_keys_give_other_numbers() {
        let keys: [&[u64]; 8] = [&[], &[0], &[0, 0], &[1], &[1, 2], &[2, 1], &[3], &[0, 1, 2]];
        let first = |seed| keys.map(|keys| stream(seed, keys).next_u64());
        let all: BTreeSet<u64> = (0..50).flat_map(first).collect();
        assert_eq!(all.len(), 50 * keys.len());
    }

    #[test]
    fn an_epoch_holds_every_clip_once() {
        let mut order = epoch_order(100, &mut stream(1, &[]));
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
