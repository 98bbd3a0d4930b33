//! Draws clips such that every class, and every clip of a class, has its turn.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use crate::manifest::ClipEntry;
use crate::random::epoch_order;

/// The clips to draw from.
pub(super) struct Deck<'a> {
    /// The clips of each class, and those that are still to be drawn before any is drawn again.
    classes: Vec<(Vec<&'a ClipEntry>, Vec<usize>)>,
    /// The classes that are still to be drawn from.
    turns: Vec<usize>,
    rng: ChaCha8Rng,
}

impl<'a> Deck<'a> {
    /// A deck of at least one clip.
    pub fn new(clips: &[&'a ClipEntry], rng: ChaCha8Rng) -> Self {
        let mut classes: BTreeMap<Option<usize>, Vec<&ClipEntry>> = BTreeMap::new();
        for clip in clips {
            classes.entry(clip.label()).or_default().push(clip);
        }
        Self { classes: classes.into_values().map(|clips| (clips, Vec::new())).collect(), turns: Vec::new(), rng }
    }

    /// The next clip.
    pub fn draw(&mut self) -> &'a ClipEntry {
        let class = next(&mut self.turns, self.classes.len(), &mut self.rng);
        let (clips, left) = &mut self.classes[class];
        clips[next(left, clips.len(), &mut self.rng)]
    }
}

/// The next of a random order of `0..n`, which is drawn again when none is left.
fn next(left: &mut Vec<usize>, n: usize, rng: &mut ChaCha8Rng) -> usize {
    if left.is_empty() {
        *left = epoch_order(n, rng);
    }
    left.pop().unwrap_or(0)
}
