//! The discrete cosine transform that turns bands into cepstral coefficients.

use std::f64::consts::PI;

/// The rows of the orthonormal DCT of type II.
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

/// Multiplies by [`dct_matrix`] with three eighths of the multiplications.
///
/// An even-numbered row is symmetric, and its first half is a row of a transform of half the size;
/// an odd-numbered row is antisymmetric. So odd rows depend only on the differences of mirrored
/// bands, and even rows only on their sums; this is applied recursively.
pub(crate) struct Cepstrum {
    pub(crate) n_mfcc: usize,
    /// The rows that depend on the differences of the bands, then of their sums, then of the sums
    /// of sums, and so on; the last part depends on the remaining sums.
    parts: Vec<DctRows>,
}

/// The number of bands below which folding no longer pays off.
const SMALLEST: usize = 32;

impl Cepstrum {
    pub(crate) fn new(n_mfcc: usize, n_mels: usize) -> Self {
        let rows = dct_matrix(n_mfcc, n_mels);
        let entry = |k: usize, m: usize| rows[k * n_mels + m];
        let (mut parts, mut bands, mut step) = (Vec::new(), n_mels, 1);
        while bands.is_multiple_of(2) && bands >= SMALLEST {
            let half = bands / 2;
            parts.push(DctRows::new(step, 2 * step, n_mfcc, half, |k, at| entry(k, half - 1 - at)));
            (bands, step) = (half, 2 * step);
        }
        parts.push(DctRows::new(0, step, n_mfcc, bands, entry));
        Cepstrum { n_mfcc, parts }
    }

    /// Overwrites `bands`, `[n_mels]`; `out` is `[n_mfcc]`.
    pub(crate) fn apply(&self, bands: &mut [f64], out: &mut [f64]) {
        let mut rest = bands;
        for (number, part) in self.parts.iter().enumerate() {
            if number + 1 == self.parts.len() {
                return part.apply(rest, out);
            }
            let (sums, differences) = rest.split_at_mut(rest.len() / 2);
            for (first, last) in sums.iter_mut().zip(differences.iter_mut().rev()) {
                (*first, *last) = (*first + *last, *first - *last);
            }
            part.apply(differences, out);
            rest = sums;
        }
    }
}

/// Coefficients computed at once.
const LANES: usize = 16;

/// Some rows of the matrix, over some bands.
struct DctRows {
    /// The first row, and the step from one row to the next.
    first: usize,
    step: usize,
    /// `[bands, LANES]` for each chunk of [`LANES`] rows.
    columns: Vec<f64>,
    bands: usize,
}

impl DctRows {
    fn new(first: usize, step: usize, n_mfcc: usize, bands: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let rows: Vec<usize> = (first..n_mfcc).step_by(step).collect();
        let mut columns = Vec::new();
        for some in rows.chunks(LANES) {
            for at in 0..bands {
                columns.extend((0..LANES).map(|lane| some.get(lane).map_or(0.0, |k| entry(*k, at))));
            }
        }
        DctRows { first, step, columns, bands }
    }

    fn apply(&self, bands: &[f64], out: &mut [f64]) {
        let mut rows = out.iter_mut().skip(self.first).step_by(self.step);
        for columns in self.columns.chunks_exact(LANES * self.bands) {
            weighted_sums(bands, columns).into_iter().zip(rows.by_ref()).for_each(|(sum, out)| *out = sum);
        }
    }
}

/// `[bands]` times `[bands, LANES]`.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn weighted_sums(bands: &[f64], columns: &[f64]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (band, weights) in bands.iter().zip(columns.chunks_exact(LANES)) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += band * weight;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_changes_nothing() {
        for (n_mfcc, n_mels) in [(1, 1), (3, 3), (13, 40), (20, 41), (64, 128), (90, 96), (128, 128)] {
            let bands: Vec<f64> = (0..n_mels).map(|m| (0.7 * m as f64).sin()).collect();
            let mut out = vec![f64::NAN; n_mfcc];
            Cepstrum::new(n_mfcc, n_mels).apply(&mut bands.clone(), &mut out);
            for (k, row) in dct_matrix(n_mfcc, n_mels).chunks_exact(n_mels).enumerate() {
                let sum: f64 = row.iter().zip(&bands).map(|(weight, band)| weight * band).sum();
                assert!((out[k] - sum).abs() < 1e-12, "{k} of {n_mfcc}, {n_mels} bands: {}, not {sum}", out[k]);
            }
        }
    }
}
