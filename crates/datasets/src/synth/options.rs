//! Options of the synthetic data set.

/// Options of the synthetic data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynthOptions {
    /// The seed. The same seed gives the same bytes on every machine.
    pub seed: u64,
    /// Training clips, at least five per class.
    pub train_clips: usize,
    /// Test clips.
    pub test_clips: usize,
    /// Whether each clip is a mixture of one to three sources, with a label for each.
    pub multi_label: bool,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self { seed: 2018, train_clips: 360, test_clips: 120, multi_label: false }
    }
}
