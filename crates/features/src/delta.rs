//! Local slope and curvature of features over time.

/// Frames that a delta looks at: librosa's default.
pub const DELTA_WIDTH: usize = 9;
const HALF: usize = DELTA_WIDTH / 2;

/// Least-squares slope of a line through nine values: `k / sum(k^2)`.
const SLOPE: [f64; DELTA_WIDTH] = divided([-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0], 60.0);
/// Second derivative of the least-squares parabola through nine values (Savitzky and Golay, 1964).
const CURVATURE: [f64; DELTA_WIDTH] = divided([28.0, 7.0, -8.0, -17.0, -20.0, -17.0, -8.0, 7.0, 28.0], 462.0);

const fn divided(mut weights: [f64; DELTA_WIDTH], by: f64) -> [f64; DELTA_WIDTH] {
    let mut k = 0;
    while k < DELTA_WIDTH {
        weights[k] /= by;
        k += 1;
    }
    weights
}

/// Delta (`order` 1) or delta-delta (`order` 2) of one row of frames.
///
/// The Savitzky-Golay derivative over nine frames, polynomial order = derivative order. Within four frames of an end it
/// is that of the first or last nine frames. librosa refuses fewer than nine frames; we repeat the end frames there
/// (librosa's `mode="nearest"`), so that short clips have features too.
///
/// # Shape
/// `row` and `out`: `[frames]`.
/// # Units
/// Those of `row` per frame, or per frame squared.
///
/// Source: `librosa.feature.delta` (0.11), `scipy.signal.savgol_filter`.
///
/// ```
/// let ramp: Vec<f32> = (0..20).map(|t| 3.0 * t as f32).collect();
/// let mut slope = vec![0.0; 20];
/// earmark_features::delta(&ramp, 1, &mut slope);
/// assert!(slope.iter().all(|d| (d - 3.0).abs() < 1e-5));
/// ```
pub fn delta(row: &[f32], order: u8, out: &mut [f32]) {
    let weights = if order == 1 { &SLOPE } else { &CURVATURE };
    let frames = row.len().min(out.len());
    if frames < DELTA_WIDTH {
        for (t, out) in out.iter_mut().enumerate().take(frames) {
            let at = |k: usize| row[(t + k).saturating_sub(HALF).min(frames - 1)];
            *out = (0..DELTA_WIDTH).map(|k| weights[k] * f64::from(at(k))).sum::<f64>() as f32;
        }
        return;
    }
    for (out, around) in out[HALF..].iter_mut().zip(row[..frames].windows(DELTA_WIDTH)) {
        *out = around.iter().zip(weights).map(|(x, w)| f64::from(*x) * w).sum::<f64>() as f32;
    }
    let (first, last) = (out[HALF], out[frames - 1 - HALF]);
    out[..HALF].fill(first);
    out[frames - HALF..frames].fill(last);
}
