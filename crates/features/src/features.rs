//! Features of a clip.

/// Features of one clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The values, row-major `[frames, channels, bins]`: a frame's values side by side. dB,
    /// coefficients or samples.
    pub data: Vec<f32>,
    /// Channels: the features, their deltas, their delta-deltas.
    pub channels: usize,
    /// Bands or coefficients; 1 for the wave.
    pub bins: usize,
    /// Frames; samples for the wave.
    pub frames: usize,
}
