//! The cosine transform that turns bands into cepstral coefficients.

use std::f64::consts::PI;

/// Rows of the orthonormal cosine transform of type II.
///
/// # Shape
/// `[n_mfcc, n_mels]`, row-major.
///
/// Source: `scipy.fftpack.dct(type=2, norm="ortho")`, as `librosa.feature.mfcc` uses it.
///
/// ```
/// let rows = earmark_features::dct_matrix(2, 4);
/// assert!(rows[..4].iter().all(|w| (w - 0.5).abs() < 1e-12));
/// ```
pub fn dct_matrix(n_mfcc: usize, n_mels: usize) -> Vec<f64> {
    let n = n_mels as f64;
    let entry = |k: usize, m: usize| {
        let scale = if k == 0 { 1.0 / n } else { 2.0 / n };
        scale.sqrt() * (PI * k as f64 * (2 * m + 1) as f64 / (2.0 * n)).cos()
    };
    (0..n_mfcc).flat_map(|k| (0..n_mels).map(move |m| entry(k, m))).collect()
}
