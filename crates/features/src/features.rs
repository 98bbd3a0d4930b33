//! The features of a clip.

/// The features of one clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The values, row-major `[frames, channels, bins]`, so that a frame is contiguous: dB,
    /// coefficients or samples.
    pub data: Vec<f32>,
    /// Channels: the features, their deltas, their delta-deltas.
    pub channels: usize,
    /// Bands or coefficients; 1 for the waveform.
    pub bins: usize,
    /// Frames; samples for the waveform.
    pub frames: usize,
}
