//! The mel scale and the bank of triangular filters on it.
//!
//! Source: `librosa.filters.mel`, `hz_to_mel` and `mel_to_hz` (0.11); Slaney, Auditory Toolbox (1998), and HTK's formula
//! after O'Shaughnessy (1987).

use crate::{MelSettings, Norm};

/// Slaney's scale is linear up to here, 15 mel, then logarithmic.
const BREAK_HZ: f64 = 1000.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Slaney's logarithmic part: 27 mel for a factor of 6.4.
const LOG_STEP: f64 = 0.068_751_777_420_949_12;

/// Hertz to mel, on HTK's scale or Slaney's.
///
/// ```
/// assert!((earmark_features::hz_to_mel(60.0, false) - 0.9).abs() < 1e-12);
/// assert!((earmark_features::hz_to_mel(60.0, true) - 92.681_858).abs() < 1e-6);
/// ```
pub fn hz_to_mel(hz: f64, htk: bool) -> f64 {
    if htk {
        2595.0 * (1.0 + hz / 700.0).log10()
    } else if hz >= BREAK_HZ {
        BREAK_HZ / HZ_PER_MEL + (hz / BREAK_HZ).ln() / LOG_STEP
    } else {
        hz / HZ_PER_MEL
    }
}

/// Mel to hertz, the inverse of [`hz_to_mel`].
///
/// ```
/// assert!((earmark_features::mel_to_hz(3.0, false) - 200.0).abs() < 1e-12);
/// ```
pub fn mel_to_hz(mel: f64, htk: bool) -> f64 {
    let break_mel = BREAK_HZ / HZ_PER_MEL;
    if htk {
        700.0 * (10f64.powf(mel / 2595.0) - 1.0)
    } else if mel >= break_mel {
        BREAK_HZ * (LOG_STEP * (mel - break_mel)).exp()
    } else {
        HZ_PER_MEL * mel
    }
}

/// One triangle: its weights from bin `first` on; all others are 0.
struct Band {
    first: usize,
    weights: Vec<f64>,
}

/// Triangular filters, `n_mels` of them over `n_fft / 2 + 1` bins, kept without their zeros.
///
/// # Units
/// With Slaney's norm the weights are per Hz; with none they are at most 1.
pub struct MelBank {
    bands: Vec<Band>,
}

impl MelBank {
    /// The bank of valid settings. As in librosa, a band narrower than the distance of two bins may be all zero.
    ///
    /// ```
    /// use earmark_features::{MelBank, MelSettings};
    /// let bank = MelBank::new(&MelSettings::default());
    /// let mut mel = [0.0; 64];
    /// bank.apply(&vec![1.0; 883], &mut mel);
    /// assert!(mel.iter().all(|band| *band > 0.0));
    /// ```
    pub fn new(settings: &MelSettings) -> Self {
        let bins = settings.n_fft / 2 + 1;
        let bin_hz = f64::from(settings.sr) / settings.n_fft as f64;
        let lowest = hz_to_mel(f64::from(settings.fmin), settings.htk);
        let highest = hz_to_mel(f64::from(settings.upper_edge()), settings.htk);
        let step = (highest - lowest) / (settings.n_mels + 1) as f64;
        let edge = |m: usize| mel_to_hz(lowest + step * m as f64, settings.htk);
        let band = |m: usize| {
            let (left, peak, right) = (edge(m), edge(m + 1), edge(m + 2));
            let scale = if settings.norm == Norm::Slaney { 2.0 / (right - left) } else { 1.0 };
            let weight = |bin: usize| {
                let hz = bin as f64 * bin_hz;
                ((hz - left) / (peak - left)).min((right - hz) / (right - peak)).max(0.0) * scale
            };
            let first = (0..bins).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
            // librosa keeps its bank in 32 bits.
            let weights = (first..bins).map(weight).take_while(|&w| w > 0.0).map(|w| f64::from(w as f32)).collect();
            Band { first, weights }
        };
        MelBank { bands: (0..settings.n_mels).map(band).collect() }
    }

    /// Bands of the bank.
    pub fn n_mels(&self) -> usize {
        self.bands.len()
    }

    /// Weighs one frame's spectrum into bands.
    ///
    /// # Shape
    /// `spectrum`: `n_fft / 2 + 1` bins; `mel`: `n_mels` bands. Bins or bands beyond what is there are left out.
    pub fn apply(&self, spectrum: &[f64], mel: &mut [f64]) {
        for (out, band) in mel.iter_mut().zip(&self.bands) {
            let bins = spectrum.get(band.first..).unwrap_or_default();
            *out = dot(bins, &band.weights);
        }
    }
}

/// Four running sums, which the compiler turns into vector instructions; one sum it may not reorder.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let (a, b) = (a[..n].chunks_exact(4), b[..n].chunks_exact(4));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 4];
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    rest + sums.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scales_have_an_inverse() {
        for htk in [false, true] {
            for hz in [0.0, 1.0, 440.0, 999.0, 1000.0, 1001.0, 11_025.0, 22_050.0] {
                assert!((mel_to_hz(hz_to_mel(hz, htk), htk) - hz).abs() < 1e-8, "{hz} Hz, htk {htk}");
            }
        }
        assert!((LOG_STEP - 6.4f64.ln() / 27.0).abs() < 1e-15);
    }

    #[test]
    fn a_dot_product_of_any_length() {
        for n in 0..20 {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            assert_eq!(dot(&a, &a), a.iter().map(|x| x * x).sum::<f64>(), "length {n}");
        }
    }
}
