//! The mel scale and the bank of triangular filters on it.
//!
//! Source: `librosa.filters.mel`, `hz_to_mel` and `mel_to_hz` (0.11); Slaney, Auditory Toolbox
//! (1998), and HTK's formula after O'Shaughnessy (1987). Kaldi's bands:
//! `torchaudio.compliance.kaldi.get_mel_banks` (2.11).

use crate::{Bands, MelSettings, Norm};

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

/// One triangle: its weights from bin `first` on, each twice, padded with a zero to an even number
/// of bins.
struct Band {
    first: usize,
    weights: Vec<f64>,
}

/// `n_mels` triangular filters over `n_fft / 2 + 1` bins, stored without their zeros.
pub(crate) struct MelBank {
    bands: Vec<Band>,
}

impl MelBank {
    /// Builds the filter bank; the settings must be valid. As in librosa, a band that is narrower
    /// than the spacing of the bins may be all zeros.
    pub(crate) fn new(settings: &MelSettings) -> Self {
        let bands = (0..settings.n_mels).map(|m| {
            let (first, weights) = triangle(settings, m);
            let filled = weights.len().next_multiple_of(2);
            let weights = weights.into_iter().chain(std::iter::repeat(0.0)).take(filled);
            Band { first, weights: weights.flat_map(|weight| [f64::from(weight); 2]).collect() }
        });
        MelBank { bands: bands.collect() }
    }

