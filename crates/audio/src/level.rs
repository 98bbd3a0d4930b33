//! The criterion for silent clips.

/// -80 dB of full scale, 3 steps of a 16-bit sample.
pub const SILENCE: f32 = 1e-4;

/// Whether a clip whose samples lie between these two is silent: it deviates by less than
/// [`SILENCE`] to either side, whatever its DC offset.
///
/// ```
/// use earmark_audio::is_silent;
/// assert!(is_silent(0.0, 0.0) && is_silent(0.5, 0.5001));
/// assert!(!is_silent(-0.001, 0.001));
/// ```
pub fn is_silent(lowest: f32, highest: f32) -> bool {
    highest - lowest < 2.0 * SILENCE
}
