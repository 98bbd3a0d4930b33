//! Power to decibels.

/// Power to decibels in place: `10 log10(max(amin, power) / ref)`, then nothing lower than `top_db` below the greatest.
///
/// # Units
/// In: power; out: dB relative to `reference`. `reference` and `amin` above 0.
///
/// Source: `librosa.power_to_db` (0.11).
///
/// ```
/// let mut power = [1.0, 0.1, 1e-12];
/// earmark_features::power_to_db(&mut power, 1.0, 1e-10, Some(80.0));
/// assert!((power[1] + 10.0).abs() < 1e-12);
/// assert_eq!(power[2], -80.0);
/// ```
pub fn power_to_db(power: &mut [f64], reference: f64, amin: f64, top_db: Option<f64>) {
    let offset = 10.0 * reference.max(amin).log10();
    let mut greatest = f64::NEG_INFINITY;
    for value in power.iter_mut() {
        *value = 10.0 * value.max(amin).log10() - offset;
        greatest = greatest.max(*value);
    }
    if let Some(top_db) = top_db {
        let floor = greatest - top_db;
        power.iter_mut().for_each(|value| *value = value.max(floor));
    }
}