    /// Applies the filters to the spectra of two frames: `[bins + 1, 2]` to two times `[n_mels]`.
    /// Returns the greatest value of all bands.
    pub(crate) fn apply(&self, spectra: &[[f64; 2]], mel: &mut [Vec<f32>; 2]) -> f32 {
        let [first, second] = mel;
        apply_bands(&self.bands, spectra, first, second) as f32
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn apply_bands(bands: &[Band], spectra: &[[f64; 2]], first: &mut [f32], second: &mut [f32]) -> f64 {
    // Powers that overflow 32 bits are clipped to the largest finite value.
    const LOUDEST: f64 = f32::MAX as f64;
    let mut greatest = 0.0;
    for (band, (first, second)) in bands.iter().zip(first.iter_mut().zip(second)) {
        let mut sums = [0.0; 4];
        let bins = spectra[band.first..].as_flattened().chunks_exact(4);
        for (bins, weights) in bins.zip(band.weights.chunks_exact(4)) {
            for ((sum, bin), weight) in sums.iter_mut().zip(bins).zip(weights) {
                *sum += bin * weight;
            }
        }
        let powers = [(sums[0] + sums[2]).min(LOUDEST), (sums[1] + sums[3]).min(LOUDEST)];
        (*first, *second) = (powers[0] as f32, powers[1] as f32);
        greatest = powers[0].max(powers[1]).max(greatest);
    }
    greatest
}

impl MelSettings {
    /// The filters of the mel bands, as `librosa.filters.mel` returns them. The settings must be
    /// valid.
    ///
    /// # Shape
    /// `[n_mels, n_fft / 2 + 1]`, row-major.
    ///
    /// ```
    /// use earmark_features::MelSettings;
    /// let settings = MelSettings { n_fft: 512, n_mels: 10, ..MelSettings::default() };
    /// let filters = settings.mel_filters();
    /// assert_eq!(filters.len(), 10 * 257);
    /// assert!(filters.iter().all(|weight| *weight >= 0.0));
    /// ```
    pub fn mel_filters(&self) -> Vec<f32> {
        let bins = self.n_fft / 2 + 1;
        let mut filters = vec![0.0; self.n_mels * bins];
        for (m, row) in filters.chunks_exact_mut(bins).enumerate() {
            let (first, weights) = triangle(self, m);
            row.iter_mut().skip(first).zip(weights).for_each(|(out, weight)| *out = weight);
        }
        filters
    }
}

/// The first bin of band `m`, and the weights from there on.
fn triangle(settings: &MelSettings, m: usize) -> (usize, Vec<f32>) {
    match settings.bands {
        Bands::Librosa => of_librosa(settings, m),
        Bands::Kaldi => of_kaldi(settings, m),
    }
}

/// A triangle over Hz, in 32 bits as in librosa.
fn of_librosa(settings: &MelSettings, m: usize) -> (usize, Vec<f32>) {
    let bin_hz = f64::from(settings.sr) / settings.n_fft as f64;
    let lowest = hz_to_mel(f64::from(settings.fmin), settings.htk);
    let highest = hz_to_mel(f64::from(settings.upper_edge()), settings.htk);
    let step = (highest - lowest) / (settings.n_mels + 1) as f64;
    let [left, peak, right] = [m, m + 1, m + 2].map(|m| mel_to_hz(lowest + step * m as f64, settings.htk));
    let (first, weights) = positive(settings.n_fft / 2 + 1, |bin| {
        let hz = bin as f64 * bin_hz;
        ((hz - left) / (peak - left)).min((right - hz) / (right - peak))
    });
    let scale = match settings.norm {
        Norm::Slaney => 2.0 / (right - left),
        Norm::None => 1.0,
        Norm::P(p) => 1.0 / weights.iter().map(|weight| weight.powf(p.into())).sum::<f64>().powf(1.0 / f64::from(p)),
    };
    (first, weights.into_iter().map(|weight| (weight * scale) as f32).collect())
}

/// A triangle over mel. Its steps are rounded to 32 bits where torchaudio's are: at the foot of a
/// triangle, rounding is a few percent of the weight, and networks were trained with it.
fn of_kaldi(settings: &MelSettings, m: usize) -> (usize, Vec<f32>) {
    let mel = |hz: f64| 1127.0 * (1.0 + hz / 700.0).ln();
    let lowest = mel(settings.fmin.into());
    let step = (mel(settings.upper_edge().into()) - lowest) / (settings.n_mels + 1) as f64;
    let [left, peak, right] = [m, m + 1, m + 2].map(|m| m as f32 * step as f32 + lowest as f32);
    let bin_hz = settings.sr as f32 / settings.n_fft as f32;
    let rounded_mel = |hz: f32| 1127.0 * f64::from(1.0 + hz / 700.0).ln() as f32;
    // torchaudio has no bin at half the rate.
    let (first, weights) = positive(settings.n_fft / 2, |bin| {
        let at = rounded_mel(bin as f32 * bin_hz);
        f64::from(((at - left) / (peak - left)).min((right - at) / (right - peak)))
    });
    (first, weights.into_iter().map(|weight| weight as f32).collect())
}

/// The first of `bins` bins with a positive weight, and the weights from there on while they are
/// positive.
fn positive(bins: usize, weight: impl Fn(usize) -> f64) -> (usize, Vec<f64>) {
    let first = (0..bins).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
    (first, (first..bins).map(weight).take_while(|&weight| weight > 0.0).collect())
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
    fn both_frames_are_weighed_alike() {
        let settings = MelSettings { n_fft: 401, n_mels: 20, fmax: Some(11_025.0), ..MelSettings::default() };
        let (bank, bins) = (MelBank::new(&settings), 201);
        let spectra: Vec<[f64; 2]> = (0..bins + 1).map(|bin| [(0.3 * bin as f64).cos(), bin as f64]).collect();
        let mut mel = [vec![0.0; 20], vec![0.0; 20]];
        let greatest = bank.apply(&spectra, &mut mel);
        for (frame, bands) in mel.iter().enumerate() {
            for (m, band) in bands.iter().enumerate() {
                let (first, weights) = triangle(&settings, m);
                let bins = weights.iter().zip(&spectra[first..]);
                let sum: f64 = bins.map(|(weight, bin)| f64::from(*weight) * bin[frame]).sum();
                assert!((f64::from(*band) - sum).abs() <= 1e-7 * sum.abs(), "band {m}: {band}, not {sum}");
            }
        }
        assert_eq!(greatest, mel[1].iter().copied().fold(0.0, f32::max));
    }
}
