//! Power to decibels, or to natural logarithms.

use std::f64::consts::{LN_2, LOG10_E, SQRT_2};

use crate::{MelSettings, Reference};

/// The parameters of the conversion of power to decibels, or to natural logarithms.
pub(crate) struct LogScale {
    /// The unit: decibels of a natural logarithm, or 1.
    factor: f64,
    amin: f64,
    offset: f64,
    /// The reference in decibels.
    reference: f64,
    floor: f64,
}

impl LogScale {
    pub(crate) fn decibels(reference: f64, amin: f64, top_db: Option<f64>, greatest: f64) -> Self {
        let factor = 10.0 * LOG10_E;
        let mut scale = LogScale { factor, amin, offset: 0.0, reference: 0.0, floor: f64::NEG_INFINITY };
        scale.reference = scale.of(reference);
        scale.floor = top_db.map_or(f64::NEG_INFINITY, |top_db| scale.of(greatest) - top_db);
        scale
    }

    /// The conversion for these settings and a clip with this greatest power, if the settings
    /// depend on it.
    pub(crate) fn of_clip(settings: &MelSettings, greatest: f32) -> Self {
        if let Some(offset) = settings.log_offset {
            let (amin, floor) = (0.0, f64::NEG_INFINITY);
            return LogScale { factor: 1.0, amin, offset: offset.into(), reference: 0.0, floor };
        }
        let reference = match settings.r#ref {
            Reference::Max => greatest,
            Reference::Power(power) => power,
        };
        let top_db = settings.top_db.map(f64::from);
        LogScale::decibels(f64::from(reference), f64::from(settings.amin), top_db, f64::from(greatest))
    }

    /// Converts a power, 0 or more and finite.
    #[inline(always)]
    pub(crate) fn of(&self, power: f64) -> f64 {
        (self.factor * ln(power.max(self.amin) + self.offset) - self.reference).max(self.floor)
    }

    /// Converts many powers.
    pub(crate) fn of_all(&self, powers: &[f32], out: &mut [f64]) {
        of_all(self, powers, out);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn of_all(scale: &LogScale, powers: &[f32], out: &mut [f64]) {
    for (out, power) in out.iter_mut().zip(powers) {
        *out = scale.of(f64::from(*power));
    }
}

/// The natural logarithm of a positive, normal number, within 2e-14. It has no branches, so that a
/// loop over bands is vectorized (the C library's takes five times as long).
#[inline(always)]
fn ln(x: f64) -> f64 {
    const ONE: u64 = 1.0f64.to_bits();
    const LOWEST: u64 = (SQRT_2 / 2.0).to_bits();
    const FRACTION: u64 = (1 << 52) - 1;
    // x = 2^k m with m from sqrt(1/2) to sqrt(2); k is extracted from the double 2^52 + k + 1023,
    // whose last bits are k + 1023.
    let bits = x.to_bits().wrapping_add(ONE - LOWEST);
    let two_52 = (1u64 << 52) as f64;
    let k = f64::from_bits((bits >> 52) | two_52.to_bits()) - (two_52 + 1023.0);
    let m = f64::from_bits((bits & FRACTION) + LOWEST);
    // ln m = 2 artanh s, as a series.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let (z2, z4) = (z * z, z * z * z * z);
    let low = (2.0 + 2.0 / 3.0 * z) + (2.0 / 5.0 + 2.0 / 7.0 * z) * z2;
    let high = (2.0 / 9.0 + 2.0 / 11.0 * z) + (2.0 / 13.0 + 2.0 / 15.0 * z) * z2;
    k * LN_2 + s * (low + high * z4)
}

/// Converts power to decibels in place: `10 log10(max(amin, power) / ref)`, then clipped at
/// `top_db` below the maximum.
///
/// # Units
/// In: power, 0 or more; out: dB relative to `reference`. `reference` and `amin` above 0.
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
    let greatest = power.iter().copied().fold(0.0, f64::max);
    let scale = LogScale::decibels(reference, amin, top_db, greatest);
    power.iter_mut().for_each(|value| *value = scale.of(*value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_the_c_librarys() {
        let powers =
            (-370..=385).flat_map(|db| [1.0, 1.01, 1.3, 1.999].map(|by| by * 10f64.powf(f64::from(db) / 10.0)));
        for x in powers.chain([1.0, SQRT_2, SQRT_2 / 2.0, f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE)]) {
            assert!((ln(x) - x.ln()).abs() < 2e-14 * x.ln().abs().max(1.0), "{x}");
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
